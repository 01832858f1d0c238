"""Work for later: deliveries, retries and late commits, in order of their due time."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from connector.sandbox.clock import Clock
from connector.surprises import log_surprise

Job = Callable[[], Awaitable[None]]
_LONGEST_NAP = 0.5
"""Seconds between looks at the clock, since an injected one may jump."""
log = logging.getLogger("connector.sandbox")


class Agenda:
    """Jobs by due time: `run` works them off as they fall due, `settle` does all that are due."""

    def __init__(self, clock: Clock, *, concurrency: int = 16) -> None:
        self.clock = clock
        self.concurrency = concurrency
        self._jobs: list[tuple[datetime, int, Job]] = []
        self._number = 0
        self._news = asyncio.Event()
        self._working: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._jobs) + len(self._working)

    def after(self, seconds: float, job: Job) -> None:
        """Do this job so many seconds from now; equal times keep the order of asking."""
        self._number += 1
        due = self.clock() + timedelta(seconds=seconds)
        heapq.heappush(self._jobs, (due, self._number, job))
        self._news.set()

    def _next_due(self) -> Job | None:
        if self._jobs and self._jobs[0][0] <= self.clock():
            return heapq.heappop(self._jobs)[2]
        return None

    async def settle(self) -> None:
        """Do everything that is due now, and whatever falls due by doing it, one by one."""
        while True:
            if (job := self._next_due()) is not None:
                await job()
            elif self._working:
                await asyncio.wait(set(self._working))
            else:
                return

    async def run(self) -> None:
        """Start jobs as they fall due, several at a time, until cancelled."""
        try:
            while True:
                await self._start_due()
                self._news.clear()
                await self._nap()
        finally:
            for task in list(self._working):
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)

    async def _start_due(self) -> None:
        while (job := self._next_due()) is not None:
            task = asyncio.ensure_future(self._guarded(job))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
            if len(self._working) >= self.concurrency:
                await asyncio.wait(set(self._working), return_when=asyncio.FIRST_COMPLETED)

    async def _nap(self) -> None:
        wait = _LONGEST_NAP
        if self._jobs:
            wait = min(wait, max(0.0, (self._jobs[0][0] - self.clock()).total_seconds()))
        try:
            async with asyncio.timeout(wait):
                await self._news.wait()
        except TimeoutError:
            pass

    @staticmethod
    async def _guarded(job: Job) -> None:
        try:
            await job()
        except Exception as error:  # noqa: BLE001 - the other jobs must go on
            log_surprise(log, "a job of the sandbox failed", error)
