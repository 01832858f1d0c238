"""Ten thousand tenants in one process: starting, resting, and one of them that makes noise."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.figures import Row, Size, Target, folder, percentile, run_loop
from bench.postgres import new_database, postgres
from bench.startup import resident
from bench.world import NOOP_FLOW, NOWHERE, event, open_bench
from connector.runtime import Runtime
from connector.store.rows import EventRow

TENANTS = 10_000
EVENTS_EACH = 2
NOISE = 5_000
OTHERS = 200
"""So many have an event while one of them has thousands."""
REST_SECONDS = 20.0
CALLERS = 64
COMMITS = (
    "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
)


@dataclass
class Told:
    """What one database has shown."""

    start: float = 0
    drained: float = 0
    memory: float = 0
    statements: float = 0
    processor: float = 0
    calm: tuple[float, float] = (0, 0)
    noisy: tuple[float, float] = (0, 0)
    backlog: float = 0


def measure(size: Size) -> list[Row]:
    """The same on SQLite and on PostgreSQL, each in a fresh process."""
    rows = _rows("SQLite", size, "")
    with postgres() as server:
        rows += _rows("PostgreSQL", size, new_database(server))
    return rows


def _rows(name: str, size: Size, url: str) -> list[Row]:
    tenants = size.of(TENANTS)
    with folder() as place:
        set_up = run_loop(_set_up(place, tenants, url))
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh) as pool:
            told = pool.submit(_apart, place, tenants, size, url).result()
    return [
        Row(
            bench="tenants",
            what=f"{tenants:,} tenants x {EVENTS_EACH} events from a cold start, {name}",
            figure=tenants * EVENTS_EACH / told.drained,
            unit="runs/s",
            note=f"started in {told.start:.2f} s, all runs succeeded after {told.drained:.0f} s; "
            f"{set_up * 1_000:.1f} ms to set one up; {told.memory:.0f} MB resident afterwards",
        ),
        Row(
            bench="tenants",
            what=f"statements while {tenants:,} tenants rest, {name}",
            figure=told.statements,
            unit="/min",
            target=Target("at most", 900),
            note=f"{told.processor:.1%} of a core",
        ),
        Row(
            bench="tenants",
            what=f"p99 wait of others beside one with {size.of(NOISE):,} events, {name}",
            figure=told.noisy[1],
            unit="ms",
            reference=told.calm[1],
            reference_what="without the one",
            ratio=told.noisy[1] / told.calm[1],
            target=Target("at most", 1_000),
            note=f"p50 {told.noisy[0]:.0f} ms, {told.calm[0]:.0f} ms without it; "
            f"the last of the one's own: {told.backlog * 1_000:,.0f} ms",
        ),
    ]


async def _set_up(place: Path, tenants: int, url: str) -> float:
    """Each through the library, as a platform does; gives the seconds of one."""
    async with await open_bench(place, url=url) as runtime:
        begun = time.perf_counter()
        todo = iter(range(tenants))

        async def caller() -> None:
            for number in todo:
                await _one(runtime, number)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return (time.perf_counter() - begun) / tenants


async def _one(runtime: Runtime, number: int) -> None:
    one = await runtime.for_tenant(f"t{number}")
    await one.connect_with_token("bench", "bench", "t0ken", {"address": NOWHERE})
    events = await one.connect_with_token(
        "fatture_in_cloud", "fatture", "t0ken", {"address": NOWHERE}
    )
    await one.apply_flow(NOOP_FLOW, enable=True)
    for again in range(EVENTS_EACH):
        place = number * EVENTS_EACH + again
        await runtime._database.tenant(one.tenant).accept(_event(number, events.id, place))


def _event(tenant: int, connection_id: str, place: int) -> EventRow:
    return replace(event(connection_id, place), tenant=f"t{tenant}")


def _apart(place: Path, tenants: int, size: Size, url: str) -> Told:
    return run_loop(_drive(place, tenants, size, url))


async def _drive(place: Path, tenants: int, size: Size, url: str) -> Told:
    told = Told()
    async with await open_bench(place, url=url) as runtime:
        counting = _Counting(runtime, 11 if size.scale > 0.01 else 0)
        begun = time.perf_counter()
        await runtime.start()
        told.start = time.perf_counter() - begun
        await runtime.settled()
        told.drained = time.perf_counter() - begun
        (ended,) = await runtime._database.all("SELECT count(*) FROM run WHERE state = 'succeeded'")
        if ended[0] != tenants * EVENTS_EACH:
            raise RuntimeError(f"{tenants * EVENTS_EACH} runs were expected, there are {ended[0]}")
        while await runtime._database.due("watches", time.time(), 1):  # noqa: ASYNC110
            # Each has just been set up, and is visited once.
            await asyncio.sleep(0.1)
        told.memory = resident(os.getpid())
        rest = max(0.5, REST_SECONDS * size.scale)
        before, since, spent = await counting.statements(), time.time(), time.process_time()
        await asyncio.sleep(rest)
        asked = await counting.statements() - before
        rest = time.time() - since
        told.statements = asked * 60 / rest
        told.processor = (time.process_time() - spent) / rest
        others = range(1, 1 + min(tenants - 1, size.of(OTHERS)))
        await _waits(runtime, dict.fromkeys(others, 1), 1_000_000)
        told.calm, _ = await _waits(runtime, dict.fromkeys(others, 1), 2_000_000)
        load = {0: size.of(NOISE), **dict.fromkeys(others, 1)}
        told.noisy, told.backlog = await _waits(runtime, load, 3_000_000)
    return told


async def _waits(
    runtime: Runtime, load: dict[int, int], first: int
) -> tuple[tuple[float, float], float]:
    """Accept so many events of each tenant, the first one's before all others.

    Gives the median and the 99th of a hundred of the others' milliseconds from accepting to the end
    of the run, and the seconds until the last of all.
    """
    database = runtime._database
    rows = await database.all(
        "SELECT tenant, id FROM connection WHERE app = 'fatture_in_cloud' AND tenant IN"
        f" ({','.join('?' * len(load))})",
        *(f"t{tenant}" for tenant in load),
    )
    connections = dict(rows)
    todo = iter([tenant for tenant, count in load.items() for _ in range(count)])
    places = itertools.count(first)

    async def caller() -> None:
        for tenant in todo:
            one = _event(tenant, connections[f"t{tenant}"], next(places))
            one.id = await database.tenant(one.tenant).accept(one) or 0
            runtime._drive.event(one)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await runtime.settled()
    # Those of this load: its deliveries are numbered from `first`.
    ended = await database.all(
        "SELECT run.tenant, run.finished_at - event.received_at FROM event JOIN run"
        " ON run.event_id = event.id WHERE event.delivery_id BETWEEN ? AND ?"
        " AND run.state = 'succeeded'",
        f"4711:{first:08d}",
        f"4711:{first + 999_999:08d}~",
    )
    if len(ended) != sum(load.values()):
        raise RuntimeError(f"{sum(load.values())} runs were expected, {len(ended)} succeeded")
    waits = [seconds * 1_000 for tenant, seconds in ended if tenant != "t0"]
    return (percentile(waits, 0.5), percentile(waits, 0.99)), max(one[1] for one in ended)


class _Counting:
    """Counts what is asked of the database."""

    def __init__(self, runtime: Runtime, lag: float) -> None:
        """A session of PostgreSQL tells what it has done after up to `lag` seconds."""
        self._lag = lag
        self._database: Any = runtime._database
        self._count = 0
        if self._database.claims is None:
            for name in ("all", "aside", "write"):
                setattr(self._database, name, self._counted(getattr(self._database, name)))

    def _counted(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any) -> Any:
            self._count += 1
            return ask(*given)

        return counted

    async def statements(self) -> int:
        """How many there were; the server itself knows where several processes may ask."""
        if self._database.claims is None:
            return self._count
        await asyncio.sleep(self._lag)
        rows = await self._database.all(COMMITS)
        return int(rows[0][0])
