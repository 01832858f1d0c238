"""What an account has used and where that leads, as plain data for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.model import Quota
from connector.quota.account import (
    DAY,
    MONTH,
    SHARES,
    Account,
    Calendar,
    Priority,
    lateness,
    next_start,
    start_of,
)

ENOUGH = DAY
"""A shorter look back says nothing about a month: a night is not like a day."""
LOOK_BACK = 7 * DAY
"""Whole weeks have as many working days as the weeks that come."""


def quota_view(account: Account, quotas: Sequence[Quota], now: float) -> dict[str, Any]:
    """An account's windows: used, limit, when there is room again, and where the month leads."""
    account.steady(now)
    return {
        "blocked_until": account.blocked_until if account.blocked_until > now else None,
        "windows": [_window(account, quota, now) for quota in quotas],
    }


def _window(account: Account, quota: Quota, now: float) -> dict[str, Any]:
    calendar = quota.window == "calendar"
    return {
        "name": _name(quota.seconds),
        "seconds": quota.seconds,
        "kind": quota.window,
        "used": account.used(quota, now),
        "limit": account.limit(quota),
        "resets_at": next_start(start_of(now, quota.seconds), quota.seconds) if calendar else None,
        "reads_wait_until": _wait(account, quota, "read", now),
        "writes_wait_until": _wait(account, quota, "write", now),
        "forecast": _forecast(account, quota, now) if _is_month(quota) else None,
        "days": _days(account, quota, now) if _is_month(quota) else None,
    }


def _days(account: Account, quota: Quota, now: float) -> list[dict[str, Any]]:
    """The days of this window on which calls were counted, with how many, oldest first."""
    first = int(start_of(now, quota.seconds) // DAY)
    told = sorted(account.days.items())
    return [{"start": day * DAY, "calls": calls} for day, calls in told if day >= first]


def _wait(account: Account, quota: Quota, priority: Priority, now: float) -> float | None:
    ready = account.room_at(quota, priority, now)
    return ready if ready > now else None


def _is_month(quota: Quota) -> bool:
    return quota.window == "calendar" and quota.seconds >= MONTH


def _forecast(account: Account, quota: Quota, now: float) -> dict[str, Any]:
    """From when on reads and writes would wait, if the month goes on as the last days went."""
    start = start_of(now, quota.seconds)
    since = max(start, account.began)
    state: dict[str, Any] = {
        "state": "unknown",
        "per_day": None,
        "expected": None,
        "reads_wait_from": None,
        "writes_wait_from": None,
    }
    calendar = account.calendars.get(quota.seconds) or Calendar()
    used, end = account.used(quota, now), next_start(start, quota.seconds)
    pace = _pace_of_days(account, now)
    if pace is None:
        # The days are not known for long enough: the whole month until now.
        if not account.began or now - since < ENOUGH:
            return state
        # What others had used before we came says nothing about the pace since.
        before = (calendar.before or 0) if start <= account.began else 0
        pace = (used - before) / (now - since)
    state["per_day"] = round(pace * DAY, 1)
    state["expected"] = round(used + pace * (end - now))
    state["reads_wait_from"] = _reached(account, quota, "read", pace, now, end)
    state["writes_wait_from"] = _reached(account, quota, "write", pace, now, end)
    state["state"] = "lasts" if state["reads_wait_from"] is None else "ends"
    return state


def _pace_of_days(account: Account, now: float) -> float | None:
    """Calls in a second over the last week and today, as far as they were counted."""
    since = max(now - now % DAY - LOOK_BACK, account.days_from)
    if not account.days_from or now - since < ENOUGH:
        return None
    calls = sum(calls for day, calls in account.days.items() if (day + 1) * DAY > since)
    return calls / (now - since)


def _reached(
    account: Account, quota: Quota, priority: Priority, pace: float, now: float, end: float
) -> float | None:
    """When calls of this priority find no room any more, if that is before the window ends."""
    room = int(account.limit(quota) * SHARES[priority]) - account.used(quota, now)
    if room <= 0:
        return now
    at = now + room / pace if pace > 0 else end
    return at if at < end - lateness(quota.seconds) else None


def _name(seconds: int) -> str:
    """A window in words: "5 minutes", "hour", "month"."""
    if seconds >= MONTH:
        return "month"
    for unit, name in ((DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % unit == 0:
            count = seconds // unit
            return name if count == 1 else f"{count} {name}s"
    return f"{seconds} seconds"
