"""The embedded back end: one SQLite file."""
