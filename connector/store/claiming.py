"""What a back end must offer on which several processes share the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from connector.store.rows import EventRow, RunRow

NO_SHARE = 1 << 31
"""As many as there are."""


class Turn(Protocol):
    """The right to go on under some names, held by one process at a time."""

    async def check(self) -> None:
        """Raise StoreBusy when another process may have the turn by now."""
        ...


class Claims(Protocol):
    """What one of several processes that drive a database has in hand."""

    async def join(self, name: str) -> None:
        """Become a worker; `name` is for people. Raises StoreBusy."""
        ...

    async def beat(self) -> bool:
        """Say that this process is alive; no, when others have given its work away."""
        ...

    async def leave(self) -> None:
        """Give everything back at once."""
        ...

    async def workers(self) -> list[dict[str, Any]]:
        """Every process that drives: its name, when it came and how long it has been silent."""
        ...

    async def runs(self, limit: int, now: float, share: int = NO_SHARE) -> list[RunRow]:
        """Take up to `limit` runs that may go on: the first of each lane, tenants in turn.

        Of one tenant this process has no more than `share` in hand afterwards.
        """
        ...

    async def events(self, limit: int, now: float, share: int = NO_SHARE) -> list[EventRow]:
        """Take up to `limit` events; those of one place (tenant to account) go to one process.

        Of one tenant this process has no more than `share` in hand afterwards.
        """
        ...

    async def give_back(self, run: RunRow, due_at: float) -> None:
        """Let go of a run without a result; it may be claimed again from `due_at`."""
        ...

    async def give_back_events(self, events: Sequence[EventRow], due_at: float) -> None:
        """Let go of events that could not be matched now."""
        ...

    async def hold_only(self, runs: Sequence[int], events: Sequence[int]) -> None:
        """Let go of all but these: a claim whose answer was lost must not lie here for ever."""
        ...

    async def tend(self, silent_seconds: float) -> list[str]:
        """Free what silent processes hold, and end their sessions; gives their names."""
        ...

    async def release_mended(self) -> int:
        """Let runs go on that wait for an owner whose connection works: somebody mended it."""
        ...

    async def open_work(self) -> int:
        """How many events and runs are open, whoever has them."""
        ...

    async def lead(self, what: str) -> bool:
        """Whether this process is the one that does `what` for all; it stays so until it goes."""
        ...

    async def woken(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever an event is stored anywhere, until cancelled; a hint, no promise."""
        ...
