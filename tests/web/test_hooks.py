"""What the hook edge answers, and that nothing is answered 2xx that is not stored."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import MutableMapping
from typing import Any

import pytest

from connector.errors import (
    HookRefused,
    HookUnsure,
    NotConnected,
    StoreBusy,
    StoreError,
)
from connector.settings import Limits
from connector.web.app import make_app
from connector.web.hooks import NEVER, HookEdge
from tests.web.kit import HOOK, FakeRuntime, Served, request, served, settings

PATH = f"/hooks/{HOOK}"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.claims.signature"
BODY = b'{"data":{"ids":[1]}}'


def assert_problem(reply: object, status: int) -> None:
    assert reply.status == status  # type: ignore[attr-defined]
    assert reply.header("content-type") == "application/problem+json"  # type: ignore[attr-defined]
    assert reply.header("x-content-type-options") == "nosniff"  # type: ignore[attr-defined]
    assert reply.json()["status"] == status  # type: ignore[attr-defined]
    assert set(reply.json()) == {"title", "status"}  # type: ignore[attr-defined]


class TestAccepted:
    async def test_stored_event_is_202(self, web: Served, runtime: FakeRuntime) -> None:
        reply = await web.ask("POST", PATH, BODY, [("ce-id", "7"), ("Ce-Type", "x")])
        assert (reply.status, reply.body) == (202, b"{}")
        hook_id, inbound = runtime.inbox[0]
        assert hook_id == HOOK
        assert inbound.method == "POST"
        assert inbound.body == BODY
        assert inbound.header("ce-type") == "x"

    async def test_handshake_is_answered_as_json_that_nobody_sniffs(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.reply = {"verification": "abc"}
        reply = await web.ask("GET", f"{PATH}?challenge=abc&empty=&x=%20y")
        assert (reply.status, reply.json()) == (200, {"verification": "abc"})
        assert reply.header("content-type") == "application/json"
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("cache-control") == "no-store"
        assert runtime.inbox[0][1].query == (("challenge", "abc"), ("empty", ""), ("x", " y"))

    async def test_chunked_body_arrives_whole(self, web: Served, runtime: FakeRuntime) -> None:
        client = await web.connect()
        head = [("content-length", ""), ("transfer-encoding", "chunked")]
        client.send(request("POST", PATH, b"", head))
        client.send(b'5\r\n{"dat\r\n')
        client.send(b'5\r\na":1}\r\n0\r\n\r\n')
        assert (await client.reply()).status == 202
        assert runtime.inbox[0][1].body == b'{"data":1}'

    @pytest.mark.parametrize(
        "kind",
        [
            "application/json",
            "application/json; charset=utf-8",
            "application/cloudevents+json",
            "Application/CloudEvents-Batch+JSON",
        ],
    )
    async def test_json_types_are_taken(self, web: Served, kind: str) -> None:
        assert (await web.ask("POST", PATH, BODY, [("content-type", kind)])).status == 202

    async def test_connection_is_kept_for_the_next_event(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        client = await web.connect()
        assert [(await client.ask("POST", PATH, BODY)).status for _ in range(3)] == [202] * 3
        assert len(runtime.inbox) == 3


class TestRefused:
    @pytest.mark.parametrize("path", ["/hooks/unknown", "/hooks/", "/hooks/a%2Fb", f"{PATH}/"])
    async def test_unknown_hook_is_404_and_never_a_redirect(self, web: Served, path: str) -> None:
        assert_problem(await web.ask("POST", path, BODY), 404)

    async def test_unknown_hooks_answer_differs_in_nothing_from_a_malformed_id(
        self, web: Served
    ) -> None:
        one = await web.ask("POST", "/hooks/unknown", BODY)
        other = await web.ask("POST", "/hooks/%00", BODY)
        drop = [("date", one.header("date")), ("date", other.header("date"))]
        assert [h for h in one.headers if h not in drop] == [
            h for h in other.headers if h not in drop
        ]
        assert one.body == other.body

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
    async def test_other_methods_are_405(self, web: Served, method: str) -> None:
        reply = await web.ask(method, PATH)
        assert_problem(reply, 405)
        assert reply.header("allow") == "GET, POST"

    @pytest.mark.parametrize(
        "kind",
        [
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "",
        ],
    )
    async def test_other_types_are_415(self, web: Served, runtime: FakeRuntime, kind: str) -> None:
        assert_problem(await web.ask("POST", PATH, BODY, [("content-type", kind)]), 415)
        assert runtime.inbox == []

    @pytest.mark.parametrize("coding", ["gzip", "identity", "br, gzip"])
    async def test_coded_bodies_are_415(self, web: Served, coding: str) -> None:
        reply = await web.ask("POST", PATH, BODY, [("content-encoding", coding)])
        assert_problem(reply, 415)

    async def test_declared_oversize_is_413_before_a_byte_of_it_is_read(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        client = await web.connect()
        client.send(request("POST", PATH, b"", [("content-length", "65537")]))
        assert_problem(await client.reply(), 413)
        assert await client.rest() == b""
        assert runtime.inbox == []

    async def test_undeclared_oversize_is_413_when_the_limit_is_passed(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        client = await web.connect()
        head = [("content-length", ""), ("transfer-encoding", "chunked")]
        client.send(request("POST", PATH, b"", head))
        for _ in range(5):
            client.send(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        assert_problem(await client.reply(), 413)
        assert await client.rest() == b""
        assert runtime.inbox == []

    async def test_body_of_exactly_the_limit_is_taken(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        assert (await web.ask("POST", PATH, b" " * 65536)).status == 202
        assert len(runtime.inbox[0][1].body) == 65536

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_an_app_may_say_that_its_bodies_are_longer(
        self, web: Served, runtime: FakeRuntime, chunked: bool
    ) -> None:
        runtime.longest = 100_000
        for size, status in ((100_000, 202), (100_001, 413)):
            client = await web.connect()
            framing = [("content-length", str(size))]
            if chunked:
                framing = [("content-length", ""), ("transfer-encoding", "chunked")]
            client.send(request("POST", PATH, b"", framing))
            if status == 202 or chunked:
                body = b" " * size
                client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (size, body) if chunked else body)
            assert (await client.reply()).status == status
        assert [len(inbound.body) for _, inbound in runtime.inbox] == [100_000]

    async def test_long_bodies_have_little_room_all_together(self, runtime: FakeRuntime) -> None:
        """Whoever finds none comes again; what is as short as any has room besides."""
        runtime.longest = 1024 * 1024
        edge = HookEdge(runtime, Limits())
        runtime.gate = asyncio.Event()

        async def post(size: int) -> int:
            headers = [(b"content-type", b"application/json")]
            scope = {"method": "POST", "headers": [*headers, (b"content-length", b"%d" % size)]}
            said: list[int] = []

            async def receive() -> dict[str, object]:
                return {"type": "http.request", "body": b" " * size}

            async def send(message: MutableMapping[str, Any]) -> None:
                said.append(message.get("status", 0))

            await edge.serve_hook(HOOK, scope, receive, send)
            return said[0]

        async with asyncio.TaskGroup() as group:
            held = [group.create_task(post(runtime.longest)) for _ in range(8)]
            while len(runtime.inbox) < 8:
                await asyncio.sleep(0)
            assert await post(65_537) == 503
            short = group.create_task(post(65_536))
            while len(runtime.inbox) < 9:
                await asyncio.sleep(0)
            runtime.gate.set()
        assert {one.result() for one in (*held, short)} == {202}
        assert await post(runtime.longest) == 202

    async def test_get_with_a_body_is_400(self, web: Served) -> None:
        assert_problem(await web.ask("GET", PATH, b"{}", [("content-length", "2")]), 400)

    @pytest.mark.parametrize("query", ["&".join(f"a{i}=1" for i in range(40)), "a=%ff"])
    async def test_senseless_query_is_400(self, web: Served, query: str) -> None:
        assert_problem(await web.ask("GET", f"{PATH}?{query}"), 400)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
    async def test_refusal_gives_its_status_and_no_reason(
        self, web: Served, runtime: FakeRuntime, status: int
    ) -> None:
        runtime.error = HookRefused("the aud claim is wrong", status=status)
        assert_problem(await web.ask("POST", PATH, BODY), status)


class TestOurTrouble:
    @pytest.mark.parametrize(
        "error",
        [
            HookUnsure("unknown key"),
            StoreBusy("locked"),
            StoreError("disk full"),
            NotConnected("gone"),
            RuntimeError("bug"),
            TimeoutError("slow"),
            OSError("disk"),
            RecursionError("deep"),
        ],
        ids=lambda error: type(error).__name__,
    )
    async def test_every_other_error_is_503(
        self, web: Served, runtime: FakeRuntime, error: Exception
    ) -> None:
        runtime.error = error
        reply = await web.ask("POST", PATH, BODY)
        assert_problem(reply, 503)
        assert reply.header("retry-after") is None

    @pytest.mark.parametrize("status", [*sorted(NEVER), 200, 202, 301, 302, 307, 399, 500, 600])
    async def test_status_that_a_provider_misreads_becomes_503(
        self, web: Served, runtime: FakeRuntime, status: int
    ) -> None:
        runtime.error = HookRefused("no", status=status)
        assert_problem(await web.ask("POST", PATH, BODY), 503)

    async def test_handshake_answer_that_is_no_json_is_503(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.reply = {"verification": object()}
        assert_problem(await web.ask("GET", PATH), 503)

    async def test_hard_stop_is_503_and_the_commit_goes_on(self, runtime: FakeRuntime) -> None:
        runtime.gate = asyncio.Event()
        few = settings(limits=Limits(hook_seconds=0.05))
        async with served(make_app(runtime, few)) as web:
            assert_problem(await web.ask("POST", PATH, BODY), 503)
            assert runtime.commits == 0
            runtime.gate.set()
            await runtime.committed.wait()
        assert runtime.commits == 1

    async def test_late_failure_of_a_commit_is_nobodys_surprise(self, runtime: FakeRuntime) -> None:
        """Warnings are errors here: an exception that nobody fetches would fail this test."""
        runtime.gate = asyncio.Event()
        runtime.error = StoreBusy("locked")
        few = settings(limits=Limits(hook_seconds=0.05))
        async with served(make_app(runtime, few)) as web:
            assert_problem(await web.ask("POST", PATH, BODY), 503)
            runtime.gate.set()
            await runtime.failed.wait()
            runtime.error = None
            assert (await web.ask("POST", PATH, BODY)).status == 202
        gc.collect()

    async def test_slow_body_under_another_server_is_503(self, runtime: FakeRuntime) -> None:
        """There our protocol does not guard the socket, so the edge itself must stop waiting."""
        edge = HookEdge(runtime, Limits(body_seconds=0.05))
        sent = []

        async def never() -> dict[str, object]:
            await asyncio.Event().wait()
            return {}

        async def send(message: object) -> None:
            sent.append(message)

        scope = {"method": "POST", "headers": [(b"content-type", b"application/json")]}
        await edge.serve_hook(HOOK, scope, never, send)  # type: ignore[arg-type]
        assert sent[0]["status"] == 503

    async def test_client_that_hangs_up_gets_no_answer(self, runtime: FakeRuntime) -> None:
        edge = HookEdge(runtime, Limits())
        sent: list[object] = []

        async def gone() -> dict[str, object]:
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            sent.append(message)

        scope = {"method": "POST", "headers": [(b"content-type", b"application/json")]}
        await edge.serve_hook(HOOK, scope, gone, send)  # type: ignore[arg-type]
        assert sent == []
        assert runtime.inbox == []


class TestLog:
    async def test_nothing_of_the_request_is_logged_but_the_end_of_the_hook_id(
        self, web: Served, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        auth = [("authorization", f"Bearer {TOKEN}"), ("x-fic-verification-challenge", "chal1")]
        for error in (None, HookRefused(TOKEN), HookUnsure(TOKEN), RuntimeError(TOKEN)):
            runtime.error = error
            await web.ask("POST", f"{PATH}?challenge=chal2", BODY, auth)
        await web.ask("POST", "/hooks/chal3", BODY, auth)
        text = "\n".join(record.getMessage() for record in caplog.records)
        assert f"…{HOOK[-4:]}" in text
        assert "RuntimeError" in text
        for secret in (TOKEN, "chal1", "chal2", "chal3", HOOK, "ids"):
            assert secret not in text
            assert secret not in caplog.text

    async def test_accepted_event_is_not_logged(
        self, web: Served, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        caplog.clear()
        await web.ask("POST", PATH, BODY)
        assert [r for r in caplog.records if r.name.startswith("connector")] == []
