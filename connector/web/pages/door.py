"""The door of the pages: known host, bounded body, the headers of every answer; then a route."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Router

from connector.web.answers import log_surprise
from connector.web.bodies import BodyRefused, ClientGone, check_framing, read_body
from connector.web.gate import host_allowed
from connector.web.pages.assets import FOREVER, PREFIX
from connector.web.ports import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from connector.web.pages.site import Site

FORM = b"application/x-www-form-urlencoded"
BODIES = frozenset(
    {FORM, b"application/json", b"application/csp-report", b"application/reports+json"}
)
SAFE = frozenset({"GET", "HEAD"})
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SMALLEST = 500
"""Less than this is not worth packing."""


class Door:
    """Lets in what the pages can answer, and puts the same headers on whatever leaves."""

    def __init__(self, site: Site) -> None:
        self._site = site
        router = Router(routes=site.routes, redirect_slashes=False, default=site.nothing_here)
        self._router = GZipMiddleware(router, minimum_size=_SMALLEST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Headers(send, self._site.policy(scope))
        refusal = await self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        try:
            if scope["method"] in UNSAFE:
                receive = await self._read(scope, receive)
            await self._router(scope, receive, answer)
        except BodyRefused as refused:
            text = "This body cannot be taken."
            await PlainTextResponse(text, refused.status)(scope, receive, answer)
        except TimeoutError:
            await PlainTextResponse("The body did not come in time.", 408)(scope, receive, answer)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - its text may hold a secret: log class and place
            log_surprise("pages", error)
            if not answer.started:
                text = "Something failed here that we did not foresee."
                await PlainTextResponse(text, 500)(scope, receive, answer)

    async def _refusal(self, scope: Scope) -> Response | None:
        """What is answered before anything is read."""
        if not host_allowed(scope, self._site.settings.hosts):
            text = "This host name is not served here: add it to CONNECTOR_ALLOWED_HOSTS."
            return PlainTextResponse(text, 421)
        if scope["method"] not in SAFE | UNSAFE:
            return PlainTextResponse("Not here.", 405, {"allow": "GET, HEAD, POST"})
        path = self._site.below(scope)
        if path.startswith(PREFIX):
            return self._asset(Request(scope), path)
        return None

    def _asset(self, request: Request, path: str) -> Response:
        found = self._site.assets.find(path) if request.method in SAFE else None
        if found is None:
            return PlainTextResponse("There is no such file.", 404)
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
        if packed:
            headers["content-encoding"] = "gzip"
        return Response(found.packed if packed else found.plain, 200, headers, found.kind)

    async def _read(self, scope: Scope, receive: Receive) -> Receive:
        limits = self._site.settings.limits
        kind = check_framing(scope["headers"], limits.api_bytes)
        async with asyncio.timeout(limits.body_seconds):
            body = await read_body(receive, limits.api_bytes)
        if body and kind not in BODIES:
            raise BodyRefused(415)
        left = [body]

        async def again() -> Message:
            if not left:
                return await receive()
            return {"type": "http.request", "body": left.pop(), "more_body": False}

        return again


class _Headers:
    """Adds what every answer of the pages carries."""

    def __init__(self, send: Send, policy: str) -> None:
        self._send = send
        self._policy = policy
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = self._policy
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "same-origin"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["permissions-policy"] = "camera=(), geolocation=(), microphone=()"
            headers.setdefault("cache-control", "no-store")
        await self._send(message)
