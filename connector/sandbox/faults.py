"""Faults on demand: what can go wrong between a caller and an API, before or after it wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from connector.sandbox.agenda import Agenda
from connector.sandbox.asgi import App, Message
from connector.sandbox.ledger import Ledger

RequestFault = Literal[
    "late_commit",
    "reset_before",
    "reset_after",
    "error_before",
    "error_after",
    "truncated",
    "status",
    "delay",
    "list_lag",
]
DeliveryFault = Literal["duplicate", "reorder", "drop"]
ON_DELIVERY = ("duplicate", "reorder", "drop")
CONTROL = "/_sandbox"


class Fault(BaseModel):
    """A rule for the next `times` matching requests (or deliveries), after letting `skip` pass.

    `method` and `path` are for requests, `type` for deliveries; all may hold `*`.
    """

    model_config = ConfigDict(extra="forbid")

    kind: RequestFault | DeliveryFault
    method: str = "*"
    path: str = "*"
    type: str = "*"
    times: int = 1
    skip: int = 0
    seconds: float = 5
    """How late (late_commit, delay), or how far behind (list_lag)."""
    status: int = 503
    retry_after: int | None = None
    answer: Literal["reset", "error"] = "reset"
    """What the caller of a late commit gets at once."""

    @property
    def on_delivery(self) -> bool:
        """Whether it concerns notifications, not requests."""
        return self.kind in ON_DELIVERY

    def fits(self, method: str, path: str) -> bool:
        """Whether it concerns this request."""
        return fnmatchcase(method, self.method.upper()) and fnmatchcase(path, self.path)


class FaultBook:
    """The rules still to come, oldest first."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def add(self, **rule: Any) -> Fault:
        """Note a rule; raises pydantic's ValidationError when it is none."""
        fault = Fault.model_validate(rule)
        self.rules.append(fault)
        return fault

    def for_request(self, method: str, path: str) -> Fault | None:
        """Use up the first rule that fits this request."""
        return self._take(lambda rule: not rule.on_delivery and rule.fits(method, path))

    def for_delivery(self, type_: str) -> Fault | None:
        """Use up the first rule that fits a notification of this type."""
        return self._take(lambda rule: rule.on_delivery and fnmatchcase(type_, rule.type))

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        for rule in self.rules:
            if not fits(rule):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.times -= 1
            if rule.times <= 0:
                self.rules.remove(rule)
            return rule
        return None


class Faulty:
    """The outermost layer of an app: counts each request and breaks those a rule names."""

    def __init__(
        self,
        app: App,
        *,
        book: FaultBook,
        ledger: Ledger,
        agenda: Agenda,
        template: Callable[[str], str],
    ) -> None:
        self.app = app
        self.book = book
        self.ledger = ledger
        self.agenda = agenda
        self.template = template

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        self.ledger.request(method, self.template(path))
        fault = self.book.for_request(method, path)
        if fault is None:
            await self.app(scope, receive, send)
            return
        if fault.kind in ("delay", "list_lag"):
            await self._soften(fault, scope, receive, send)
        else:
            await self._break(fault, _Held(self.app, scope, await _body(receive)), receive, send)

    async def _soften(self, fault: Fault, scope: Message, receive: Any, send: Any) -> None:
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        else:
            scope["sandbox.list_lag"] = fault.seconds
        await self.app(scope, receive, send)

    async def _break(self, fault: Fault, held: _Held, receive: Any, send: Any) -> None:
        if fault.kind in ("reset_after", "error_after", "truncated"):
            await held.apply()
        if fault.kind == "late_commit":
            self.agenda.after(fault.seconds, held.apply)
        if fault.kind in ("error_before", "error_after", "status") or (
            fault.kind == "late_commit" and fault.answer == "error"
        ):
            await _say(fault, send)
            return
        if fault.kind == "truncated":
            await held.send_half(send)
        await _cut(held.scope, receive, hard=fault.kind != "truncated")


class _Held:
    """A request read to its end, to be applied when the fault says so."""

    def __init__(self, app: App, scope: Message, body: bytes) -> None:
        self.app = app
        self.scope = scope
        self.body = body
        self.start: Message = {}
        self.answer = bytearray()
        self._read = False

    async def apply(self) -> None:
        await self.app(self.scope, self._receive, self._keep)

    async def _receive(self) -> Message:
        if self._read:
            return {"type": "http.disconnect"}
        self._read = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _keep(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.answer += message.get("body", b"")

    async def send_half(self, send: Any) -> None:
        await send(self.start)
        half = bytes(self.answer[: len(self.answer) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


async def _body(receive: Any) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _say(fault: Fault, send: Any) -> None:
    body = b'{"error":{"message":"An unexpected error occurred."}}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _cut(scope: Message, receive: Any, *, hard: bool) -> None:
    """End the connection where there is one (see ports.py); in process, fail as it would.

    A hard cut is a reset; a soft one lets arrive what was written so far.
    """
    abort = scope.get("sandbox.abort")
    if abort is None:
        raise ConnectionResetError("the sandbox cut the line")
    abort(hard)
    while (await receive())["type"] != "http.disconnect":
        pass
