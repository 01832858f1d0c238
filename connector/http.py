"""The only door to the network, and the only importer of httpx.

Requests go straight to httpx's transport, not through its client: the client keeps cookies,
follows settings from the environment and logs whole URLs, none of which we want.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from connector.errors import NotSent, Unclear
from connector.model import Answer, HttpRequest

USER_AGENT = "Connector/0.1"
MAX_BODY = 16 * 1024 * 1024
KEPT_ALIVE = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=15)
FRESH = httpx.Limits(max_connections=100, max_keepalive_connections=0)

AsgiApp = Callable[..., Any]


class HttpClient:
    """Sends one request and gives one answer: no redirects, no retries, no cookies, no proxies.

    `transport` replaces the network, for tests (see `asgi_client`).
    """

    def __init__(
        self, *, transport: httpx.AsyncBaseTransport | None = None, user_agent: str = USER_AGENT
    ) -> None:
        self._given = transport
        self._agent = user_agent
        self._pooled: httpx.AsyncBaseTransport | None = transport
        self._single: httpx.AsyncBaseTransport | None = transport
        self._closed = False
        _hush()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; the client cannot be used afterwards."""
        self._closed = True
        for transport in {self._pooled, self._single} - {None}:
            assert transport is not None
            await transport.aclose()

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout: float = 30,  # noqa: ASYNC109 - it also says what its end means
        max_body: int = MAX_BODY,
        fresh: bool = False,
    ) -> Answer:
        """Send once within `timeout` seconds in all; `fresh` never reuses a kept-alive connection.

        Raises NotSent when no byte of the request left us, and Unclear for every other failure:
        a reset or a silence looks the same whether the server has acted on the request or not.
        """
        host = _host(request.url)
        outgoing = self._outgoing(request, host, timeout)
        transport = self._transport(fresh)
        try:
            async with asyncio.timeout(timeout):
                return await _exchange(transport, outgoing, max_body, host)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(
                f"{host} could not be reached ({_reason(error)}).",
                remedy="Nothing was sent; it is tried again.",
            ) from error
        except Unclear:
            raise
        except TimeoutError as error:
            raise _unclear(host, f"no full answer within {timeout:g} seconds") from error
        except Exception as error:
            # Whatever broke may have broken after the request was read.
            raise _unclear(host, _reason(error)) from error

    def _outgoing(self, request: HttpRequest, host: str, timeout: float) -> httpx.Request:
        headers = {"user-agent": self._agent, "accept": "application/json"}
        headers["accept-encoding"] = "gzip"
        for name, value in request.headers:
            headers[name.lower()] = value
        if any(_unsafe(name) or _unsafe(value) for name, value in headers.items()):
            raise NotSent(
                f"The request to {host} has a header with a control character.",
                remedy="Nothing was sent.",
                who="developer",
            )
        # Waiting for a place, TCP and TLS share the time, so that when the whole time is over the
        # request is already under way, or one of the three has said so itself.
        third = timeout / 3
        phases = {"pool": third, "connect": third, "read": timeout, "write": timeout}
        content = request.body if request.body or request.method != "GET" else None
        try:
            return httpx.Request(
                request.method,
                request.url,
                headers=headers,
                content=content,
                extensions={"timeout": phases},
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise NotSent(
                f"The request to {host} cannot be written ({type(error).__name__}).",
                remedy="Nothing was sent.",
                who="developer",
            ) from error

    def _transport(self, fresh: bool) -> httpx.AsyncBaseTransport:
        if self._closed:
            raise NotSent("The HTTP client is closed.", remedy="Nothing was sent.", who="developer")
        if self._pooled is None or self._single is None:
            trusted = httpx.create_ssl_context(trust_env=False)
            self._pooled, self._single = (
                httpx.AsyncHTTPTransport(verify=trusted, limits=limits, retries=0)
                for limits in (KEPT_ALIVE, FRESH)
            )
        return self._single if fresh else self._pooled


def _hush() -> None:
    """At debug level these log every header that comes and goes, the token among them."""
    for name in ("httpcore", "httpx"):
        log = logging.getLogger(name)
        log.setLevel(max(log.level, logging.WARNING))


def asgi_client(apps: Mapping[str, AsgiApp]) -> HttpClient:
    """A client whose network is these ASGI apps by base URL; any other host is unreachable."""
    return HttpClient(transport=_AsgiNetwork(apps))


class _AsgiNetwork(httpx.AsyncBaseTransport):
    def __init__(self, apps: Mapping[str, AsgiApp]) -> None:
        self._apps = {
            _origin(httpx.URL(url)): httpx.ASGITransport(app) for url, app in apps.items()
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self._apps.get(_origin(request.url))
        if app is None:
            raise httpx.ConnectError("no app listens there", request=request)
        return await app.handle_async_request(request)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port or default


async def _exchange(
    transport: httpx.AsyncBaseTransport, request: httpx.Request, max_body: int, host: str
) -> Answer:
    response = await transport.handle_async_request(request)
    response.request = request
    try:
        body = await _read(response, max_body, host)
    finally:
        await response.aclose()
    headers = tuple((name.lower(), value) for name, value in response.headers.multi_items())
    return Answer(status=response.status_code, headers=headers, body=body)


async def _read(response: httpx.Response, max_body: int, host: str) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise _unclear(host, f"it answered in the unknown encoding {encoding[:40]!r}")
    packed = encoding.endswith("gzip")
    # Unpacking in bounded steps: a small zipped answer must not fill the memory.
    unpack = zlib.decompressobj(wbits=31) if packed else None
    body = bytearray()
    arrived = 0
    async for chunk in response.aiter_raw():
        arrived += len(chunk)
        body += unpack.decompress(chunk, max_body + 1 - len(body)) if unpack else chunk
        if len(body) > max_body:
            raise _unclear(host, f"its answer is longer than {max_body} bytes")
    if unpack is not None and not unpack.eof and arrived:
        raise _unclear(host, "its zipped answer is cut off")
    return bytes(body)


def _host(url: str) -> str:
    """The host for messages; never the path or the query, which may name people or secrets."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo:
        raise NotSent(
            "The address of the request is not a plain http or https URL.",
            remedy="Check the address of the connection.",
            who="connection_owner",
        )
    return parts.host


def _unsafe(text: str) -> bool:
    return any(char in text for char in "\r\n\0")


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _unclear(host: str, reason: str) -> Unclear:
    return Unclear(
        f"The request to {host} has an unclear outcome: {reason}.",
        remedy="It may have been applied: look there before sending it again.",
    )
