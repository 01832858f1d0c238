"""The arithmetic of quotas on plain state: what one account has used, and when there is room.

Nothing here reads a clock or a database. Calendar windows follow UTC, whose hours end when the
vendor's do; the month may differ by the zone for an hour or two.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from connector.model import Quota

Priority = Literal["proof", "write", "read", "sweep"]

SHARES: Mapping[Priority, float] = {"proof": 1.0, "write": 0.9, "read": 0.8, "sweep": 0.6}
"""How much of each window a call may find used already: what proves an unclear write always has
room left, and a sweep never takes the room of what a person waits for."""

ORDER: Sequence[Priority] = ("proof", "write", "read", "sweep")
"""Who goes first."""
MOST_PROMISED = 1_000
"""So many who wait are told a moment of their own; those beyond come with the last of them."""
PROMISE_SECONDS = 30.0
"""How late whoever was told a moment may come, before it is nobody's."""

DAY = 24 * 3600
MONTH = 28 * DAY
"""A calendar window at least this long is a month."""
KEPT_DAYS = 38
"""How many days are remembered: the longest month, and the week before it."""
MOST_LATE = 5.0
AT_ONCE = 0.01
"""Use by others above this part of a limit is stored at once, and not with our next call."""
TICKS = 1024
"""Moments are kept in this part of a second, which floats hold without rounding."""


def lateness(seconds: int) -> float:
    """How much later (or, by its own clock, earlier) than we an app may count a call.

    A call counts in every window that it may fall into within these seconds, so that neither a
    slow network nor clocks that differ make the app see more calls than we meant to send.
    """
    return min(MOST_LATE, seconds / 64)


@dataclass(slots=True)
class Calendar:
    """One calendar window of an account: what is used by its start, and what the app has told."""

    used: dict[float, int] = field(default_factory=dict)
    limit: int | None = None
    before: int | None = None
    """What others had used of the window in which we first saw the account."""


@dataclass(slots=True)
class Account:
    """What one account has used; `tenants` are those that have reached it."""

    sent: list[float] = field(default_factory=list)
    """When the calls of the sliding windows were sent, oldest first."""
    calendars: dict[int, Calendar] = field(default_factory=dict)
    """By the window's length in seconds."""
    blocked_until: float = 0.0
    began: float = 0.0
    """When it was first counted; 0 is never."""
    tenants: list[str] = field(default_factory=list)
    days: dict[int, int] = field(default_factory=dict)
    """How many calls were counted on each day (of UTC, since 1970), others' among them."""
    days_from: float = 0.0
    """Since when the days are counted; 0 is never."""
    promised: dict[Priority, list[float]] = field(default_factory=dict)
    """The moments that those who wait were told, soonest first."""

    def take(self, quotas: Sequence[Quota], priority: Priority, now: float) -> float:
        """Count one call and give 0, or count none and give the seconds to wait."""
        at = tick(now)
        self.steady(at)
        ready = self.ready_at(quotas, priority, at)
        if ready > at:
            return ready - now
        self._count(quotas, at)
        self._came(priority, at)
        return 0.0

    def promise(self, quotas: Sequence[Quota], priority: Priority, now: float) -> float:
        """The seconds after which a call that found no room may come again, and not in vain.

        As if all who were told a moment before, and matter as much or more, went at theirs: told
        the moment at which there is any room, all would come for the few places of it. It is no
        permit: whoever comes when there is room goes.
        """
        at = tick(now)
        for one in self.promised.values():
            del one[: bisect_left(one, at - PROMISE_SECONDS)]
        was_told = self._came(priority, at)
        before = ORDER[: ORDER.index(priority) + 1]
        ahead = sorted(one for each in before for one in self.promised.get(each, ()))
        if was_told:
            # It came a little before those whose places it takes have left: it need not go to the
            # end of the line for that.
            del ahead[bisect_right(ahead, at + PROMISE_SECONDS) :]
        ready = max(at, self.ready_at(quotas, priority, at))
        found = -1.0
        while found != ready:
            found = ready
            for quota in quotas:
                ready = max(ready, self._room_behind(quota, priority, ahead, ready))
        if sum(map(len, self.promised.values())) < MOST_PROMISED:
            insort(self.promised.setdefault(priority, []), ready)
        return ready - now

    def _room_behind(
        self, quota: Quota, priority: Priority, ahead: Sequence[float], at: float
    ) -> float:
        """When one window has room behind calls at the moments `ahead`; `at` or later."""
        late = lateness(quota.seconds)
        allowed = max(1, int(self.limit(quota) * SHARES[priority]))
        if quota.window == "sliding":
            calls = sorted([*self.sent, *ahead])
            return at if len(calls) < allowed else max(at, calls[-allowed] + quota.seconds + late)
        used = self._calendar(quota.seconds).used
        while True:
            full = [
                start
                for start in _starts(at, quota.seconds)
                if used.get(start, 0) + _between(ahead, start, quota.seconds) >= allowed
            ]
            if not full:
                return at
            at = next_start(full[-1], quota.seconds) + late

    def _came(self, priority: Priority, now: float) -> bool:
        """Whoever comes is taken for the first one whose moment has come, if there is one."""
        told = self.promised.get(priority)
        if told and told[0] <= now:
            del told[0]
            return True
        return False

    def ready_at(self, quotas: Sequence[Quota], priority: Priority, now: float) -> float:
        """When every window has room for one more call; `now` or earlier means they have."""
        ready = self.blocked_until
        for quota in quotas:
            ready = max(ready, self.room_at(quota, priority, now))
        return ready

    def room_at(self, quota: Quota, priority: Priority, now: float) -> float:
        """When one window has room for one more call; `now` or earlier means it has."""
        late = lateness(quota.seconds)
        allowed = max(1, int(self.limit(quota) * SHARES[priority]))
        if quota.window == "sliding":
            if len(self.sent) < allowed:
                return now
            # Room comes when the call that stands `allowed` places from the end has left.
            return self.sent[-allowed] + quota.seconds + late
        used = self._calendar(quota.seconds).used
        full = [one for one in _starts(now, quota.seconds) if used.get(one, 0) >= allowed]
        return next_start(full[-1], quota.seconds) + late if full else now

    def limit(self, quota: Quota) -> int:
        """How many calls a window has: what the app itself has told, else what is documented."""
        told = self._calendar(quota.seconds).limit if quota.window == "calendar" else None
        return quota.calls if told is None else told

    def used(self, quota: Quota, now: float) -> int:
        """How many calls of a window are used."""
        if quota.window == "calendar":
            return self._calendar(quota.seconds).used.get(start_of(now, quota.seconds), 0)
        return sum(moment > now - quota.seconds for moment in self.sent)

    def spacing(self, quota: Quota, now: float) -> float:
        """The seconds between reads that this window bears for ever; 0 while half of it is free."""
        allowed = max(1, int(self.limit(quota) * SHARES["read"]))
        if quota.seconds >= DAY or self.used(quota, now) * 2 < allowed:
            return 0.0
        return quota.seconds / allowed

    def reached(self, tenant: str) -> bool:
        """Note that a tenant's call was let in; tells whether it was the first."""
        if tenant in self.tenants:
            return False
        self.tenants.append(tenant)
        return True

    def learn(self, told: Told, at: float, now: float) -> bool:
        """Take over what an answer of the moment `at` told; tells whether it was news.

        Others may use the account, too. Calls under way are counted by us and not yet by the app,
        so the larger count is true.
        """
        now = tick(now)
        self.steady(now)
        self.began = self.began or now
        news = told.blocked_until > self.blocked_until
        self.blocked_until = max(self.blocked_until, told.blocked_until)
        for seconds, limit, used in told.calendars:
            calendar = self.calendars.setdefault(seconds, Calendar())
            news |= calendar.limit != limit
            calendar.limit = limit
            start = start_of(now, seconds)
            if used is None or not _tells_of(start, seconds, at):
                continue
            counted = calendar.used.get(start, 0)
            first = start <= self.began and calendar.before is None
            if first:
                calendar.before = max(used - counted, 0)
                news = True
            if used > counted:
                calendar.used[start] = used
                if seconds >= MONTH and not first:
                    self._note_day(now, used - counted)
                news = True
        return news

    def weighs(self, told: Told, now: float) -> float:
        """How much news there is: 0 is none, from 1 on others should know it at once."""
        if told.blocked_until > self.blocked_until:
            return 1.0
        most = 0.0
        for seconds, limit, used in told.calendars:
            calendar = self.calendars.get(seconds)
            if calendar is None or calendar.limit != limit:
                return 1.0
            start = start_of(now, seconds)
            if start <= self.began and calendar.before is None:
                most = max(most, 0.01)
            more = (used or 0) - calendar.used.get(start, 0)
            most = max(most, more / max(limit * AT_ONCE, 1))
        return most

    def steady(self, now: float) -> None:
        """Forget windows that are over, and mend what a clock that was set back left ahead of it.

        Those calls were made before now in any case, so counting them as made now is never too few.
        """
        if self.sent and self.sent[-1] > now:
            self.sent = [min(moment, now) for moment in self.sent]
        for seconds, calendar in self.calendars.items():
            starts = _starts(now, seconds)
            for start in [one for one in calendar.used if one not in starts]:
                used = calendar.used.pop(start)
                for one in starts if start > starts[-1] else ():
                    calendar.used[one] = calendar.used.get(one, 0) + used

    def _count(self, quotas: Sequence[Quota], now: float) -> None:
        self.began = self.began or now
        longest, most = 0.0, 0
        for quota in quotas:
            if quota.window == "sliding":
                longest = max(longest, quota.seconds + lateness(quota.seconds))
                most = max(most, quota.calls)
                continue
            if quota.seconds >= MONTH:
                self._note_day(now, 1)
            used = self.calendars.setdefault(quota.seconds, Calendar()).used
            for start in _starts(now, quota.seconds):
                used[start] = used.get(start, 0) + 1
        if most:
            self.sent.append(now)
        over = max(len(self.sent) - most, bisect_right(self.sent, now - longest))
        del self.sent[:over]

    def _note_day(self, now: float, calls: int) -> None:
        today = int(now // DAY)
        self.days_from = min(self.days_from or now, now)
        # A clock that was set back has left days ahead of it: they belong to this one.
        for day in [one for one in self.days if one > today]:
            calls += self.days.pop(day)
        for day in [one for one in self.days if one <= today - KEPT_DAYS]:
            del self.days[day]
        self.days[today] = self.days.get(today, 0) + calls

    def _calendar(self, seconds: int) -> Calendar:
        return self.calendars.get(seconds) or _UNUSED


_UNUSED = Calendar()


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer tells of quotas."""

    calendars: tuple[tuple[int, int, int | None], ...] = ()
    """(the window's seconds, its limit, how much of it is used)."""
    blocked_until: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.calendars or self.blocked_until)

    @classmethod
    def by(cls, headers: Iterable[tuple[str, str]], now: float) -> Told:
        """Read `RateLimit-Hourly…`, `RateLimit-Monthly…` and `X-RateLimit-…`."""
        told = {name.lower(): value for name, value in headers if "ratelimit" in name.lower()}
        if not told:
            return NOTHING
        calendars = []
        for name, seconds in (("hourly", 3600), ("monthly", 31 * DAY)):
            limit = _whole(told.get(f"ratelimit-{name}limit"))
            left = _whole(told.get(f"ratelimit-{name}remaining"))
            if limit is not None:
                calendars.append((seconds, limit, None if left is None else limit - left))
        until = 0.0
        reset = _whole(told.get("x-ratelimit-reset"))
        if reset is not None and _whole(told.get("x-ratelimit-remaining")) == 0:
            # A moment, or a number of seconds.
            until = float(reset) if reset > now / 2 else now + reset
        return cls(tuple(calendars), until)


NOTHING = Told()


def _between(moments: Sequence[float], start: float, seconds: int) -> int:
    """How many of these calls may fall into the calendar window that begins at `start`."""
    late = lateness(seconds)
    end = next_start(start, seconds) + late
    return bisect_left(moments, end) - bisect_left(moments, start - late)


def _tells_of(start: float, seconds: int, at: float) -> bool:
    """Whether an answer of that moment is of this window: the first may tell of the one before."""
    return start_of(at, seconds) == start and at - start >= lateness(seconds)


def tick(now: float) -> float:
    """The next moment that is kept as it is: never earlier, so that no call leaves too soon."""
    return math.ceil(now * TICKS) / TICKS


def _starts(now: float, seconds: int) -> list[float]:
    """The calendar windows that a call of now may fall into, oldest first: mostly one."""
    late = lateness(seconds)
    first, last = start_of(now - late, seconds), start_of(now + late, seconds)
    return [first] if first == last else [first, last]


def start_of(now: float, seconds: int) -> float:
    """When the calendar window that holds `now` began."""
    if seconds < MONTH:
        return now - now % seconds
    return _month_of(int(now // 3600))


@lru_cache(maxsize=64)
def _month_of(hour: int) -> float:
    day = datetime.fromtimestamp(hour * 3600, UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()


def next_start(start: float, seconds: int) -> float:
    """When the calendar window that began at `start` ends."""
    if seconds < MONTH:
        return start + seconds
    day = datetime.fromtimestamp(start, UTC)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
