"""A past with somebody else's beside it."""

from __future__ import annotations

import pytest

from connector.store.sql.database import SqlDatabase
from connector.store.sql.tenant import TenantStore
from tests.store.kit import fill


@pytest.fixture
async def store(either: SqlDatabase) -> TenantStore:
    """One filled tenant beside another, whose rows must never be seen."""
    await fill(either.tenant("other"))
    filled = await fill(either.tenant("main"))
    return filled.store
