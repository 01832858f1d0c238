"""Runs an ASGI app on one address with uvicorn, our protocol guards and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from uvicorn.server import Server

from connector.errors import ConnectorError
from connector.settings import Limits
from connector.web.ports import Asgi
from connector.web.protocol import GuardedConfig, GuardedProtocol

BACKLOG = 2048
TICKS = 8
"""How often a second-long deadline is looked at, so how late it may be noticed."""
LAST_WORDS_SECONDS = 1.0
GARBAGE = (50_000, 20, 20)

T = TypeVar("T")
OnReady = Callable[[str, int], None]
OnStop = Callable[[], Awaitable[None]]


async def serve(
    app: Asgi,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    limits: Limits | None = None,
    on_ready: OnReady | None = None,
    on_stop: OnStop | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`: accept no more, answer what is in, then `on_stop`.

    `on_ready` gets the address in use (port 0 picks a free one). Raises ConnectorError when the
    address is taken. Signals are only heard in the main thread; a second one ends the waiting.
    """
    limits = limits or Limits()
    stop = stop or asyncio.Event()
    listener = await _listen(host, port)
    # proxy_headers=False: whoever connects could otherwise choose the address that we log.
    config = GuardedConfig(
        app,
        limits,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=limits.stop_seconds,
    )
    server = _GuardedServer(config, stop, lambda: _report(listener, on_ready))
    try:
        with _signals(server, stop):
            await _run(server, listener)
    finally:
        listener.close()
        if on_stop is not None:
            await on_stop()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, such as `serve(…)`, to its end on uvloop where it is installed.

    It is for a process of our own: Python's garbage collector is told to look less often.
    """
    # The catalogue and all that waits live long, and Python would look through them every 700 new
    # objects: a tenth of a busy server's time. What ends is freed at once, by its count.
    gc.set_threshold(*GARBAGE)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


class _GuardedServer(Server):
    """uvicorn's server; signals are ours, and deadlines hold while it stops, too."""

    def __init__(
        self, config: GuardedConfig, stop: asyncio.Event, on_started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._limits = config.limits
        self._stop = stop
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again once it is done, before our own clean-up could run.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def main_loop(self) -> None:
        """Refresh the date header each second until told to stop, which is heard at once."""
        while not self._stop.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), timeout=1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        tasks = set(self.server_state.tasks)
        if self.force_exit:
            for task in tasks:
                task.cancel()
        if tasks:
            # Cancelled, here or because the time was up: they still tell their client so.
            await asyncio.wait(tasks, timeout=LAST_WORDS_SECONDS)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()

    def stop(self) -> None:
        """Begin the end."""
        self._stop.set()

    async def watch(self) -> None:
        """Tick every connection, for as long as the server runs."""
        limits = self._limits
        shortest = min(limits.header_seconds, limits.body_seconds, limits.idle_seconds, 1.0)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(shortest / TICKS)
            now = loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.tick(now)


async def _run(server: _GuardedServer, listener: socket.socket) -> None:
    watch = asyncio.create_task(server.watch())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        # Cancelled or told to stop, requests under way are answered all the same.
        server.stop()
        await serving
        raise
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _listen(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConnectorError(
            f"Cannot listen on {host}, port {port}: {error.strerror or 'address not found'}.",
            remedy="Choose another port (CONNECTOR_PORT), or stop the program that uses this one.",
        ) from None
    listener.setblocking(False)
    return listener


def _report(listener: socket.socket, on_ready: OnReady | None) -> None:
    if on_ready is not None:
        name = listener.getsockname()
        on_ready(name[0], name[1])


@contextlib.contextmanager
def _signals(server: _GuardedServer, stop: asyncio.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def heard() -> None:
        server.force_exit = stop.is_set()
        stop.set()

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    try:
        for kind in kinds:
            loop.add_signal_handler(kind, heard)
    except NotImplementedError:  # Windows: Ctrl-C then cancels the main task instead
        yield
        return
    try:
        yield
    finally:
        for kind in kinds:
            loop.remove_signal_handler(kind)
            signal.signal(kind, before[kind] or signal.SIG_DFL)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
