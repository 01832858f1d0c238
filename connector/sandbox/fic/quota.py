"""The three request quotas (facts §3.1): 429 for the short window, 403 for the long ones."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from math import ceil

from connector.sandbox.clock import Clock, rome
from connector.sandbox.config import Limits
from connector.sandbox.fic.problem import Problem

_WINDOW = timedelta(minutes=5)


def _next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _next_month(moment: datetime) -> datetime:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


class Quotas:
    """Counts the calls of every company; a refused call costs nothing."""

    def __init__(self, clock: Clock, limits: Limits, *, public_app: bool) -> None:
        self.clock = clock
        self.limits = limits
        self.public_app = public_app
        self._recent: dict[int, deque[datetime]] = {}
        self._hour: dict[tuple[int, int, datetime], int] = {}
        self._month: dict[tuple[int, int, datetime], int] = {}

    def spend(self, company: int, app: int) -> dict[str, str]:
        """Count one call and give the RateLimit headers; raises the Problem of a used-up quota."""
        now = self.clock()
        self._short(company, now)
        local = rome(now)
        hour = (company, app, local.replace(minute=0, second=0, microsecond=0))
        payer = app if self.public_app else 0
        month = (company, payer, _next_month(local))
        hour_used = self._hour.get(hour, 0)
        month_used = self._month.get(month, 0)
        if hour_used >= self.limits.hour:
            raise _used_up("hourly", _next_hour(local) - local)
        if month_used >= self.limits.month:
            raise _used_up("monthly", month[2] - local)
        self._recent[company].append(now)
        self._hour = {key: used for key, used in self._hour.items() if key[2] == hour[2]}
        self._hour[hour] = hour_used + 1
        self._month[month] = month_used + 1
        return {
            "RateLimit-HourlyRemaining": str(self.limits.hour - hour_used - 1),
            "RateLimit-HourlyLimit": str(self.limits.hour),
            "RateLimit-MonthlyRemaining": str(self.limits.month - month_used - 1),
            "RateLimit-MonthlyLimit": str(self.limits.month),
        }

    def _short(self, company: int, now: datetime) -> None:
        recent = self._recent.setdefault(company, deque())
        while recent and recent[0] <= now - _WINDOW:
            recent.popleft()
        if len(recent) >= self.limits.five_minutes:
            wait = recent[0] + _WINDOW - now
            raise Problem(429, "Too many requests.", retry_after=ceil(wait.total_seconds()))


def _used_up(name: str, wait: timedelta) -> Problem:
    return Problem(
        403,
        f"The {name} request quota of this application is used up.",
        code="QUOTA_EXCEEDED",
        retry_after=ceil(wait.total_seconds()),
    )
