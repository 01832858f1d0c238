"""Why a run stops before its end without having failed, and when it goes on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from connector.errors import (
    ConnectorError,
    Forbidden,
    StoreBusy,
    Throttled,
    Unauthorized,
    Uncounted,
)

RETRY_SECONDS: tuple[float, ...] = (10, 60, 300, 1_800, 7_200, 18_000, 36_000)
"""security-and-delivery.md §1: seven tries over most of a day, then a person looks."""
DATABASE_SECONDS = 1.0
"""Our own database is back in a moment; waiting for it is no try."""
QUOTA_SECONDS = 3_600.0
"""Then it is asked again: the plan may have been raised long before the month ends."""

Clock = Callable[[], float]
"""Seconds since 1970."""


class Wait(Exception):
    """The run goes on at `due_at`, or when `reason` is released (due_at None)."""

    def __init__(self, reason: str, due_at: float | None, cause: ConnectorError | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.due_at = due_at
        self.cause = cause


class Park(Exception):
    """The run stops until a person has looked at the evidence."""

    def __init__(self, cause: ConnectorError, key: str) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.key = key
        """Of the write that waits; another run may have begun it."""


def fault_of_ours(fault: BaseException) -> ConnectorError:
    """What to show for an unexpected exception: its text may hold data, so only its type."""
    return ConnectorError(
        f"Connector itself failed here ({type(fault).__name__}).",
        remedy="Replay the run after an upgrade; please report it with the log of this time.",
        who="developer",
    )


def connection_reason(connection_id: str) -> str:
    """The reason of runs that wait for a connection's owner."""
    return f"connection:{connection_id}"


class Backoff:
    """Times between tries: full jitter under a rising ceiling; a quota says its own time."""

    def __init__(
        self,
        clock: Clock,
        draw: random.Random,
        ceilings: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._ceilings = ceilings

    def wait(self, attempts: int, cause: ConnectorError, connection_id: str) -> Wait | None:
        """What to do after a passing fault; None when the tries are used up."""
        if isinstance(cause, Unauthorized):
            return Wait(connection_reason(connection_id), None, cause)
        if isinstance(cause, Uncounted | StoreBusy):
            return Wait("database", self._clock() + DATABASE_SECONDS, cause)
        if isinstance(cause, Throttled):
            seconds = min(max(cause.retry_after, 0.05), QUOTA_SECONDS)
            return Wait("quota", self._clock() + seconds, cause)
        if isinstance(cause, Forbidden) or attempts >= len(self._ceilings):
            return None
        ceiling = self._ceilings[attempts]
        return Wait("retry", self._clock() + self._draw.uniform(ceiling / 2, ceiling), cause)
