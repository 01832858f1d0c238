"""Calls to Fatture in Cloud for one event about 50 clients, counted by the emulated app itself."""

from __future__ import annotations

import random
import time
from pathlib import Path

from bench.figures import Row, Size, Target, folder, run_loop
from bench.world import ALL, ENRICH_FLOW, NOWHERE, bench_catalog, bench_settings, event, prepare
from connector.http import asgi_client
from connector.runtime import open_runtime
from connector.sandbox import Sandbox, SandboxConfig
from connector.store import open_database

IDS = 50


def measure(size: Size) -> list[Row]:
    """The calls; one round is enough, because it counts and does not time."""
    with folder() as place:
        calls, seconds = run_loop(_enrich(place))
    return [
        Row(
            bench="enrich",
            what=f"API calls to enrich an event with {IDS} client ids",
            figure=calls,
            unit="calls",
            reference=IDS,
            reference_what="one call an id, as the vendor's own app makes",
            ratio=calls / IDS,
            target=Target("at most", 2),
            note=f"{IDS} flows ended {seconds * 1_000:.0f} ms after the start",
        )
    ]


async def _enrich(place: Path) -> tuple[int, float]:
    connection_id = await prepare(place, ENRICH_FLOW)
    sandbox = Sandbox(SandboxConfig(seed=7, manual_token="t0ken"), random=random.Random(7))
    before = set(_clients(sandbox))
    sandbox.fill(
        {"fatture_in_cloud": {"clients": [{"name": f"Cliente {one}"} for one in range(IDS)]}}
    )
    ids = sorted(set(_clients(sandbox)) - before)
    database = open_database(bench_settings(place).database)
    await database.tenant("main").accept(event(connection_id, 0, map(str, ids)))
    await database.close()
    http = asgi_client({NOWHERE: sandbox.fic_app})
    async with await open_runtime(
        bench_settings(place), catalog=bench_catalog(), http=http
    ) as runtime:
        sandbox.fic.ledger.clear()
        start = time.perf_counter()
        await runtime.start()
        await runtime.settled()
        seconds = time.perf_counter() - start
        done = (await runtime.counts(most=ALL))["run"]
        if done != {"succeeded": IDS}:
            raise RuntimeError(f"{IDS} runs were expected, there are {dict(done)}")
    return sum(sandbox.fic.ledger.requests.values()), seconds


def _clients(sandbox: Sandbox) -> list[int]:
    table = sandbox.fic.first_company.tables["clients"]
    return [int(row["id"]) for row in table.view()]
