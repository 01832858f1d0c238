"""One request, one answer.

Requests go straight to a connection, not through httpx's client: the client keeps cookies, follows
settings from the environment and logs whole URLs, none of which we want.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
import zlib
from types import TracebackType
from typing import Self

import httpcore
import httpx

from connector.errors import NotSent, Unclear
from connector.http.lines import Lines, origin_of
from connector.http.wire import Clock, Gate, Resolve, TooLate, judge, resolve
from connector.model import Answer, HttpRequest
from connector.reach import Reach

USER_AGENT = "Connector/0.1"
MAX_BODY = 16 * 1024 * 1024
RESOLVE_SECONDS = 10.0

_NOT_REACHED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
)


class HttpClient:
    """Sends one request and gives one answer: no redirects, no retries, no cookies, no proxies.

    `transport` replaces the network, for tests (see `asgi_client`); `clock` is what `not_after` is
    measured by, `reach` where the address of a user may lead, `resolve` what a name stands for;
    `authorities` replaces those that a server's certificate may come from.
    """

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        user_agent: str = USER_AGENT,
        clock: Clock = time.monotonic,
        reach: Reach | None = None,
        resolve: Resolve = resolve,
        authorities: ssl.SSLContext | None = None,
    ) -> None:
        self._given = transport
        self._agent = user_agent
        self._clock = clock
        self._authorities = authorities
        self._resolve = resolve
        self.reach = reach or Reach()
        self._lines: Lines | None = None
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
        trusted: bool = False,
        not_after: float | None = None,
    ) -> Answer:
        """Send once within `timeout` seconds in all; `fresh` never reuses a kept-alive connection.

        Unless the address is `trusted`, it may lead only where `reach` allows: `trusted` are those
        that stand in an app, never one that somebody has entered.

        After the moment `not_after` of the clock no byte leaves, however long this process was
        stopped in between. Raises NotSent when no byte of the request left us, and Unclear for
        every other failure: a reset or a silence looks the same whether the server has acted on
        the request or not.
        """
        host = _host(request.url)
        outgoing = self._outgoing(request, host, timeout)
        if self._closed:
            raise NotSent("The HTTP client is closed.", remedy="Nothing was sent.", who="developer")
        gate = Gate(self._clock, not_after)
        try:
            gate.check()
            async with asyncio.timeout(timeout):
                return await self._exchange(
                    outgoing, gate, timeout / 3, fresh=fresh, trusted=trusted, max_body=max_body
                )
        except _NOT_REACHED as error:
            raise _not_reached(host, error) from error
        except (NotSent, Unclear):
            raise
        except TooLate as error:
            raise _held_back(host, gate.begun) from error
        except TimeoutError as error:
            raise _unclear(host, f"no full answer within {timeout:g} seconds") from error
        except Exception as error:
            # Whatever broke may have broken after the request was read.
            raise _unclear(host, _reason(error)) from error

    async def vet(self, url: str) -> None:
        """Raise NotSent when an address that a user gave does not lead where it may."""
        host = _host(url)
        if self._given is not None:
            return
        scheme, _, port = origin_of(httpx.URL(url))
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                found = await self._resolve(host, port)
        except (OSError, TimeoutError) as error:
            raise _not_reached(host, error) from error
        judge(self.reach, host, port, found, tls=scheme == "https")

    async def _exchange(
        self,
        outgoing: httpx.Request,
        gate: Gate,
        patience: float,
        *,
        fresh: bool,
        trusted: bool,
        max_body: int,
    ) -> Answer:
        if self._given is not None:
            return await _exchange(self._given, outgoing, max_body)
        if self._lines is None:
            self._lines = Lines(self._resolve, self.reach, self._authorities)
        async with self._lines.open(
            origin_of(outgoing.url), gate, patience, fresh=fresh, trusted=trusted
        ) as line:
            return await _exchange(line, outgoing, max_body)

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


def _hush() -> None:
    """At debug level these log every header that comes and goes, the token among them."""
    for name in ("httpcore", "httpx"):
        log = logging.getLogger(name)
        log.setLevel(max(log.level, logging.WARNING))


async def _exchange(
    transport: httpx.AsyncBaseTransport, request: httpx.Request, max_body: int
) -> Answer:
    response = await transport.handle_async_request(request)
    response.request = request
    try:
        body = await _read(response, max_body, request.url.host)
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


def _not_reached(host: str, error: Exception) -> NotSent:
    return NotSent(
        f"{host} could not be reached ({_reason(error)}).",
        remedy="Nothing was sent; it is tried again.",
    )


def _held_back(host: str, begun: bool) -> NotSent | Unclear:
    if begun:
        return _unclear(host, "its time was over before all of it was sent")
    return NotSent(
        f"The request to {host} was held back: the time in which it could be sent was over.",
        remedy="Nothing was sent; it is tried again.",
    )


def _unclear(host: str, reason: str) -> Unclear:
    return Unclear(
        f"The request to {host} has an unclear outcome: {reason.removesuffix('.')}.",
        remedy="It may have been applied: look there before sending it again.",
    )
