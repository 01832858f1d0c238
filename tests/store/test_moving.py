"""From SQLite to PostgreSQL: everything comes along, whatever happens on the way, and once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.codec import encode
from connector.errors import StoreError, StoreOwned
from connector.store import open_database
from connector.store.moving import source as source_room
from connector.store.moving.move import Move, Moved, Progress
from connector.store.moving.source import Source, give_up
from connector.store.moving.tables import NOT_MOVED, Table, digest, matched
from connector.store.moving.target import SEEDED, Target, place_of
from connector.store.sqlite.database import Database
from tests.store.kit import NOW, effect_row, event_row, fill, run_row, step_row

SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
KILLS = int(os.environ.get("CONNECTOR_CHAOS_MOVES", "20"))
EVENTS = 120


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small installation takes many steps."""
    monkeypatch.setattr(source_room, "MOST_ROWS", 20)
    monkeypatch.setattr(source_room, "MOST_CHANGES", 15)


async def populate(path: Path, events: int = EVENTS) -> None:
    """Two tenants, every table with rows, open and ended work, odd values."""
    database = Database(path)
    await database.set_instance("canary", b"\x00\xff of the key")
    await database.set_instance("root", bytes(range(256)))
    for name in ("main", "other"):
        filled = await fill(database.tenant(name))
    store = database.tenant("main")
    flow = (await store.flows())[0]
    await store.save_flow("sync", "its second document", NOW, enable=None)
    for number in range(events):
        event = event_row("main", f"d {number} é€🙂'\"\\", received_at=NOW + number / 7)
        event.id = await store.accept(event) or 0
        if number % 3 == 0:
            continue
        event.state = "matched"
        run = run_row(
            "main", event.id, flow_id=flow.id, item_id=str(number),
            context={"money": "0.10", "text": "à" * number, "n": None},
            state=["succeeded", "waiting", "parked"][number % 3],
            finished_at=None if number % 3 == 1 else NOW + 0.1,
        )  # fmt: skip
        (run,) = await store.match(event, [run])
        await store.record_step(run, step_row(run.id))
        await store.save_effect(
            effect_row("main", run.id, key=f"key {number}", request=os.urandom(50))
        )
    assert filled.run
    await database.close()
    fill_rest(path)


def fill_rest(path: Path) -> None:
    """A row in every table that later releases have added and nobody has filled yet."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            if file.execute(f"SELECT 1 FROM {name}").fetchone():
                continue
            told = file.execute(f"PRAGMA table_info({name})").fetchall()
            made = {"TEXT": "{}", "INTEGER": 7, "REAL": 7.5, "BLOB": b"\x00"}
            marks = ",".join("?" * len(told))
            file.execute(
                f"INSERT INTO {name} VALUES ({marks})", [made[row[2].upper()] for row in told]
            )


def rows_of_file(path: Path, tables: tuple[Table, ...]) -> dict[str, Counter[Any]]:
    with contextlib.closing(sqlite3.connect(path)) as file:
        return {
            table.name: Counter(
                table.fitted(row)
                for row in file.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")
            )
            for table in tables
        }


def rows_of_postgres(url: str, tables: tuple[Table, ...]) -> dict[str, Counter[Any]]:
    with psycopg.connect(url) as server:
        return {
            table.name: Counter(
                table.fitted(row)
                for row in server.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")
            )
            for table in tables
        }


def tables_of(path: Path, url: str) -> tuple[Table, ...]:
    with contextlib.closing(sqlite3.connect(path)) as file, contextlib.closing(Target(url)) as end:
        return matched(file, end.columns())


def judge(path: Path, url: str, moved: Moved) -> None:
    """Both hold the same, and what the move says of it is true of both."""
    tables = tables_of(path, url)
    ours, theirs = rows_of_file(path, tables), rows_of_postgres(url, tables)
    assert ours == theirs
    assert all(ours.values()), "every table has rows in this test"
    assert moved.rows == {name: sum(rows.values()) for name, rows in ours.items()}
    for name, rows in theirs.items():
        total = sum(digest(row) * many for row, many in rows.items()) % (1 << 128)
        assert moved.checksums[name] == f"{total:032x}", name


async def moved(path: Path, url: str, **more: Any) -> Moved:
    return await asyncio.to_thread(Move(path, url, **more).run)


async def serves(url: str) -> None:
    """The new place is open: rows can be read and made, with new numbers."""
    database = open_database(url)
    await database.open()
    try:
        store = database.tenant("main")
        highest = (await store.events(limit=1))[0].id
        made = await store.accept(event_row("main", "after the move"))
        assert made is not None
        assert made > highest
        flow = await store.save_flow("second", "a document", NOW, enable=False)
        assert flow.id > max(one.id for one in await store.flows() if one.key != "second")
    finally:
        await database.close()


def is_sealed(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path)) as file:
        try:
            return file.execute("SELECT 1 FROM move WHERE name = 'moved_to'").fetchone() is not None
        except sqlite3.OperationalError:
            return False


async def is_closed(url: str) -> bool:
    database = open_database(url)
    try:
        await database.open()
    except StoreError as error:
        return "being moved" in error.message
    finally:
        await database.close()
    return False


# --- everything comes along ---------------------------------------------------------------------


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


# --- while it is served --------------------------------------------------------------------------


class Server:
    """Somebody who serves the file and goes on accepting, changing and removing."""

    def __init__(self, path: Path, draw: random.Random, name: str = "live") -> None:
        self.database = Database(path)
        self.database.own()
        self.store = self.database.tenant("main")
        self.draw = draw
        self.name = name
        self.accepted: list[str] = []

    async def work(self) -> None:
        number = len(self.accepted)
        event = event_row("main", f"{self.name} {number}", received_at=NOW + number)
        event.id = await self.store.accept(event) or 0
        self.accepted.append(event.delivery_id)
        draw = self.draw.random()
        if draw < 0.5:
            event.state = "matched"
            flow = (await self.store.flows())[0]
            runs = await self.store.match(event, [run_row("main", event.id, flow_id=flow.id)])
            await self.store.record_step(runs[0], step_row(runs[0].id))
            await self.store.save_effect(
                effect_row("main", runs[0].id, key=event.delivery_id, state="sending")
            )
            key = f"key {self.draw.randrange(EVENTS)}"
            old = await self.store.effect(key) or effect_row("main", runs[0].id, key=key)
            await self.store.save_effect(old)
        elif draw < 0.6:
            key = f"flow {self.draw.randrange(5)}"
            await self.store.save_flow(key, f"document {number}", NOW, enable=True)
        elif draw < 0.7:
            await self.store.start_consent(f"consent {event.delivery_id}", {}, NOW + 1e9)
        elif draw < 0.8:
            taken = self.draw.randrange(number + 1)
            await self.store.take_consent(f"consent {self.name} {taken}", NOW)
        else:
            await self.store.reopen_event(self.draw.randrange(1, EVENTS))

    async def stop(self) -> None:
        await self.database.close()


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


# --- what is refused -----------------------------------------------------------------------------


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


# --- kill -9 -------------------------------------------------------------------------------------

DEADLY = """
import json, os, signal, sys
from pathlib import Path
from connector.store.moving import source
from connector.store.moving.move import Move
source.MOST_ROWS, source.MOST_CHANGES = 20, 15
path, url = Path(sys.argv[1]), sys.argv[2]

def go(limit):
    calls = switch = 0
    def report(progress):
        nonlocal switch
        if progress.phase == "switch":
            switch = calls
    def count(frame, event, arg):
        # Every call in and out of this room: into SQLite and PostgreSQL too.
        nonlocal calls
        if event in ("call", "c_call", "c_return") and "/moving/" in frame.f_code.co_filename:
            calls += 1
            if calls == limit:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(count)
    Move(path, url, report=report).run()
    sys.setprofile(None)
    return [calls, switch]

for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(go(int(line))).encode())
        finally:
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    told = os.read(reading, 100).decode()
    os.close(reading)
    print(json.dumps([status, told]), flush=True)
"""


@pytest.fixture
def deadly(path: Path, postgres_url: str) -> Any:
    """Runs the move in a process that kills itself at its n-th call; 0 lets it live.

    Gives how it ended; and if it did by itself, how many calls it made, and until the switch.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", DEADLY, str(path), postgres_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def go(limit: int) -> tuple[int, list[int]]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{limit}\n")
        process.stdin.flush()
        status, told = json.loads(process.stdout.readline())
        return status, json.loads(told or "[]")

    yield go
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_killed_anywhere_it_goes_on_and_never_are_both_in_use(
    path: Path, postgres_url: str, deadly: Callable[[int], tuple[int, list[int]]]
) -> None:
    draw = random.Random(SEED)
    await populate(path)
    copy = path.read_bytes()
    status, (total, switch) = deadly(0)
    assert status == 0
    assert 1_000 < switch < total
    reset(path, postgres_url, copy)
    # Half of them in the short time in which everything is decided.
    points = draw.sample(range(1, switch), KILLS // 2)
    points = sorted(points) + draw.sample(range(switch, total + 1), KILLS - KILLS // 2)
    half_way = 0
    for number, point in enumerate(points):
        if point >= switch:
            # Whole from its beginning, so that the point is where it was counted.
            reset(path, postgres_url, copy)
        status, _ = deadly(point)
        half_way += status == signal.SIGKILL
        sealed, closed = is_sealed(path), await is_closed_or_empty(postgres_url)
        assert sealed or closed, f"seed {SEED}, point {point}: both are in use"
        if not sealed:
            # The server goes on between the tries, and its rows come along.
            server = Server(path, draw, f"after kill {number},")
            for _ in range(10):
                await server.work()
            await server.stop()
        if number % 3 == 0 or sealed or point >= switch:
            told = await moved(path, postgres_url)
            judge(path, postgres_url, told)
            assert not await is_closed_or_empty(postgres_url)
            await serves(postgres_url)
            reset(path, postgres_url, copy)
    judge(path, postgres_url, await moved(path, postgres_url))
    assert half_way > KILLS // 2, f"seed {SEED}: too few of the points were reached"


@pytest.mark.parametrize("place", ["seal", "open"])
async def test_broken_off_between_the_two_commits_one_place_at_most_is_in_use(
    path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    await populate(path, 10)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Source if place == "seal" else Target, place, die)
        with pytest.raises(KeyboardInterrupt):
            await moved(path, postgres_url)
    assert is_sealed(path) is (place == "open")
    assert await is_closed(postgres_url)
    judge(path, postgres_url, await moved(path, postgres_url))
    await serves(postgres_url)


def reset(path: Path, url: str, copy: bytes) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()
    path.write_bytes(copy)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("DROP SCHEMA public CASCADE")
        server.execute("CREATE SCHEMA public")


async def is_closed_or_empty(url: str) -> bool:
    """Whether no server could work there with what was moved."""
    with psycopg.connect(url) as server:
        names = {row[0] for row in server.execute("SELECT relname FROM pg_stat_user_tables")}
        if "move" in names:
            return await is_closed(url)
        return not names - set(SEEDED)


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
