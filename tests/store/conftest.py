from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from connector.store.sql.database import SqlDatabase
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


Make = Callable[[], SqlDatabase]


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, path: Path) -> Make:
    """Opens a database of each kind in turn: what holds for one must hold for the other."""
    if request.param == "sqlite":
        return lambda: Database(path)
    from connector.store.postgres.database import Database as Postgres

    url = request.getfixturevalue("postgres_url")
    return lambda: Postgres(url)


@pytest.fixture
async def either(make: Make) -> AsyncIterator[SqlDatabase]:
    """One such database."""
    database = make()
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def store(either: SqlDatabase) -> TenantStore:
    """The store of a tenant that has one connection."""
    store = either.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main"))
    return store


@pytest.fixture
async def beside(make: Make, either: SqlDatabase) -> AsyncIterator[SqlDatabase]:
    """The same one, as another process sees it."""
    database = make()
    await database.open()
    yield database
    await database.close()
