"""connector.http: which connections are kept, for whom, and how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connector.errors import NotSent
from connector.http import HttpClient, lines
from connector.model import HttpRequest
from connector.reach import REHEARSAL

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
PATIENCE = 20


class Server:
    """Counts its connections; answers when `gate` is open, and as often as `answers` says."""

    def __init__(self) -> None:
        self.opened = 0
        self.asked = 0
        self.closed = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.answers = 1_000_000
        self.base = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            for _ in range(self.answers):
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                await self.gate.wait()
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()


@asynccontextmanager
async def served() -> AsyncIterator[Server]:
    server = Server()
    running = await asyncio.start_server(server, "127.0.0.1", 0)
    server.base = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        server.gate.set()
        running.close()


async def get(http: HttpClient, server: Server, seconds: float = PATIENCE) -> int:
    return (await http.send(HttpRequest(method="GET", url=server.base), timeout=seconds)).status


async def asked(server: Server, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while server.asked < count:
            await asyncio.sleep(0)


async def test_as_many_connections_are_kept_as_were_in_use_at_once() -> None:
    async with served() as server, HttpClient(reach=REHEARSAL) as http:
        for turn in (1, 2, 3):
            server.gate.clear()
            calls = asyncio.gather(*(get(http, server) for _ in range(64)))
            await asked(server, 64 * turn)
            server.gate.set()
            assert set(await calls) == {200}
        assert server.opened == 64


async def test_a_connection_is_kept_for_its_own_host_only() -> None:
    async with served() as one, served() as other, HttpClient(reach=REHEARSAL) as http:
        for _ in range(3):
            assert await get(http, one) == 200
            assert await get(http, other) == 200
        assert (one.opened, other.opened) == (1, 1)


async def test_a_connection_that_the_server_has_closed_is_replaced() -> None:
    async with served() as server, HttpClient(reach=REHEARSAL) as http:
        server.answers = 1
        for turn in (1, 2, 3):
            server.closed.clear()
            assert await get(http, server) == 200
            await server.closed.wait()
            assert server.opened == turn


async def test_what_waits_too_long_is_closed_when_another_call_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "KEEP_SECONDS", 0.0)
    async with served() as one, served() as other, HttpClient(reach=REHEARSAL) as http:
        await get(http, one)
        await get(http, other)
        async with asyncio.timeout(PATIENCE):
            await one.closed.wait()
        assert not other.closed.is_set()


async def test_a_call_that_finds_no_place_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_CONNECTIONS", 1)
    async with served() as server, HttpClient(reach=REHEARSAL) as http:
        server.gate.clear()
        first = asyncio.create_task(get(http, server))
        await asked(server, 1)
        with pytest.raises(NotSent, match="too many calls at once"):
            await get(http, server, seconds=0.3)
        server.gate.set()
        assert await first == 200
        assert await get(http, server) == 200
        assert server.asked == 2


async def test_a_failed_call_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_CONNECTIONS", 1)
    async with served() as server, HttpClient(reach=REHEARSAL) as http:
        nowhere = HttpRequest(method="GET", url="http://127.0.0.1:1")
        for _ in range(3):
            with pytest.raises(NotSent, match="could not be reached"):
                await http.send(nowhere, timeout=PATIENCE)
        assert await get(http, server) == 200


async def test_a_cancelled_call_closes_its_connection_and_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "MOST_CONNECTIONS", 1)
    async with served() as server, HttpClient(reach=REHEARSAL) as http:
        server.gate.clear()
        call = asyncio.create_task(get(http, server))
        await asked(server, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.gate.set()
        assert await get(http, server) == 200
        assert server.opened == 2


async def test_a_call_under_way_when_the_client_closes_keeps_no_connection() -> None:
    async with served() as server:
        http = HttpClient(reach=REHEARSAL)
        server.gate.clear()
        call = asyncio.create_task(get(http, server))
        await asked(server, 1)
        await http.aclose()
        server.gate.set()
        assert await call == 200
        async with asyncio.timeout(PATIENCE):
            await server.closed.wait()
