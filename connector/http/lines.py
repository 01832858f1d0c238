"""Connections, each for one request at a time; those to be used again wait here."""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore
import httpx

from connector.http.wire import Backend, Gate, Resolve
from connector.reach import Reach

MOST_CONNECTIONS = 100
KEEP_SECONDS = 15.0

Origin = tuple[str, bytes, int]


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port that a request goes to."""
    return url.scheme, url.raw_host, url.port or {"https": 443}.get(url.scheme, 80)


class Line(httpx.AsyncBaseTransport):
    """One connection to one origin."""

    def __init__(
        self, origin: Origin, backend: Backend, authorities: ssl.SSLContext, *, trusted: bool
    ) -> None:
        self.origin = origin
        self.trusted = trusted
        self._backend = backend
        scheme, host, port = origin
        self._connection = httpcore.AsyncHTTPConnection(
            httpcore.Origin(scheme.encode("ascii"), host, port),
            ssl_context=authorities,
            keepalive_expiry=KEEP_SECONDS,
            network_backend=backend,
        )

    def guard(self, gate: Gate) -> None:
        """Let the next request pass this gate."""
        self._backend.gate = gate

    @property
    def is_over(self) -> bool:
        """Whether it has rested for too long, or the server has closed it."""
        return self._connection.is_closed() or self._connection.has_expired()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to this origin."""
        _, _, port = self.origin
        assert isinstance(request.stream, httpx.AsyncByteStream)
        answer = await self._connection.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


class Lines:
    """Hands out lines, as many at once as there are places.

    One pool of httpcore would be simpler, but it looks at each of its connections for each
    request and each answer, and keeps none of them as soon as there are more than it shall keep:
    with as many runs at work as we have, that takes longer than the calls.
    """

    def __init__(self, resolve: Resolve, reach: Reach, authorities: ssl.SSLContext | None) -> None:
        _spare_the_search()
        self._resolve = resolve
        self._reach = reach
        self._authorities = authorities or httpx.create_ssl_context(trust_env=False)
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._idle: deque[tuple[float, Line]] = deque()
        self._closed = False

    @asynccontextmanager
    async def open(
        self, origin: Origin, gate: Gate, patience: float, *, fresh: bool, trusted: bool
    ) -> AsyncIterator[Line]:
        """A line for one request: kept for the next one, unless it breaks or was to be `fresh`.

        One to a `trusted` address was not judged, so it is never lent to a request that is.
        """
        await self._take_place(patience)
        try:
            line = None if fresh else await self._take(origin, trusted)
            if line is None:
                line = self._new(origin, gate, trusted)
            line.guard(gate)
            try:
                yield line
            except BaseException:
                await line.aclose()
                raise
            if fresh or self._closed:
                await line.aclose()
            else:
                await self._keep(line)
        finally:
            self._places.release()

    async def aclose(self) -> None:
        """Close all that wait, and each that is in use as soon as it is not."""
        self._closed = True
        while self._idle:
            await self._idle.popleft()[1].aclose()

    async def _take_place(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("too many calls at once") from None

    def _new(self, origin: Origin, gate: Gate, trusted: bool) -> Line:
        reach = None if trusted else self._reach
        backend = Backend(gate, self._resolve, reach, tls=origin[0] == "https")
        return Line(origin, backend, self._authorities, trusted=trusted)

    async def _take(self, origin: Origin, trusted: bool) -> Line | None:
        # The one used last is the likeliest to be open still.
        for place in range(len(self._idle) - 1, -1, -1):
            line = self._idle[place][1]
            if line.origin == origin and line.trusted == trusted:
                del self._idle[place]
                if not line.is_over:
                    return line
                await line.aclose()
        return None

    async def _keep(self, line: Line) -> None:
        now = asyncio.get_running_loop().time()
        self._idle.append((now, line))
        while self._idle and self._idle[0][0] < now - KEEP_SECONDS:
            await self._idle.popleft()[1].aclose()


def _spare_the_search() -> None:
    """Tell httpcore's locks at once that sniffio is not installed, which is the usual case.

    They try to import it each time, and Python looks through every folder for what is not there:
    a third of the time that a call takes us.
    """
    if importlib.util.find_spec("sniffio") is None:
        # As the language reference has it: None stands for a module that cannot be imported.
        sys.modules["sniffio"] = None  # type: ignore[assignment]
