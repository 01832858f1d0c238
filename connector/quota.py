"""Staying inside an app's quotas: an exact limiter over several windows that says when to go.

It holds its counts in memory; one process drives one account. Calendar windows follow UTC, whose
hours end when the vendor's do; the month may differ by the zone for an hour or two.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from connector.model import Quota

Priority = Literal["proof", "write", "read", "sweep"]
Clock = Callable[[], float]

SHARES: Mapping[Priority, float] = {"proof": 1.0, "write": 0.9, "read": 0.8, "sweep": 0.6}
"""How much of each window a call may find used already: what proves an unclear write always has
room left, and a sweep never takes the room of what a person waits for."""

DAY = 24 * 3600
MONTH = 28 * DAY
"""A calendar window at least this long is a month."""


@dataclass(slots=True)
class _Account:
    """What one account has used."""

    sent: deque[float] = field(default_factory=deque)
    periods: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Calendar window → (its start, calls in it)."""
    limits: dict[int, int] = field(default_factory=dict)
    """Calendar window → the limit the app itself has told."""
    blocked_until: float = 0.0


class Limiter:
    """Reserves calls of any number of accounts; `clock` gives seconds since 1970."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def reserve(self, key: str, quotas: Sequence[Quota], priority: Priority = "read") -> float:
        """Take one call of `key` and give 0, or take none and give the seconds to wait."""
        now = self._clock()
        account = self._accounts.setdefault(key, _Account())
        share = SHARES[priority]
        ready = account.blocked_until
        for quota in quotas:
            ready = max(ready, self._ready(account, quota, share, now))
        if ready > now:
            return ready - now
        self._count(account, quotas, now)
        return 0.0

    def observe(self, key: str, headers: Iterable[tuple[str, str]]) -> None:
        """Learn from the headers of an answer how much is left; others may use the account, too."""
        told = {name.lower(): value for name, value in headers if "ratelimit" in name.lower()}
        if not told:
            return
        now = self._clock()
        account = self._accounts.setdefault(key, _Account())
        for name, seconds in (("hourly", 3600), ("monthly", 31 * DAY)):
            remaining = _whole(told.get(f"ratelimit-{name}remaining"))
            limit = _whole(told.get(f"ratelimit-{name}limit"))
            if limit is not None:
                account.limits[seconds] = limit
            if remaining is not None and limit is not None:
                start, used = _period(account, seconds, now)
                # Calls under way are counted by us and not yet by the app, so the larger is true.
                account.periods[seconds] = (start, max(used, limit - remaining))
        reset = _whole(told.get("x-ratelimit-reset"))
        if _whole(told.get("x-ratelimit-remaining")) == 0 and reset is not None:
            until = float(reset) if reset > now / 2 else now + reset
            account.blocked_until = max(account.blocked_until, until)

    def penalise(self, key: str, retry_after: float) -> None:
        """Send nothing for `retry_after` seconds: the app has said so."""
        account = self._accounts.setdefault(key, _Account())
        account.blocked_until = max(account.blocked_until, self._clock() + retry_after)

    def used(self, key: str, quota: Quota) -> tuple[int, int]:
        """How many calls of a window are used, and how many it has, for display."""
        now = self._clock()
        account = self._accounts.get(key) or _Account()
        if quota.window == "calendar":
            limit = account.limits.get(quota.seconds, quota.calls)
            return _period(account, quota.seconds, now)[1], limit
        recent = len(account.sent) - bisect_right(account.sent, now - quota.seconds)
        return recent, quota.calls

    def _ready(self, account: _Account, quota: Quota, share: float, now: float) -> float:
        """When this window has room for one more call; `now` or earlier means it has."""
        if quota.window == "calendar":
            calls = account.limits.get(quota.seconds, quota.calls)
            start, used = _period(account, quota.seconds, now)
            allowed = max(1, int(calls * share))
            return now if used < allowed else _next_start(start, quota.seconds)
        allowed = max(1, int(quota.calls * share))
        if len(account.sent) < allowed:
            return now
        # Room comes when the call that stands `allowed` places from the end has left the window.
        return account.sent[-allowed] + quota.seconds

    def _count(self, account: _Account, quotas: Sequence[Quota], now: float) -> None:
        longest = 0
        most = 0
        for quota in quotas:
            if quota.window == "calendar":
                start, used = _period(account, quota.seconds, now)
                account.periods[quota.seconds] = (start, used + 1)
            else:
                longest, most = max(longest, quota.seconds), max(most, quota.calls)
        if most:
            account.sent.append(now)
        while account.sent and (account.sent[0] <= now - longest or len(account.sent) > most):
            account.sent.popleft()


def _period(account: _Account, seconds: int, now: float) -> tuple[float, int]:
    start = _start(now, seconds)
    known, used = account.periods.get(seconds, (start, 0))
    return (start, used) if known == start else (start, 0)


def _start(now: float, seconds: int) -> float:
    """When the calendar window that holds `now` began."""
    if seconds < MONTH:
        return now - now % seconds
    day = datetime.fromtimestamp(now, UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()


def _next_start(start: float, seconds: int) -> float:
    if seconds < MONTH:
        return start + seconds
    day = datetime.fromtimestamp(start, UTC)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
