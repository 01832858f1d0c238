"""A real server under clients that are slow, endless and many: good requests are answered.

What is measured (how long a good request took, how much memory was taken) is printed; the clock
decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from connector.runtime import open_runtime
from connector.sandbox import serving
from connector.sandbox.config import Deliveries, SandboxConfig
from connector.sandbox.fic.webhooks import Delivery
from connector.settings import Settings
from connector.web.app import make_app
from connector.web.protocol import GuardedProtocol
from tests.chaos.test_kill import Server, free_port, rows, until
from tests.runtime.kit import FATTURE, flow
from tests.web.kit import HOOK, FakeRuntime, request, served, settings

SCALE = int(os.environ.get("CONNECTOR_CHAOS_EDGE", "1"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
SLOW_HEADERS, SLOW_BODIES, HUGE_BODIES = 100 * SCALE, 50 * SCALE, 5 * SCALE
GOOD = 300 * SCALE
SIDE_BY_SIDE = 8
HUGE = 100 * 1024 * 1024
MOST_GROWTH = 32 * 1024
"""KiB that the server may take more than before, whatever is thrown at it."""
TYPE = "it.fattureincloud.webhooks.entities.suppliers.create"

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


@dataclass
class Target:
    """The server, the sandbox that signs, and what came of it all."""

    port: int
    process: int
    webhooks: Any
    database: Path
    ends: Counter[str]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    @property
    def hook(self) -> str:
        (one,) = self.webhooks.subscriptions.values()
        return urlsplit(one.sink).path

    def memory(self, name: str) -> int:
        """KiB: `VmRSS` now, `VmHWM` at its highest."""
        lines = Path(f"/proc/{self.process}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    def notices(self, first: int, count: int) -> list[bytes]:
        """Genuine notifications, signed now."""
        (to,) = self.webhooks.subscriptions.values()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        made = []
        for number in range(first, first + count):
            name = f"{to.id.removeprefix('SUB')}:{uuid.UUID(int=number + 1)}"
            sent = self.webhooks.request(Delivery(to, name, TYPE, [number + 1], now))
            made.append(request("POST", self.hook, sent.body, sent.headers))
        return made

    def accepted(self) -> int:
        query = f"SELECT count(DISTINCT delivery_id) FROM event WHERE type = '{TYPE}'"
        return int(rows(self.database, query)[0][0])


@contextlib.asynccontextmanager
async def target(folder: Path) -> AsyncIterator[Target]:
    """A `connector serve` that follows the clients of the sandbox."""
    config = SandboxConfig(deliveries=Deliveries(gaps=(0.3, 0.6, 1.2), timeout=5))
    async with serving(config) as served:
        told = served.as_data()
        database = folder / "connector.db"
        environment = {
            "CONNECTOR_DATABASE": f"sqlite:///{database}",
            "CONNECTOR_PORT": str(free_port()),
            "CONNECTOR_FATTURE_IN_CLOUD_KEYS": told["public_key"],
            "CONNECTOR_LIMITS__HEADER_SECONDS": "2",
            "CONNECTOR_LIMITS__BODY_SECONDS": "2",
        }
        port = int(environment["CONNECTOR_PORT"])
        settings = Settings.load(database=environment["CONNECTOR_DATABASE"], port=port)
        async with await open_runtime(settings) as runtime:
            address = {"address": told["fic"]}
            await runtime.connect_with_token(FATTURE, "fatture", told["manual_token"], address)
            company = served.sandbox.fic.first_company.id
            steps = LOOK.replace("COMPANY", str(company))
            document = flow(company=company, steps=steps, types="[create]")
            await runtime.apply_flow(document, enable=True)
        server = Server(environment, folder / "server.log")
        await server.start()
        webhooks = served.sandbox.fic.webhooks
        await until(
            "the handshake", lambda: any(one.verified for one in webhooks.subscriptions.values())
        )
        assert server._process is not None
        yield Target(port, server._process.pid, webhooks, database, Counter())
        assert await server.stop() == 0


LOOK = """\
  - id: look
    node: fatture_in_cloud.find_client
    connection: fatture
    map:
      company_id: COMPANY
      name: "{{ trigger.resource.name }}"
"""


# --- the good -----------------------------------------------------------------------------------


async def ask(to: Target, message: bytes) -> tuple[int, float]:
    """One request on a connection of its own: its status, and the seconds it took."""
    start = time.perf_counter()
    reader, writer = await to.connect()
    try:
        writer.write(message)
        line = await asyncio.wait_for(reader.readline(), 60)
        return int(line.split()[1]), time.perf_counter() - start
    finally:
        writer.close()


async def ask_all(to: Target, messages: list[bytes]) -> list[tuple[int, float]]:
    waiting = iter(messages)

    async def some() -> list[tuple[int, float]]:
        return [await ask(to, one) for one in waiting]

    found = await asyncio.gather(*(some() for _ in range(SIDE_BY_SIDE)))
    return [one for part in found for one in part]


# --- the bad ------------------------------------------------------------------------------------


async def slow_header(to: Target, draw: Random) -> None:
    """A header that never ends, some bytes at a time."""
    await drip(to, draw, f"POST {to.hook} HTTP/1.1\r\nhost: localhost\r\nx-slow: ".encode())


async def slow_body(to: Target, draw: Random) -> None:
    """A whole header, and a body of which hardly anything comes."""
    head = request("POST", to.hook, b"", [("content-length", "1000")])
    await drip(to, draw, head + b'{"data":')


async def drip(to: Target, draw: Random, head: bytes) -> None:
    reader, writer = await to.connect()
    try:
        writer.write(head)
        gone = asyncio.create_task(reader.read())
        while not gone.done():
            writer.write(b"a")
            await asyncio.wait((gone,), timeout=draw.uniform(0.1, 0.5))
        to.ends[f"drip: {(await gone)[9:12].decode() or 'hung up'}"] += 1
    finally:
        writer.close()


async def huge_declared(to: Target, draw: Random) -> None:
    """100 MB, announced."""
    await flood(to, request("POST", to.hook, b"", [("content-length", str(HUGE))]), b"x" * 65_536)


async def huge_streamed(to: Target, draw: Random) -> None:
    """100 MB in chunks, whose end is not known; to the API as often as to the hook."""
    path = draw.choice((to.hook, "/api/v1/flows"))
    head = request("POST", path, b"", [("content-length", ""), ("transfer-encoding", "chunked")])
    await flood(to, head, b"10000\r\n" + b"x" * 65_536 + b"\r\n")


async def flood(to: Target, head: bytes, part: bytes) -> None:
    reader, writer = await to.connect()
    try:
        writer.write(head)
        answer = asyncio.create_task(reader.read())
        for _ in range(HUGE // 65_536):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        to.ends["all of a huge body was taken"] += 1
    except ConnectionError:
        pass
    finally:
        with contextlib.suppress(ConnectionError):
            to.ends[f"huge: {(await answer)[9:12].decode() or 'reset'}"] += 1
        writer.close()


Attack = Callable[[Target, Random], Awaitable[None]]


async def again_and_again(attack: Attack, to: Target, draw: Random, stop: asyncio.Event) -> None:
    """At least once, and until the good requests are through."""
    while True:
        with contextlib.suppress(ConnectionError):
            await attack(to, draw)
        if stop.is_set():
            return


@pytest.mark.timeout(900)
async def test_good_requests_are_answered_beside_slow_and_huge_ones_in_bounded_memory(
    tmp_path: Path,
) -> None:
    draw = Random(SEED)
    attacks: list[Attack] = [slow_header] * SLOW_HEADERS + [slow_body] * SLOW_BODIES
    attacks += [draw.choice((huge_declared, huge_streamed)) for _ in range(HUGE_BODIES)]
    async with target(tmp_path) as to:
        quiet = await ask_all(to, to.notices(0, 100))
        before = to.memory("VmRSS")
        stop = asyncio.Event()
        bad = [
            asyncio.create_task(again_and_again(one, to, Random(draw.random()), stop))
            for one in attacks
        ]
        while (open_now := to_server(to.port)) < SLOW_HEADERS + SLOW_BODIES:
            await asyncio.sleep(0.05)
        good = await ask_all(to, to.notices(100, GOOD))
        stop.set()
        await asyncio.gather(*bad)
        growth = to.memory("VmHWM") - before
        print(
            f"seed {SEED}: {SLOW_HEADERS} slow headers, {SLOW_BODIES} slow bodies,"
            f" {HUGE_BODIES} of 100 MB; {open_now} connections open;"
            f" good requests p50/p99 {told(good)} (alone {told(quiet)});"
            f" memory {before // 1024} MB + {growth / 1024:.1f} MB; {dict(to.ends)}"
        )
        assert {status for status, _ in quiet + good} == {202}
        assert to.accepted() == len(quiet) + len(good)
        assert growth <= MOST_GROWTH
        assert "all of a huge body was taken" not in to.ends
        assert not any(end.endswith((" 200", " 202")) for end in to.ends)


def to_server(port: int) -> int:
    """How many connections the server holds."""
    mark = f":{port:04X} "
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(mark in f"{line.split()[1]} " and line.split()[3] == "01" for line in lines)


def told(asked: list[tuple[int, float]]) -> str:
    times = sorted(seconds * 1000 for _, seconds in asked)
    return f"{times[len(times) // 2]:.0f}/{times[len(times) * 99 // 100]:.0f} ms"


async def test_a_connection_that_is_gone_leaves_nothing_to_the_garbage_collector() -> None:
    # It looks seldom in a server: what only it can free would pile up under a flood.
    runtime = FakeRuntime()
    async with served(make_app(runtime, settings())) as web:  # type: ignore[arg-type]
        gc.collect()
        gc.disable()
        try:
            for path in ("/hooks/unknown", f"/hooks/{HOOK}", "/api/v1/flows"):
                for size in ("10", str(HUGE)):
                    client = await web.connect()
                    head = request("POST", path, b"", [("content-length", size)])
                    client.send(head + b"x" * 100_000)
                    await client.reply()
                    client.writer.close()
                    await client.rest()
            # The last one may still be in somebody's hands.
            await until("they are gone", lambda: len(held(GuardedProtocol)) <= 1)
            assert len(held(RequestResponseCycle)) <= 1
        finally:
            gc.enable()


def held(kind: type) -> list[Any]:
    return [one for one in gc.get_objects() if type(one) is kind]
