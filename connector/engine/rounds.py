"""Looking after every tenant of a database, whoever is next: what is done beside the runs.

The store says who is due, so that ten thousand tenants who wait cost nothing; each change of what a
tenant has set up makes it due. Killed in the middle of a visit, it is due as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from connector.engine.waits import Clock
from connector.errors import ConnectorError, StoreError
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.store.port import Database

logger = logging.getLogger("connector.engine")

LOOK_SECONDS = 5.0
"""How often to ask who is due."""
AGAIN_SECONDS = 60.0
"""When to visit again after a fault."""
AT_ONCE = 8
"""So many tenants are visited side by side: one whose app is slow holds up nobody else."""


class Duty(Protocol):
    """What is done for one tenant."""

    async def round(self) -> float | None:
        """Do what is due; gives when to come again, None when only a change can bring work."""
        ...

    async def stop(self) -> None:
        """Stop at once what goes on beside the rounds."""
        ...


class Rounds:
    """Visits the tenants for whom something is due."""

    def __init__(
        self,
        what: str,
        database: Database,
        clock: Clock,
        make: Callable[[str, bool], Duty],
        *,
        within: float | None = None,
    ) -> None:
        """`make` is told whether this is the first visit of this process; everybody with a flow
        that is on is visited `within` this time, because a new release may want more."""
        self._what = what
        self._database = database
        self._clock = clock
        self._make = make
        self._within = within
        self._duties: dict[str, Duty] = {}
        self._visited: set[str] = set()
        self._visits: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to visit."""
        self._task = asyncio.create_task(self._forever(), name=f"connector-{self._what}")

    async def stop(self) -> None:
        """Stop at once: whoever was being visited stays due."""
        tasks = [*self._visits.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None
        for duty in self._duties.values():
            await duty.stop()
        # Another process may do it meanwhile: what was known here says nothing then.
        self._duties.clear()

    def look(self) -> None:
        """Ask now who is due: something was changed."""
        self._wake.set()

    async def _forever(self) -> None:
        began = self._within is None
        while True:
            self._wake.clear()
            try:
                if self._within is not None and not began:
                    await self._database.due_by(self._what, self._clock() + self._within)
                    began = True
                await self._visit_due()
            except ConnectorError as error:
                logger.warning("%s: %s", self._what, error.message)
            except Exception as fault:  # noqa: BLE001 - the next look must come
                log_surprise(logger, f"{self._what} stopped on a fault of ours", fault)
            # Not wait_for: it swallows a cancellation that comes with the wake.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()

    async def _visit_due(self) -> None:
        room = AT_ONCE - len(self._visits)
        if not room:
            return
        # Those who are being visited are due until it has ended.
        due = await self._database.due(self._what, self._clock(), AT_ONCE)
        for tenant, since in due:
            if tenant not in self._visits and len(self._visits) < AT_ONCE:
                visit = asyncio.create_task(
                    self._visit(tenant, since), name=f"connector-{self._what}-visit"
                )
                self._visits[tenant] = visit

    async def _visit(self, tenant: str, since: float) -> None:
        try:
            due_at = await self._round(tenant)
            await self._database.looked_after(self._what, tenant, since, due_at)
        except ConnectorError as error:
            # The database is away: it stays due.
            logger.warning("%s of %s: %s", self._what, tenant, error.message)
            return
        finally:
            del self._visits[tenant]
        # There may be room for another one now, or something was changed meanwhile.
        self._wake.set()

    async def _round(self, tenant: str) -> float | None:
        duty = self._duties.get(tenant)
        if duty is None:
            duty = self._duties[tenant] = self._make(tenant, tenant not in self._visited)
        soon = self._clock() + LOOK_SECONDS
        try:
            due_at = await duty.round()
        except StoreError:
            raise
        except ConnectorError as error:
            logger.warning("%s of %s: %s", self._what, tenant, error.message)
            return self._clock() + AGAIN_SECONDS
        except Exception as fault:  # noqa: BLE001 - nobody else may wait for it
            log_surprise(logger, f"{self._what} of {tenant} stopped on a fault of ours", fault)
            return self._clock() + AGAIN_SECONDS
        self._visited.add(tenant)
        if due_at is None:
            await duty.stop()
            del self._duties[tenant]
            return None
        return max(due_at, soon)
