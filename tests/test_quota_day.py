"""A simulated day at 95 % of each limit: four workers, one account, and not one call too many.

What counts on the other side is the sandbox's own emulation of Fatture in Cloud's quotas.
`CONNECTOR_CHAOS_QUOTA_HOURS=24` makes that of the five minutes a whole day, too (`make chaos`).
"""

from __future__ import annotations

import asyncio
import heapq
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

import connector.quota.account
from connector.apps import fatture_in_cloud
from connector.quota import Ledger, Limiter, MemoryLedger, Priority
from connector.sandbox.config import Limits
from connector.sandbox.fic.problem import Problem
from connector.sandbox.fic.quota import Quotas
from tests.engine.virtual import START, simulate

SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261128"))
HOURS = float(os.environ.get("CONNECTOR_CHAOS_QUOTA_HOURS", "1"))
QUOTAS = fatture_in_cloud.build().quotas
KEY = "fatture_in_cloud/7"
WORKERS, LANES = 4, 12
MIX: tuple[Priority, ...] = ("proof", *["write"] * 5, *["read"] * 8, *["sweep"] * 2)
JANUARY_30 = datetime(2026, 1, 30, 12, tzinfo=UTC).timestamp()


@dataclass
class Day:
    """What is offered, how the vendor counts it, and what became of it."""

    limits: Limits
    calls: int
    every: float
    """So many calls in so many seconds, most of them in bursts."""
    hours: float
    begins: float = datetime(2026, 3, 3, 6, 30, tzinfo=UTC).timestamp()
    used: int = 0
    """What others had used of the month."""
    mix: Sequence[Priority] = MIX
    patience: float = 20.0
    """How much later than told a call comes back, at most."""
    draw: random.Random = field(default_factory=lambda: random.Random(SEED))
    refused: Counter[int] = field(default_factory=Counter)
    served: Counter[Priority] = field(default_factory=Counter)
    offered: Counter[Priority] = field(default_factory=Counter)

    def now(self) -> float:
        return self.begins + asyncio.get_running_loop().time() - START

    async def live(self, ledgers: list[Ledger]) -> None:
        self.vendor = Quotas(
            lambda: datetime.fromtimestamp(self.now(), UTC), self.limits, public_app=True
        )
        if self.used:
            self.vendor.spend(7, 1)
            (month,) = self.vendor._month
            self.vendor._month[month] = self.used
        self.ends = self.begins + self.hours * 3600
        self.order = count()
        self.todo = [
            (moment, next(self.order), self.draw.choice(self.mix)) for moment in self._arrivals()
        ]
        self.offered.update(priority for _, _, priority in self.todo)
        heapq.heapify(self.todo)
        limiters = [Limiter(self.now, ledger) for ledger in ledgers]
        await asyncio.gather(*(self._lane(one) for one in limiters for _ in range(LANES)))

    def _arrivals(self) -> list[float]:
        moments = []
        start = self.begins
        while start < self.ends:
            burst = self.draw.choice((0.5, self.every / 60, self.every))
            moments += [start + self.draw.uniform(0, burst) for _ in range(self.calls)]
            start += self.every
        return moments

    async def _lane(self, limiter: Limiter) -> None:
        while self.todo and self.now() < self.ends:
            due, _, priority = heapq.heappop(self.todo)
            if due > self.now():
                await asyncio.sleep(due - self.now())
            wait = await limiter.reserve(KEY, QUOTAS, priority)
            if wait > 0:
                again = self.now() + wait + self.draw.uniform(0, self.patience)
                heapq.heappush(self.todo, (again, next(self.order), priority))
                continue
            await self._call(limiter, priority)

    async def _call(self, limiter: Limiter, priority: Priority) -> None:
        await asyncio.sleep(self._network())
        dated = self.now() // 1
        headers: dict[str, str] = {}
        retry_after = None
        try:
            headers = self.vendor.spend(7, 1)
            self.served[priority] += 1
        except Problem as problem:
            self.refused[problem.status] += 1
            retry_after = float(problem.headers["Retry-After"])
        await asyncio.sleep(self._network())
        limiter.hear(KEY, QUOTAS, headers.items(), dated=dated, retry_after=retry_after)

    def _network(self) -> float:
        """Slow and fast by turns: the calls of one window come late, those of the next do not."""
        slow = int(self.now() // 300) % 2
        return self.draw.uniform(1.5, 4.5) if slow else self.draw.uniform(0.01, 0.2)


def days(hours: float = 0) -> dict[str, Day]:
    """One for each limit, which is then the one that binds."""
    return {
        "the hour": Day(Limits(month=10**6), calls=950, every=3600, hours=hours or 24),
        # The answers tell that the hour holds more than is documented.
        "five minutes": Day(
            Limits(hour=10**6, month=10**7), calls=285, every=300, hours=hours or HOURS
        ),
        # Others have used half of it; it ends by Rome's clock, and a new one begins.
        "the month": Day(
            Limits(month=2_000), calls=53, every=3600, hours=48, begins=JANUARY_30, used=1_000
        ),
    }


@pytest.mark.parametrize("name", days())
def test_a_day_at_95_per_cent_of_a_limit_is_never_refused(name: str) -> None:
    day, ledger = days()[name], MemoryLedger()
    simulate(lambda: day.live([ledger] * WORKERS))
    told = f"seed {SEED}, offered {dict(day.offered)}, served {dict(day.served)}"
    assert day.refused == {}, told
    assert day.served.total() >= 0.75 * day.offered.total(), f"it does not keep still: {told}"
    assert day.served["proof"] >= day.offered["proof"] - WORKERS * LANES, told
    assert day.served["write"] >= 0.9 * day.offered["write"], told


def test_the_day_finds_out_workers_that_count_each_for_themselves() -> None:
    day = days(hours=1)["five minutes"]
    simulate(lambda: day.live([MemoryLedger() for _ in range(WORKERS)]))
    assert day.refused[429] > 0


@pytest.mark.parametrize("blind", [False, True])
def test_the_day_finds_out_a_limiter_that_takes_the_network_for_instant(
    monkeypatch: pytest.MonkeyPatch, blind: bool
) -> None:
    if blind:
        monkeypatch.setattr(connector.quota.account, "lateness", lambda seconds: 0.0)
    limits = Limits(hour=10**6, month=10**7)
    day = Day(limits, calls=330, every=300, hours=0.5, mix=["proof"], patience=1)
    ledger = MemoryLedger()
    simulate(lambda: day.live([ledger] * WORKERS))
    assert (day.refused[429] > 0) is blind
