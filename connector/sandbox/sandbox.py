"""Both emulated apps on one clock, one source of chance and one sender."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from random import Random, SystemRandom
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from connector.model import Answer, HttpRequest
from connector.sandbox import exact
from connector.sandbox.agenda import Agenda
from connector.sandbox.asgi import App, Send
from connector.sandbox.clock import Clock, system_clock
from connector.sandbox.config import SandboxConfig
from connector.sandbox.fic.app import build_fic_app
from connector.sandbox.fic.control import Person
from connector.sandbox.fic.state import FicState
from connector.sandbox.perfex.app import add_row, build_perfex_app
from connector.sandbox.perfex.state import PerfexState
from connector.sandbox.perfex.tables import kinds

if TYPE_CHECKING:
    from connector.http import HttpClient


class Sandbox:
    """An outside world in this process: `fic_app` and `perfex_app` are ASGI apps.

    As a context manager it sends webhooks as they fall due; a test that moves the clock itself
    calls `settle` instead. Without `http` it sends over the network.
    """

    def __init__(
        self,
        config: SandboxConfig | None = None,
        *,
        clock: Clock = system_clock,
        random: Random | None = None,
        http: Send | None = None,
    ) -> None:
        self.config = config or SandboxConfig()
        self.clock = clock
        self.agenda = Agenda(clock, concurrency=self.config.deliveries.concurrency)
        self._http = http
        self._client: HttpClient | None = None
        self._worker: asyncio.Task[None] | None = None
        chance = random or _chance(self.config.seed)
        self.fic = FicState(
            self.config, clock=clock, random=chance, agenda=self.agenda, send=self._send
        )
        self.perfex = PerfexState(
            self.config, clock=clock, random=chance, agenda=self.agenda, send=self._send
        )
        self.person = Person(self.fic)
        self.fic_app: App = build_fic_app(self.fic)
        self.perfex_app: App = build_perfex_app(self.perfex)
        if self.config.seed_file:
            self.fill(exact.loads(self.config.seed_file.read_bytes()))

    def fill(self, seeds: Mapping[str, Mapping[str, Any]]) -> None:
        """Write records that were always there: `{"fatture_in_cloud": {"clients": […]}, …}`."""
        for key, rows in seeds.get("fatture_in_cloud", {}).items():
            for row in rows:
                self.person.create(key, row)
        for path, rows in seeds.get("perfex_crm", {}).items():
            for row in rows:
                add_row(self.perfex, kinds()[path], row)
        self.fic.ledger.clear()

    async def _send(self, request: HttpRequest) -> Answer:
        if self._http is not None:
            return await self._http(request)
        if self._client is None:
            from connector.http import HttpClient

            self._client = HttpClient()
        return await self._client.send(request, fresh=True, trusted=True)

    async def settle(self) -> None:
        """Send and apply everything that is due at the clock's present time."""
        await self.agenda.settle()

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self.agenda.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _chance(seed: int | None) -> Random:
    return SystemRandom() if seed is None else Random(seed)  # noqa: S311 - repeatable on request
