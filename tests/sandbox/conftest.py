"""A sandbox in this process with a sink that records what it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from connector.http import HttpClient, asgi_client
from connector.model import Answer, HttpRequest, Method
from connector.sandbox import ManualClock, Sandbox, SandboxConfig, exact

FIC = "http://fic.test"
PERFEX = "http://perfex.test"
SINK = "https://hub.test"
COMPANY = 108_061
PREFIX = "it.fattureincloud.webhooks."


@dataclass
class Sink:
    """A webhook receiver: answers challenges, then `statuses` one by one, then 202."""

    statuses: list[int] = field(default_factory=list)
    answers_challenges: bool = True
    silent: bool = False
    received: list[dict[str, Any]] = field(default_factory=list)
    challenges: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        query = {key: value[0] for key, value in parse_qs(scope["query_string"].decode()).items()}
        seen = {"headers": headers, "query": query, "path": scope["path"]}
        if scope["method"] == "GET":
            self.challenges.append(seen)
            name = "x-fic-verification-challenge"
            secret = headers.get(name) or query.get(name)
            said = secret if self.answers_challenges else "wrong"
            await self._say(send, 200, json.dumps({"verification": said}).encode())
            return
        if self.silent:
            raise ConnectionRefusedError
        self.received.append(seen | {"body": json.loads(body)})
        await self._say(send, self.statuses.pop(0) if self.statuses else 202, b"")

    @staticmethod
    async def _say(send: Any, status: int, body: bytes) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was received, without welcome events."""
        return [one for one in self.received if not _type(one).endswith("welcome")]

    @property
    def ids(self) -> list[list[Any]]:
        """The ids of each event."""
        return [one["body"]["data"]["ids"] for one in self.events]


def _type(seen: dict[str, Any]) -> str:
    return str(seen["headers"].get("ce-type") or seen["body"].get("type"))


class World:
    """A sandbox on a hand-moved clock, and short ways to call it."""

    def __init__(self, config: SandboxConfig) -> None:
        self.clock = ManualClock()
        self.sink = Sink()
        self.sandbox = Sandbox(config, clock=self.clock, http=self._send)
        self.client: HttpClient = asgi_client(
            {FIC: self.sandbox.fic_app, PERFEX: self.sandbox.perfex_app, SINK: self.sink}
        )
        self.token = self.sandbox.fic.manual_token

    async def _send(self, request: HttpRequest) -> Answer:
        return await self.client.send(request)

    async def fic(
        self,
        method: Method,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        **query: Any,
    ) -> Answer:
        """Call Fatture in Cloud; `C/…` is a path of the first company."""
        where = path.replace("C/", f"/c/{COMPANY}/", 1) if path.startswith("C/") else path
        url = f"{FIC}{where}" + (f"?{urlencode(query)}" if query else "")
        headers = (("Authorization", f"Bearer {token or self.token}"),)
        raw = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        return await self.client.send(
            HttpRequest(method=method, url=url, headers=headers, body=raw)
        )

    async def perfex(
        self,
        method: Method,
        path: str,
        *,
        form: dict[str, Any] | None = None,
        body: Any = None,
        token: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        """Call Perfex with its token; `form` is sent with brackets as given."""
        sent = [*headers, ("authtoken", token or self.sandbox.perfex.authtoken)]
        raw = b""
        if form is not None:
            raw = urlencode(form).encode()
            sent.append(("Content-Type", "application/x-www-form-urlencoded"))
        elif body is not None:
            raw = _json(body)
            sent.append(("Content-Type", "application/json"))
        url = f"{PERFEX}/api{path}"
        request = HttpRequest(method=method, url=url, headers=tuple(sent), body=raw)
        return await self.client.send(request)

    async def control(
        self, app: str, method: Method, path: str, body: Any = None, status: int = 200
    ) -> Any:
        """Call `/_sandbox` of an app and give its JSON."""
        raw = b"" if body is None else _json(body)
        request = HttpRequest(method=method, url=f"{app}/_sandbox{path}", body=raw)
        answer = await self.client.send(request)
        assert answer.status == status, answer.body
        return answer.json()

    async def subscribe(self, *types: str, path: str = "/hook", **rest: Any) -> dict[str, Any]:
        """Subscribe the sink to types named without their prefix."""
        data = {"sink": f"{SINK}{path}", "types": [PREFIX + one for one in types], **rest}
        answer = await self.fic("POST", "C/subscriptions", {"data": data})
        assert answer.status == 200, answer.body
        await self.sandbox.settle()
        found: dict[str, Any] = answer.json()
        return found

    async def client_record(self, **fields: Any) -> dict[str, Any]:
        """Create a client through the API."""
        body = {"data": {"name": "Officine Adda", **fields}}
        answer = await self.fic("POST", "C/entities/clients", body)
        assert answer.status == 200, answer.body
        made: dict[str, Any] = answer.json()["data"]
        return made


def _json(body: Any) -> bytes:
    return exact.dumps(body)


@pytest.fixture
def make_world() -> Callable[..., World]:
    """A world with these settings of SandboxConfig."""
    return lambda **settings: World(SandboxConfig(seed=7, **settings))


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world as the vendors document theirs."""
    return make_world()


INVOICE = {
    "type": "invoice",
    "entity": {"name": "Officine Adda"},
    "items_list": [{"name": "Canone", "qty": 2, "net_price": 80, "vat": {"id": 0}}],
    "payments_list": [{"amount": 195.2, "due_date": "2026-04-03"}],
}


@pytest.fixture
def invoice() -> Callable[..., dict[str, Any]]:
    """The body of an invoice over 195.20, with changes."""
    return lambda **changes: {"data": json.loads(json.dumps(INVOICE)) | changes}
