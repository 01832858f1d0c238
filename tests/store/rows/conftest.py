"""Rows are the same in each kind of database."""

from __future__ import annotations

import pytest

from connector.store.sql.database import SqlDatabase


@pytest.fixture
def database(either: SqlDatabase) -> SqlDatabase:
    """Each kind of database in turn."""
    return either
