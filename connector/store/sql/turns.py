"""One at a time: whoever writes a record under a name waits for the others who do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakValueDictionary


class Turn:
    """The right to go on under some names, where one process drives all: nobody can take it."""

    async def check(self) -> None:
        """Raise StoreBusy when another process may have the turn by now."""


class Turns:
    """Turns within one process."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def take(self, *names: str) -> AsyncIterator[Turn]:
        """Hold these names; in one order for all, so that nobody waits in a circle."""
        async with contextlib.AsyncExitStack() as stack:
            for name in sorted(set(names)):
                lock = self._locks.setdefault(name, asyncio.Lock())
                await stack.enter_async_context(lock)
            yield Turn()
