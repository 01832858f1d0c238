"""An installation with a row of everything, its move, and how both ends are judged."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

from connector.errors import StoreError
from connector.store import open_database
from connector.store.moving.move import Move, Moved
from connector.store.moving.tables import Table, digest, matched
from connector.store.moving.target import Target
from connector.store.sqlite.database import Database
from tests.store.kit import NOW, effect_row, event_row, fill, run_row, step_row

SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
EVENTS = 120


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
