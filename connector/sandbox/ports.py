"""The sandbox on loopback ports, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connector.sandbox.asgi import App, Message, Send
from connector.sandbox.clock import Clock, system_clock
from connector.sandbox.config import SandboxConfig
from connector.sandbox.sandbox import Sandbox

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""


class Lines:
    """The open connections of one server, so that a fault can cut the one it concerns."""

    def __init__(self) -> None:
        self._open: dict[Any, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """An HTTP protocol that keeps the list of connections."""
        known = self._open

        class Tracked(HttpToolsProtocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                self.line = transport.get_extra_info("peername")
                known[self.line] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                known.pop(self.line, None)
                super().connection_lost(exc)

        return Tracked

    def wrap(self, app: App) -> App:
        """The app with a way to cut its caller's connection."""

        async def wrapped(scope: Message, receive: Any, send: Any) -> None:
            line = scope.get("client")
            scope["sandbox.abort"] = lambda hard: self._cut(line, hard)
            await app(scope, receive, send)

        return wrapped

    def _cut(self, line: Any, hard: bool) -> None:
        transport = self._open.get(line)
        if transport is None:
            return
        if not hard:
            transport.close()
            return
        handle = transport.get_extra_info("socket")
        if handle is not None:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program, not to each of its servers."""
        yield


@dataclass(frozen=True)
class Served:
    """A sandbox that answers on ports."""

    sandbox: Sandbox
    fic_url: str
    perfex_url: str

    def as_data(self) -> dict[str, Any]:
        """All that is needed to connect to both apps."""
        fic, perfex = self.sandbox.fic, self.sandbox.perfex
        signer = fic.webhooks.signer
        return {
            "fic": self.fic_url,
            "perfex": self.perfex_url,
            "client_id": fic.app.client_id,
            "client_secret": fic.app.client_secret,
            "app_id": fic.app.id,
            "manual_token": fic.manual_token,
            "company_id": fic.first_company.id,
            "authtoken": perfex.authtoken,
            "generation": perfex.config.generation,
            "public_key": signer.public_pem,
            "public_key_base64": signer.public_base64,
        }


@asynccontextmanager
async def serving(
    config: SandboxConfig | None = None,
    *,
    clock: Clock = system_clock,
    random: Random | None = None,
    http: Send | None = None,
) -> AsyncIterator[Served]:
    """A sandbox on its ports for as long as the block runs; raises OSError for a taken port."""
    sandbox = Sandbox(config, clock=clock, random=random, http=http)
    host = sandbox.config.host
    with (
        _bound(host, sandbox.config.fic_port) as fic_socket,
        _bound(host, sandbox.config.perfex_port) as perfex_socket,
    ):
        async with (
            sandbox,
            _listening(sandbox.fic_app, fic_socket) as fic_url,
            _listening(sandbox.perfex_app, perfex_socket) as perfex_url,
        ):
            yield Served(sandbox, fic_url, perfex_url)


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    bound = socket.create_server((host, port))
    try:
        yield bound
    finally:
        bound.close()


@asynccontextmanager
async def _listening(app: App, bound: socket.socket) -> AsyncIterator[str]:
    lines = Lines()
    config = uvicorn.Config(
        lines.wrap(app),
        http=lines.protocol(),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started and not running.done():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)
        if running.done():
            running.result()
        host, port = bound.getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await asyncio.shield(running)


async def serve(
    config: SandboxConfig | None = None, *, started: Callable[[Served], None] | None = None
) -> None:
    """Serve until cancelled; `started` is told the addresses."""
    async with serving(config) as served:
        if started is not None:
            started(served)
        await asyncio.Event().wait()


def run(
    config: SandboxConfig | None = None, *, as_json: bool = False, until_eof: bool = False
) -> None:
    """Serve until Ctrl-C or SIGTERM, after printing how to connect.

    `until_eof` also ends it with its standard input: whoever started it is gone, however that was.
    """

    async def main() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        if task is not None:
            with suppress(NotImplementedError):  # Windows has no such handlers
                loop.add_signal_handler(signal.SIGTERM, task.cancel)
                if until_eof:
                    loop.add_reader(sys.stdin.fileno(), _end_with_input, task)
        await serve(config, started=lambda served: _announce(served, as_json))

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(main())


def _end_with_input(task: asyncio.Task[None]) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        task.cancel()


def _announce(served: Served, as_json: bool) -> None:
    data = served.as_data()
    if as_json:
        lines = [json.dumps(data)]
    else:
        lines = [
            f"Fatture in Cloud  {data['fic']}",
            f"  client id       {data['client_id']}",
            f"  client secret   {data['client_secret']}",
            f"  manual token    {data['manual_token']}",
            f"  company         {data['company_id']}",
            f"Perfex CRM {data['generation']}    {data['perfex']}",
            f"  authtoken       {data['authtoken']}",
            "Ctrl-C stops it. Its controls are under /_sandbox on both (docs/sandbox.md).",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
