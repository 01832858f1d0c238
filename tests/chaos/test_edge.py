"""A real server under clients that are slow, endless and many: good requests are answered.

What is measured (how long a good request took, how much memory was taken) is printed; the clock
decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
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
from tests.chaos.attackers import HUGE, Plan
from tests.chaos.programs import ROOT, Program, free_port, rows_of, until
from tests.runtime.kit import FATTURE, flow
from tests.web.kit import HOOK, FakeRuntime, request, served, settings

SCALE = int(os.environ.get("CONNECTOR_CHAOS_EDGE", "1"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
SLOW_HEADERS, SLOW_BODIES, HUGE_BODIES = 100 * SCALE, 50 * SCALE, 5 * SCALE
GOOD = 300 * SCALE
SIDE_BY_SIDE = 8
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

    def used(self) -> tuple[float, float]:
        """Seconds that its event loop computed, and that it waited for a processor."""
        file = Path(f"/proc/{self.process}/task/{self.process}/schedstat")
        cpu, waited, _ = file.read_text().split()
        return int(cpu) / 1e9, int(waited) / 1e9

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
        return int(rows_of(f"sqlite:///{self.database}")(query)[0][0])


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
        server = Program("serve", environment, folder / "server.log")
        await server.start()
        webhooks = served.sandbox.fic.webhooks
        await until(
            "the handshake", lambda: any(one.verified for one in webhooks.subscriptions.values())
        )
        assert server._process is not None
        yield Target(port, server._process.pid, webhooks, database)
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


class Attackers:
    """`tests.chaos.attackers`, from the beginning of the block to its end."""

    def __init__(self, to: Target) -> None:
        self._plan = Plan(to.port, to.hook, SEED, SLOW_HEADERS, SLOW_BODIES, HUGE_BODIES)
        self.ends: dict[str, int] = {}
        self.cpu = 0.0

    async def __aenter__(self) -> Attackers:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.chaos.attackers",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(self._plan)).encode() + b"\n")
        await until("all are connected", lambda: self.connected >= SLOW_HEADERS + SLOW_BODIES)
        return self

    async def __aexit__(self, *ended: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        told, _ = await asyncio.wait_for(self._process.communicate(), 120)
        self.ends, self.cpu = json.loads(told)["ends"], json.loads(told)["cpu"]

    @property
    def connected(self) -> int:
        """How many connections the server holds."""
        mark = f":{self._plan.port:04X} "
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(mark in f"{line.split()[1]} " and line.split()[3] == "01" for line in lines)


@pytest.mark.timeout(900)
async def test_good_requests_are_answered_beside_slow_and_huge_ones_in_bounded_memory(
    tmp_path: Path,
) -> None:
    async with target(tmp_path) as to:
        quiet = await ask_all(to, to.notices(0, 100))
        before = to.memory("VmRSS")
        async with Attackers(to) as bad:
            open_now, start, used = bad.connected, time.perf_counter(), to.used()
            good = await ask_all(to, to.notices(100, GOOD))
            cpu, waited = (now - then for now, then in zip(to.used(), used, strict=True))
            seconds = time.perf_counter() - start
        growth = to.memory("VmHWM") - before
        print(
            f"seed {SEED}: {SLOW_HEADERS} slow headers, {SLOW_BODIES} slow bodies,"
            f" {HUGE_BODIES} of 100 MB; {open_now} connections open;"
            f" good requests p50/p99 {told(good)} (alone {told(quiet)});"
            f" in {seconds:.1f} s the server computed {cpu:.1f} s and waited {waited:.1f} s for a"
            f" processor, the attackers computed {bad.cpu:.1f} s in all;"
            f" memory {before // 1024} MB + {growth / 1024:.1f} MB; {bad.ends}"
        )
        assert {status for status, _ in quiet + good} == {202}
        assert to.accepted() == len(quiet) + len(good)
        assert growth <= MOST_GROWTH
        assert "all of a huge body was taken" not in bad.ends
        assert sum(bad.ends.values()) >= SLOW_HEADERS + SLOW_BODIES + HUGE_BODIES
        assert not any(end.endswith((" 200", " 202")) for end in bad.ends)


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
