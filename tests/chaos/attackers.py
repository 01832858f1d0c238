"""Clients that mean no good, as a process of their own: `python -m tests.chaos.attackers`.

Told by a line of JSON on its standard input what to do; ends with that input, and prints what
became of its requests. The good requests are asked from elsewhere, or they would be timed by how
busy their enemies are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from tests.web.kit import request

HUGE = 100 * 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """Whom to attack, and with how many at a time."""

    port: int
    hook: str
    seed: int
    slow_headers: int
    slow_bodies: int
    huge_bodies: int


@dataclass
class Target:
    """The server, and what it did to whom."""

    plan: Plan
    ends: Counter[str] = field(default_factory=Counter)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.plan.port)


async def slow_header(to: Target, draw: Random) -> None:
    """A header that never ends, some bytes at a time."""
    await drip(to, draw, f"POST {to.plan.hook} HTTP/1.1\r\nhost: localhost\r\nx-slow: ".encode())


async def slow_body(to: Target, draw: Random) -> None:
    """A whole header, and a body of which hardly anything comes."""
    head = request("POST", to.plan.hook, b"", [("content-length", "1000")])
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
    head = request("POST", to.plan.hook, b"", [("content-length", str(HUGE))])
    await flood(to, head, b"x" * 65_536)


async def huge_streamed(to: Target, draw: Random) -> None:
    """100 MB in chunks, whose end is not known; to the API as often as to the hook."""
    path = draw.choice((to.plan.hook, "/api/v1/flows"))
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
    """At least once, and until it is over."""
    while True:
        with contextlib.suppress(ConnectionError):
            await attack(to, draw)
        if stop.is_set():
            return


async def attack_all(plan: Plan) -> Counter[str]:
    """All of the plan, until the standard input ends."""
    draw, to, stop = Random(plan.seed), Target(plan), asyncio.Event()
    attacks: list[Attack] = [slow_header] * plan.slow_headers + [slow_body] * plan.slow_bodies
    attacks += [draw.choice((huge_declared, huge_streamed)) for _ in range(plan.huge_bodies)]
    bad = [
        asyncio.create_task(again_and_again(one, to, Random(draw.random()), stop))
        for one in attacks
    ]
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await asyncio.gather(*bad)
    return to.ends


if __name__ == "__main__":
    ends = asyncio.run(attack_all(Plan(**json.loads(sys.stdin.readline()))))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"ends": ends, "cpu": used.ru_utime + used.ru_stime}))
