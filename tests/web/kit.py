"""A fake runtime, a server on a real loopback socket, and a client that may misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from connector.errors import BundleError, ConnectorError, FlowError, HookRefused, NotConnected
from connector.model import Action, App, Connection, Field, Inbound, Request, Token
from connector.settings import Limits, Settings
from connector.web.ports import Asgi
from connector.web.server import serve

TOKEN = "a-token-for-tests-0123456789"
SECRET = "s3cret-perfex-token"
HOOK = "hook_known_1234"
PATIENCE = 20
"""Seconds after which a test gives up: never what it measures."""


class FakeCatalog:
    def __init__(self) -> None:
        app = App(
            key="shop",
            title="Shop",
            auth=Token(header="authtoken"),
            check=Request(method="GET", path="/"),
            read_error=lambda answer: None,
        )
        node = Action(
            app="shop",
            key="create_order",
            noun="order",
            label="Create an order",
            description="Writes an order.",
            sample={"total": Decimal("12.30")},
            inputs=(Field(path="data.total", label="Total", type="number", required=True),),
        )
        self.apps = {app.key: app}
        self.nodes = {node.name: node}

    def node(self, name: str) -> Any:
        if name not in self.nodes:
            raise BundleError(f"There is no node {name!r}.", remedy="Did you mean …?", who="user")
        return self.nodes[name]

    def fields(self, node: Any) -> Any:
        return node.inputs


class FakePast:
    """What looking back gives, and what it was asked."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime
        self.replaying = self

    async def runs(self, asked: Any, limit: int, before: int | None) -> dict[str, Any]:
        self._runtime._note("runs", asked, limit, before)
        rows = self._runtime.rows[:limit]
        more = len(self._runtime.rows) > limit
        return {"items": rows, "next": rows[-1]["id"] if more else None, "looked_to": None}

    async def account(self, since: float, until: float) -> dict[str, Any]:
        self._runtime._note("account", since, until)
        return {"accepted": 3, "unaccounted": 0}

    async def preview(self, asked: Any, from_step: str | None) -> dict[str, Any]:
        self._runtime._note("preview", asked, from_step)
        return {"items": [], "ready": [1, 2], "refused": 0, "writes": 3, "more": False}

    async def many(self, runs: Any, from_step: str | None, *, who: str) -> dict[str, Any]:
        self._runtime._note("many", runs, from_step, who)
        return {"replayed": [{"run": 9, "replay_of": 1}], "refused": []}


class FakeRemoving:
    """A flow `a` that has open runs."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime

    async def would(self, key: str) -> dict[str, Any] | None:
        return {"key": key, "open": {"waiting": 1}} if key == "a" else None

    async def remove(self, key: str, *, who: str, force: bool = False) -> dict[str, Any]:
        self._runtime._note("remove", key, who, force)
        if not force:
            raise FlowError("It has runs that are not over.")
        return {"key": key}


class FakeRuntime:
    """Does what a test tells it to; `inbox` holds what arrived."""

    def __init__(self) -> None:
        self.catalog = FakeCatalog()
        self.clock = time.time
        self.past = FakePast(self)
        self.removing = FakeRemoving(self)
        self.inbox: list[tuple[str, Inbound]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.reply: Any = None
        self.error: BaseException | None = None
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.committed = asyncio.Event()
        self.failed = asyncio.Event()
        self.reasons: dict[str, str] = {}
        self.rows: list[dict[str, Any]] = []
        self.commits = 0
        self.longest = 0

    async def hook_bytes(self, hook_id: str) -> int:
        if hook_id != HOOK:
            raise HookRefused("unknown hook", status=404)
        return self.longest

    async def receive(self, hook_id: str, inbound: Inbound) -> Any:
        if hook_id != HOOK:
            raise HookRefused("unknown hook", status=404)
        self.inbox.append((hook_id, inbound))
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            self.failed.set()
            raise self.error
        self.commits += 1
        self.committed.set()
        return self.reply

    async def ready(self) -> dict[str, str]:
        self._fail()
        return self.reasons

    async def list_connections(self) -> list[Connection]:
        return [self._connection()]

    async def start_connect(self, app: str, name: str, settings: Any) -> dict[str, Any]:
        self._note("start_connect", app, name, settings)
        return {"authorize_url": "https://app.example/consent?state=s", "state": "s"}

    async def finish_connect(self, state: str, code: str) -> Connection:
        self._note("finish_connect", state, code)
        if state != "good":
            raise NotConnected("This consent is not known.", remedy="Begin again.")
        return self._connection()

    async def connect_with_token(
        self, app: str, name: str, token: str, settings: Any
    ) -> Connection:
        self._note("connect_with_token", app, name, token, settings)
        return self._connection()

    async def list_events(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        self._note("list_events", limit, before)
        return self.rows[:limit]

    async def get_event(self, event_id: int) -> dict[str, Any] | None:
        self._note("get_event", event_id)
        return next((row for row in self.rows if row["id"] == event_id), None)

    async def list_runs(
        self, limit: int, before: int | None, state: str | None, flow: str | None
    ) -> list[dict[str, Any]]:
        self._note("list_runs", limit, before, state, flow)
        return self.rows[:limit]

    async def get_run(self, run_id: int) -> dict[str, Any] | None:
        return await self.get_event(run_id)

    async def replay(
        self, run_id: int, from_step: str | None = None, *, who: str = ""
    ) -> int | None:
        self._note("replay", run_id, from_step, who)
        return 99 if run_id == 1 else None

    async def replay_event(self, event_id: int) -> bool:
        self._note("replay_event", event_id)
        return event_id == 1

    async def quotas(self) -> list[dict[str, Any]]:
        self._note("quotas")
        return [{"app": "books", "account": "7", "windows": [{"name": "hour", "used": 3}]}]

    async def list_parked(self) -> list[dict[str, Any]]:
        return [{"key": "k1", "run": 4, "evidence": [{"message": "a timeout"}]}]

    async def resolve(
        self,
        key: str,
        choice: str,
        *,
        who: str,
        remote_id: str | None = None,
        force: bool = False,
    ) -> dict[str, Any]:
        self._note("resolve", key, choice, who, remote_id, force)
        if choice == "adopt" and not remote_id:
            raise ConnectorError("Adopting needs the id.", field="remote_id")
        return {"key": key, "run": 4, "state": "done"}

    async def status(self) -> dict[str, Any]:
        return {"counts": {"event": {"matched": 2}}, "recovered": self.rows, "alarms": self.rows}

    async def list_audits(self, limit: int = 100) -> list[dict[str, Any]]:
        self._note("list_audits", limit)
        return [{"who": "api", "what": "drop"}]

    async def list_flows(self) -> list[dict[str, Any]]:
        return [{"key": "a", "enabled": True}]

    async def get_flow(self, key: str) -> dict[str, Any] | None:
        return {"key": "a"} if key == "a" else None

    async def apply_flow(
        self, text: str, enable: bool | None = None, *, who: str = ""
    ) -> dict[str, Any]:
        self._note("apply_flow", text, enable)
        return {"key": "a", "version": 2}

    async def enable_flow(self, key: str, on: bool) -> dict[str, Any] | None:
        self._note("enable_flow", key, on)
        return {"key": key, "enabled": on} if key == "a" else None

    async def check_flow(self, text: str) -> dict[str, Any]:
        self._note("check_flow", text)
        return {"issues": []}

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        self._fail()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def _connection(self) -> Connection:
        return Connection(id="c1", app="shop", name="My <shop>", base_url="https://shop.example")


def settings(**given: Any) -> Settings:
    """Settings that neither the environment nor a file decides."""
    return Settings(**{"api_token": TOKEN, "database": "sqlite:///unused.db", **given})


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One TCP connection to the server, byte by byte if need be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self, head_only: bool = False) -> Reply:
        """The next whole answer."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            headers = [
                (name.lower(), value.strip())
                for name, _, value in (line.partition(":") for line in lines)
            ]
            length = int(dict(headers).get("content-length", "0"))
            body = b"" if head_only else await self.reader.readexactly(length)
        return Reply(int(first.split(" ")[1]), headers, body)

    async def rest(self) -> bytes:
        """All that comes until the server closes; a reset counts as closing."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Reply:
        self.send(request(method, target, body, headers))
        return await self.reply(head_only=method == "HEAD")


def request(
    method: str, target: str, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
) -> bytes:
    """A well-formed request; a header given here replaces the usual one, empty drops it."""
    usual = {"host": "localhost"}
    if method in ("POST", "PUT"):
        usual |= {"content-type": "application/json", "content-length": str(len(body))}
    merged = {**usual, **{name.lower(): value for name, value in headers}}
    lines = [f"{name}: {value}" for name, value in merged.items() if value]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


class Served:
    """A running server."""

    def __init__(self, port: int, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.port = port
        self.stop = stop
        self.task = task
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        client = Client(reader, writer)
        self._clients.append(client)
        return client

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Reply:
        """One request on a connection of its own."""
        client = await self.connect()
        return await client.ask(method, target, body, headers)

    async def api(self, method: str, target: str, data: Any = None, **headers: str) -> Reply:
        """One request with the API token; `data` goes as JSON."""
        body = b"" if data is None else json.dumps(data).encode()
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return await self.ask(
            method, f"/api/v1{target}", body, [("authorization", f"Bearer {TOKEN}"), *named]
        )

    async def close(self) -> None:
        for client in self._clients:
            client.writer.close()
            with contextlib.suppress(ConnectionError):
                await client.writer.wait_closed()
        self.stop.set()
        async with asyncio.timeout(PATIENCE):
            await self.task


@contextlib.asynccontextmanager
async def served(app: Asgi, limits: Limits | None = None, **more: Any) -> AsyncIterator[Served]:
    """The app on a free loopback port."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(
        serve(
            app,
            limits=limits,
            on_ready=lambda host, port: ready.set_result(port),
            stop=stop,
            **more,
        )
    )
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await task
    server = Served(ready.result(), stop, task)
    try:
        yield server
    finally:
        await server.close()
