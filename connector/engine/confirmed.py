"""What an app has confirmed while the database was away: kept beside it until it takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connector.engine.waits import Clock
from connector.errors import StoreError
from connector.store.rows import EffectRow

if TYPE_CHECKING:
    from connector.engine.looking import EffectStore
    from connector.store.side_journal import SideJournal

logger = logging.getLogger("connector.engine")

OPEN = ("planned", "sending", "uncertain")


class Confirmed:
    """Keeps ends of writes in a side journal; no other write is begun while it holds any."""

    def __init__(
        self,
        journal: SideJournal | None,
        store_of: Callable[[str], EffectStore],
        clock: Clock,
        after_write: Callable[[EffectRow], None] | None = None,
    ) -> None:
        self._journal = journal
        self._store_of = store_of
        self._clock = clock
        self._after_write = after_write
        self._turn = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many ends of writes the database does not know yet."""
        return len(self._journal.entries) if self._journal else 0

    def keep(self, effect: EffectRow) -> None:
        """Write down, durably, that this write is done; without a journal, nothing is."""
        if self._journal is None:
            return
        entry = {
            "tenant": effect.tenant,
            "key": effect.key,
            "remote_id": effect.remote_id,
            "output": effect.output,
            "at": self._clock(),
        }
        try:
            self._journal.append(entry)
        except StoreError as error:
            # Then it is looked for in the app, like any write whose answer was lost.
            logger.error("the end of a write is kept in memory only: %s", error.message)
        else:
            logger.error(
                "the database could not store the end of a write: it is kept beside it, "
                "and nothing is written to any app until the database answers again"
            )

    async def settle(self) -> None:
        """Hand everything to the database. Raises StoreBusy while it does not answer."""
        if self._journal is None or not self.waiting:
            return
        async with self._turn:
            settled = 0
            while settled < self.waiting:
                await self._apply(self._journal.entries[settled])
                settled += 1
            if settled:
                # No moment between the last look and this: nothing that came since is lost.
                self._journal.clear()
                logger.warning("%d kept end(s) of writes are in the database now", settled)

    async def _apply(self, entry: dict[str, Any]) -> None:
        store = self._store_of(entry["tenant"])
        effect = await store.effect(entry["key"])
        if effect is None or effect.state not in OPEN:
            # It reached the database after all, or a person has decided since.
            return
        effect.state, effect.remote_id, effect.output = "done", entry["remote_id"], entry["output"]
        effect.updated_at = self._clock()
        told = "the app had confirmed it while the database was away"
        effect.evidence.append({"at": entry["at"], "message": told})
        await store.save_effect(effect)
        if self._after_write is not None:
            self._after_write(effect)
