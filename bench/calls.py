"""Flows that really call: one Search and one Action over HTTP, beside the same calls bare.

The reference sends the very same requests with the same HttpClient (the write on a connection of
its own, as ours do) and remembers nothing.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.figures import Pairs, Row, Size, Target, folder, in_pairs, run_loop
from bench.runs import accept_all
from bench.world import ALL, HTTP_FLOW, NOWHERE, bench_catalog, open_bench, prepare
from connector.catalog import Catalog
from connector.engine.dispatch import WORKERS
from connector.engine.packing import unpack
from connector.http import HttpClient
from connector.model import HttpRequest
from connector.reach import REHEARSAL

COUNT = 800
MOST_ROUNDS = 3


def measure(size: Size) -> list[Row]:
    """Flows a second with and without durability."""
    count = size.of(COUNT)
    catalog = bench_catalog()
    cpu: dict[bool, list[float]] = {True: [], False: []}
    with _stub() as url:
        pairs = in_pairs(
            min(size.rounds, MOST_ROUNDS),
            lambda: _durable(count, catalog, url, cpu[True]),
            lambda: _bare(count, catalog, url, cpu[False]),
        )
    spent = Pairs(tuple(cpu[True]), tuple(cpu[False]))
    return [
        Row(
            bench="calls",
            what="2-step flow, a search and a write over HTTP",
            figure=pairs.figure,
            unit="flows/s",
            reference=pairs.base,
            reference_what="the same two calls, nothing stored",
            ratio=pairs.ratio,
            target=Target("at least", 0.7, of="ratio"),
            note=f"{spent.figure:.2f} ms CPU a flow, {spent.base:.2f} ms bare",
        )
    ]


def _durable(count: int, catalog: Catalog, url: str, cpu: list[float]) -> float:
    with folder() as place:
        run_loop(_fill(place, count, url))
        return run_loop(_drive(place, count, catalog, cpu))


async def _fill(place: Path, count: int, url: str) -> None:
    await accept_all(place, await prepare(place, HTTP_FLOW), count)
    await _reconnect(place, url)


async def _reconnect(place: Path, url: str) -> None:
    """Point the connection at the stub, which is a real address."""
    async with await open_bench(place, http=HttpClient(reach=REHEARSAL)) as runtime:
        await runtime.connect_with_token("bench", "bench", "t0ken", {"address": url})


async def _drive(place: Path, count: int, catalog: Catalog, cpu: list[float]) -> float:
    async with await open_bench(place, catalog, HttpClient(reach=REHEARSAL)) as runtime:
        start, spent = time.perf_counter(), time.process_time()
        await runtime.start()
        await runtime.settled()
        seconds = time.perf_counter() - start
        cpu.append((time.process_time() - spent) / count * 1_000)
        done = await runtime.counts(most=ALL)
        if done["run"] != {"succeeded": count} or done["effect"] != {"done": count}:
            raise RuntimeError(f"{count} writes were expected, there is {done}")
    return count / seconds


def _bare(count: int, catalog: Catalog, url: str, cpu: list[float]) -> float:
    with folder() as place:
        run_loop(_fill(place, 1, url))
        return run_loop(_call(place, count, catalog, url, cpu))


async def _call(place: Path, count: int, catalog: Catalog, url: str, cpu: list[float]) -> float:
    reading, writing = await _requests(place, catalog, url)
    todo = iter(range(count))
    async with HttpClient(reach=REHEARSAL) as http:

        async def caller() -> None:
            for _ in todo:
                await http.send(reading)
                await http.send(writing, fresh=True)

        await http.send(reading)
        start, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(WORKERS)))
        seconds = time.perf_counter() - start
        cpu.append((time.process_time() - spent) / count * 1_000)
    return count / seconds


async def _requests(place: Path, catalog: Catalog, url: str) -> tuple[HttpRequest, HttpRequest]:
    """The two requests of the flow, byte for byte, signed: those that one run has sent."""
    token = ("authtoken", "t0ken")
    async with await open_bench(place, catalog, HttpClient(reach=REHEARSAL)) as runtime:
        await runtime.start()
        await runtime.settled()
        (effect,) = await runtime._store.effects()
    sent = unpack(effect.request or b"")
    reading = HttpRequest(method="GET", url=f"{url}/customers?client=1000000", headers=(token,))
    return reading, replace(sent, headers=(*sent.headers, token))


@contextmanager
def _stub() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.stub"],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the stub did not start")
        yield NOWHERE.rpartition(":")[0] + f":{json.loads(line)['port']}"
    finally:
        process.terminate()
        process.communicate(timeout=30)
