"""Who may ask, and what is answered when something is wrong."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from connector.errors import (
    Conflict,
    ConnectorError,
    FlowError,
    Forbidden,
    Invalid,
    Issue,
    MappingError,
    Missing,
    NotConnected,
    NotSent,
    SchemaError,
    StoreBusy,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.settings import Limits
from connector.web.api import PREFIX
from connector.web.app import make_app
from tests.web.api.kit import AUTH, assert_problem, routes
from tests.web.kit import SECRET, TOKEN, FakeRuntime, Served, served, settings


class TestDoor:
    @pytest.mark.parametrize(("method", "path"), routes())
    async def test_every_route_refuses_anonymous_callers(
        self, web: Served, runtime: FakeRuntime, method: str, path: str
    ) -> None:
        reply = await web.ask(method, path, b"{}" if method in ("POST", "PUT") else b"")
        assert_problem(reply, 401)
        assert reply.header("www-authenticate") == "Bearer"
        assert runtime.calls == []

    async def test_walk_sees_the_whole_table(self) -> None:
        assert len(routes()) >= 18

    @pytest.mark.parametrize(
        "value",
        [
            "Bearer wrong",
            "Bearer ",
            "Bearer",
            f"Basic {TOKEN}",
            TOKEN,
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            "Bearer \xff",
        ],
    )
    async def test_wrong_token_is_401(self, web: Served, value: str) -> None:
        assert_problem(await web.ask("GET", f"{PREFIX}/apps", b"", [("authorization", value)]), 401)

    async def test_two_tokens_are_none(self, web: Served) -> None:
        twice = [("authorization", f"Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}")]
        assert_problem(await web.ask("GET", f"{PREFIX}/apps", b"", twice), 401)

    @pytest.mark.parametrize("name", ["token", "access_token", "api_token"])
    async def test_token_in_the_address_is_no_token(self, web: Served, name: str) -> None:
        assert_problem(await web.ask("GET", f"{PREFIX}/apps?{name}={TOKEN}"), 401)

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    async def test_right_token_is_let_in(self, web: Served, scheme: str) -> None:
        head = [("authorization", f"{scheme} {TOKEN}")]
        assert (await web.ask("GET", f"{PREFIX}/apps", b"", head)).status == 200

    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "[::2]:80", "."])
    async def test_foreign_host_name_is_421_even_with_the_token(
        self, web: Served, host: str
    ) -> None:
        reply = await web.ask("GET", f"{PREFIX}/apps", b"", [*AUTH, ("host", host)])
        assert_problem(reply, 421)

    @pytest.mark.parametrize(
        "host",
        ["localhost", "LOCALHOST:99", "127.0.0.1:8420", "[::1]:80", "hub.example", "other.example"],
    )
    async def test_own_host_names_are_known(self, runtime: FakeRuntime, host: str) -> None:
        own = settings(public_url="https://hub.example/c", allowed_hosts="x.example, Other.example")
        async with served(make_app(runtime, own)) as web:
            reply = await web.ask("GET", f"{PREFIX}/apps", b"", [*AUTH, ("host", host)])
            assert reply.status == 200

    async def test_body_over_the_limit_is_413(self, runtime: FakeRuntime) -> None:
        small = settings(limits=Limits(api_bytes=100))
        async with served(make_app(runtime, small)) as web:
            assert_problem(await web.api("POST", "/flows/check", {"text": "x" * 200}), 413)
            client = await web.connect()
            chunked = [*AUTH, ("content-length", ""), ("transfer-encoding", "chunked")]
            body = b"80\r\n" + b" " * 128 + b"\r\n0\r\n\r\n"
            assert_problem(await client.ask("POST", f"{PREFIX}/flows/check", body, chunked), 413)
        assert runtime.calls == []

    @pytest.mark.parametrize(
        "head",
        [
            ("content-type", "text/plain"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-type", "multipart/form-data; boundary=x"),
            ("content-type", ""),
            ("content-encoding", "gzip"),
        ],
    )
    async def test_other_bodies_than_plain_json_are_415(
        self, web: Served, runtime: FakeRuntime, head: tuple[str, str]
    ) -> None:
        body = json.dumps({"text": ""}).encode()
        assert_problem(await web.ask("PUT", f"{PREFIX}/flows", body, [*AUTH, head]), 415)
        assert runtime.calls == []


class TestErrors:
    @pytest.mark.parametrize("path", ["/nowhere", "/apps/", "/", "/flows/a/enable/x", "/runs/"])
    async def test_unknown_address_is_404_and_no_redirect(self, web: Served, path: str) -> None:
        assert_problem(await web.api("GET", path), 404)

    async def test_wrong_method_is_405(self, web: Served) -> None:
        reply = await web.api("DELETE", "/apps")
        assert_problem(reply, 405)
        assert reply.header("allow") == "GET"

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/flows/b"),
            ("POST", "/flows/b/enable"),
            ("POST", "/flows/b/disable"),
            ("DELETE", "/flows/b"),
            ("GET", "/events/7"),
            ("GET", "/runs/7"),
            ("POST", "/runs/7/replay"),
            ("POST", "/events/7/replay"),
            ("GET", "/nodes/shop.nothing"),
            ("GET", "/nodes/shop.nothing/fields"),
        ],
    )
    async def test_unknown_record_is_404(self, web: Served, method: str, path: str) -> None:
        assert_problem(await web.api(method, path), 404)

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("/runs?limit=0", "limit"),
            ("/runs?limit=201", "limit"),
            ("/runs?cursor=x", "cursor"),
            ("/events?limit=x", "limit"),
            ("/runs/abc", "run_id"),
            ("/events/0", "event_id"),
            (f"/events/{2**63}", "event_id"),
        ],
    )
    async def test_wrong_parameter_is_422_and_named(
        self, web: Served, path: str, field: str
    ) -> None:
        body = assert_problem(await web.api("GET", path), 422)
        assert [one["field"] for one in body["fields"]] == [field]

    @pytest.mark.parametrize(
        ("data", "fields"),
        [
            ({}, ["app", "name", "token"]),
            ({"app": "a", "name": "n", "token": ""}, ["token"]),
            ({"app": "a", "name": "n", "token": [SECRET]}, ["token"]),
            ({"app": "a", "name": "n", "token": SECRET, "extra": SECRET}, ["extra"]),
            ({"app": "a", "name": "n", "token": SECRET, "settings": SECRET}, ["settings"]),
            ({"app": 1, "name": SECRET, "token": SECRET * 2000}, ["app", "token"]),
        ],
    )
    async def test_wrong_body_is_422_named_and_never_echoed(
        self, web: Served, data: Any, fields: list[str]
    ) -> None:
        reply = await web.api("POST", "/connections", data)
        body = assert_problem(reply, 422)
        assert [one["field"] for one in body["fields"]] == fields
        assert SECRET.encode() not in reply.body

    @pytest.mark.parametrize("text", [b"{", b"[" * 50_000, b"\xff\xfe", b'{"text": NaN}', b"[]"])
    async def test_malformed_json_is_a_problem(self, web: Served, text: bytes) -> None:
        reply = await web.ask("POST", f"{PREFIX}/flows/check", text, AUTH)
        assert reply.status in (400, 422)
        assert_problem(reply, reply.status)

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (FlowError("bad", issues=[Issue(message="no", field="steps.0", line=3)]), 422),
            (MappingError("bad"), 422),
            (ConnectorError("bad", field="app"), 422),
            (NotConnected("gone"), 409),
            (Conflict("taken"), 409),
            (Missing("none"), 404),
            (Invalid("fields"), 422),
            (Unauthorized("dead token"), 502),
            (Forbidden("scope"), 502),
            (NotSent("refused"), 502),
            (Unclear("reset"), 502),
            (Throttled("quota", retry_after=2.5), 503),
            (StoreBusy("locked"), 503),
            (SchemaError("broken"), 500),
        ],
        ids=lambda value: type(value).__name__,
    )
    async def test_each_of_our_errors_has_its_status_and_says_what_to_do(
        self, web: Served, runtime: FakeRuntime, error: ConnectorError, status: int
    ) -> None:
        error.remedy = "Do this."
        runtime.error = error
        reply = await web.api("PUT", "/flows", {"text": "flow: x"})
        body = assert_problem(reply, status)
        assert (body["detail"], body["remedy"]) == (error.message, "Do this.")
        assert (body["kind"], body["who"]) == (type(error).__name__, error.who)
        if isinstance(error, Throttled):
            assert reply.header("retry-after") == "3"

    async def test_issues_are_the_fields_of_the_problem(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.error = FlowError("bad", issues=[Issue(message="no", field="steps.0.do", line=3)])
        body = assert_problem(await web.api("POST", "/flows/check", {"text": "x"}), 422)
        assert (
            body["fields"][0] | {"message": "no", "field": "steps.0.do", "line": 3}
            == (body["fields"][0])
        )

    async def test_error_on_one_field_is_listed_like_many(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.error = ConnectorError("No such app.", field="app", value_type="text")
        body = assert_problem(await web.api("POST", "/flows/check", {"text": "x"}), 422)
        assert body["fields"] == [
            {"message": "No such app.", "field": "app", "value_type": "text", "who": "user"}
        ]

    async def test_surprise_is_500_and_its_text_goes_nowhere(
        self, web: Served, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        runtime.error = RuntimeError(SECRET)
        reply = await web.api("GET", "/events")
        assert_problem(reply, 500)
        assert SECRET.encode() not in reply.body
        assert SECRET not in caplog.text
        assert "RuntimeError" in caplog.text
