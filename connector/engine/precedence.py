"""Hooks come first: while events arrive, runs take turns, one in each turn of the event loop.

An app that waits too long for its answer sends again, and in the end sends nothing more; a run that
waits a moment is only a moment later. Both share one core.
"""

from __future__ import annotations

import asyncio
from collections import deque

CALM_SECONDS = 0.05
"""After so long without an event, runs go on as they like."""


class Precedence:
    """Told of each event that arrives, asked before each piece of other work."""

    def __init__(self) -> None:
        self._arrived = 0
        self._watching = False
        self._pumping = False
        self._queue: deque[asyncio.Future[None]] = deque()

    def arrived(self) -> None:
        """An event is being received."""
        self._arrived += 1
        if not self._watching:
            self._watching = True
            self._watch(asyncio.get_running_loop())

    @property
    def busy(self) -> bool:
        """Whether events arrived just now."""
        return self._watching

    async def turn(self) -> None:
        """Return when it is this work's turn: at once, unless events arrive."""
        if not self._watching:
            return
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        self._queue.append(mine)
        if not self._pumping:
            self._pumping = True
            loop.call_soon(self._pump, loop)
        await mine

    def _pump(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._queue:
            first = self._queue.popleft()
            if not first.done():
                first.set_result(None)
                # Whatever came in over the network meanwhile is looked at before the next one.
                loop.call_soon(self._pump, loop)
                return
        self._pumping = False

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(CALM_SECONDS, self._look, loop, self._arrived)

    def _look(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        if self._arrived != seen:
            self._watch(loop)
            return
        self._watching = False
