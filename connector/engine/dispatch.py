"""Which run goes next in this process: a record's one at a time, many at once, tenants in turn."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connector.engine.fair import FairQueue, share_of
from connector.engine.waits import Clock
from connector.errors import StoreError
from connector.store.rows import RunRow
from connector.surprises import log_surprise

logger = logging.getLogger("connector.engine")

WORKERS = 64
KEEP_IN_MEMORY = 5_000
"""Runs beyond this wait as numbers only and are read again when their turn comes."""
AHEAD = 1_000
"""When so many wait for their turn, no more are made of the events that were accepted."""
STORE_RETRY_SECONDS = 1.0

LaneKey = tuple[int, str]


@dataclass(slots=True)
class Ticket:
    """A run that wants its turn in its lane."""

    run_id: int
    lane: LaneKey
    run: RunRow | None = None
    due_at: float = 0
    """When it may go on; inf means when it is released."""
    tenant: str = ""
    released: bool = False
    """Released while it was in progress, so that it must not begin to wait for that."""


class Dispatcher:
    """Keeps the order of each lane and a fixed number of runs in progress.

    A lane is a flow and a record: two events about one customer never run side by side, or both
    would find nobody and both would create. A run that waits keeps its lane.
    """

    def __init__(
        self,
        perform: Callable[[RunRow], Awaitable[float | None]],
        load: Callable[[int], Awaitable[RunRow]],
        clock: Clock,
        workers: int = WORKERS,
    ) -> None:
        self._perform = perform
        self._load = load
        self._clock = clock
        self._workers = workers
        self._lanes: dict[LaneKey, deque[Ticket]] = {}
        self._ready: FairQueue[Ticket] = FairQueue(share_of(workers))
        self._tasks: list[asyncio.Task[None]] = []
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._known: dict[int, LaneKey] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._rooms: dict[str, asyncio.Event] = {}

    def start(self) -> None:
        """Begin working."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"connector-run-{number}")
            for number in range(self._workers)
        ]

    async def stop(self) -> None:
        """Stop at the next safe point: what is interrupted goes on at the next start."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def enqueue(self, ticket: Ticket) -> None:
        """Give a run its place at the end of its lane; a run that has one keeps it."""
        if ticket.run is not None and self._ready.size() > KEEP_IN_MEMORY:
            ticket.run = None
        if ticket.run_id in self._known:
            if ticket.due_at <= self._clock():
                # Another process has released it.
                self.release(ticket.run_id)
            return
        self._known[ticket.run_id] = ticket.lane
        self._idle.clear()
        lane = self._lanes.get(ticket.lane)
        if lane is None:
            self._lanes[ticket.lane] = deque((ticket,))
            self._offer(ticket)
        else:
            lane.append(ticket)

    def release(self, run_id: int) -> None:
        """Let a waiting run go on now; harmless when it is not waiting or not here."""
        lane = self._known.get(run_id)
        queue = self._lanes[lane] if lane is not None else deque()
        ticket = next((one for one in queue if one.run_id == run_id), None)
        if ticket is None:
            return
        ticket.released = True
        if ticket.due_at <= self._clock() or ticket is not queue[0]:
            ticket.due_at = 0
            return
        timer = self._timers.pop(run_id, None)
        if timer is not None:
            timer.cancel()
        ticket.due_at = 0
        ticket.run = None
        self._ready.put(ticket)

    async def settled(self) -> None:
        """Return when no run is open (waiting ones count as open)."""
        await self._idle.wait()

    async def room(self, tenant: str = "") -> None:
        """Return when few enough runs wait for their turn that it makes sense to add some.

        Of a tenant with less than its part of them, that is now: its events wait for nobody else's.
        """
        if self._ready.is_above_share(tenant, AHEAD):
            await self._rooms.setdefault(tenant, asyncio.Event()).wait()

    @property
    def open(self) -> int:
        """How many runs are queued, running or waiting."""
        return len(self._known)

    def _offer(self, ticket: Ticket) -> None:
        delay = ticket.due_at - self._clock()
        if delay <= 0:
            self._ready.put(ticket)
        elif math.isfinite(delay):
            loop = asyncio.get_running_loop()
            self._timers[ticket.run_id] = loop.call_later(delay, self._ripe, ticket)

    def _ripe(self, ticket: Ticket) -> None:
        self._timers.pop(ticket.run_id, None)
        self._ready.put(ticket)

    async def _work(self) -> None:
        while True:
            ticket = await self._ready.get()
            self._make_room(ticket.tenant)
            again = await self._go_on(ticket)
            self._ready.done(ticket)
            if again is None:
                self._leave(ticket)
                continue
            ticket.due_at = 0 if ticket.released and math.isinf(again) else again
            self._offer(ticket)

    def _make_room(self, tenant: str) -> None:
        if self._rooms and not self._ready.is_above_share(tenant, AHEAD):
            all_may = self._ready.size() <= AHEAD
            for one in tuple(self._rooms) if all_may else (tenant,):
                room = self._rooms.pop(one, None)
                if room is not None:
                    room.set()

    async def _go_on(self, ticket: Ticket) -> float | None:
        ticket.due_at, ticket.released = 0, False
        try:
            run = ticket.run or await self._load(ticket.run_id)
            ticket.run = None
            return await self._perform(run)
        except StoreError as error:
            # The run stays open in the store: nothing of it is lost while the disk is away.
            logger.warning("run %s waits for the database: %s", ticket.run_id, error.message)
            return self._clock() + STORE_RETRY_SECONDS
        except Exception as fault:  # noqa: BLE001 - never a worker less
            # The run is still open in the store and comes again at a restart.
            log_surprise(logger, f"run {ticket.run_id} cannot be driven", fault)
            return None

    def _leave(self, ticket: Ticket) -> None:
        lane = self._lanes[ticket.lane]
        lane.popleft()
        if lane:
            self._offer(lane[0])
        else:
            del self._lanes[ticket.lane]
        self._known.pop(ticket.run_id, None)
        if not self._known:
            self._idle.set()
