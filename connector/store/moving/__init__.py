"""Moving an installation from its SQLite file into a PostgreSQL database while it is served.

Triggers in the file note which rows change (`source`), so that all of it is copied and compared
online (`move`), and the stop at the end lasts as long as what changed in the last moment takes.
At no moment can both be served: the target is closed until the file is sealed.
"""
