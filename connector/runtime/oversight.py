"""What watches over the events of a tenant: subscriptions, sweeps, derived triggers, alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connector.engine.alarms import Alarms
from connector.engine.polls import Polls
from connector.engine.subscriptions import Subscriptions
from connector.engine.sweeps import Sweeps
from connector.engine.watches import Watches

if TYPE_CHECKING:
    from connector.engine.book import Book
    from connector.engine.doors import Doors
    from connector.runtime.parts import Parts
    from connector.store.rows import EventRow


class Oversight:
    """Those of one tenant; `hand_on` gets what a sweep or a daily look found."""

    def __init__(
        self, parts: Parts, book: Book, doors: Doors, hand_on: Callable[[EventRow], None]
    ) -> None:
        store, every = parts.database.tenant(parts.tenant), parts.tuning.sweep_seconds
        self.alarms = Alarms(store, book, parts.clock)
        self.subscriptions = Subscriptions(
            book,
            doors,
            parts.database.tenant,
            parts.clock,
            parts.public_url,
            alarms=self.alarms,
            check_seconds=every,
        )
        self.sweeps = Sweeps(
            parts.tenant,
            book,
            doors,
            store,
            parts.clock,
            hand_on,
            every,
            # After a restored backup it is not known which changes were handled since.
            anew=parts.tuning.search_first,
            watch=self.alarms.look,
        )
        self.polls = Polls(parts.tenant, book, doors, store, parts.clock, hand_on)
        self.watches = Watches(
            parts.tenant,
            book,
            doors,
            store,
            parts.clock,
            hand_on,
            anew=parts.tuning.search_first,
        )

    async def swept(self) -> dict[str, int]:
        """How many changes sweeps have found, ever and lately."""
        found = await self.alarms.recovered()
        ever, lately = (sum(one[name] for one in found) for name in ("ever", "last_day"))
        return {"recovered": ever, "recovered_last_day": lately}

    async def status(self) -> dict[str, Any]:
        """What no event told of (`recovered`), and the `alarms` that last."""
        return {"recovered": await self.alarms.recovered(), "alarms": await self.alarms.open()}
