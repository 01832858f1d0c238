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
LONGEST_SECONDS = 5.0


class Pacing:
    """Remembers, for each place, until when there is no room and when to read next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Place, tuple[float, Throttled]] = {}
        self._next: dict[Place, float] = {}

    def pause(self, place: Place, waiting: int) -> float:
        """The seconds in which more events may come to be read by the same call."""
        at = self._next.get(place)
        if at is None:
            return 0.0
        left = at - self._clock()
        if left <= 0:
            del self._next[place]
            return 0.0
        return 0.0 if waiting >= ENOUGH else min(left, LONGEST_SECONDS)

    def did_read(self, place: Place, spacing: float) -> None:
        """Note that a place was read just now; `spacing` is what its quota asks for."""
        if spacing > 0:
            self._next[place] = self._clock() + spacing

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
        until = self._clock() + cause.retry_after
        if place not in self._until or until < self._until[place][0]:
            self._until[place] = until, cause
