"""How open work gets done in this process: all of it, or what it claims of what several share."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from connector.engine.dispatch import Dispatcher, LaneKey, Ticket
from connector.engine.waits import Clock
from connector.store.rows import EventRow, RunRow

if TYPE_CHECKING:
    from connector.engine.events import Events
    from connector.store.port import Database

Perform = Callable[[RunRow], Awaitable[float | None]]


class MakeEvents(Protocol):
    """Makes the matcher of a drive."""

    def __call__(
        self,
        start: Callable[[RunRow], None],
        room: Callable[[str], Awaitable[None]] | None = None,
        let_go: Callable[[Sequence[EventRow], float], Awaitable[None]] | None = None,
    ) -> Events: ...


class Drive(Protocol):
    """Matches accepted events and performs runs until it is stopped."""

    async def start(self, usable: Iterable[str]) -> None:
        """Begin with what is open; runs that wait for one of the `usable` reasons go on."""
        ...

    async def stop(self) -> None:
        """Stop at the next safe point; what is interrupted goes on later, here or elsewhere."""
        ...

    def event(self, event: EventRow) -> None:
        """An event was accepted here."""
        ...

    def run(self, run: RunRow) -> None:
        """A run was stored here."""
        ...

    def released(self, runs: Iterable[int], connection_id: str) -> None:
        """These runs wait no more, and events of this connection can be read again."""
        ...

    async def look(self) -> None:
        """Find what was stored by others."""
        ...

    async def may_go_on(self) -> bool:
        """Whether this process still has the right to work."""
        ...

    async def leads(self, what: str) -> bool:
        """Whether this process does for all what is done by one only."""
        ...

    @property
    def matching(self) -> int:
        """How many events this process has in hand."""
        ...

    async def settled(self) -> None:
        """Return when no event and no run is open, waiting ones included."""
        ...


class LocalDrive:
    """Drives everything there is, in the memory of one process."""

    def __init__(
        self,
        database: Database,
        perform: Perform,
        make_events: MakeEvents,
        clock: Clock,
        workers: int,
    ) -> None:
        self._database = database
        self._dispatcher = Dispatcher(perform, database.run, clock, workers)
        self._events = make_events(self.run, self._dispatcher.room)

    async def start(self, usable: Iterable[str]) -> None:
        """Begin with what is open; runs that wait for one of the `usable` reasons go on."""
        self._dispatcher.start()
        await self._resume(frozenset(usable))

    async def stop(self) -> None:
        """Stop at the next safe point; what is interrupted goes on at the next start."""
        await self._events.stop()
        await self._dispatcher.stop()

    def event(self, event: EventRow) -> None:
        """Match an event when its turn comes."""
        self._events.enqueue(event)

    def run(self, run: RunRow) -> None:
        """Give a run its place in its lane."""
        lane = _lane(run.flow_id, run.item_id, run.id, run.ordered)
        self._dispatcher.enqueue(Ticket(run.id, lane, run, tenant=run.tenant))

    def released(self, runs: Iterable[int], connection_id: str) -> None:
        """These runs wait no more, and events of this connection can be read again."""
        for run_id in runs:
            self._dispatcher.release(run_id)
        self._events.hurry(connection_id)

    async def look(self) -> None:
        """Find what was stored by others."""
        await self._resume(frozenset())

    async def may_go_on(self) -> bool:
        """Whether no other process may drive by now: two would write everything twice."""
        return await self._database.is_owner()

    async def leads(self, what: str) -> bool:
        """Always: there is no other."""
        return True

    @property
    def matching(self) -> int:
        """How many events are queued, read or waiting for another try."""
        return self._events.open

    async def settled(self) -> None:
        """Return when no event and no run is open, waiting ones included."""
        while self._events.open or self._dispatcher.open:
            await self._events.settled()
            await self._dispatcher.settled()

    async def _resume(self, usable: frozenset[str]) -> None:
        for event in await self._database.open_events():
            self._events.enqueue(event)
        for (
            run_id,
            flow_id,
            item_id,
            due_at,
            reason,
            ordered,
            tenant,
        ) in await self._database.open_runs():
            waits = reason and reason.startswith("connection:") and reason not in usable
            lane = _lane(flow_id, item_id, run_id, bool(ordered))
            due_at = math.inf if waits else due_at
            self._dispatcher.enqueue(Ticket(run_id, lane, due_at=due_at, tenant=tenant))


def _lane(flow_id: int, item_id: str, run_id: int, ordered: bool) -> LaneKey:
    """Runs of one lane go one after the other: a flow's runs about one record, or this one only."""
    return (flow_id, item_id) if ordered else (flow_id, f"{item_id}#{run_id}")
