"""From an accepted event to its runs: who wants it, what the records say, one run each."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from connector.engine.covering import alike
from connector.engine.deriving import Derived
from connector.engine.enrich import Found
from connector.engine.making import Known, Making
from connector.engine.origins import CHAIN, Origins, place_of_states
from connector.engine.precedence import Precedence
from connector.engine.reading import Askers, Group, Reading
from connector.engine.waits import Backoff, Clock, connection_reason, fault_of_ours
from connector.errors import (
    ApiError,
    ConnectorError,
    Raced,
    StoreBusy,
    StoreError,
    TakenOver,
)
from connector.model import App, Trigger
from connector.store.rows import HEALED, EventRow, FlowRow, RunRow
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.flow import CompiledFlow
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

MAX_TOGETHER = 200
FEW_TOGETHER = 10
"""While other events arrive: matching these takes about as long as answering one or two."""
AT_ONCE = 32
"""Of so many places the store is asked side by side: more would queue there, and give up."""
STORE_RETRY_SECONDS = 1.0
BASELINE_SECONDS = 5.0
NO_BASELINE = ConnectorError(
    "A flow that follows this was switched on a moment ago: where things stand is being read.",
    remedy="It goes on by itself.",
    who="wait",
)
TRIES_TOGETHER = 2
"""Then a record is read by itself: one bad id can make a whole list fail again and again."""


@dataclass(frozen=True, slots=True)
class ActiveFlow:
    """An enabled flow ready to run, and which events it follows."""

    row: FlowRow
    flow: CompiledFlow
    trigger: Trigger
    connection_id: str
    account: str | None
    resources: frozenset[str]
    operations: frozenset[str]
    derived: Derived | None = None

    def wants(self, event: EventRow) -> bool:
        """Whether this flow follows this event."""
        if event.delivery_id.startswith(HEALED) and not (self.derived and self.derived.remembers):
            # The app sent its own event of this, most likely; only a state tells them apart.
            return False
        return (
            event.connection_id == self.connection_id
            and event.operation in self.operations
            and event.resource in self.resources
            and (self.account is None or event.account == self.account)
        )


class FlowBook(Protocol):
    """Gives the enabled flows of a connection, always as they stand now."""

    async def following(self, tenant: str, connection_id: str) -> Sequence[ActiveFlow]: ...

    async def app(self, tenant: str, connection_id: str) -> App: ...

    def ask_again(self) -> None: ...


class Events:
    """Matches accepted events; what cannot be read now stays open and is tried again."""

    def __init__(
        self,
        book: FlowBook,
        askers: Askers,
        store_of: Callable[[str], Store],
        backoff: Backoff,
        clock: Clock,
        start: Callable[[RunRow], None],
        room: Callable[[str], Awaitable[None]] | None = None,
        let_go: Callable[[Sequence[EventRow], float], Awaitable[None]] | None = None,
        *,
        origins: Origins | None = None,
        chain: int = CHAIN,
        precedence: Precedence | None = None,
    ) -> None:
        """`let_go` gives events back until a time; without it, those that wait do so here."""
        self._book = book
        self._reading = Reading(book, askers, clock)
        self._store_of = store_of
        self._backoff = backoff
        self._clock = clock
        self._start = start
        self._room = room
        self._let_go = let_go
        self._origins = origins
        self._precedence = precedence or Precedence()
        self._making = Making(clock, chain)
        self._groups: dict[Group, deque[EventRow]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._postponed: dict[int, EventRow] = {}
        self._known: set[int] = set()
        self._hands = asyncio.Semaphore(AT_ONCE)
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    def enqueue(self, event: EventRow) -> None:
        """Take an event on, unless it is here already; returns at once."""
        if self._stopping or event.id in self._known:
            return
        self._known.add(event.id)
        self._idle.clear()
        self._place(event)

    def _place(self, event: EventRow) -> None:
        if self._stopping:
            return
        delay = event.due_at - self._clock()
        if delay > 0:
            loop = asyncio.get_running_loop()
            self._timers[event.id] = loop.call_later(delay, self._ripe, event)
            self._postponed[event.id] = event
            return
        group = (event.tenant, event.connection_id, event.resource, event.account)
        queue = self._groups.get(group)
        if queue is not None:
            queue.append(event)
            return
        self._groups[group] = deque((event,))
        task = asyncio.create_task(self._work(group), name="connector-events")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def hurry(self, connection_id: str) -> None:
        """Try the postponed events of a connection now: its owner has renewed it."""
        # Oldest first: each was postponed anew at its own moment, so they lie here in any order.
        for event in sorted(self._postponed.values(), key=lambda one: one.id):
            if event.connection_id == connection_id:
                timer = self._timers.get(event.id)
                if timer is not None:
                    timer.cancel()
                self._ripe(event)

    @property
    def known(self) -> Sequence[int]:
        """The ids of the events that are queued, read or waiting here."""
        return list(self._known)

    @property
    def open(self) -> int:
        """How many events are queued, read or waiting for another try."""
        return len(self._known)

    async def settled(self) -> None:
        """Return when no event is open (those that wait for another try count as open)."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Stop at once: what is not matched stays open in the store."""
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ripe(self, event: EventRow) -> None:
        self._timers.pop(event.id, None)
        self._postponed.pop(event.id, None)
        event.due_at = 0
        self._place(event)

    async def _work(self, group: Group) -> None:
        queue = self._groups[group]
        while queue:
            if self._room is not None:
                await self._room(group[0])
            await asyncio.sleep(self._reading.pause(group, len(queue)))
            await self._precedence.turn()
            batch = alike(queue, MAX_TOGETHER)
            try:
                await self._batch(group, batch)
            except StoreError as error:
                logger.warning("events wait for the database: %s", error.message)
                await asyncio.sleep(STORE_RETRY_SECONDS)
                continue
            except ConnectorError as error:
                logger.warning("events of %s wait: %s", group[2], error.message)
                await self._postpone_all(batch)
            except Exception as fault:  # noqa: BLE001 - the next events must go on
                log_surprise(logger, f"events of {group[2]} stopped on a fault of ours", fault)
                await self._postpone_all(batch)
            for _ in batch:
                queue.popleft()
        del self._groups[group]
        if not self.open:
            self._idle.set()

    async def _postpone_all(self, batch: Sequence[EventRow]) -> None:
        await self._put_back(batch, self._clock() + 60)

    async def _put_back(self, events: Sequence[EventRow], due_at: float) -> None:
        """Not matched and not stored anew: they are tried again at this time."""
        if self._let_go is not None:
            # Forgotten first: given back, an event may be claimed anew at any moment.
            self._known.difference_update(event.id for event in events)
            await self._let_go(events, due_at)
            return
        for event in events:
            event.due_at = due_at
            self._place(event)

    async def _batch(self, group: Group, batch: Sequence[EventRow]) -> None:
        store = self._store_of(group[0])
        known: dict[int, set[tuple[int, str]]] = {}
        ids: dict[str, bool] = {}
        async with self._hands:
            wanted = await self._wanted(batch, store, known, ids)
        # Without a hand: an app may take its time.
        found = await self._reading.read(group, ids)
        async with self._hands:
            await self._match_all(batch, wanted, found, known, store)

    async def _wanted(
        self,
        batch: Sequence[EventRow],
        store: Store,
        known: dict[int, set[tuple[int, str]]],
        ids: dict[str, bool],
    ) -> list[tuple[EventRow, list[ActiveFlow]]]:
        """Who wants each event; fills in the runs that are `known`, and the `ids` to be read."""
        wanted = await self._takers(batch)
        if self._let_go is not None and any(not takers for _, takers in wanted):
            # A flow may have been switched on elsewhere a moment ago.
            self._book.ask_again()
            wanted = await self._takers(batch)
        for event, takers in wanted:
            if event.attempts or event.error is not None:
                # It was deferred or matched before: some of its runs may be there.
                known[event.id] = await store.items_with_runs(event.id)
            if event.operation != "delete" and any(taker.trigger.enrich for taker in takers):
                done = known.get(event.id, set())
                ids.update(
                    (one, event.attempts >= TRIES_TOGETHER)
                    for one in event.ids
                    if any((taker.row.id, one) not in done for taker in takers)
                )
        return wanted

    async def _match_all(
        self,
        batch: Sequence[EventRow],
        wanted: Sequence[tuple[EventRow, list[ActiveFlow]]],
        found: Mapping[str, Found],
        known: Mapping[int, set[tuple[int, str]]],
        store: Store,
    ) -> None:
        told = await self._told(batch, wanted, store)
        while wanted:
            # Read together, for that is one call; matched in pieces, for that takes the processor.
            most = FEW_TOGETHER if self._precedence.busy else MAX_TOGETHER
            some, wanted = wanted[:most], wanted[most:]
            outcomes = await asyncio.gather(
                *(
                    self._match(event, takers, found, told, known.get(event.id, set()), store)
                    for event, takers in some
                ),
                return_exceptions=True,
            )
            for (event, _), outcome in zip(some, outcomes, strict=True):
                await self._matched(event, outcome, store)
            await self._precedence.turn()

    async def _matched(self, event: EventRow, outcome: BaseException | None, store: Store) -> None:
        # Each on its own: the runs of the others are stored and would never be started.
        if isinstance(outcome, Exception):
            await self._give_back(event, outcome, store)
        elif outcome is not None:
            raise outcome
        elif event.state == "received" and self._let_go is None:
            self._place(event)
        if event.state != "received" or self._let_go is not None:
            # One that waits is stored with its time: whoever has room then takes it.
            self._known.discard(event.id)

    async def _takers(self, batch: Sequence[EventRow]) -> list[tuple[EventRow, list[ActiveFlow]]]:
        flows = await self._book.following(batch[0].tenant, batch[0].connection_id)
        return [(event, [flow for flow in flows if flow.wants(event)]) for event in batch]

    async def _match(
        self,
        event: EventRow,
        takers: Sequence[ActiveFlow],
        found: Mapping[str, Found],
        told: Known,
        known: set[tuple[int, str]],
        store: Store,
    ) -> None:
        ready = [taker for taker in takers if told.is_ready(taker)]
        runs = self._making.runs(event, ready, found, told, known)
        self._settle(event, ready, found, known)
        if len(ready) < len(takers) and event.state != "received":
            self._defer_for_baseline(event)
        for run in await store.match(event, runs):
            if run.finished_at is None:
                self._start(run)

    async def _told(
        self,
        batch: Sequence[EventRow],
        wanted: Iterable[tuple[EventRow, Sequence[ActiveFlow]]],
        store: Store,
    ) -> Known:
        """What is known of the records that some flow wants; asked for after they were read."""
        first = batch[0]
        items = list({one: None for event, takers in wanted if takers for one in event.ids})
        if not items:
            return Known()
        handled = await store.handled(first.connection_id, first.account, first.resource, items)
        app = await self._book.app(first.tenant, first.connection_id)
        known = Known(handled, reader=app.readers.get(first.resource))
        if self._origins is not None:
            known = replace(known, origins=await self._origins.of(app, first, items, store))
        watching = {
            taker.row.id: taker for _, takers in wanted for taker in takers if taker.derived
        }
        if not watching:
            return known
        place = place_of_states(app, first.resource, first.account)
        # In this order: a flow that is ready has all that it knew at the beginning.
        watches = await store.watches()
        states = await store.states(place, list(watching), items)
        return replace(known, place=place, watches=watches, states=states)

    async def _give_back(self, event: EventRow, fault: Exception, store: Store) -> None:
        """One event that could not be matched: it waits for the database, or ends as failed."""
        if isinstance(fault, TakenOver):
            self._known.discard(event.id)
            return
        if not isinstance(fault, StoreBusy | Raced):
            log_surprise(logger, f"event {event.id} cannot be matched", fault)
            error = fault if isinstance(fault, ConnectorError) else fault_of_ours(fault)
            event.state, event.error, event.due_at = "failed", error.as_data(), 0
            try:
                await store.match(event, [])
                return
            except StoreError as again:
                fault = again
        if not isinstance(fault, Raced):
            logger.warning("event %s waits for the database: %s", event.id, fault)
        event.state = "received"
        await self._put_back([event], self._clock() + STORE_RETRY_SECONDS)

    def _settle(
        self,
        event: EventRow,
        takers: Sequence[ActiveFlow],
        found: Mapping[str, Found],
        known: set[tuple[int, str]],
    ) -> None:
        """Decide what the event itself becomes: open while one of its records waits."""
        if event.operation != "delete":
            readers = [taker.row.id for taker in takers if taker.trigger.enrich]
            deferred = [
                found[one].cause
                for one in event.ids
                if one in found
                and found[one].enrichment == "deferred"
                and any((flow_id, one) not in known for flow_id in readers)
            ]
            if deferred:
                self._defer(event, deferred[0])
                return
        event.state = "matched" if takers and event.ids else "unmatched"
        event.error, event.due_at = None, 0

    def _defer_for_baseline(self, event: EventRow) -> None:
        """A flow was switched on a moment ago, and does not know yet where things stood then."""
        event.state, event.due_at = "received", self._clock() + BASELINE_SECONDS
        event.error = NO_BASELINE.as_data()

    def _defer(self, event: EventRow, cause: ConnectorError | None) -> None:
        cause = cause or ApiError("The record could not be read.")
        wait = self._backoff.wait(event.attempts, cause, event.connection_id)
        event.error = cause.as_data()
        if wait is None:
            event.state, event.due_at = "failed", 0
            return
        if wait.reason == "retry":
            # Waiting for a quota or for the owner is no try.
            event.attempts += 1
        if wait.due_at is not None:
            event.due_at = wait.due_at
        else:
            # The owner must reconnect; look again now and then in case somebody else mended it.
            event.error["reason"] = connection_reason(event.connection_id)
            event.due_at = self._clock() + 300
