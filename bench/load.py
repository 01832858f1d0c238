"""A load generator on raw sockets: keep-alive connections, one request at a time on each.

`closed` sends the next request when the answer is there: it finds the highest rate, and its
latencies say little, because a slow server is asked less. `paced` sends at fixed times whatever
the server does and counts from the time a request was due: its latencies are what senders feel.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

TICK = 0.001
PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Result:
    """What came back."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds


class _Line(asyncio.Protocol):
    """One connection; tells `done` the status of each answer."""

    def __init__(self, done: Callable[[_Line, int], None]) -> None:
        self._done = done
        self._buffer = b""
        self.due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, due: float) -> None:
        """Send one request; its time runs from `due`."""
        assert self.transport is not None
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._done(self, int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.due:
            self._done(self, 0)


class _Load:
    def __init__(self, requests: Sequence[bytes], good: int) -> None:
        self.todo = deque(requests)
        self.open = len(requests)
        self.good = good
        self.result = Result()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(self, line: _Line, status: int) -> None:
        """Count one answer."""
        if status == self.good:
            self.result.latencies.append(time.perf_counter() - line.due)
        else:
            self.result.refused += 1
        line.due = 0.0
        self.open -= 1
        if self.open == 0 and not self.finished.done():
            self.finished.set_result(None)

    async def connect(
        self, port: int, connections: int, done: Callable[[_Line, int], None]
    ) -> list[_Line]:
        """Open the connections before the time runs."""
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Line(done), "127.0.0.1", port)
            for _ in range(connections)
        ]
        return [line for _, line in made]

    async def end(self, lines: Sequence[_Line], started: float) -> Result:
        """Wait for the last answer and hang up."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.finished
        self.result.seconds = time.perf_counter() - started
        for line in lines:
            if line.transport is not None:
                line.transport.close()
        return self.result


async def closed(port: int, requests: Sequence[bytes], connections: int, good: int) -> Result:
    """Keep every connection busy until all requests are answered."""
    load = _Load(requests, good)

    def done(line: _Line, status: int) -> None:
        load.note(line, status)
        go_on(line)

    def go_on(line: _Line) -> None:
        if load.todo:
            line.ask(load.todo.popleft(), time.perf_counter())

    lines = await load.connect(port, connections, done)
    started = time.perf_counter()
    for line in lines:
        go_on(line)
    return await load.end(lines, started)


async def paced(
    port: int, requests: Sequence[bytes], connections: int, good: int, rate: float
) -> Result:
    """Send `rate` requests a second, on time; one that finds no free connection waits, and pays."""
    load = _Load(requests, good)
    late: deque[float] = deque()

    def done(line: _Line, status: int) -> None:
        load.note(line, status)
        if late:
            line.ask(load.todo.popleft(), late.popleft())
        else:
            idle.append(line)

    lines = await load.connect(port, connections, done)
    idle = deque(lines)
    started = time.perf_counter()
    sent = 0
    while sent < len(requests):
        now = time.perf_counter()
        while sent < len(requests) and started + sent / rate <= now:
            due = started + sent / rate
            sent += 1
            if idle:
                idle.popleft().ask(load.todo.popleft(), due)
            else:
                late.append(due)
        await asyncio.sleep(TICK)
    return await load.end(lines, started)
