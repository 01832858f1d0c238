"""The part of one process in the work that several share: it claims, works, and gives back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from connector.engine.drive import MakeEvents, Perform
from connector.engine.fair import share_of
from connector.engine.waits import Clock
from connector.errors import StoreError, TakenOver
from connector.store.rows import EventRow, RunRow
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.store.claiming import Claims

logger = logging.getLogger("connector.engine")

SILENT_SECONDS = 20.0
"""After so long without a beat, a process counts as dead and others go on with its work."""
BEATS = 5
"""How many beats go into that time."""
LOOK_SECONDS = 1.0
"""How often to look for work that nobody told of: what became due, and what others left."""
AGAIN_SECONDS = 1.0
FAULT_SECONDS = 60.0
EVENTS_AT_ONCE = 200
MOST_EVENTS = 2_000
"""A place that is slow holds only its own: the next claim leaves out what it has in hand."""
BEATS_PER_MENDING = 150
SETTLED_SECONDS = 0.05


class SharedDrive:
    """Claims open work and does it beside other processes; nothing waits in its memory."""

    def __init__(
        self,
        claims: Claims,
        perform: Perform,
        make_events: MakeEvents,
        clock: Clock,
        workers: int,
        name: str,
        *,
        silent_seconds: float = SILENT_SECONDS,
        listen: bool = True,
    ) -> None:
        self._claims = claims
        self._perform = perform
        self._clock = clock
        self._workers = workers
        self._name = name
        self._silent_seconds = silent_seconds
        self._listens = listen
        self._events = make_events(self.run, None, self._let_go)
        self._make_events = make_events
        self._runs: dict[int, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._heard = 0
        """How many beats in a row the database has heard."""
        self._unsure = False
        """Whether a claim may lie in the store that we never heard of."""

    async def start(self, usable: Iterable[str]) -> None:
        """Join the others; runs whose connection works again go on."""
        await self._claims.join(self._name)
        await self._claims.release_mended()
        self._loops = [
            self._spawn(self._claim(), "connector-claim"),
            self._spawn(self._beat(), "connector-beat"),
            self._spawn(self._tend(), "connector-tend"),
        ]
        if self._listens:
            self._loops.append(self._spawn(self._listen(), "connector-listen"))

    async def stop(self) -> None:
        """Stop at the next safe point and give everything back at once."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        joined, self._loops = bool(self._loops), []
        await self._drop_all()
        if joined:
            # Without it, the others find out when our beats stay away.
            with contextlib.suppress(StoreError):
                await self._claims.leave()

    def event(self, event: EventRow) -> None:
        """An event was accepted here; whoever has room claims it."""
        self._wake.set()

    def run(self, run: RunRow) -> None:
        """A run was stored here; whoever has room claims it."""
        self._wake.set()

    def released(self, runs: Iterable[int], connection_id: str) -> None:
        """The store says by now that they wait no more."""
        self._wake.set()

    async def look(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def may_go_on(self) -> bool:
        """Always: what others have taken over is found out where it is stored."""
        return True

    async def leads(self, what: str) -> bool:
        """Whether this process does for all what is done by one only."""
        return await self._claims.lead(what)

    @property
    def matching(self) -> int:
        """How many events this process has in hand."""
        return self._events.open

    async def settled(self) -> None:
        """Return when no event and no run is open anywhere, waiting ones included."""
        # Other processes end work as well, and tell nobody.
        pause = SETTLED_SECONDS
        while await self._claims.open_work():
            await asyncio.sleep(pause)
            # What waits for hours is not counted twenty times a second, and an end is seen in time.
            pause = min(pause * 1.02, LOOK_SECONDS)

    # --- the loops ----------------------------------------------------------------------------

    async def _claim(self) -> None:
        while True:
            self._wake.clear()
            took = False
            try:
                if self._unsure:
                    # First: what fails meanwhile makes us unsure again.
                    self._unsure = False
                    await self._claims.hold_only(list(self._runs), self._events.known)
                took = await self._claim_runs() | await self._claim_events()
            except StoreError as error:
                self._unsure = True
                logger.warning("work waits for the database: %s", error.message)
                await asyncio.sleep(AGAIN_SECONDS)
            except Exception as fault:  # noqa: BLE001 - the next look must come
                self._unsure = True
                log_surprise(logger, "claiming work", fault)
                await asyncio.sleep(AGAIN_SECONDS)
            if not took:
                # Not wait_for: it swallows a cancellation that comes with the wake.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()

    async def _claim_runs(self) -> bool:
        room = self._workers - len(self._runs)
        # A claim for each run that ends would be a question for each: they go in bunches.
        if room < max(1, self._workers // 8) and self._runs:
            return False
        runs = await self._claims.runs(room, self._clock(), share_of(self._workers))
        for run in runs:
            if run.id not in self._runs:
                self._runs[run.id] = asyncio.create_task(self._go_on(run), name="connector-run")
        return bool(runs)

    async def _claim_events(self) -> bool:
        if self._events.open >= MOST_EVENTS:
            return False
        events = await self._claims.events(EVENTS_AT_ONCE, self._clock(), share_of(MOST_EVENTS))
        for event in events:
            self._events.enqueue(event)
        return bool(events)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._silent_seconds / BEATS)
            try:
                if not await self._claims.beat():
                    await self._begin_anew()
                self._heard += 1
            except StoreError as error:
                self._heard = 0
                logger.warning("no beat: %s", error.message)
            except Exception as fault:  # noqa: BLE001 - the next beat must come
                log_surprise(logger, "a beat", fault)

    async def _tend(self) -> None:
        """Look after the others; apart from our own beats, which must not wait for that."""
        for times in itertools.count(1):
            await asyncio.sleep(self._silent_seconds / BEATS)
            try:
                # When the database was away, all were silent: each gets its time to say so.
                silent = self._heard > BEATS
                names = await self._claims.tend(self._silent_seconds) if silent else []
                for name in names:
                    logger.warning("worker %s has fallen silent: others go on with its work", name)
                    self._wake.set()
                if times % BEATS_PER_MENDING == 0 and await self._claims.release_mended():
                    self._wake.set()
            except StoreError as error:
                logger.warning("looking after other workers: %s", error.message)
            except Exception as fault:  # noqa: BLE001 - the next look must come
                log_surprise(logger, "looking after other workers", fault)

    async def _listen(self) -> None:
        while True:
            try:
                await self._claims.woken(self._wake.set)
            except StoreError:
                # It is a hint only: work is looked for all the same.
                await asyncio.sleep(AGAIN_SECONDS)

    # --- inside -------------------------------------------------------------------------------

    async def _go_on(self, run: RunRow) -> None:
        try:
            due_at = await self._perform(run)
        except TakenOver as error:
            logger.info("run %s: %s", run.id, error.message)
            await self._give_back(run, AGAIN_SECONDS)
        except StoreError as error:
            logger.warning("run %s waits for the database: %s", run.id, error.message)
            await self._give_back(run, AGAIN_SECONDS)
        except Exception as fault:  # noqa: BLE001 - it is still open in the store
            log_surprise(logger, f"run {run.id} cannot be driven", fault)
            await self._give_back(run, FAULT_SECONDS)
        else:
            self._look_at(due_at)
        finally:
            if self._runs.get(run.id) is asyncio.current_task():
                del self._runs[run.id]
            self._wake.set()

    def _look_at(self, due_at: float | None) -> None:
        """Look again when a run is due sooner than the next look."""
        delay = float("inf") if due_at is None else due_at - self._clock()
        if delay < LOOK_SECONDS:
            asyncio.get_running_loop().call_later(max(0.0, delay), self._wake.set)

    async def _give_back(self, run: RunRow, seconds: float) -> None:
        try:
            await self._claims.give_back(run, self._clock() + seconds)
        except StoreError:
            self._unsure = True

    async def _let_go(self, events: Sequence[EventRow], due_at: float) -> None:
        try:
            await self._claims.give_back_events(events, due_at)
        except StoreError:
            self._unsure = True

    async def _begin_anew(self) -> None:
        """Others count this process as dead and have its work: it begins without any."""
        logger.error("this process was silent for too long, and others go on with its work")
        await self._drop_all()
        self._events = self._make_events(self.run, None, self._let_go)
        await self._claims.join(self._name)
        self._wake.set()

    async def _drop_all(self) -> None:
        tasks = list(self._runs.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._runs.clear()
        await self._events.stop()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=name)
