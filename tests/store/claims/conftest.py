"""Two processes on one database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connector.store.postgres.database import Database
from tests.store.kit import NOW, connection_row


@pytest.fixture
async def one(postgres_url: str) -> AsyncIterator[Database]:
    """A process that has joined."""
    async for database in _joined(postgres_url, "one"):
        for tenant in ("main", "quiet"):
            await database.tenant(tenant).ensure(NOW)
            await database.tenant(tenant).save_connection(connection_row(tenant))
        yield database


@pytest.fixture
async def two(postgres_url: str, one: Database) -> AsyncIterator[Database]:
    """Another one on the same database."""
    async for database in _joined(postgres_url, "two"):
        yield database


async def _joined(url: str, name: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.open()
    await database.claims.join(name)
    yield database
    await database.close()
