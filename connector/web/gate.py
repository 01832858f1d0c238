"""The door of the API: known host, bearer token, bounded JSON body; then the application."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from connector.settings import Limits
from connector.web.answers import GUARDS, Header, log_surprise, send_problem
from connector.web.bodies import BodyRefused, ClientGone, check_framing, read_body
from connector.web.ports import Asgi, Message, Receive, Scope, Send
from connector.web.tokens import TokenCheck

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_DETAILS = {
    400: "The request's framing headers contradict each other.",
    413: "The body is too large.",
    415: "The body must be application/json, and not compressed.",
    408: "The body did not come in time.",
}
BEARER: tuple[Header, ...] = ((b"www-authenticate", b"Bearer"),)


def host_allowed(scope: Scope, hosts: frozenset[str]) -> bool:
    """Whether the request names us: a foreign name that leads here is an attack by DNS."""
    values = [value for name, value in scope["headers"] if name == b"host"]
    if len(values) != 1:
        return False
    host = values[0].decode("latin-1").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0] in hosts
    return host.partition(":")[0] in hosts


class Gate:
    """Wraps an ASGI app; nothing behind it sees an anonymous, foreign or oversized request."""

    def __init__(self, app: Asgi, check: TokenCheck, hosts: frozenset[str], limits: Limits) -> None:
        self._app = app
        self._check = check
        self._hosts = hosts
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not host_allowed(scope, self._hosts):
            remedy = "Call it by its own name, or add the name to CONNECTOR_ALLOWED_HOSTS."
            await send_problem(send, 421, "This Host is not served here.", remedy=remedy)
        elif not self._check.accepts(_bearer(scope["headers"])):
            remedy = "Send the header 'Authorization: Bearer <API token>'."
            await send_problem(
                send, 401, "The API token is missing or wrong.", remedy=remedy, more=BEARER
            )
        else:
            await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._body(scope, receive)
        except BodyRefused as refusal:
            await send_problem(send, refusal.status, _DETAILS[refusal.status])
            return
        except TimeoutError:
            await send_problem(send, 408, _DETAILS[408])
            return
        except ClientGone:
            return
        answer = _Answer(send)
        try:
            await self._app(scope, _Replay(body, receive), answer)
        except Exception as error:  # noqa: BLE001 - its text may hold a secret: log class and place
            log_surprise("API", error)
            if not answer.started:
                await send_problem(send, 500, "Something failed here that we did not foresee.")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        kind = check_framing(scope["headers"], self._limits.api_bytes)
        async with asyncio.timeout(self._limits.body_seconds):
            body = await read_body(receive, self._limits.api_bytes)
        if body and (scope["method"] not in WITH_BODY or kind != b"application/json"):
            raise BodyRefused(415)
        return body


class _Replay:
    """Gives the application the body that was read already, then what the client does next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Answer:
    """Adds our standing headers to whatever the application answers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            names = {name for name, _ in GUARDS}
            kept = [one for one in message.get("headers", ()) if one[0].lower() not in names]
            message = {**message, "headers": [*kept, *GUARDS]}
        await self._send(message)


def _bearer(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The token presented, or an empty text, which is never right."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        return ""
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
