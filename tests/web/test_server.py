"""The server on a real socket: deadlines, limits, framing, and an orderly end.

Nothing here measures time: short deadlines are set, and the tests wait for what must follow.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any

import pytest

from connector.errors import ConnectorError
from connector.settings import Limits
from connector.web.app import make_app
from connector.web.server import run, serve
from tests.web.kit import HOOK, PATIENCE, Client, FakeRuntime, Served, request, served, settings

PATH = f"/hooks/{HOOK}"
BODY = b'{"data":{"ids":[1]}}'
SHORT = 0.1
HALF_HEAD = b"POST /hooks/x HTTP/1.1\r\nhost: local"


def quick(**given: Any) -> Limits:
    """Limits under which each deadline but the ones given lies far beyond the test."""
    far = {"header_seconds": 600, "body_seconds": 600, "idle_seconds": 600, "hook_seconds": 600}
    return Limits(**{**far, **given})


def app_of(runtime: FakeRuntime, limits: Limits) -> Any:
    return make_app(runtime, settings(limits=limits))


async def until_refused(port: int) -> None:
    """Return once nobody accepts connections at the port."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.01)


class TestDeadlines:
    @pytest.mark.parametrize("start", [b"", b"G", HALF_HEAD], ids=["nothing", "byte", "half"])
    async def test_slow_headers_are_closed_without_an_answer(
        self, runtime: FakeRuntime, start: bytes
    ) -> None:
        limits = quick(header_seconds=SHORT)
        async with served(app_of(runtime, limits), limits) as web:
            client = await web.connect()
            client.send(start)
            assert await client.rest() == b""

    async def test_dripping_headers_earn_no_more_time(self, runtime: FakeRuntime) -> None:
        limits = quick(header_seconds=SHORT)
        async with served(app_of(runtime, limits), limits) as web:
            client = await web.connect()
            client.send(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n")

            async def drip() -> None:
                while True:
                    client.send(b"x: y\r\n")
                    await asyncio.sleep(SHORT / 10)

            dripping = asyncio.create_task(drip())
            assert await client.rest() == b""
            dripping.cancel()

    @pytest.mark.parametrize("how", ["declared", "chunked"])
    async def test_slow_body_is_answered_503_and_closed(
        self, runtime: FakeRuntime, how: str
    ) -> None:
        limits = quick(body_seconds=SHORT)
        length = (
            {"content-length": "20"}
            if how == "declared"
            else {"content-length": "", "transfer-encoding": "chunked"}
        )
        # The application's own deadline is far: it is the protocol that must act.
        async with served(app_of(runtime, quick()), limits) as web:
            client = await web.connect()
            client.send(request("POST", PATH, b"", length.items()))
            client.send(b"5\r\n" if how == "chunked" else b'{"da')
            reply = await client.reply()
            assert (reply.status, reply.header("connection")) == (503, "close")
            assert reply.header("content-type") == "application/problem+json"
            assert await client.rest() == b""
        assert runtime.inbox == []

    async def test_idle_connection_is_closed(self, runtime: FakeRuntime) -> None:
        limits = quick(idle_seconds=SHORT)
        async with served(app_of(runtime, limits), limits) as web:
            client = await web.connect()
            assert (await client.ask("GET", "/healthz")).status == 200
            assert await client.rest() == b""

    async def test_client_that_does_not_read_its_answer_is_cut_off(self) -> None:
        limits = quick(body_seconds=SHORT)
        ended = asyncio.Event()

        async def endless(scope: Any, receive: Any, send: Any) -> None:
            try:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                for _ in range(2000):
                    await send(
                        {"type": "http.response.body", "body": b"x" * 65536, "more_body": True}
                    )
                await send({"type": "http.response.body", "body": b""})
            finally:
                ended.set()

        async with served(endless, limits) as web:
            with socket.create_connection(("127.0.0.1", web.port)) as plain:
                plain.sendall(request("GET", "/"))
                async with asyncio.timeout(PATIENCE):
                    await ended.wait()

    async def test_good_requests_are_served_beside_fifty_slow_ones(
        self, runtime: FakeRuntime
    ) -> None:
        limits = quick()
        async with served(app_of(runtime, limits), limits) as web:
            slow = [await web.connect() for _ in range(50)]
            for number, client in enumerate(slow):
                start = HALF_HEAD if number % 2 else request("POST", PATH, BODY)[:-1]
                client.send(start)
            replies = await asyncio.gather(*(web.ask("POST", PATH, BODY) for _ in range(50)))
            assert {reply.status for reply in replies} == {202}
            # and the slow ones were waiting all the while
            slow[1].send(b"host\r\ncontent-length: 0\r\n\r\n")
            slow[2].send(BODY[-1:])
            assert (await slow[1].reply()).status == 415
            assert (await slow[2].reply()).status == 202


class TestLimits:
    async def test_connections_over_the_cap_get_503(self, runtime: FakeRuntime) -> None:
        limits = quick(connections=2)
        async with served(app_of(runtime, limits), limits) as web:
            first, second = await web.connect(), await web.connect()
            first.send(HALF_HEAD)
            second.send(HALF_HEAD)
            third = await web.connect()
            assert (await third.reply()).status == 503
            assert await third.rest() == b""

    async def test_idle_connection_makes_room_for_a_new_one(self, runtime: FakeRuntime) -> None:
        limits = quick(connections=2)
        async with served(app_of(runtime, limits), limits) as web:
            idle, busy = await web.connect(), await web.connect()
            await idle.ask("GET", "/healthz")
            busy.send(HALF_HEAD)
            assert (await web.ask("POST", PATH, BODY)).status == 202
            assert await idle.rest() == b""

    @pytest.mark.parametrize("complete", [True, False])
    async def test_too_many_header_bytes_are_431(
        self, web: Served, runtime: FakeRuntime, complete: bool
    ) -> None:
        client = await web.connect()
        long = request("POST", PATH, BODY, [("x-long", "y" * 20_000)])
        client.send(long if complete else long[:18_000])
        assert (await client.reply()).status == 431
        assert await client.rest() == b""
        assert runtime.inbox == []

    async def test_too_long_address_is_431(self, web: Served) -> None:
        assert (await web.ask("GET", f"/hooks/x?{'y' * 17_000}")).status == 431

    async def test_too_many_headers_are_431(self, web: Served) -> None:
        many = [(f"x-{number}", "y") for number in range(101)]
        assert (await web.ask("GET", "/healthz", b"", many)).status == 431

    async def test_early_answer_reaches_a_client_that_is_still_sending(self, web: Served) -> None:
        client = await web.connect()
        client.send(request("POST", PATH, b"", [("content-length", "700000")]))
        client.send(b" " * 600_000)
        assert (await client.reply()).status == 413
        assert await client.rest() == b""


def raw(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


TYPE = "content-type: application/json"
POST = f"POST {PATH} HTTP/1.1"
SMUGGLED = {
    "length then coding": raw(
        POST,
        "host: a",
        TYPE,
        "content-length: 5",
        "transfer-encoding: chunked",
        body=b"0\r\n\r\n",
    ),
    "coding then length": raw(
        POST,
        "host: a",
        TYPE,
        "transfer-encoding: chunked",
        "content-length: 5",
        body=b"0\r\n\r\n",
    ),
    "two equal lengths": raw(
        POST, "host: a", TYPE, "content-length: 2", "content-length: 2", body=b"{}"
    ),
    "two lengths in one": raw(POST, "host: a", TYPE, "content-length: 2, 2", body=b"{}"),
    "signed length": raw(POST, "host: a", TYPE, "content-length: +2", body=b"{}"),
    "two codings": raw(
        POST,
        "host: a",
        TYPE,
        "transfer-encoding: chunked",
        "transfer-encoding: chunked",
        body=b"0\r\n\r\n",
    ),
    "coding in HTTP/1.0": raw(
        f"POST {PATH} HTTP/1.0", "host: a", TYPE, "transfer-encoding: chunked", body=b"0\r\n\r\n"
    ),
    "coding not at the end": raw(
        POST, "host: a", TYPE, "transfer-encoding: chunked, identity", body=b"0\r\n\r\n"
    ),
    "bad chunk size": raw(POST, "host: a", TYPE, "transfer-encoding: chunked", body=b"zz\r\n\r\n"),
    "body behind an upgrade": raw(
        POST,
        "host: a",
        TYPE,
        "content-length: 2",
        "connection: upgrade",
        "upgrade: h2c",
        body=b"{}",
    ),
    "no host": raw(POST, TYPE, "content-length: 2", body=b"{}"),
    "two hosts": raw(POST, "host: a", "host: b", TYPE, "content-length: 2", body=b"{}"),
    "folded header": raw(POST, "host: a", "x: 1\r\n 2", TYPE, "content-length: 2", body=b"{}"),
    "space before the colon": raw(POST, "host: a", "content-length : 2", TYPE, body=b"{}"),
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tunnel": raw("CONNECT a:443 HTTP/1.1", "host: a"),
}


class TestFraming:
    @pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED.keys())
    async def test_ambiguous_request_is_400_and_the_connection_ends(
        self, web: Served, runtime: FakeRuntime, sent: bytes
    ) -> None:
        client = await web.connect()
        client.send(sent)
        reply = await client.reply()
        assert (reply.status, reply.header("connection")) == (400, "close")
        assert reply.header("content-type") == "application/problem+json"
        assert await client.rest() == b""
        assert runtime.inbox == []

    async def test_nothing_after_a_refused_request_is_read(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        client = await web.connect()
        client.send(SMUGGLED["length then coding"] + request("POST", PATH, BODY))
        assert (await client.reply()).status == 400
        assert await client.rest() == b""
        assert runtime.inbox == []

    async def test_pipelined_request_is_not_read_and_the_first_is_answered(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        client = await web.connect()
        client.send(request("POST", PATH, BODY) * 3)
        reply = await client.reply()
        assert (reply.status, reply.header("connection")) == (202, "close")
        assert await client.rest() == b""
        assert len(runtime.inbox) == 1

    async def test_garbage_behind_a_request_does_not_come_before_its_answer(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.gate = asyncio.Event()
        client = await web.connect()
        client.send(request("POST", PATH, BODY))
        await runtime.entered.wait()
        client.send(b"\x00\x01\x02 garbage\r\n\r\n")
        await web.ask("GET", "/healthz")
        runtime.gate.set()
        assert (await client.reply()).status == 202
        assert await client.rest() == b""

    async def test_upgrade_is_not_followed(self, web: Served) -> None:
        client = await web.connect()
        head = [("connection", "upgrade"), ("upgrade", "websocket")]
        client.send(request("GET", "/healthz", b"", head))
        reply = await client.reply()
        assert (reply.status, reply.header("connection")) == (200, "close")
        assert await client.rest() == b""

    async def test_body_is_asked_for_only_when_it_may_come(self, web: Served) -> None:
        client = await web.connect()
        client.send(request("POST", PATH, BODY, [("expect", "100-continue")])[: -len(BODY)])
        assert (await client.reply()).status == 100
        client.send(BODY)
        assert (await client.reply()).status == 202
        too_long = [("expect", "100-continue"), ("content-length", "70000")]
        client.send(request("POST", PATH, b"", too_long))
        assert (await client.reply()).status == 413

    async def test_half_closed_client_is_let_go(self, web: Served, runtime: FakeRuntime) -> None:
        client = await web.connect()
        client.send(request("POST", PATH, BODY)[:-1])
        client.writer.write_eof()
        assert await client.rest() == b""
        assert runtime.inbox == []


class TestStop:
    async def in_flight(self, web: Served, runtime: FakeRuntime) -> Client:
        runtime.gate = asyncio.Event()
        client = await web.connect()
        client.send(request("POST", PATH, BODY))
        await runtime.entered.wait()
        return client

    async def test_commit_under_way_is_finished_and_answered_before_the_runtime_stops(
        self, runtime: FakeRuntime
    ) -> None:
        limits = quick()
        seen: list[int] = []

        async def on_stop() -> None:
            seen.append(runtime.commits)

        async with served(app_of(runtime, limits), limits, on_stop=on_stop) as web:
            client = await self.in_flight(web, runtime)
            web.stop.set()
            await until_refused(web.port)
            assert seen == []
            assert runtime.gate is not None
            runtime.gate.set()
            reply = await client.reply()
            assert (reply.status, reply.header("connection")) == (202, "close")
            await web.task
        assert seen == [1]

    async def test_what_is_not_wholly_here_is_answered_503(self, runtime: FakeRuntime) -> None:
        limits = quick()
        async with served(app_of(runtime, limits), limits) as web:
            head, body, idle = [await web.connect() for _ in range(3)]
            head.send(HALF_HEAD)
            body.send(request("POST", PATH, BODY)[:-1])
            await idle.ask("GET", "/healthz")
            web.stop.set()
            assert (await head.reply()).status == 503
            assert (await body.reply()).status == 503
            assert await idle.rest() == b""
        assert runtime.inbox == []

    async def test_commit_that_never_ends_is_given_up_with_503(self, runtime: FakeRuntime) -> None:
        limits = quick(stop_seconds=1)
        async with served(app_of(runtime, limits), limits) as web:
            client = await self.in_flight(web, runtime)
            web.stop.set()
            assert (await client.reply()).status == 503
        assert runtime.commits == 0

    @pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
    async def test_signal_stops_in_order(self, runtime: FakeRuntime, kind: signal.Signals) -> None:
        limits = quick()
        before = signal.getsignal(kind)
        async with served(app_of(runtime, limits), limits) as web:
            client = await self.in_flight(web, runtime)
            os.kill(os.getpid(), kind)
            await until_refused(web.port)
            assert runtime.gate is not None
            runtime.gate.set()
            assert (await client.reply()).status == 202
            await web.task
        assert signal.getsignal(kind) == before

    async def test_second_signal_ends_the_waiting(self, runtime: FakeRuntime) -> None:
        limits = quick(stop_seconds=600)
        async with served(app_of(runtime, limits), limits) as web:
            client = await self.in_flight(web, runtime)
            os.kill(os.getpid(), signal.SIGTERM)
            await until_refused(web.port)
            os.kill(os.getpid(), signal.SIGTERM)
            assert (await client.reply()).status == 503
            await web.task
        assert runtime.commits == 0

    async def test_cancelling_the_server_answers_what_is_under_way_first(
        self, runtime: FakeRuntime
    ) -> None:
        limits = quick()
        stopped = asyncio.Event()

        async def on_stop() -> None:
            stopped.set()

        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve(
                app_of(runtime, limits),
                limits=limits,
                on_ready=lambda host, port: ready.set_result(port),
                on_stop=on_stop,
            )
        )
        web = Served(await ready, asyncio.Event(), task)
        client = await self.in_flight(web, runtime)
        task.cancel()
        await until_refused(web.port)
        assert runtime.gate is not None
        runtime.gate.set()
        assert (await client.reply()).status == 202
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stopped.is_set()
        client.writer.close()


class TestAddress:
    async def test_taken_port_is_said_so_and_the_runtime_is_not_left_running(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        with pytest.raises(ConnectorError, match=rf"Cannot listen on .*{web.port}"):
            await serve(make_app(runtime, settings()), port=web.port)

    async def test_unknown_host_name_is_said_so(self, runtime: FakeRuntime) -> None:
        with pytest.raises(ConnectorError, match="Cannot listen on"):
            await serve(make_app(runtime, settings()), host="nowhere.invalid")

    def test_run_serves_on_the_fast_loop(self, runtime_class: type[FakeRuntime]) -> None:
        loops: list[str] = []

        async def main() -> None:
            stop = asyncio.Event()

            def ready(host: str, port: int) -> None:
                loops.append(type(asyncio.get_running_loop()).__module__)
                stop.set()

            await serve(make_app(runtime_class(), settings()), on_ready=ready, stop=stop)

        run(main())
        assert loops == ["uvloop"]


@pytest.fixture
def runtime_class() -> type[FakeRuntime]:
    return FakeRuntime
