"""What watches over the events of tenants: subscriptions, sweeps, derived triggers, alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connector.engine.alarms import Alarms
from connector.engine.polls import Polls
from connector.engine.rounds import Duty, Rounds
from connector.engine.subscriptions import Asking, Subscriptions
from connector.engine.sweeps import Sweeps
from connector.engine.watches import Watches

if TYPE_CHECKING:
    from connector.engine.book import Book
    from connector.engine.doors import Doors
    from connector.runtime.parts import Parts
    from connector.store.rows import EventRow

WITHIN_SECONDS = 300.0
"""After a start, everybody is visited within this time, or at the pace of the sweeps."""


class Oversight:
    """Of every tenant; `hand_on` gets what a sweep or a daily look found. Alarms are one's own."""

    def __init__(
        self, parts: Parts, book: Book, doors: Doors, hand_on: Callable[[EventRow], None]
    ) -> None:
        self._parts, self._book, self._doors, self._hand_on = parts, book, doors, hand_on
        every = parts.tuning.sweep_seconds
        self.alarms = self._alarms(parts.tenant)
        self.subscriptions = Subscriptions(
            book,
            doors,
            parts.database.tenant,
            parts.clock,
            parts.public_url,
            alarms_of=self._alarms,
            check_seconds=every,
        )
        # After a restored backup it is not known which changes were handled since.
        soon = 0.0 if parts.tuning.search_first else WITHIN_SECONDS
        self.rounds = {
            "watches": self._rounds("watches", self._watches, soon),
            "polls": self._rounds("polls", self._polls, soon),
        }
        if every > 0:
            self.rounds["sweeps"] = self._rounds("sweeps", self._sweeps, min(soon, every))
        self.asking = self._rounds("subscriptions", self._asking, every or None)

    def _rounds(self, what: str, make: Callable[[str, bool], Duty], within: float | None) -> Rounds:
        return Rounds(what, self._parts.database, self._parts.clock, make, within=within)

    def _alarms(self, tenant: str) -> Alarms:
        return Alarms(self._parts.database.tenant(tenant), self._book, self._parts.clock)

    def _asking(self, tenant: str, first: bool) -> Duty:
        return Asking(self.subscriptions, tenant, self._parts.database.turn)

    def _sweeps(self, tenant: str, first: bool) -> Duty:
        tuning = self._parts.tuning
        return Sweeps(
            tenant,
            self._book,
            self._doors,
            self._parts.database.tenant(tenant),
            self._parts.clock,
            self._hand_on,
            tuning.sweep_seconds,
            anew=tuning.search_first and first,
            watch=self._alarms(tenant).look,
        )

    def _polls(self, tenant: str, first: bool) -> Duty:
        store = self._parts.database.tenant(tenant)
        return Polls(tenant, self._book, self._doors, store, self._parts.clock, self._hand_on)

    def _watches(self, tenant: str, first: bool) -> Duty:
        return Watches(
            tenant,
            self._book,
            self._doors,
            self._parts.database.tenant(tenant),
            self._parts.clock,
            self._hand_on,
            anew=self._parts.tuning.search_first and first,
        )

    async def swept(self) -> dict[str, int]:
        """How many changes sweeps have found, ever and lately."""
        found = await self.alarms.recovered()
        ever, lately = (sum(one[name] for one in found) for name in ("ever", "last_day"))
        return {"recovered": ever, "recovered_last_day": lately}

    async def status(self) -> dict[str, Any]:
        """What no event told of (`recovered`), and the `alarms` that last."""
        return {"recovered": await self.alarms.recovered(), "alarms": await self.alarms.open()}
