"""connector.quota.limiter: who waits together is counted together, and nothing is lost by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from connector.errors import StoreBusy, StoreError
from connector.model import Quota
from connector.quota import Account, Change, Limiter, MemoryLedger
from connector.quota.limiter import AGAIN_SECONDS
from tests.engine.virtual import simulate

START = 1_772_601_000.0
SHORT = Quota(calls=10, seconds=320)
HOUR = Quota(calls=1000, seconds=3600, window="calendar")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Slow(MemoryLedger):
    """A ledger whose transactions take a turn, and may fail."""

    def __init__(self, *faults: Exception | None) -> None:
        super().__init__()
        self.faults = list(faults)
        self.transactions = 0
        self.before: Callable[[], Awaitable[None]] | None = None

    async def change_quota(self, key: str, change: Change) -> None:
        self.transactions += 1
        await asyncio.sleep(0)
        if self.before is not None:
            await self.before()
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            change(Account(), None)  # as far as counting it came, and was not kept
            raise fault
        await super().change_quota(key, change)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_who_comes_while_others_are_counted_shares_the_next_transaction(clock: Clock) -> None:
    ledger = Slow()
    limiter = Limiter(clock, ledger)
    waits = await asyncio.gather(*(limiter.reserve("a/1", [HOUR]) for _ in range(50)))
    assert (set(waits), ledger.transactions) == ({0.0}, 1)
    assert ledger.accounts["a/1"].used(HOUR, START) == 50


async def test_in_one_transaction_the_more_important_go_first(clock: Clock) -> None:
    limiter = Limiter(clock, Slow())
    names = ("sweep", "read", "proof", "write") * 4
    waits = await asyncio.gather(*(limiter.reserve("a/1", [SHORT], name) for name in names))
    went = [name for name, wait in zip(names, waits, strict=True) if wait == 0]
    assert sorted(went) == ["proof"] * 4 + ["write"] * 4
    # The rest is told when there is room for so many: reads before sweeps.
    told = {name: [wait for one, wait in zip(names, waits, strict=True) if one == name and wait]
            for name in ("read", "sweep")}  # fmt: skip
    assert max(told["read"]) <= min(told["sweep"])
    assert {*told["read"], *told["sweep"]} == {325.0, 650.0}


async def test_accounts_do_not_share(clock: Clock) -> None:
    limiter, one = Limiter(clock), Quota(calls=1, seconds=64)
    assert await limiter.reserve("a/1", [one]) == 0
    assert await limiter.reserve("a/2", [one]) == 0
    assert await limiter.reserve("a/1", [one]) > 0


async def test_an_app_without_quotas_never_asks_the_ledger(clock: Clock) -> None:
    ledger = Slow()
    limiter = Limiter(clock, ledger)
    assert await limiter.reserve("a/1", ()) == 0
    limiter.hear("a/1", (), [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "9")])
    assert await limiter.reserve("a/1", ()) == 9
    limiter.hear("a/1", (), [], retry_after=60, tenant="main")
    limiter.hear("a/1", (), [], retry_after=10)
    clock.now += 20
    assert await limiter.reserve("a/1", ()) == 40.05  # a little behind who was told before
    assert await limiter.reserve("a/2", ()) == 0
    clock.now += 40
    assert await limiter.reserve("a/1", ()) == 0
    assert ledger.transactions == 0


async def test_a_count_that_cannot_be_kept_lets_nobody_go(clock: Clock) -> None:
    limiter = Limiter(clock, Slow(StoreBusy("away"), ValueError("odd")))
    with pytest.raises(StoreBusy):
        await limiter.reserve("a/1", [HOUR])
    with pytest.raises(StoreError, match="ValueError"):
        await limiter.reserve("a/1", [HOUR])
    assert await limiter.reserve("a/1", [HOUR]) == 0


def test_a_count_that_took_too_long_to_keep_is_not_sent_by(clock: Clock) -> None:
    """The app would count the call in a later window than we have."""

    class Sluggish(MemoryLedger):
        async def change_quota(self, key: str, change: Change) -> None:
            await super().change_quota(key, change)
            await asyncio.sleep(pauses.pop(0))

    pauses, ledger = [2.6, 2.4], Sluggish()

    async def story() -> list[float]:
        limiter = Limiter(clock, ledger)
        return [await limiter.reserve("a/1", [HOUR]) for _ in range(2)]

    assert simulate(story) == [AGAIN_SECONDS, 0]
    assert ledger.accounts["a/1"].used(HOUR, START) == 2


async def test_who_has_given_up_takes_no_place(clock: Clock) -> None:
    ledger = Slow()
    limiter = Limiter(clock, ledger)
    first = asyncio.create_task(limiter.reserve("a/1", [HOUR]))
    await asyncio.sleep(0)
    gone = asyncio.create_task(limiter.reserve("a/1", [HOUR]))
    await asyncio.sleep(0)
    gone.cancel()
    assert await first == 0
    assert await limiter.reserve("a/1", [HOUR]) == 0
    assert ledger.accounts["a/1"].used(HOUR, START) == 2


def left(hourly: int, limit: int = 1000) -> list[tuple[str, str]]:
    return [("RateLimit-HourlyRemaining", str(hourly)), ("RateLimit-HourlyLimit", str(limit))]


async def quiet() -> None:
    for _ in range(9):
        await asyncio.sleep(0)


async def test_what_everybody_should_know_is_stored_at_once_the_rest_with_the_next_call(
    clock: Clock,
) -> None:
    ledger = Slow()
    limiter = Limiter(clock, ledger)
    await limiter.reserve("a/1", [HOUR])
    limiter.hear("a/1", [HOUR], left(999))
    await quiet()
    assert ledger.transactions == 2, "the limit was not known yet"
    limiter.hear("a/1", [HOUR], left(999))
    limiter.hear("a/1", [HOUR], left(995))
    await quiet()
    assert ledger.transactions == 2
    await limiter.reserve("a/1", [HOUR])
    assert ledger.accounts["a/1"].used(HOUR, START) == 6
    limiter.hear("a/1", [HOUR], left(100))
    await quiet()
    assert ledger.accounts["a/1"].used(HOUR, START) == 900
    assert await limiter.reserve("a/1", [HOUR], "write") > 0
    assert await limiter.reserve("a/1", [HOUR], "proof") == 0


async def test_retry_after_holds_everybody_and_is_stored_at_once(clock: Clock) -> None:
    ledger = Slow()
    limiter, other = Limiter(clock, ledger), Limiter(clock, ledger)
    await limiter.reserve("a/1", [HOUR])
    limiter.hear("a/1", [HOUR], [], retry_after=60)
    assert await limiter.reserve("a/1", [HOUR], "proof") == 60
    assert await other.reserve("a/1", [HOUR], "proof") == 60


async def test_what_was_told_while_the_ledger_was_away_is_not_forgotten(clock: Clock) -> None:
    ledger = Slow(None, StoreBusy("away"), StoreBusy("away"))
    limiter = Limiter(clock, ledger)
    await limiter.reserve("a/1", [HOUR])
    limiter.hear("a/1", [HOUR], left(0))
    await quiet()
    with pytest.raises(StoreBusy):
        await limiter.reserve("a/1", [HOUR])
    assert await limiter.reserve("a/1", [HOUR]) > 0


async def test_a_ledger_with_a_clock_of_its_own_decides_by_it(clock: Clock) -> None:
    class Elsewhere(MemoryLedger):
        async def change_quota(self, key: str, change: Change) -> None:
            change(self.accounts.setdefault(key, Account()), clock.now + 7_000)

    ledger = Elsewhere()
    limiter = Limiter(clock, ledger)
    await limiter.reserve("a/1", [HOUR])
    assert ledger.accounts["a/1"].used(HOUR, START + 7_000) == 1
    limiter.hear("a/1", [HOUR], left(500), retry_after=60)
    assert await limiter.reserve("a/1", [HOUR]) == 60
    assert ledger.accounts["a/1"].used(HOUR, START + 7_000) == 500


async def test_the_tenant_that_was_let_in_is_remembered_once(clock: Clock) -> None:
    ledger = Slow()
    limiter = Limiter(clock, ledger)
    await limiter.reserve("a/1", [HOUR])
    limiter.hear("a/1", [HOUR], [])
    await quiet()
    assert ledger.accounts["a/1"].tenants == []
    for _ in range(3):
        limiter.hear("a/1", [HOUR], [], tenant="alfa")
        await quiet()
    assert ledger.accounts["a/1"].tenants == ["alfa"]
    assert ledger.transactions == 2
