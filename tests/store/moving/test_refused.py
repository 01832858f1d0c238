"""A move that is refused, planned or given up leaves both ends as they were."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.codec import encode
from connector.errors import StoreError
from connector.store import open_database
from connector.store.moving.move import Move, Progress
from connector.store.moving.source import give_up
from connector.store.moving.target import Target
from tests.store.kit import NOW
from tests.store.moving.kit import EVENTS, is_closed, is_sealed, judge, moved, populate


@pytest.mark.parametrize("what", ["foreign tables", "rows of ours", "another file's move"])
async def test_a_target_that_is_not_empty_is_refused_and_left_as_it_is(
    path: Path, postgres_url: str, what: str
) -> None:
    await populate(path, 10)
    if what == "foreign tables":
        with psycopg.connect(postgres_url) as server:
            server.execute("CREATE TABLE invoices (id INTEGER)")
    elif what == "rows of ours":
        database = open_database(postgres_url)
        await database.open()
        await database.tenant("main").ensure(NOW)
        await database.close()
    else:
        other = path.with_name("other.db")
        await populate(other, 3)
        with pytest.raises(ZeroDivisionError):
            await moved(other, postgres_url, report=lambda one: 1 / (one.phase != "compare"))
    with psycopg.connect(postgres_url) as server:
        query = "SELECT relname, n_live_tup FROM pg_stat_user_tables ORDER BY 1"
        before = server.execute(query).fetchall()
    for work in (Move(path, postgres_url).run, Move(path, postgres_url).plan):
        with pytest.raises(StoreError, match=r"is not empty|another file") as caught:
            await asyncio.to_thread(work)
        assert caught.value.who == "user"
    with psycopg.connect(postgres_url) as server:
        assert [row[0] for row in server.execute(query)] == [row[0] for row in before]
    assert not is_sealed(path)


async def test_writes_that_the_database_does_not_know_yet_hold_the_switch_up(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 10)
    journal = path.with_suffix(".effects")
    journal.write_bytes(encode({"key": "k"}) + b"\n")
    with pytest.raises(StoreError, match="does not know yet"):
        await moved(path, postgres_url, side_journal=journal)
    assert not is_sealed(path)
    journal.write_bytes(b"")
    judge(path, postgres_url, await moved(path, postgres_url, side_journal=journal))


async def test_a_missing_file_is_refused_and_not_made(path: Path, postgres_url: str) -> None:
    with pytest.raises(StoreError, match="There is no database"):
        await moved(path, postgres_url)
    assert not path.exists()


async def test_an_address_that_nobody_answers_is_an_error_without_the_password(path: Path) -> None:
    await populate(path, 1)
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        await moved(path, "postgresql://me:hunter2@127.0.0.1:1/hub")
    assert "hunter2" not in f"{caught.value}{caught.value.__cause__}"


async def test_rows_that_were_changed_behind_the_move_are_found(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 60)

    def meddle(progress: Progress) -> None:
        if progress.phase == "compare" and progress.done == 0:
            with psycopg.connect(postgres_url) as server:
                server.execute("UPDATE effect SET request = '' WHERE key = 'key 5'")

    with pytest.raises(StoreError, match="differ after they were copied") as caught:
        await moved(path, postgres_url, report=meddle)
    assert "key 5" in caught.value.message
    assert not is_sealed(path)


@pytest.mark.parametrize("end", ["file", "target"])
async def test_rows_too_many_are_found_before_the_switch(
    path: Path, postgres_url: str, end: str
) -> None:
    await populate(path, 60)

    def meddle(progress: Progress) -> None:
        if progress.phase != "switch":
            return
        if end == "target":
            with psycopg.connect(postgres_url) as server:
                server.execute("INSERT INTO tenant VALUES ('smuggled', 0)")
            return
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("DROP TRIGGER move_tenant_insert")
            file.execute("INSERT INTO tenant VALUES ('smuggled', 0)")

    with pytest.raises(StoreError, match="nothing was switched"):
        await moved(path, postgres_url, report=meddle)
    assert not is_sealed(path)
    assert await is_closed(postgres_url)


async def test_a_migration_in_the_middle_of_a_move_is_noticed(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 10)
    with pytest.raises(ZeroDivisionError):
        await moved(path, postgres_url, report=lambda one: 1 / (one.phase != "compare"))
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE extra (id INTEGER PRIMARY KEY)")
    with pytest.raises(StoreError, match="other tables"):
        await moved(path, postgres_url)


# --- plans, giving up ----------------------------------------------------------------------------


async def test_a_plan_counts_and_changes_nothing(path: Path, postgres_url: str) -> None:
    await populate(path)
    before = schema(path)
    plan = await asyncio.to_thread(Move(path, postgres_url).plan)
    assert plan.rows["event"] == EVENTS + 2
    assert plan.seconds > 0
    assert not plan.continues
    assert schema(path) == before
    with psycopg.connect(postgres_url) as server:
        assert server.execute("SELECT count(*) FROM pg_stat_user_tables").fetchone() == (0,)


def schema(path: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()


async def test_a_move_that_is_given_up_leaves_the_file_as_it_was(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 10)
    before = schema(path)
    with pytest.raises(ZeroDivisionError):
        await moved(path, postgres_url, report=lambda one: 1 / (one.phase != "compare"))
    assert schema(path) != before
    plan = await asyncio.to_thread(Move(path, postgres_url).plan)
    assert plan.continues
    give_up(path)
    assert schema(path) == before
    with pytest.raises(StoreError, match="given up"):
        await moved(path, postgres_url)


async def test_two_moves_at_once_into_one_database_are_refused(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 10)
    with contextlib.closing(Target(postgres_url)), pytest.raises(StoreError, match="Another proc"):
        await moved(path, postgres_url)
