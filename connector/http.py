"""The only door to the network, and the only importer of httpx.

Requests go straight to httpx's transport, not through its client: the client keeps cookies,
follows settings from the environment and logs whole URLs, none of which we want.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from connector.errors import NotSent, Unclear
from connector.model import Answer, HttpRequest

USER_AGENT = "Connector/0.1"
MAX_BODY = 16 * 1024 * 1024
MOST_CONNECTIONS = 100
KEEP_SECONDS = 15.0
ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_SECONDS)

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
        self._lines: _Lines | None = None
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
        for one in (self._given, self._lines):
            if one is not None:
                await one.aclose()

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
        if self._closed:
            raise NotSent("The HTTP client is closed.", remedy="Nothing was sent.", who="developer")
        try:
            async with asyncio.timeout(timeout):
                if self._given is not None:
                    return await _exchange(self._given, outgoing, max_body, host)
                async with self._line(outgoing, fresh, timeout / 3) as line:
                    return await _exchange(line, outgoing, max_body, host)
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

    def _line(
        self, request: httpx.Request, fresh: bool, patience: float
    ) -> AbstractAsyncContextManager[httpx.AsyncBaseTransport]:
        if self._lines is None:
            self._lines = _Lines()
        return self._lines.open(_origin(request.url), fresh, patience)


Origin = tuple[str, str, int | None]


class _Lines:
    """Connections, each in a transport of its own; those to be used again wait here.

    One transport for all would be simpler, but httpcore looks at each of its connections for each
    request and each answer, and keeps none of them as soon as there are more than it shall keep:
    with as many runs at work as we have, that takes longer than the calls.
    """

    def __init__(self) -> None:
        _spare_the_search()
        self._trusted = httpx.create_ssl_context(trust_env=False)
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._idle: deque[tuple[float, Origin, httpx.AsyncBaseTransport]] = deque()
        self._closed = False

    @asynccontextmanager
    async def open(
        self, origin: Origin, fresh: bool, patience: float
    ) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A line for one request: kept for the next one, unless it breaks or was to be `fresh`."""
        await self._take_place(patience)
        try:
            line = None if fresh else self._take(origin)
            if line is None:
                line = httpx.AsyncHTTPTransport(verify=self._trusted, limits=ONE, retries=0)
            try:
                yield line
            except BaseException:
                await line.aclose()
                raise
            if fresh or self._closed:
                await line.aclose()
            else:
                await self._keep(origin, line)
        finally:
            self._places.release()

    async def aclose(self) -> None:
        """Close all that wait, and each that is in use as soon as it is not."""
        self._closed = True
        while self._idle:
            await self._idle.popleft()[2].aclose()

    async def _take_place(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("too many calls at once") from None

    def _take(self, origin: Origin) -> httpx.AsyncBaseTransport | None:
        # The one used last is the likeliest to be open still.
        for place in range(len(self._idle) - 1, -1, -1):
            if self._idle[place][1] == origin:
                line = self._idle[place][2]
                del self._idle[place]
                return line
        return None

    async def _keep(self, origin: Origin, line: httpx.AsyncBaseTransport) -> None:
        now = asyncio.get_running_loop().time()
        self._idle.append((now, origin, line))
        while self._idle and self._idle[0][0] < now - KEEP_SECONDS:
            await self._idle.popleft()[2].aclose()


def _spare_the_search() -> None:
    """Tell httpcore's locks at once that sniffio is not installed, which is the usual case.

    They try to import it each time, and Python looks through every folder for what is not there:
    a third of the time that a call takes us.
    """
    if importlib.util.find_spec("sniffio") is None:
        # As the language reference has it: None stands for a module that cannot be imported.
        sys.modules["sniffio"] = None  # type: ignore[assignment]


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


def _origin(url: httpx.URL) -> Origin:
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
        f"The request to {host} has an unclear outcome: {reason.removesuffix('.')}.",
        remedy="It may have been applied: look there before sending it again.",
    )
