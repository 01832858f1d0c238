"""Durable accepts: `TenantStore.accept` by 32 callers at once, beside bare `sqlite3`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Row, Size, Target, folder, in_pairs, run_loop
from bench.world import event
from connector.codec import encode_text
from connector.store.rows import EventRow
from connector.store.sqlite.database import Database
from connector.store.sqlite.files import open_connection

CALLERS = 32
COUNT = 16_000
INSERT = (
    "INSERT INTO event (tenant, connection_id, delivery_id, type, resource, operation, account,"
    " happened_at, ids, received_at, state) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)


def measure(size: Size) -> list[Row]:
    """Accepts a second, ours and bare."""
    count = size.of(COUNT)
    pairs = in_pairs(size.rounds, lambda: _ours(count), lambda: _bare(count))
    return [
        Row(
            bench="accepts",
            what=f"durable accepts, {CALLERS} at once",
            figure=pairs.figure,
            unit="/s",
            reference=pairs.base,
            reference_what=f"bare sqlite3, {CALLERS} rows a commit",
            ratio=pairs.ratio,
            target=Target("at least", 0.5, of="ratio"),
        )
    ]


def _events(count: int) -> list[EventRow]:
    return [event("con_bench", place) for place in range(count)]


def _ours(count: int) -> float:
    with folder() as place:
        return run_loop(_accept(place, _events(count)))


async def _accept(place: Path, events: Sequence[EventRow]) -> float:
    database = Database(place / "ours.db")
    store = database.tenant("main")
    await store.ensure(0)
    todo = iter(events)

    async def caller() -> None:
        for one in todo:
            await store.accept(one)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    seconds = time.perf_counter() - start
    await database.close()
    return len(events) / seconds


def _bare(count: int) -> float:
    """The same table and settings with nothing around: a plain loop, 32 rows a commit."""
    rows = [
        (
            one.tenant, one.connection_id, one.delivery_id, one.type, one.resource, one.operation,
            one.account, one.happened_at, encode_text(one.ids), one.received_at, one.state,
        )
        for one in _events(count)
    ]  # fmt: skip
    with folder() as place:
        run_loop(_empty(place))
        connection = open_connection(place / "bare.db")
        start = time.perf_counter()
        for first in range(0, count, CALLERS):
            connection.execute("BEGIN IMMEDIATE")
            for row in rows[first : first + CALLERS]:
                connection.execute(INSERT, row)
            connection.execute("COMMIT")
        seconds = time.perf_counter() - start
        connection.close()
    return count / seconds


async def _empty(place: Path) -> None:
    await Database(place / "bare.db").close()
