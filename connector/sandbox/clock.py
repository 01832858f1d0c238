"""Time as the sandbox sees it: injected, in UTC inside, in Italian local time on the wire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

Clock = Callable[[], datetime]
"""Gives the present moment, with its zone."""


def system_clock() -> datetime:
    """The machine's own time."""
    return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 3, 4, 8, 15, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds."""
        self._now += timedelta(seconds=seconds)


def _last_sunday(year: int, month: int) -> datetime:
    """01:00 UTC of that Sunday: when the European Union turns its clocks."""
    day = datetime(year, month, 31, 1, tzinfo=UTC)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def rome(moment: datetime) -> datetime:
    """The same moment on an Italian wall clock; needs no zone database on the machine."""
    utc = moment.astimezone(UTC)
    summer = _last_sunday(utc.year, 3) <= utc < _last_sunday(utc.year, 10)
    return utc.astimezone(timezone(timedelta(hours=2 if summer else 1)))


def stamp(moment: datetime) -> str:
    """`2026-03-04 09:15:02`: how both vendors write a moment, without its zone."""
    return rome(moment).strftime("%Y-%m-%d %H:%M:%S")


def today(moment: datetime) -> str:
    """The Italian date, `2026-03-04`."""
    return rome(moment).strftime("%Y-%m-%d")
