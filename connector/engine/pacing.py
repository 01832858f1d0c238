"""How events share a short quota: those of one place wait together and are read together.

One call reads many records. Read one by one as they come, a burst would use up the quota in
seconds, and each event would then wait for a call of its own.
"""

from __future__ import annotations

from connector.engine.waits import Clock
from connector.errors import Throttled

Place = tuple[str, str, str]
"""Tenant, connection and account: who has a quota together."""
ENOUGH = 50
"""So many events are worth a call at any moment."""
LONGEST_SECONDS = 15.0
HELD_SECONDS = 300.0
"""After that somebody asks again: a plan may have been raised, and others wait for the same."""


class Pacing:
    """Remembers, for each place, until when there is no room and when to read next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Place, tuple[float, Throttled]] = {}
        self._next: dict[Place, tuple[float, float]] = {}
        """When the next read may be, and how far apart they are."""

    def pause(self, place: Place, waiting: int) -> float:
        """Take the next turn of a place: the seconds until it comes.

        Several kinds of records share the place, and each takes a turn of its own.
        """
        at, apart = self._next.get(place, (0.0, 0.0))
        if not apart:
            return 0.0
        now = self._clock()
        turn = now if waiting >= ENOUGH else max(at, now)
        self._next[place] = max(at, turn) + apart, apart
        return min(turn - now, LONGEST_SECONDS)

    def did_read(self, place: Place, spacing: float) -> None:
        """Note that a place was read just now; `spacing` is what its quota asks for."""
        if spacing > 0:
            at, _ = self._next.get(place, (0.0, 0.0))
            self._next[place] = max(at, self._clock() + spacing), spacing
        else:
            self._next.pop(place, None)

    def held(self, place: Place) -> Throttled | None:
        """What those who come now wait for as well, if others wait there already."""
        until, cause = self._until.get(place, (0.0, None))
        if cause is None:
            return None
        left = until - self._clock()
        if left <= 0:
            del self._until[place]
            return None
        return Throttled(cause.message, retry_after=left, remedy=cause.remedy)

    def hold(self, place: Place, cause: Throttled) -> None:
        """Note that there is no room; the soonest moment counts."""
        until = self._clock() + min(cause.retry_after, HELD_SECONDS)
        if place not in self._until or until < self._until[place][0]:
            self._until[place] = until, cause
