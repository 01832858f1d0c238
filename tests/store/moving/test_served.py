"""A move of what is being served: nothing is lost, and never are both in use."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from connector.errors import StoreError, StoreOwned
from connector.store import open_database
from connector.store.moving.move import Move, Progress
from connector.store.moving.source import Source, give_up
from connector.store.moving.target import place_of
from connector.store.sqlite.database import Database
from tests.store.kit import NOW, event_row
from tests.store.moving.kit import SEED, Server, is_closed, is_sealed, judge, moved, populate


async def test_a_server_goes_on_accepting_until_it_is_stopped_and_nothing_of_it_is_lost(
    path: Path, postgres_url: str
) -> None:
    await populate(path)
    server = Server(path, random.Random(SEED))
    loop = asyncio.get_running_loop()
    waited = asyncio.Event()
    phases: list[str] = []

    def report(progress: Progress) -> None:
        # The server works between any two portions, on its own thread, and the move sees it.
        phases.append(progress.phase)
        for _ in range(3):
            asyncio.run_coroutine_threadsafe(server.work(), loop).result(30)
        if progress.phase == "wait" and phases.count("wait") > 2:
            loop.call_soon_threadsafe(waited.set)

    def pause(_: float) -> None:
        if waited.is_set():
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)

    served = Move(path, postgres_url, report=lambda p: p.phase != "switch" and report(p),
                  pause=pause)  # fmt: skip
    told = await asyncio.to_thread(served.run)
    assert phases.count("copy") > 10
    assert phases.count("compare") > 10
    judge(path, postgres_url, told)
    database = open_database(postgres_url)
    await database.open()
    for delivery in server.accepted:
        assert await database.tenant("main").event_of("conn-main", delivery) is not None, delivery
    await database.close()


async def test_while_a_server_has_the_file_nothing_is_switched(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 10)
    database = Database(path)
    database.own()
    holders = []

    class Enough(Exception):
        pass

    def pause(_: float) -> None:
        raise Enough

    move = Move(path, postgres_url, report=lambda one: holders.append(one.holder), pause=pause)
    with pytest.raises(Enough):
        await asyncio.to_thread(move.run)
    assert f"process (number {os.getpid()})" in holders[-1]
    assert not is_sealed(path)
    assert await is_closed(postgres_url)
    await database.close()


async def test_a_command_that_still_has_the_file_open_can_write_nothing_into_it_any_more(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 10)
    beside = Database(path)
    await moved(path, postgres_url)
    store = beside.tenant("main")
    for write in (
        store.accept(event_row("main", "late")),
        store.set_connection_status("conn-main", "reconnect"),
        store.save_flow("late", "late", NOW, enable=True),
        beside.ping(),
    ):
        with pytest.raises(StoreError, match="was moved to the PostgreSQL database"):
            await write
    await beside.close()


async def test_a_moved_file_is_refused_and_names_the_new_place_without_credentials(
    path: Path, postgres_url: str
) -> None:
    await populate(path, 10)
    await moved(path, postgres_url)
    with pytest.raises(StoreError, match="was moved to") as caught:
        Database(path)
    assert place_of(postgres_url) in caught.value.message
    assert "CONNECTOR_DATABASE" in caught.value.remedy
    assert place_of("postgresql://me:hunter2@db.example:5433/hub?sslmode=require") == (
        "the PostgreSQL database hub on db.example:5433"
    )
    again = await moved(path, postgres_url)
    assert again.rows["event"] == 12
    with pytest.raises(StoreError, match="was moved, for good"):
        give_up(path)


def test_the_lock_of_a_server_is_what_the_move_waits_for(path: Path) -> None:
    """The wait must not be satisfied by a file that merely is not locked by SQLite."""
    from connector.store.sqlite.files import Ownership

    first, second = Ownership(path), Ownership(path)
    first.take()
    with pytest.raises(StoreOwned):
        second.take()
    first.free()


async def test_notes_never_begin_anew_when_they_are_dropped(path: Path) -> None:
    await populate(path, 3)
    source = Source(path)
    source.begin()
    for number in range(3):
        source.file.execute("UPDATE counter SET value = value + 1 WHERE name = 'ping'")
        assert source.last_change() == number + 1
        source.drop_changes(number + 1)
    source.close()
