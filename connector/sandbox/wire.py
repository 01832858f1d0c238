"""A sender that calls ASGI apps in this process: no socket, no thread, same errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from connector.errors import NotSent, Unclear
from connector.model import Answer, HttpRequest

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]
"""An ASGI application."""
Send = Callable[[HttpRequest], Awaitable[Answer]]
"""Sends one request; raises NotSent or Unclear."""


class Wire:
    """Reaches each app under its origin (`http://fic.test`); anything else is not reachable."""

    def __init__(self, apps: Mapping[str, App]) -> None:
        self.apps: dict[str, App] = dict(apps)

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout: float = 30,  # noqa: ASYNC109
    ) -> Answer:
        """Like HttpClient.send: raises NotSent for an unknown origin, Unclear for a cut line."""
        parts = urlsplit(request.url)
        app = self.apps.get(f"{parts.scheme}://{parts.netloc}")
        if app is None:
            raise NotSent(f"Nothing listens at {parts.scheme}://{parts.netloc}.")
        exchange = _Exchange(request)
        try:
            async with asyncio.timeout(timeout):
                await app(exchange.scope(), exchange.receive, exchange.send)
        except TimeoutError as error:
            raise Unclear("No answer came in time.") from error
        except ConnectionError as error:
            raise Unclear("The connection was reset.") from error
        return exchange.answer()

    async def aclose(self) -> None:
        """Nothing is held open; here so that a Wire can stand in for an HttpClient."""


class _Exchange:
    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.status = 0
        self.headers: tuple[tuple[str, str], ...] = ()
        self.body = bytearray()
        self.asked = False
        self.complete = False

    def scope(self) -> dict[str, Any]:
        parts = urlsplit(self.request.url)
        headers = [(key.lower().encode(), value.encode()) for key, value in self.request.headers]
        if not any(key == b"host" for key, _ in headers):
            headers.insert(0, (b"host", parts.netloc.encode()))
        if self.request.body:
            headers.append((b"content-length", str(len(self.request.body)).encode()))
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.request.method,
            "scheme": parts.scheme,
            "path": unquote(parts.path or "/"),
            "raw_path": (parts.path or "/").encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 12345),
            "server": (parts.hostname, parts.port or 80),
            "state": {},
        }

    async def receive(self) -> Message:
        if self.asked:
            return {"type": "http.disconnect"}
        self.asked = True
        return {"type": "http.request", "body": self.request.body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = tuple(
                (key.decode("latin-1").lower(), value.decode("latin-1"))
                for key, value in message.get("headers", ())
            )
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)

    def answer(self) -> Answer:
        if not self.complete:
            raise Unclear("The answer ended too early.")
        return Answer(status=self.status, headers=self.headers, body=bytes(self.body))
