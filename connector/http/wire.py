"""One TCP connection, on a bare socket: what leaves is looked at right before it leaves.

Streams of asyncio, uvloop and anyio hand bytes on and write them later, if only by one turn of the
event loop. Whoever must not send after a moment cannot have that.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
import anyio.abc
import httpcore
from anyio.streams.tls import TLSStream

from connector.errors import NotSent
from connector.reach import Reach

Clock = Callable[[], float]
Address = tuple[socket.AddressFamily, Any]
Resolve = Callable[[str, int], Awaitable[list[Address]]]
FIRST_SECONDS = 2.0
"""How long an address is tried while there is another one."""


class TooLate(Exception):
    """The moment has passed after which nothing more of a request may leave."""


class Gate:
    """Lets the bytes of one request pass until `not_after`; remembers whether any has."""

    def __init__(self, clock: Clock, not_after: float | None = None) -> None:
        self._clock = clock
        self._not_after = not_after
        self.asking = False
        self.begun = False

    def check(self) -> None:
        """Raise TooLate when the moment has passed."""
        if self._not_after is not None and self._clock() > self._not_after:
            raise TooLate

    def passed(self) -> None:
        """Note that bytes have left; those of TLS alone are not yet the request."""
        self.begun = self.begun or self.asking


class Backend(httpcore.AsyncNetworkBackend):
    """How httpcore opens the one connection of a line, and what guards it now.

    Without a `reach`, any address will do.
    """

    def __init__(self, gate: Gate, resolve: Resolve, reach: Reach | None, *, tls: bool) -> None:
        self.gate = gate
        self._resolve = resolve
        self._reach = reach
        self._tls = tls

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers, if all of them may be called."""
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolve(host, port)
                if self._reach is not None:
                    judge(self._reach, host, port, found, tls=self._tls)
                sock = await _connected(found, timeout)
        except TimeoutError:
            raise httpcore.ConnectTimeout("no connection in time") from None
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return Stream(Wire(sock, self))


def judge(reach: Reach, host: str, port: int, found: list[Address], *, tls: bool) -> None:
    """Raise NotSent unless every address that a name stands for may be called.

    One that may not be called condemns the others: they are there to get a name accepted.
    """
    for _, address in found:
        zone = f"%{address[3]}" if len(address) > 3 and address[3] else ""
        refusal = reach.refusal(f"{address[0]}{zone}", port, tls=tls)
        if refusal is not None:
            raise NotSent(
                f"{host} is not called: {refusal.why}.",
                remedy="Nothing was sent. Correct the address of the connection; if it is meant, "
                f"whoever runs Connector can allow it with {refusal.setting}.",
                field="address",
                value_type="text",
                who="connection_owner",
            )


async def resolve(host: str, port: int) -> list[Address]:
    """Every address that the system knows for a name."""
    with contextlib.suppress(ValueError):
        ip = ipaddress.ip_address(host)
        if isinstance(ip, ipaddress.IPv4Address):
            return [(socket.AF_INET, (host, port))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


async def _connected(addresses: list[Address], patience: float | None) -> socket.socket:
    """A socket to the first address that accepts one; a silent one does not use up all the time."""
    trouble: OSError = OSError("it has no address")
    for left, (family, address) in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
        try:
            async with asyncio.timeout(FIRST_SECONDS if left else patience):
                return await _connect(family, address)
        except TimeoutError:
            trouble = TimeoutError("no connection in time")
        except OSError as error:
            trouble = error
    raise trouble


async def _connect(family: socket.AddressFamily, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


class Wire(anyio.abc.ByteStream):
    """A connected socket that asks the gate before each system call that sends."""

    def __init__(self, sock: socket.socket, backend: Backend) -> None:
        self._sock = sock
        self._backend = backend

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """What has come, waiting for it; raises EndOfStream at the end."""
        data = await asyncio.get_running_loop().sock_recv(self._sock, max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Hand all of it to the system."""
        rest = memoryview(item)
        gate = self._backend.gate
        while rest:
            gate.check()
            try:
                sent = self._sock.send(rest)
            except (BlockingIOError, InterruptedError):
                await self._writable()
            else:
                gate.passed()
                rest = rest[sent:]

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self._sock, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_writer(self._sock)

    def asking(self) -> None:
        """Note that what is sent from now on is the request."""
        self._backend.gate.asking = True

    async def send_eof(self) -> None:
        """Say that nothing more comes."""
        self._sock.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        """Close the socket."""
        self._sock.close()

    @property
    def is_readable(self) -> bool:
        """Whether anything waits to be read: on a resting connection, that the server closed it."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Stream(httpcore.AsyncNetworkStream):
    """The same for httpcore, which limits no time here: the client limits that of the whole call.

    What is written waits until an answer is asked for, so that head and body leave together or
    not at all, as far as the system takes them at once.
    """

    def __init__(self, wire: Wire, tls: TLSStream | None = None) -> None:
        self._wire = wire
        self._tls = tls
        self._waiting: list[bytes] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Send what waits, then give what comes; nothing at the end."""
        stream = self._tls or self._wire
        if self._waiting:
            await self._flush(stream)
        try:
            return await stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(error)) from error

    async def _flush(self, stream: anyio.abc.ByteStream) -> None:
        data, self._waiting = b"".join(self._waiting), []
        self._wire.asking()
        try:
            await stream.send(data)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            # A server may refuse by closing early: its answer may lie there to be read.
            return

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Keep it for the next `read`."""
        if buffer:
            self._waiting.append(buffer)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._wire.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """The same connection inside TLS, with the server proven to be `server_hostname`."""
        try:
            async with asyncio.timeout(timeout):
                tls = await TLSStream.wrap(
                    self._wire,
                    ssl_context=ssl_context,
                    hostname=server_hostname,
                    standard_compatible=False,
                    server_side=False,
                )
        except TimeoutError:
            await self.aclose()
            raise httpcore.ConnectTimeout("no TLS in time") from None
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            await self.aclose()
            raise httpcore.ConnectError(str(error) or "the connection was closed") from error
        except BaseException:
            await self.aclose()
            raise
        return Stream(self._wire, tls)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks: whether a resting connection is over. It never is HTTP/2."""
        return self._wire.is_readable if info == "is_readable" else None
