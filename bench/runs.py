"""Flows of two steps that do nothing: what the engine and its journal cost by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path

from bench.figures import Pairs, Row, Size, Target, folder, in_pairs, run_loop
from bench.world import ALL, NOOP_FLOW, bench_catalog, bench_settings, event, open_bench, prepare
from connector.catalog import Catalog
from connector.runtime import Runtime
from connector.store import open_database
from connector.store.rows import EventRow, RunRow, StepRow
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database

COUNT = 10_000
MOST_ROUNDS = 4
CALLERS = 200


class Forgetful(TenantStore):
    """The store of a tenant that keeps nothing of runs: what is left is the engine."""

    _last = 0

    async def match(self, event: EventRow, runs: Iterable[RunRow]) -> list[RunRow]:
        fresh = list(runs)
        for run in fresh:
            self._last += 1
            run.id, run.fresh = self._last, True
        return fresh

    async def record_step(self, run: RunRow, step: StepRow) -> None:
        return None

    async def record_run(self, run: RunRow, step: StepRow | None = None) -> None:
        return None


class Told:
    """Collects what one round told, beside the runs a second."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.bytes = 0.0


def measure(size: Size) -> list[Row]:
    """Runs a second, and the journal's share: the same engine with and without it."""
    count = size.of(COUNT)
    catalog = bench_catalog()
    kept, forgot = Told(), Told()
    pairs = in_pairs(
        min(size.rounds, MOST_ROUNDS),
        lambda: _round(count, catalog, kept, keep=True),
        lambda: _round(count, catalog, forgot, keep=False),
    )
    # Both in the order of the rounds, so that noise of the machine hits both of a pair.
    cpu = Pairs(tuple(kept.cpu), tuple(forgot.cpu))
    return [
        Row(
            bench="runs",
            what="2-step flow, no-op steps",
            figure=pairs.figure,
            unit="runs/s",
            reference=pairs.base,
            reference_what="the same engine, nothing stored",
            ratio=pairs.ratio,
            target=Target("at least", 8_000),
        ),
        Row(
            bench="runs",
            what="CPU of the journal (all of a run less that of the engine alone)",
            figure=cpu.figure - cpu.base,
            unit="ms/run",
            reference=cpu.base,
            reference_what="the engine alone",
            ratio=(cpu.figure - cpu.base) / cpu.base,
            target=Target("at most", 0.15),
        ),
        Row(
            bench="runs",
            what="disk for a run and its 2 steps",
            figure=kept.bytes / 1024,
            unit="KB/run",
            target=Target("at most", 2),
        ),
    ]


def _round(count: int, catalog: Catalog, told: Told, *, keep: bool) -> float:
    with folder() as place:
        run_loop(_fill(place, count))
        before = _bytes(place)
        rate = run_loop(_drive(place, count, catalog, told, keep=keep))
        told.bytes = (_bytes(place) - before) / count
        return rate


async def _fill(place: Path, count: int) -> None:
    await accept_all(place, await prepare(place, NOOP_FLOW), count)


async def accept_all(place: Path, connection_id: str, count: int, url: str = "") -> None:
    """Store the events that the flow will run on."""
    database = open_database(bench_settings(place, url).database)
    await database.open()
    store = database.tenant("main")
    todo = iter([event(connection_id, number) for number in range(count)])

    async def caller() -> None:
        for one in todo:
            await store.accept(one)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await database.close()


async def _drive(place: Path, count: int, catalog: Catalog, told: Told, *, keep: bool) -> float:
    """Match every event and run its flow to the end, as a start after a crash would."""
    async with await open_bench(place, catalog) as runtime:
        if not keep:
            _make_forgetful(runtime)
        start, cpu = time.perf_counter(), time.process_time()
        await runtime.start()
        await runtime.settled()
        seconds = time.perf_counter() - start
        told.cpu.append((time.process_time() - cpu) / count * 1_000)
        if keep:
            done = (await runtime.counts(most=ALL))["run"]
            if done != {"succeeded": count}:
                raise RuntimeError(f"{count} runs were expected, there are {dict(done)}")
    return count / seconds


def _make_forgetful(runtime: Runtime) -> None:
    database: Database = runtime._database
    database._tenants["main"] = Forgetful("main", database)


def _bytes(place: Path) -> int:
    """The size of the closed file, whose log SQLite has folded in."""
    return bench_settings(place).database_path.stat().st_size  # type: ignore[union-attr]
