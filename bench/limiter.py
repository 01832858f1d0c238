"""Counting calls on one account, durably and exactly, beside the same limiter on memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from bench.figures import Row, Size, Target, folder, in_pairs, run_loop
from bench.postgres import postgres
from connector.model import Quota
from connector.quota import Account, Change, Ledger, Limiter, MemoryLedger
from connector.quota.account import start_of
from connector.store.postgres.database import Database as Postgres
from connector.store.sql.database import SqlDatabase
from connector.store.sqlite.database import Database as Sqlite

KEY = "bench/1"
CALLERS = 64
COUNT = 12_000
DATABASES = 4
FASTER = 20_000
MONTH = 31 * 24 * 3600
QUOTAS = (
    Quota(calls=300, seconds=300),
    # Wide enough that the clock's haste does not use them up.
    Quota(calls=10**9, seconds=3600, window="calendar"),
    Quota(calls=10**9, seconds=MONTH, window="calendar"),
)
TARGET = Target("at least", 2_500)
Open = Callable[[], list[SqlDatabase]]


def measure(size: Size) -> list[Row]:
    """Calls counted a second on each back end, and how many were too many."""
    count = size.of(COUNT)
    grants: list[list[float]] = []
    rows = []
    with postgres() as url, folder() as place:
        files = iter(range(10**6))
        kinds: dict[str, Open] = {
            "SQLite": lambda: [Sqlite(place / f"{next(files)}.db")],
            f"PostgreSQL, {DATABASES} databases": lambda: [
                Postgres(url, clock=_clock) for _ in range(DATABASES)
            ],
        }
        for name, opened in kinds.items():
            pairs = in_pairs(
                size.rounds,
                lambda opened=opened: run_loop(_stored(opened, count, grants)),  # type: ignore[misc]
                lambda: run_loop(_take([MemoryLedger()], count, grants)),
            )
            rows.append(
                Row(
                    bench="limiter",
                    what=f"calls counted on one account, {name}",
                    figure=pairs.figure,
                    unit="/s",
                    reference=pairs.base,
                    reference_what="in memory",
                    ratio=pairs.ratio,
                    target=TARGET,
                )
            )
    return [*rows, _judged(grants)]


def _judged(rounds: Sequence[Sequence[float]]) -> Row:
    return Row(
        bench="limiter",
        what="granted calls that a window had no room for",
        figure=float(sum(_too_many(one) for one in rounds)),
        unit="calls",
        target=Target("at most", 0),
        note=f"{sum(map(len, rounds)):,} granted calls replayed against every window",
    )


_BEGAN = time.time()


def _clock() -> float:
    return _BEGAN + (time.time() - _BEGAN) * FASTER


class _Watched:
    """A ledger that notes when each call was granted, by the count that was kept."""

    def __init__(self, ledger: Ledger, grants: list[float]) -> None:
        self._ledger = ledger
        self._grants = grants

    async def change_quota(self, key: str, change: Change) -> None:
        """Count, and note what was granted."""
        granted: list[float] = []

        def watched(account: Account, moment: float | None) -> bool:
            before = _counted(account)
            kept = change(account, moment)
            granted[:] = account.sent[-1:] * (_counted(account) - before)
            return kept

        await self._ledger.change_quota(key, watched)
        self._grants += granted


def _counted(account: Account) -> int:
    # Of the newest month: a call beside its end counts in two.
    used = account.calendars[MONTH].used if MONTH in account.calendars else {}
    return used[max(used)] if used else 0


async def _stored(opened: Open, count: int, grants: list[list[float]]) -> float:
    databases = opened()
    for database in databases:
        await database.open()
        await database.write(("DELETE FROM quota", ()))
    try:
        return await _take(databases, count, grants)
    finally:
        for database in databases:
            await database.close()


async def _take(ledgers: Sequence[Ledger], count: int, grants: list[list[float]]) -> float:
    grants.append([])
    limiters = [Limiter(_clock, _Watched(one, grants[-1])) for one in ledgers]
    todo = iter(range(count))

    async def caller(limiter: Limiter) -> None:
        for _ in todo:
            # Refused is refused for 5 minutes at most: a moment, by this clock.
            while await limiter.reserve(KEY, QUOTAS, "proof"):
                pass

    start = time.perf_counter()
    await asyncio.gather(*(caller(limiters[one % len(limiters)]) for one in range(CALLERS)))
    return count / (time.perf_counter() - start)


def _too_many(grants: Sequence[float]) -> int:
    """How many calls stand in a window that was full, each window counted anew."""
    moments = sorted(grants)
    short = QUOTAS[0]
    found = sum(
        moments[place] - moments[place - short.calls] < short.seconds
        for place in range(short.calls, len(moments))
    )
    for quota in QUOTAS[1:]:
        starts = [start_of(one, quota.seconds) for one in moments]
        found += sum(max(starts.count(one) - quota.calls, 0) for one in set(starts))
    return found
