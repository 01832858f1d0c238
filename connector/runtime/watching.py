"""What a server looks after beside its runs: changes by others, events asked for, chores."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from connector.engine.drive import Drive
from connector.errors import ConnectorError
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.runtime.oversight import Oversight
    from connector.store.port import Database

logger = logging.getLogger("connector.runtime")

LOOK_SECONDS = 0.5
"""How often a server looks for what a command at the shell has changed."""
LOOKS_PER_SWEEP = 60
LOOKS_PER_LEAD = 10


class Chore(Protocol):
    """What is done beside the runs, by one process for all."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...


class Watch:
    """Notices what others have changed; does what one process does for all, when it is that one."""

    def __init__(
        self,
        tenant: str,
        database: Database,
        drive: Drive,
        oversight: Oversight,
        retention: Chore,
        stop_work: Callable[[], Awaitable[None]],
    ) -> None:
        self._tenant = tenant
        self._database = database
        self._drive = drive
        self._subscriptions = oversight.subscriptions
        self._rounds = [*oversight.rounds.values(), oversight.asking]
        self._chores: dict[str, Chore] = {**oversight.rounds, "retention": retention}
        self._asking = oversight.asking
        self._stop_work = stop_work
        self._task: asyncio.Task[None] | None = None
        self._doing: set[str] = set()

    async def start(self) -> None:
        """Begin to look."""
        await self._lead()
        self._task = asyncio.create_task(self._forever(), name="connector-watch")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def stop_chores(self) -> None:
        """Leave them to others."""
        for name in tuple(self._doing):
            await self._stop(name)

    async def _stop(self, name: str) -> None:
        self._doing.discard(name)
        await self._chores[name].stop()

    async def reconcile(self) -> list[dict[str, Any]]:
        """Make the apps send what this tenant's flows follow; a started process then does so for
        every tenant, now and after each change."""
        if self._task is not None:
            # Only who listens asks: an app sends its challenge before it answers.
            self._chores["subscriptions"] = self._asking
            await self._database.moved_to(self._subscriptions.public_url)
            await self._lead()
            if "subscriptions" not in self._doing:
                return []
        async with self._database.turn(f"subscriptions/{self._tenant}"):
            return await self._subscriptions.reconcile(self._tenant)

    async def _lead(self) -> None:
        """Do what no other process does for all; be ready to follow those that do."""
        for name, chore in self._chores.items():
            leads = await self._drive.leads(name)
            if leads and name not in self._doing:
                self._doing.add(name)
                chore.start()
            elif not leads and name in self._doing:
                await self._stop(name)

    async def _forever(self) -> None:
        seen = -1
        for look in itertools.count(1):
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if not await self._drive.may_go_on():
                    logger.error("the right to drive this database was lost: stopping work")
                    await self._stop_work()
                    return
                seen = await self._look(look, seen)
            except ConnectorError as error:
                logger.warning("looking for changes: %s", error.message)
            except Exception as fault:  # noqa: BLE001 - else nothing would be noticed any more
                log_surprise(logger, "looking for changes", fault)

    async def _look(self, look: int, seen: int) -> int:
        """One look; gives the revision up to which everything was noticed."""
        revision = await self._database.revision()
        if look % LOOKS_PER_LEAD == 0:
            await self._lead()
        if look % LOOKS_PER_SWEEP == 0 and not self._drive.matching:
            # A commit that told us it failed may have reached the disk all the same.
            await self._drive.look()
        if revision != seen:
            for rounds in self._rounds:
                rounds.look()
            await self._drive.look()
        return revision
