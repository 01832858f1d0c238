"""From SQLite to PostgreSQL: everything comes along."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from connector.errors import StoreError
from connector.store import open_database
from connector.store.moving.move import Progress
from connector.store.moving.tables import NOT_MOVED, matched
from connector.store.moving.target import Target
from connector.store.sqlite.database import Database
from tests.store.moving.kit import EVENTS, is_closed, is_sealed, judge, moved, populate, serves


async def test_every_row_of_every_table_comes_along_and_the_new_place_serves(
    path: Path, postgres_url: str
) -> None:
    await populate(path)
    seen: list[Progress] = []
    told = await moved(path, postgres_url, report=seen.append)
    judge(path, postgres_url, told)
    assert told.rows["event"] == EVENTS + 2
    assert list(dict.fromkeys(one.phase for one in seen)) == ["copy", "compare", "switch"]
    await serves(postgres_url)


async def test_no_table_and_no_column_is_forgotten(path: Path, postgres_url: str) -> None:
    """One that a later migration adds is moved, or named in NOT_MOVED with its reason."""
    await Database(path).close()
    database = open_database(postgres_url)
    await database.open()
    await database.close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        names = {
            name
            for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if not name.startswith("sqlite_")
        }
        with contextlib.closing(Target(postgres_url)) as end:
            there = end.columns()
        tables = {table.name: table for table in matched(file, there)}
        assert names - set(tables) <= set(NOT_MOVED)
        for name, table in tables.items():
            needed = {row[1] for row in file.execute(f"PRAGMA table_info({name})")}
            assert set(table.columns) == needed
            # A column that only PostgreSQL has would get its default, whatever it means.
            assert set(there[name]) == needed, name
    assert all(NOT_MOVED.values())


@pytest.mark.parametrize("what", ["a table", "a column"])
async def test_what_has_no_place_in_the_target_is_refused_before_anything_is_copied(
    path: Path, postgres_url: str, what: str
) -> None:
    await populate(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute(
            "CREATE TABLE extra (id INTEGER PRIMARY KEY)"
            if what == "a table"
            else "ALTER TABLE event ADD COLUMN extra TEXT"
        )
    with pytest.raises(StoreError, match="PostgreSQL has no place") as caught:
        await moved(path, postgres_url)
    assert ("extra: id" if what == "a table" else "event: extra") in caught.value.message
    assert not is_sealed(path)


async def test_a_table_without_a_key_is_refused(path: Path, postgres_url: str) -> None:
    await Database(path).close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE extra (id INTEGER)")
    with pytest.raises(StoreError, match="no key by which"):
        await moved(path, postgres_url)


async def test_a_value_that_postgres_cannot_hold_stops_the_move_and_names_its_row(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 5)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE event SET type = 'a' || char(0) || 'b' WHERE id = 2")
    with pytest.raises(StoreError, match="NUL character") as caught:
        await moved(path, postgres_url)
    assert "event" in caught.value.message
    assert "id 2" in caught.value.message
    assert not is_sealed(path)
    assert await is_closed(postgres_url)
