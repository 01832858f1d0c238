"""An answer whose length is known leaves as one piece; every other is written as it comes."""

from __future__ import annotations

import asyncio
from typing import Any

from connector.web.ports import Receive, Scope, Send
from tests.web.kit import PATIENCE, request, served

LENGTH = (b"content-length", b"4")


class App:
    """Starts an answer, waits for `gate`, then sends its body, or breaks."""

    def __init__(self, *headers: tuple[bytes, bytes], breaks: bool = False) -> None:
        self.headers = headers
        self.breaks = breaks
        self.started = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [*self.headers]})
        self.started.set()
        await self.gate.wait()
        if self.breaks:
            raise RuntimeError("in the middle of an answer")
        await send({"type": "http.response.body", "body": b"body"})


async def first_bytes(client: Any) -> bytes:
    async with asyncio.timeout(PATIENCE):
        data: bytes = await client.reader.read(65_536)
        return data


async def test_a_head_waits_for_its_body() -> None:
    app = App(LENGTH)
    async with served(app) as server:
        client = await server.connect()
        client.send(request("GET", "/"))
        await app.started.wait()
        app.gate.set()
        data = await first_bytes(client)
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")
        assert data.endswith(b"\r\n\r\nbody")


async def test_the_head_of_a_stream_is_written_at_once() -> None:
    app = App()
    async with served(app) as server:
        client = await server.connect()
        client.send(request("GET", "/"))
        head = await first_bytes(client)
        assert not app.gate.is_set()
        assert b"transfer-encoding: chunked" in head
        assert head.endswith(b"\r\n\r\n")
        app.gate.set()
        async with asyncio.timeout(PATIENCE):
            assert await client.reader.readuntil(b"0\r\n\r\n") == b"4\r\nbody\r\n0\r\n\r\n"


async def test_a_head_without_a_body_is_written_all_the_same() -> None:
    app = App(LENGTH)
    app.gate.set()
    async with served(app) as server:
        client = await server.connect()
        for _ in range(2):
            client.send(request("HEAD", "/"))
            reply = await client.reply(head_only=True)
            assert (reply.status, reply.header("content-length")) == (200, "4")
        assert (await client.ask("GET", "/")).body == b"body"


async def test_an_answer_that_breaks_off_shows_how_far_it_came() -> None:
    app = App(LENGTH, breaks=True)
    app.gate.set()
    async with served(app) as server:
        client = await server.connect()
        client.send(request("GET", "/"))
        rest = await client.rest()
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
        assert rest.endswith(b"\r\n\r\n")


async def test_a_client_that_hangs_up_before_the_body_breaks_nothing() -> None:
    app = App(LENGTH)
    async with served(app) as server:
        client = await server.connect()
        client.send(request("GET", "/"))
        await app.started.wait()
        client.writer.transport.abort()
        await asyncio.sleep(0)
        app.gate.set()
        assert (await server.ask("GET", "/")).body == b"body"
