"""Health, the consent page, prefixes, and the API token's file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from connector.errors import ConnectorError, StoreBusy
from connector.web.app import make_app
from connector.web.tokens import api_token, token_file
from tests.web.kit import HOOK, TOKEN, FakeRuntime, Reply, Served, served, settings

CALLBACK = "/oauth/callback"


def assert_guarded(reply: Reply) -> None:
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("cache-control") == "no-store"
    # Pages say the other one: with none, a browser's form would not say where it comes from.
    assert reply.header("referrer-policy") in ("no-referrer", "same-origin")
    assert "default-src 'none'" in (reply.header("content-security-policy") or "")


class TestHealth:
    async def test_alive_even_when_not_ready(self, web: Served, runtime: FakeRuntime) -> None:
        runtime.reasons = {"store": "The disk is full."}
        reply = await web.ask("GET", "/healthz")
        assert (reply.status, reply.json()) == (200, {"status": "alive"})
        assert_guarded(reply)

    async def test_ready(self, web: Served) -> None:
        reply = await web.ask("GET", "/readyz")
        assert (reply.status, reply.json()) == (200, {"status": "ready", "reasons": {}})

    async def test_not_ready_says_why(self, web: Served, runtime: FakeRuntime) -> None:
        runtime.reasons = {"store": "The disk is full."}
        reply = await web.ask("GET", "/readyz")
        assert (reply.status, reply.json()["reasons"]) == (503, {"store": "The disk is full."})

    @pytest.mark.parametrize("error", [StoreBusy("locked"), RuntimeError("secret")])
    async def test_runtime_that_fails_to_answer_is_not_ready(
        self, web: Served, runtime: FakeRuntime, error: Exception
    ) -> None:
        runtime.error = error
        reply = await web.ask("GET", "/readyz")
        assert reply.status == 503
        assert b"secret" not in reply.body

    async def test_probes_may_come_by_any_host_name_and_without_token(self, web: Served) -> None:
        assert (await web.ask("GET", "/readyz", b"", [("host", "10.1.2.3:80")])).status == 200

    async def test_head_is_answered_without_a_body(self, web: Served) -> None:
        client = await web.connect()
        assert (await client.ask("HEAD", "/healthz")).status == 200
        assert (await client.ask("GET", "/healthz")).json() == {"status": "alive"}

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    async def test_other_methods_are_405(self, web: Served, path: str) -> None:
        reply = await web.ask("POST", path, b"{}")
        assert (reply.status, reply.header("allow")) == (405, "GET, HEAD")

    @pytest.mark.parametrize("path", ["/nowhere", "/healthz/", "/hooks", "/api", "/docs", "*"])
    async def test_anything_else_is_a_404_problem(self, web: Served, path: str) -> None:
        reply = await web.ask("GET", path)
        assert (reply.status, reply.header("content-type")) == (404, "application/problem+json")
        assert_guarded(reply)


class TestConsent:
    async def test_good_answer_connects_and_says_so(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        reply = await web.ask("GET", f"{CALLBACK}?code=c%2F1&state=good")
        assert reply.status == 200
        assert reply.header("content-type") == "text/html; charset=utf-8"
        assert_guarded(reply)
        assert "“My &lt;shop&gt;” is connected" in reply.body.decode()
        assert runtime.calls == [("finish_connect", "good", "c/1")]

    async def test_unknown_state_says_what_to_do(self, web: Served) -> None:
        reply = await web.ask("GET", f"{CALLBACK}?code=c&state=old")
        assert reply.status == 409
        assert "This consent is not known. Begin again." in reply.body.decode()

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "code=c",
            "state=s",
            "code=&state=good",
            "code=a&code=b&state=good",
            "code=c&state=good&state=good",
            f"code={'c' * 5000}&state=good",
            "&".join(f"a{i}=" for i in range(30)),
        ],
    )
    async def test_unusable_answer_is_400_and_reaches_nobody(
        self, web: Served, runtime: FakeRuntime, query: str
    ) -> None:
        reply = await web.ask("GET", f"{CALLBACK}?{query}")
        assert (reply.status, runtime.calls) == (400, [])
        assert "Start the connection again" in reply.body.decode()

    async def test_refusal_by_the_owner_is_said_so(self, web: Served, runtime: FakeRuntime) -> None:
        reply = await web.ask("GET", f"{CALLBACK}?error=access_denied&state=good&code=c")
        assert reply.status == 400
        assert "access_denied" in reply.body.decode()
        assert runtime.calls == []

    async def test_nothing_of_the_query_is_shown_as_html(self, web: Served) -> None:
        reply = await web.ask("GET", f"{CALLBACK}?error=%3Cscript%3E&error_description=%3Cb%3E")
        assert b"<script" not in reply.body
        assert b"<b>" not in reply.body

    async def test_code_is_not_logged_when_something_fails(
        self, web: Served, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(0)
        runtime.error = RuntimeError("the code was topsecret")
        reply = await web.ask("GET", f"{CALLBACK}?code=topsecret&state=good")
        assert reply.status == 500
        assert "topsecret" not in reply.body.decode() + caplog.text

    async def test_other_methods_and_hosts_are_refused(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        assert (await web.ask("POST", f"{CALLBACK}?code=c&state=good", b"{}")).status == 405
        foreign = [("host", "evil.example")]
        assert (await web.ask("GET", f"{CALLBACK}?code=c&state=good", b"", foreign)).status == 421
        assert runtime.calls == []


class TestPrefix:
    async def test_works_mounted_in_another_app(self, runtime: FakeRuntime) -> None:
        outer = FastAPI()
        outer.mount("/deep/connector", make_app(runtime, settings()))
        auth = [("authorization", f"Bearer {TOKEN}")]
        async with served(outer) as web:
            assert (await web.ask("POST", f"/deep/connector/hooks/{HOOK}", b"{}")).status == 202
            assert (await web.ask("POST", f"/deep/connector/hooks/{HOOK}/", b"{}")).status == 404
            assert (await web.ask("GET", "/deep/connector/readyz")).status == 200
            api = await web.ask("GET", "/deep/connector/api/v1/runs/7", b"", auth)
            assert (api.status, api.json()["detail"]) == (404, "There is no such run.")
            told = await web.ask("GET", "/deep/connector/api/v1/openapi.json", b"", auth)
            assert told.json()["servers"] == [{"url": "/deep/connector"}]
            assert (await web.ask("GET", "/readyz")).status == 404

    async def test_works_where_the_outer_server_has_stripped_the_prefix(
        self, runtime: FakeRuntime
    ) -> None:
        inner = make_app(runtime, settings())

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            await inner({**scope, "root_path": "/c"}, receive, send)

        async with served(outer) as web:
            assert (await web.ask("GET", "/readyz")).status == 200
            assert (await web.ask("GET", "/c/readyz")).status == 200
            assert (await web.ask("GET", "/cx/readyz")).status == 404

    async def test_lifespan_is_acknowledged(self, runtime: FakeRuntime) -> None:
        app = make_app(runtime, settings())
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        sent: list[Any] = []

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    async def test_websocket_is_refused(self, runtime: FakeRuntime) -> None:
        app = make_app(runtime, settings())
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app({"type": "websocket", "path": f"/hooks/{HOOK}"}, receive, send)
        assert sent == ["websocket.close"]


class TestTokenFile:
    def beside(self, folder: Path) -> Any:
        return settings(api_token=None, database=f"sqlite:///{folder / 'my.db'}")

    def test_is_made_once_beside_the_database_for_its_owner_alone(self, tmp_path: Path) -> None:
        own = self.beside(tmp_path)
        token = api_token(own)
        path = token_file(own)
        assert path == tmp_path / "my.api.key"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().strip() == token
        assert len(token) >= 43
        assert api_token(own) == token
        assert [one.name for one in tmp_path.iterdir()] == ["my.api.key"]

    def test_two_installations_differ(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        assert api_token(self.beside(tmp_path / "a")) != api_token(self.beside(tmp_path / "b"))

    async def test_starts_beside_each_other_agree(self, tmp_path: Path) -> None:
        own = self.beside(tmp_path)
        tokens = await asyncio.gather(*(asyncio.to_thread(api_token, own) for _ in range(8)))
        assert len(set(tokens)) == 1

    def test_file_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        own = self.beside(tmp_path)
        token = api_token(own)
        os.chmod(tmp_path / "my.api.key", 0o644)
        with pytest.raises(ConnectorError, match="chmod 600") as caught:
            api_token(own)
        assert token not in str(caught.value)

    def test_empty_file_is_refused(self, tmp_path: Path) -> None:
        own = self.beside(tmp_path)
        path = tmp_path / "my.api.key"
        path.touch(0o600)
        with pytest.raises(ConnectorError, match="holds no token"):
            api_token(own)

    def test_missing_folder_is_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(ConnectorError, match="cannot be used"):
            api_token(self.beside(tmp_path / "nowhere"))

    def test_setting_comes_before_the_file(self, tmp_path: Path) -> None:
        own = settings(database=f"sqlite:///{tmp_path / 'my.db'}")
        assert api_token(own) == TOKEN
        assert list(tmp_path.iterdir()) == []

    def test_other_databases_need_the_setting(self) -> None:
        own = settings(api_token=None, database="postgresql://db.example/c")
        with pytest.raises(ConnectorError, match="CONNECTOR_API_TOKEN"):
            api_token(own)
