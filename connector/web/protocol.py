"""uvicorn's HTTP/1.1 protocol with the guards it lacks: deadlines, byte limits, strict framing.

Stock uvicorn keeps a connection with half a header or half a body open for ever, and ASGI code runs
too late to notice. Here every connection is in one phase, and each phase has a deadline:

    HEAD    from the first byte (or the connection) until the headers are complete
    BODY    until the body is complete; the application may be running already
    ANSWER  the request is in, the application works: its own deadline counts, not ours
    IDLE    kept alive, nothing asked
    DRAIN   answered before all was read: swallow a little, or the reset would eat the answer
    CLOSING closed by us, the last bytes may still be on their way

Deadlines are numbers that the server compares in its tick: no timer per request. A request sent
before the last one is answered (pipelining) is not read: the connection closes after that answer,
which HTTP allows and no webhook sender needs otherwise.
"""

from __future__ import annotations

import asyncio
import enum
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from connector.settings import Limits
from connector.web.answers import GUARDS, PROBLEM, bare_problem

DRAIN_SECONDS = 2.0
DRAIN_BYTES = 1024 * 1024
MAX_HEADERS = 100
NEVER = float("inf")

Phase = enum.Enum("Phase", "HEAD BODY ANSWER IDLE DRAIN CLOSING")


class GuardedConfig(Config):
    """uvicorn's configuration with our limits, where the protocol finds them."""

    def __init__(self, app: Any, limits: Limits, **rest: Any) -> None:
        super().__init__(app, http=GuardedProtocol, **rest)
        self.limits = limits


class _Stop(Exception):
    """Leaves the parser; `GuardedProtocol._refusal` says why."""


class _Outlet:
    """The transport as an application's answer sees it: closing goes through our phases.

    A head whose body has a known length waits for it: the two cost one system call, not two.
    """

    def __init__(self, protocol: GuardedProtocol, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._write = transport.write
        self.is_closing = transport.is_closing
        self._awaits_head = False
        self._head = b""

    def expect(self) -> None:
        """The next answer begins."""
        self._awaits_head = True

    def write(self, data: bytes) -> None:
        cycle: Any = self._protocol.cycle  # None once the connection is gone
        if self._awaits_head and cycle is not None and cycle.response_started:
            self._awaits_head = False
            if not cycle.chunked_encoding:
                self._head = data
                return
        if self._head:
            data, self._head = self._head + data, b""
        self._write(data)

    def flush(self) -> None:
        """Write a head that no body follows."""
        if self._head:
            self._write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._protocol.finish()


class GuardedProtocol(HttpToolsProtocol):
    """One connection under `Limits`."""

    phase = Phase.HEAD
    deadline = NEVER

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        assert isinstance(config, GuardedConfig)
        self._limits = config.limits
        # An access log prints query strings, and with them challenges and consent codes.
        self.access_log = False
        self._head_bytes = 0
        self._drained = 0
        self._unread = False
        self._refusal = 400
        self._outlet: _Outlet | None = None

    # --- the life of a connection ---------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or answer 503 when there are too many and none of them idles."""
        plain = cast(asyncio.Transport, transport)
        super().connection_made(plain)
        self._outlet = _Outlet(self, plain)
        self._enter(Phase.HEAD)
        if len(self.connections) > self._limits.connections and not self._make_room():
            self._write_problem(503)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go at once of all that belongs to it: the garbage collector looks seldom."""
        super().connection_lost(exc)
        self._forget_body()
        # The application's task, if it still runs, holds what it needs of these.
        self.cycle = cast(Any, None)
        self._outlet = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless nothing more may be read from this client."""
        if self.phase is Phase.DRAIN or self.phase is Phase.CLOSING or self._unread:
            self._swallow(data)
            return
        if self.phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        if self.phase is Phase.HEAD:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # We speak nothing else: the request is answered as it stands, and that is all.
            self._hang_up_after_answer()
        except httptools.HttpParserError:
            self._refuse(self._refusal)
        else:
            if self.phase is Phase.HEAD and self._head_bytes > self._limits.header_bytes:
                self._refuse(431)

    def tick(self, now: float) -> None:
        """Give up on a client whose deadline is past (`now` is the loop's time)."""
        if now < self.deadline:
            return
        if self.phase is Phase.BODY:
            self._abandon(503)
        elif self.phase is Phase.IDLE and not self.transport.get_write_buffer_size():
            self._close()
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """Stop after the answer under way; what is not wholly here yet is refused with 503."""
        if self.phase is Phase.ANSWER:
            self.cycle.keep_alive = False
        elif self.phase is Phase.BODY:
            self._abandon(503)
        elif self.phase is Phase.HEAD and self._head_bytes:
            self._refuse(503)
        elif self.phase in (Phase.HEAD, Phase.IDLE):
            self._close()

    def finish(self) -> None:
        """Close once the answer is written, so that the client can read it."""
        if self.phase is Phase.BODY or self._unread:
            self._drain()
        elif self.phase is not Phase.DRAIN:
            self._close()

    # --- what the parser tells us ---------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.phase is not Phase.HEAD:
            raise _Stop
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        status = self._judge_head()
        if status:
            self._refusal = status
            raise _Stop
        super().on_headers_complete()
        if self._outlet is not None:
            self._outlet.expect()
        self.cycle.transport = cast(asyncio.Transport, self._outlet)
        self._enter(Phase.BODY)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.phase is Phase.BODY:
            self._enter(Phase.ANSWER)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._outlet is not None:
            self._outlet.flush()
        if self.phase is Phase.ANSWER:
            self.flow.resume_reading()
            self._enter(Phase.IDLE)
        elif self.phase is Phase.BODY:
            self._drain()

    def pause_writing(self) -> None:
        """A client that does not read its answer gets no more time than one that does not send."""
        super().pause_writing()
        if self.phase is Phase.ANSWER:
            self.deadline = self.loop.time() + self._limits.body_seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.phase is Phase.ANSWER:
            self.deadline = NEVER

    # --- helpers --------------------------------------------------------------------------

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        seconds = NEVER
        if phase is Phase.HEAD:
            self._head_bytes = 0
            seconds = self._limits.header_seconds
        elif phase is Phase.BODY:
            seconds = self._limits.body_seconds
        elif phase is Phase.IDLE:
            seconds = self._limits.idle_seconds
        elif phase is not Phase.ANSWER:
            seconds = DRAIN_SECONDS
        self.deadline = self.loop.time() + seconds

    def _judge_head(self) -> int:
        """The status to refuse a request with by its head alone, or 0."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self._limits.header_bytes or len(self.headers) > MAX_HEADERS:
            return 431
        names = [name for name, _ in self.headers]
        lengths, codings = names.count(b"content-length"), names.count(b"transfer-encoding")
        if lengths + codings > 1:
            return 400
        if codings and self.parser.get_http_version() != "1.1":
            return 400
        if lengths + codings and self.parser.should_upgrade():
            # The parser would hand us the request without its body.
            return 400
        hosts = names.count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            return 400
        return 0

    def _make_room(self) -> bool:
        idle = [
            one
            for one in self.connections
            if isinstance(one, GuardedProtocol) and one.phase is Phase.IDLE
        ]
        if not idle:
            return False
        min(idle, key=lambda one: one.deadline)._close()
        return True

    def _refuse(self, status: int) -> None:
        """Answer a request that is not HTTP as we accept it; an answer under way comes first."""
        if self.phase is Phase.ANSWER:
            self._hang_up_after_answer()
        elif self.phase is Phase.BODY:
            self._abandon(status)
        else:
            self._write_problem(status)
            self._drain()

    def _hang_up_after_answer(self) -> None:
        self._unread = True
        self.cycle.keep_alive = False

    def _abandon(self, status: int) -> None:
        """Answer in the application's place; it sees a client that hung up."""
        cycle = self.cycle
        if not cycle.response_started:
            self._write_problem(status)
        elif self._outlet is not None:
            self._outlet.flush()
        cycle.disconnected = True
        cycle.message_event.set()
        self._drain()

    def _write_problem(self, status: int) -> None:
        body = bare_problem(status)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", PROBLEM),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *GUARDS,
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    def _drain(self) -> None:
        self._forget_body()
        if not self.transport.can_write_eof():
            self._close()
            return
        self._enter(Phase.DRAIN)
        self.transport.write_eof()
        self.flow.resume_reading()

    def _forget_body(self) -> None:
        """Nobody will read what came of the body: the request is answered, or its client gone."""
        if self.cycle is not None:
            self.cycle.body = bytearray()

    def _swallow(self, data: bytes) -> None:
        self._drained += len(data)
        if self._drained > DRAIN_BYTES:
            self.transport.abort()

    def _close(self) -> None:
        self._enter(Phase.CLOSING)
        self.transport.close()
