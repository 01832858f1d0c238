"""connector.http: after its moment not one byte of a request leaves, however late we wake."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.errors import NotSent, Unclear
from connector.http import HttpClient, asgi_client, wire
from connector.model import HttpRequest
from connector.reach import REHEARSAL

PATIENCE = 30
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.late: int | None = None
        """After how many looks at it an hour has passed."""

    def __call__(self) -> float:
        if self.late is not None:
            self.now += 3600 if self.late == 0 else 0
            self.late -= 1
        return self.now


class Server:
    """Keeps what arrives; answers as soon as `wanted` bytes have."""

    def __init__(self, wanted: int) -> None:
        self.arrived = b""
        self.wanted = wanted
        self.reading = asyncio.Event()
        self.reading.set()
        self.gone = asyncio.Event()
        self.base = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while len(self.arrived) < self.wanted or b"\r\n\r\n" not in self.arrived:
                await self.reading.wait()
                more = await reader.read(65536)
                if not more:
                    return
                self.arrived += more
            writer.write(ANSWER)
            await writer.drain()
        finally:
            writer.close()
            self.gone.set()

    async def left(self) -> bytes:
        """All that arrived, once the client has closed."""
        async with asyncio.timeout(PATIENCE):
            await self.gone.wait()
        return self.arrived


@asynccontextmanager
async def served(wanted: int = 1) -> AsyncIterator[Server]:
    server = Server(wanted)
    running = await asyncio.start_server(server, "127.0.0.1", 0)
    server.base = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        running.close()


def write(server: Server, body: bytes = b'{"a":1}') -> HttpRequest:
    return HttpRequest(method="POST", url=server.base, body=body)


@pytest.mark.parametrize("not_after", [None, 100.0, 101.0])
async def test_until_its_moment_a_request_is_sent(not_after: float | None) -> None:
    async with served() as server, HttpClient(reach=REHEARSAL, clock=Clock()) as http:
        got = await http.send(write(server), fresh=True, not_after=not_after)
        assert got.status == 200
        assert (await server.left()).endswith(b'{"a":1}')


async def test_what_is_late_from_the_start_does_not_even_connect() -> None:
    async with served() as server, HttpClient(reach=REHEARSAL, clock=Clock()) as http:
        with pytest.raises(NotSent, match="held back") as caught:
            await http.send(write(server), not_after=99.9)
    assert caught.value.who == "wait"
    assert not server.gone.is_set()


async def test_what_becomes_late_while_it_connects_leaves_no_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, connect = Clock(), wire._connect

    async def slow(*given: Any) -> Any:
        sock = await connect(*given)
        clock.now += 10
        return sock

    monkeypatch.setattr(wire, "_connect", slow)
    async with served() as server, HttpClient(reach=REHEARSAL, clock=clock) as http:
        with pytest.raises(NotSent, match="held back"):
            await http.send(write(server), fresh=True, not_after=105.0)
        assert await server.left() == b""


async def test_a_kept_connection_is_guarded_for_each_request_anew() -> None:
    clock = Clock()
    connections: list[bytes] = []
    gone = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(b"")
        try:
            while True:
                connections[-1] += await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            gone.set()

    running = await asyncio.start_server(behave, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    get = HttpRequest(method="GET", url=base)
    async with running, HttpClient(reach=REHEARSAL, clock=clock) as http:
        assert (await http.send(get, not_after=100.0)).status == 200
        clock.now = 200.0
        assert (await http.send(get)).status == 200
        # It is in time when it is asked for, and late when it comes to the socket.
        clock.late = 1
        with pytest.raises(NotSent):
            await http.send(get, not_after=250.0)
        async with asyncio.timeout(PATIENCE):
            await gone.wait()
        assert [one.count(b"GET") for one in connections] == [2]


async def test_the_rest_of_a_long_body_is_held_back_and_the_outcome_is_unclear() -> None:
    clock, body = Clock(), b"x" * 30_000_000
    async with served(wanted=len(body)) as server, HttpClient(reach=REHEARSAL, clock=clock) as http:
        server.reading.clear()
        call = asyncio.create_task(http.send(write(server, body), fresh=True, not_after=105.0))
        await until_stuck()
        clock.now = 106.0
        server.reading.set()
        with pytest.raises(Unclear, match="before all of it was sent"):
            await call
        assert 0 < len(await server.left()) < len(body)


async def until_stuck() -> None:
    """Wait until the client waits for its socket to take more."""
    async with asyncio.timeout(PATIENCE):
        while not any(
            "_writable" in frame.f_code.co_qualname
            for task in asyncio.all_tasks()
            for frame in stack(task)
        ):
            await asyncio.sleep(0)


def stack(task: asyncio.Task[Any]) -> list[Any]:
    frames, inner = [], task.get_coro()
    while inner is not None:
        frames.append(getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None))
        inner = getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None)
    return [frame for frame in frames if frame is not None]


async def test_a_network_in_memory_is_guarded_too() -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise AssertionError("it was called")

    async with asgi_client({"https://api.example": app}) as http:
        request = HttpRequest(method="POST", url="https://api.example/a")
        with pytest.raises(NotSent):
            await http.send(request, not_after=time.monotonic() - 1)


STOPPED = """
    import asyncio, os, signal, sys, time
    from connector.errors import NotSent
    from connector.http import HttpClient, wire
    from connector.model import HttpRequest
    from connector.reach import REHEARSAL

    url, seconds, loop = sys.argv[1:]
    connect = wire._connect

    async def stops(*given):
        sock = await connect(*given)
        os.kill(os.getpid(), signal.SIGSTOP)
        return sock

    async def main():
        wire._connect = stops
        request = HttpRequest(method="POST", url=url, body=b"{}")
        async with HttpClient(reach=REHEARSAL) as http:
            moment = time.monotonic() + float(seconds)
            print(moment, flush=True)
            try:
                print((await http.send(request, fresh=True, not_after=moment)).status)
            except NotSent as error:
                print(error.message)

    if loop == "uvloop":
        import uvloop
        uvloop.run(main())
    else:
        asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("seconds", "said"), [(1.5, "held back"), (1000.0, "200")])
async def test_a_process_that_was_stopped_past_its_moment_sends_nothing(
    loop: str, seconds: float, said: str
) -> None:
    async with served() as server:
        code = textwrap.dedent(STOPPED)
        child = subprocess.Popen(
            [sys.executable, "-c", code, server.base, str(seconds), loop],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _, status = await asyncio.to_thread(os.waitpid, child.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            assert child.stdout is not None
            moment = float(child.stdout.readline())
            while seconds < PATIENCE and time.monotonic() <= moment:
                await asyncio.sleep(0.01)
            child.send_signal(signal.SIGCONT)
            printed, _ = await asyncio.to_thread(child.communicate, timeout=PATIENCE)
        finally:
            child.kill()
            child.wait()
        assert said in printed
        assert bool(await server.left()) == (said == "200")
