"""When a quota has room again, those come whom it is for: how often a thousand that wait wake up.

Four workers count in one ledger, by a drawn clock. `CONNECTOR_CHAOS_SEED` sets the seed.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field

import pytest

from connector.model import Quota
from connector.quota import Limiter, MemoryLedger, Priority
from connector.quota.account import MOST_PROMISED, Account
from connector.store.sql.quotas import account_of, count_on
from tests.engine.virtual import simulate

SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261129"))
QUOTAS = (
    Quota(calls=300, seconds=300),
    Quota(calls=1000, seconds=3600, window="calendar"),
)
KINDS: tuple[Priority, ...] = ("write", "read", "sweep")
RUNS = 1_000


@dataclass
class Herd:
    """Runs that wait for one account, and when each of them came and went."""

    runs: int = RUNS
    kinds: tuple[Priority, ...] = KINDS
    wakes: int = 0
    went: list[tuple[float, float, Priority]] = field(default_factory=list)
    """(asked first, went, priority), in the order in which they went."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def live(self) -> None:
        draw = random.Random(SEED)
        ledger = MemoryLedger()
        workers = [Limiter(self.now, ledger) for _ in range(4)]
        asked = sorted(draw.uniform(0, 60) for _ in range(self.runs))
        await asyncio.gather(
            *(self._run(draw.choice(workers), at, draw.choice(self.kinds), draw) for at in asked)
        )

    async def _run(self, limiter: Limiter, at: float, kind: Priority, draw: random.Random) -> None:
        await asyncio.sleep(at)
        asked = self.now()
        while True:
            self.wakes += 1
            wait = await limiter.reserve("app/7", QUOTAS, kind)
            if wait == 0:
                break
            # A worker looks once a second, and has other work.
            await asyncio.sleep(wait + draw.uniform(0, 1))
        self.went.append((asked, self.now(), kind))


def lived(herd: Herd) -> Herd:
    simulate(herd.live)
    return herd


def test_a_thousand_that_wait_wake_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(Herd())
    monkeypatch.setattr(Account, "promise", lambda self, quotas, priority, now: max(
        self.ready_at(quotas, priority, now) - now, 0.01))  # fmt: skip
    before = lived(Herd())
    wakes = f"seed {SEED}: {told.wakes} wakes, {before.wakes} when all are told of any room"
    assert len(told.went) == len(before.went) == RUNS, wakes
    assert told.wakes <= 2.7 * RUNS, wakes
    assert before.wakes >= 2 * told.wakes, wakes
    # And nobody waits longer for it in the end.
    assert told.went[-1][1] <= before.went[-1][1] + 60


def test_they_go_in_the_order_in_which_they_came() -> None:
    herd = lived(Herd(kinds=("read",)))
    asked = [one for one, _, _ in herd.went]
    places = {moment: place for place, moment in enumerate(sorted(asked))}
    late = [abs(place - places[moment]) for place, moment in enumerate(asked)]
    # Those of one window come within a second of each other, in any order.
    assert max(late) <= 240
    assert herd.wakes <= 2.4 * RUNS


def test_what_matters_more_goes_first() -> None:
    herd = lived(Herd())
    waits = {
        kind: [went - asked for asked, went, one in herd.went if one == kind] for kind in KINDS
    }
    mean = {kind: sum(one) / len(one) for kind, one in waits.items()}
    assert mean["write"] < mean["read"] < mean["sweep"]
    assert max(waits["write"]) < max(waits["sweep"]) / 2


def test_what_was_told_is_kept_with_the_account_and_given_up_in_time() -> None:
    quota = (Quota(calls=2, seconds=64),)
    account = Account()
    now = 1_000_000.0
    for _ in range(2):
        assert account.take(quota, "proof", now) == 0
    told = [account.promise(quota, "proof", now) for _ in range(4)]
    assert told == [65, 65, 130, 130]
    (_, values) = count_on("app/7", account, 3)
    again, _ = account_of(("app/7", *values[:6], 4))
    assert again == account
    # Two come in time, and are let in; the last two never come, and do not count for long.
    assert [again.take(quota, "proof", now + 65) for _ in range(2)] == [0, 0]
    assert again.promised == {"proof": [now + 130, now + 130]}
    assert again.promise(quota, "proof", now + 120) == 195 - 120
    assert again.promise(quota, "proof", now + 161) == 0 or again.promised["proof"] == [now + 195]


def test_a_higher_priority_is_told_a_moment_before_the_others() -> None:
    quota = (Quota(calls=10, seconds=64),)
    account = Account()
    for _ in range(10):
        account.take(quota, "proof", 0.0)
    sweeps = [account.promise(quota, "sweep", 0.0) for _ in range(7)]
    assert sweeps == [65] * 6 + [130]
    assert account.promise(quota, "write", 0.0) == 65


def test_beyond_a_number_they_come_with_the_last() -> None:
    quota = (Quota(calls=1, seconds=64),)
    account = Account()
    account.take(quota, "proof", 0.0)
    told = [account.promise(quota, "proof", 0.0) for _ in range(MOST_PROMISED + 5)]
    assert told[-6:] == [65.0 * (MOST_PROMISED)] + [65.0 * (MOST_PROMISED + 1)] * 5


def test_an_app_that_only_says_when_is_asked_again_by_one_after_the_other() -> None:
    now = [100.0]
    limiter = Limiter(lambda: now[0])

    async def story() -> list[float]:
        limiter.hear("crm/1", (), (), retry_after=30)
        waits = [await limiter.reserve("crm/1", ()) for _ in range(3)]
        now[0] = 130.0
        return [*waits, await limiter.reserve("crm/1", ())]

    assert simulate(story) == pytest.approx([30, 30.05, 30.1, 0])
