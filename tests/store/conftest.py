from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import NOW, connection_row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "connector.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database(path)
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database) -> TenantStore:
    """The store of a tenant that has one connection."""
    store = database.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main"))
    return store
