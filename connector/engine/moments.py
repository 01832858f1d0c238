"""Moments as apps tell them: a record often tells no zone, an event tells the app's local time."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

SLACK = 2.0
"""An event may tell a moment this much beside the date of its record."""
LAG = 60.0
"""How much later than its record's date an event may say that it happened, at most."""


@lru_cache(maxsize=4096)
def wall(moment: str) -> float:
    """Seconds on the app's own wall, whatever its zone; 0 when there is no such moment."""
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0


def instant(moment: str) -> float | None:
    """Seconds since 1970, when the moment tells its zone."""
    try:
        told = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return None if told.tzinfo is None else told.timestamp()
