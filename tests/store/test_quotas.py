"""Counting on one account: several processes, restarts and failures never make it too few."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from connector.errors import StoreBusy
from connector.model import Quota
from connector.quota import Account, Limiter, Priority
from connector.quota.account import Calendar, Told, start_of, tick
from connector.store.sql.database import SqlDatabase
from connector.store.sql.quotas import pack, unpack
from connector.store.sqlite.database import Database
from tests.store.conftest import Make

START = 1_772_601_000.0
SHORT = Quota(calls=30, seconds=64)
HOUR = Quota(calls=100, seconds=3600, window="calendar")
QUOTAS = (SHORT, HOUR)
PRIORITIES: Sequence[Priority] = ("proof", "write", "read", "sweep")
KEY = "books/7"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def on(database: SqlDatabase, clock: Clock) -> SqlDatabase:
    """PostgreSQL counts by its own time, which no test can wait for."""
    counter: Any = getattr(database, "_counter", None)
    if counter is not None:
        counter._clock = clock
    return database


async def account_of(database: SqlDatabase) -> Account:
    found = []
    await database.change_quota(KEY, lambda account, _: bool(found.append(account)))
    account: Account = found[0]
    return account


async def test_an_account_is_read_as_it_was_kept(either: SqlDatabase, beside: SqlDatabase) -> None:
    wanted = Account(
        sent=[tick(START + one / 7) for one in range(40)],
        calendars={
            3600: Calendar({START - START % 3600: 5}, 1000, 3),
            31 * 86_400: Calendar({0.0: 9}, None, None),
        },
        blocked_until=START + 0.1,
        began=START + 0.2,
        tenants=["main", 'o"dd %_!\\'],
        days={20_000: 7, 20_001: 40_000},
        days_from=START + 0.3,
    )

    def change(account: Account, _: float | None) -> bool:
        for name in ("sent", "calendars", "blocked_until", "began", "tenants", "days",
                     "days_from"):  # fmt: skip
            setattr(account, name, getattr(wanted, name))
        return True

    await either.change_quota(KEY, change)
    assert await account_of(beside) == wanted
    for tenant in wanted.tenants:
        assert await beside.tenant(tenant).quotas() == [(KEY, wanted)]
    for tenant in ("Main", "mai", "%", "odd", 'o"dd %_!'):
        assert await beside.tenant(tenant).quotas() == []


async def test_what_changes_nothing_is_not_kept(either: SqlDatabase) -> None:
    await either.change_quota(KEY, lambda account, _: False)
    assert await either.all("SELECT * FROM quota") == []


async def test_a_count_survives_a_restart(make: Make, clock: Clock) -> None:
    one = Quota(calls=5, seconds=320)
    for turn in range(3):
        database = on(make(), clock)
        await database.open()
        limiter = Limiter(clock, database)
        waits = [await limiter.reserve(KEY, [one], "proof") for _ in range(2)]
        assert waits == ([0.0, 0.0] if turn < 2 else [0.0, 325.0])
        await database.close()


async def test_what_an_app_told_survives_a_restart(make: Make, clock: Clock) -> None:
    database = on(make(), clock)
    await database.open()
    limiter = Limiter(clock, database)
    await limiter.reserve(KEY, QUOTAS)
    limiter.hear(KEY, QUOTAS, [("RateLimit-HourlyLimit", "50"), ("RateLimit-HourlyRemaining", "9")])
    limiter.hear(KEY, QUOTAS, [], retry_after=60)
    await limiter.reserve(KEY, QUOTAS)
    await database.close()
    database = on(make(), clock)
    await database.open()
    assert await Limiter(clock, database).reserve(KEY, QUOTAS, "proof") == 60
    account = await account_of(database)
    assert (account.used(HOUR, START), account.limit(HOUR)) == (41, 50)
    await database.close()


def check(grants: Sequence[float], quotas: Sequence[Quota]) -> None:
    """Every window, looked at from each of its calls."""
    for quota in quotas:
        for moment in grants:
            if quota.window == "sliding":
                inside = sum(moment - quota.seconds < one <= moment for one in grants)
            else:
                start = start_of(moment, quota.seconds)
                inside = sum(start_of(one, quota.seconds) == start for one in grants)
            assert inside <= quota.calls, (quota, moment)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_processes_that_count_at_once_never_exceed_a_window(
    make: Make, clock: Clock, seed: int
) -> None:
    """Five of them, again and again at one moment: replayed, no window holds more than it may."""
    draw = random.Random(seed)
    databases = [on(make(), clock) for _ in range(5)]
    for database in databases:
        await database.open()
    limiters = [Limiter(clock, database) for database in databases]
    grants: list[float] = []
    refused = 0
    for _ in range(25):
        clock.now += draw.choice((0, 0.01, 1, 9, 40, 200))
        takes = [(draw.choice(limiters), draw.choice(PRIORITIES)) for _ in range(25)]
        waits = await asyncio.gather(*(one.reserve(KEY, QUOTAS, how) for one, how in takes))
        grants += [clock.now for wait in waits if wait == 0]
        refused += sum(wait > 0 for wait in waits)
    assert len(grants) > 2 * SHORT.calls, f"seed {seed}: some windows passed"
    assert refused > 100, f"seed {seed}: and some were full"
    check(grants, QUOTAS)
    for database in databases:
        await database.close()


async def test_all_that_is_there_is_given_and_not_one_more(make: Make, clock: Clock) -> None:
    databases = [on(make(), clock) for _ in range(4)]
    for database in databases:
        await database.open()
    limiters = [Limiter(clock, one) for one in databases]
    waits = await asyncio.gather(
        *(one.reserve(KEY, QUOTAS, "proof") for one in limiters for _ in range(20))
    )
    assert waits.count(0.0) == SHORT.calls
    # Nor are more told the moment at which there is room again, whichever process tells them.
    assert waits.count(65.0) == SHORT.calls
    assert max(waits) == 130
    for database in databases:
        await database.close()


async def test_accounts_that_are_counted_at_once_do_not_hold_each_other_up(
    either: SqlDatabase, clock: Clock
) -> None:
    limiter = Limiter(clock, on(either, clock))
    waits = await asyncio.gather(
        *(limiter.reserve(f"books/{one}", QUOTAS) for one in range(12) for _ in range(3))
    )
    assert set(waits) == {0.0}


async def test_a_count_that_another_process_came_before_is_made_again(
    either: SqlDatabase, beside: SqlDatabase
) -> None:
    seen: list[int] = []

    def first(account: Account, _: float | None) -> bool:
        account.take(QUOTAS, "proof", START)
        seen.append(account.used(HOUR, START))
        return True

    await asyncio.gather(*(one.change_quota(KEY, first) for one in (either, beside) * 3))
    assert (await account_of(either)).used(HOUR, START) == 6
    assert max(seen) == 6


async def test_without_the_store_nothing_is_given(make: Make, clock: Clock) -> None:
    database = on(make(), clock)
    await database.open()
    await database.close()
    with pytest.raises(StoreBusy):
        await Limiter(clock, database).reserve(KEY, QUOTAS)


async def test_a_full_disk_gives_nothing_and_heals(path: Path, clock: Clock) -> None:
    database = Database(path)
    limiter = Limiter(clock, database)
    pages = database._writer.execute("PRAGMA page_count").fetchone()[0]
    database._writer.execute(f"PRAGMA max_page_count = {pages}")
    with contextlib.suppress(StoreBusy):
        for number in range(500):
            await limiter.reserve(f"books/{number}", QUOTAS)
        pytest.fail("the disk was never full")
    database._writer.execute("PRAGMA max_page_count = 100000")
    assert await limiter.reserve("books/499", QUOTAS) == 0
    await database.close()


async def test_postgres_counts_by_its_own_time(postgres_url: str) -> None:
    """Two machines whose clocks differ by an hour take from the same window."""
    from connector.store.postgres.database import Database as Postgres

    databases = [Postgres(postgres_url) for _ in range(2)]
    for database in databases:
        await database.open()
    one = Quota(calls=4, seconds=3000)
    limiters = [
        Limiter(lambda: START, databases[0]),
        Limiter(lambda: START + 3600, databases[1]),
    ]
    waits = [await limiter.reserve(KEY, [one], "proof") for limiter in limiters * 3]
    assert waits[:4] == [0, 0, 0, 0]
    assert all(3000 < wait <= 3005 for wait in waits[4:])
    for database in databases:
        await database.close()


async def test_a_process_that_stops_in_the_middle_holds_the_others_up_for_seconds_only(
    postgres_url: str,
) -> None:
    import psycopg

    from connector.store.postgres.counter import PATIENCE_SECONDS
    from connector.store.postgres.database import Database as Postgres

    database = Postgres(postgres_url)
    await database.open()
    limiter = Limiter(lambda: START, database)
    assert await limiter.reserve(KEY, QUOTAS) == 0
    with psycopg.connect(postgres_url) as stopped:
        stopped.execute("SELECT * FROM quota FOR UPDATE")
        with pytest.raises(StoreBusy):
            await limiter.reserve(KEY, QUOTAS)
        # One of ours could not even hold it that long: the server ends its session.
        async with database._counter._pool.connection() as connection:
            told = await connection.execute("SHOW idle_in_transaction_session_timeout")
            assert await told.fetchone() == (f"{PATIENCE_SECONDS}s",)
    assert await limiter.reserve(KEY, QUOTAS) == 0
    await database.close()


def test_moments_are_packed_without_loss() -> None:
    draw = random.Random(7)
    for count in (0, 1, 2, 300):
        moments = sorted(tick(START + draw.uniform(0, 300)) for _ in range(count))
        assert unpack(pack(moments)) == moments
    assert len(pack(moments)) < 1_300, "a row that PostgreSQL does not move elsewhere"


async def test_only_what_is_news_is_written(either: SqlDatabase, clock: Clock) -> None:
    limiter = Limiter(clock, on(either, clock))
    await limiter.reserve(KEY, QUOTAS)
    told = Told(((3600, 100, 1),))
    for _ in range(2):
        await either.change_quota(KEY, lambda account, _: account.learn(told, START, START))
    ((version,),) = await either.all("SELECT version FROM quota")
    assert version == 2
