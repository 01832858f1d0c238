"""The back end for several machines: one PostgreSQL database."""
