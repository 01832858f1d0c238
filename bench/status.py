"""What a look at everything costs beside a million events: `GET /status` and the start page."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.figures import Row, Size, Target, folder, percentile, run_loop
from bench.postgres import new_database, postgres
from bench.world import ALL, NOOP_FLOW, bench_settings, open_bench, prepare
from connector.runtime import Runtime
from connector.store import open_database
from connector.store.rows import RunFilter

EVENTS = 1_000_000
LOOKS = 15
AT_MOST_MS = 100
NUMBERS = (
    "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?1)"
)
EVENT = (
    "INSERT INTO event (tenant, connection_id, delivery_id, type, resource, operation, ids,"
    f" received_at, state) {NUMBERS} SELECT 'main', 'con_bench', 'd-' || n, 'kind', 'client',"
    " 'update', '[]', 1700000000 + n, CASE WHEN n % 20 = 0 THEN 'silent' ELSE 'matched' END"
    " FROM counted"
)
RUN = (
    "INSERT INTO run (tenant, flow_id, flow_version, event_id, item_id, state, context,"
    f" created_at, finished_at) {NUMBERS} SELECT 'main', 1, 1, -n, 'i' || n, CASE WHEN n % 50 = 0"
    " THEN 'failed' ELSE 'succeeded' END, '{}', 1700000000 + n, 1700000002 + n FROM counted"
)
EFFECT = (
    "INSERT INTO effect (key, tenant, connection_id, run_id, step_id, node, state, marker, inputs,"
    f" created_at, updated_at) {NUMBERS} SELECT 'k' || n, 'main', 'con_bench', -n, 'first', 'n',"
    " 'done', 'm', '{}', 0, 0 FROM counted"
)


def measure(size: Size) -> list[Row]:
    """The median and the slowest of some looks, on both databases."""
    events = size.of(EVENTS)
    rows = [_row("SQLite", events, "")]
    with postgres() as server:
        rows.append(_row("PostgreSQL", events, new_database(server)))
    return rows


def _row(name: str, events: int, url: str) -> Row:
    with folder() as place:
        status, home, whole = run_loop(_look(place, events, url))
    return Row(
        bench="status",
        what=f"GET /status beside {events:,} events, {name}",
        figure=status,
        unit="ms",
        reference=whole,
        reference_what="counting all of them",
        ratio=status / whole,
        target=Target("at most", AT_MOST_MS),
        note=f"the counts of the start page: {home:.1f} ms",
    )


async def _look(place: Path, events: int, url: str) -> tuple[float, float, float]:
    await prepare(place, NOOP_FLOW, url=url)
    database = open_database(bench_settings(place, url).database)
    await database.open()
    for statement in (EVENT, RUN, EFFECT):
        await database.write((statement, (events,)))
    if url:
        await database.write(*((f"ANALYZE {table}", ()) for table in ("event", "run", "effect")))
    await database.close()
    async with await open_bench(place, url=url) as runtime:
        states = ("succeeded", "waiting", "queued", "parked", "failed", "filtered")
        return (
            await _median(runtime.status),
            await _median(lambda: runtime.past.counts(RunFilter(), states)),
            await _median(lambda: _everything(runtime), 3),
        )


async def _everything(runtime: Runtime) -> None:
    counts = await runtime.counts(most=ALL)
    if sum(counts["run"].values()) != sum(counts["event"].values()):
        raise RuntimeError(f"These are not all: {counts}")


async def _median(ask: Callable[[], Awaitable[object]], looks: int = LOOKS) -> float:
    taken = []
    for _ in range(looks):
        start = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - start) * 1_000)
    return percentile(taken, 0.5)
