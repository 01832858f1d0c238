"""Runs that may go on now: each tenant's in order, the tenants in turn."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """What belongs to a tenant."""

    @property
    def tenant(self) -> str: ...


def share_of(slots: int) -> int:
    """How many of these one tenant may hold: the others never wait for slow calls of his alone."""
    return max(1, slots * 3 // 4)


T = TypeVar("T", bound=Owned)


class FairQueue(Generic[T]):
    """A queue in which a tenant with thousands holds up nobody: who has some is next in turn.

    Of no tenant more than `most` are in hand: `done` gives one back.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._of: dict[str, deque[T]] = {}
        self._turns: deque[str] = deque()
        self._size = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def put(self, one: T) -> None:
        """Add it behind the others of its tenant."""
        own = self._of.get(one.tenant)
        if own is None:
            self._of[one.tenant] = deque((one,))
            self._turns.append(one.tenant)
        else:
            own.append(one)
        self._size += 1
        self._wake()

    async def get(self) -> T:
        """The next of the tenant whose turn it is; waits until there is one."""
        while (tenant := self._next()) is None:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except BaseException:
                if waiting.done() and not waiting.cancelled():
                    # Woken and cancelled at once: another one takes what there is.
                    self._wake()
                raise
        own = self._of[tenant]
        self._held[tenant] += 1
        one = own.popleft()
        self._size -= 1
        if own:
            self._turns.append(tenant)
        else:
            del self._of[tenant]
        return one

    def done(self, one: T) -> None:
        """This one is out of hand."""
        self._held[one.tenant] -= 1
        if not self._held[one.tenant]:
            del self._held[one.tenant]
        if self._size:
            self._wake()

    def _next(self) -> str | None:
        """Whose turn it is; who has as many in hand as he may goes behind the others."""
        for _ in range(len(self._turns)):
            tenant = self._turns.popleft()
            if self._most is None or self._held[tenant] < self._most:
                return tenant
            self._turns.append(tenant)
        return None

    def size(self) -> int:
        """How many there are."""
        return self._size

    def is_above_share(self, tenant: str, most: int) -> bool:
        """Whether there are more than `most`, and its tenant's are a fair part of so many."""
        if self._size <= most:
            return False
        own = self._of.get(tenant)
        return own is not None and len(own) * len(self._of) >= most

    def _wake(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
