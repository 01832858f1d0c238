"""connector.quota.account: exact windows, told limits, and who goes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from connector.model import Quota
from connector.quota.account import (
    MONTH,
    SHARES,
    TICKS,
    Account,
    Priority,
    Told,
    lateness,
    next_start,
    start_of,
    tick,
)

SHORT = Quota(calls=300, seconds=300)
HOUR = Quota(calls=1000, seconds=3600, window="calendar")
MONTHLY = Quota(calls=40_000, seconds=31 * 24 * 3600, window="calendar")
START = datetime(2026, 4, 4, 12, 20, tzinfo=UTC).timestamp()


def taken(
    account: Account, quotas: Sequence[Quota], count: int, priority: Priority, now: float = START
) -> int:
    """How many of `count` calls go at once."""
    return sum(account.take(quotas, priority, now) == 0 for _ in range(count))


def heard(account: Account, headers: Sequence[tuple[str, str]], now: float = START) -> bool:
    return account.learn(Told.by(headers, now), now, now)


def test_without_quotas_everything_goes() -> None:
    assert taken(Account(), (), 10_000, "sweep") == 10_000


def test_the_last_places_are_kept_for_those_who_matter_more() -> None:
    account = Account()
    assert taken(account, (SHORT,), 400, "sweep") == 180
    assert taken(account, (SHORT,), 400, "read") == 60
    assert taken(account, (SHORT,), 400, "write") == 30
    assert taken(account, (SHORT,), 400, "proof") == 30
    assert taken(account, (SHORT,), 400, "proof") == 0


def test_a_sliding_window_says_to_the_second_when_to_go() -> None:
    account, late = Account(), lateness(320)
    assert late == 5
    quota = Quota(calls=2, seconds=320)
    assert account.take([quota], "proof", START) == 0
    assert account.take([quota], "proof", START + 3) == 0
    assert account.take([quota], "proof", START + 4) == 316 + late
    assert account.take([quota], "proof", START + 320 + late) == 0
    assert account.take([quota], "proof", START + 320 + late) == 3


def test_those_with_a_smaller_share_wait_for_their_own_place() -> None:
    account, late = Account(), lateness(100)
    quota = Quota(calls=10, seconds=100)
    for second in range(8):
        assert account.take([quota], "proof", START + second) == 0
    # Sent at 0 … 7, and it is 8: a sweep may find 5 of 6 used, which is so when that of 2 is gone.
    now = START + 8
    assert account.take([quota], "sweep", now) == 2 + 100 + late - 8
    assert account.take([quota], "read", now) == 0 + 100 + late - 8
    assert account.take([quota], "write", now) == 0


def test_a_call_that_must_wait_takes_no_place() -> None:
    account = Account()
    quotas = (Quota(calls=1, seconds=64), HOUR)
    assert account.take(quotas, "proof", START) == 0
    for _ in range(50):
        assert account.take(quotas, "proof", START) == 65
    assert account.used(HOUR, START) == 1


def test_the_longest_wait_of_all_windows_counts() -> None:
    account = Account()
    quotas = (Quota(calls=2, seconds=10), Quota(calls=2, seconds=3600, window="calendar"))
    assert taken(account, quotas, 3, "proof") == 2
    assert account.take(quotas, "proof", START) == 40 * 60 + 5


def test_calendar_hours_start_afresh_on_the_hour() -> None:
    account = Account()
    quota = Quota(calls=3, seconds=3600, window="calendar")
    hour = start_of(START, 3600) + 3600
    assert taken(account, (quota,), 5, "proof", hour - 6) == 3
    assert account.take([quota], "proof", hour - 6) == 6 + 5
    assert taken(account, (quota,), 5, "proof", hour + 5) == 3


def test_a_call_beside_the_hour_counts_in_both() -> None:
    """Nobody knows in which the app will count it."""
    hour = start_of(START, 3600) + 3600
    quota = Quota(calls=3, seconds=3600, window="calendar")
    before = Account()
    assert taken(before, (quota,), 2, "proof", hour - 1) == 2
    assert taken(before, (quota,), 5, "proof", hour + 60) == 1
    after = Account()
    assert taken(after, (quota,), 2, "proof", hour - 60) == 2
    assert taken(after, (quota,), 5, "proof", hour + 1) == 1
    assert after.take([quota], "proof", hour + 1) == 4


@pytest.mark.parametrize(
    ("day", "next_month"),
    [((2026, 4, 30), (2026, 5, 1)), ((2026, 12, 31), (2027, 1, 1)), ((2028, 2, 29), (2028, 3, 1))],
)
def test_calendar_months_have_their_own_length(
    day: tuple[int, int, int], next_month: tuple[int, int, int]
) -> None:
    now = datetime(*day, 23, 0, tzinfo=UTC).timestamp()
    account = Account()
    quota = Quota(calls=1, seconds=31 * 24 * 3600, window="calendar")
    assert quota.seconds >= MONTH
    assert account.take([quota], "proof", now) == 0
    wait = account.take([quota], "proof", now)
    assert now + wait == datetime(*next_month, tzinfo=UTC).timestamp() + lateness(quota.seconds)


def test_what_the_app_said_of_waiting_holds_everybody_and_is_never_shortened() -> None:
    account = Account()
    assert account.learn(Told(blocked_until=START + 60), START, START)
    assert not account.learn(Told(blocked_until=START + 10), START, START)
    for priority in SHARES:
        assert account.take((), priority, START) == 60
    assert account.take((), "read", START + 60) == 0


# --- what the app tells -----------------------------------------------------------------------


def told(hourly: int, monthly: int, limit: int = 1000) -> list[tuple[str, str]]:
    return [
        ("RateLimit-HourlyRemaining", str(hourly)),
        ("RateLimit-HourlyLimit", str(limit)),
        ("RateLimit-MonthlyRemaining", str(monthly)),
        ("RateLimit-MonthlyLimit", "40000"),
        ("Date", "x"),
    ]


def test_what_other_applications_used_is_learned_from_answers() -> None:
    account = Account()
    account.take([HOUR, MONTHLY], "read", START)
    heard(account, told(998, 100))
    assert account.used(HOUR, START) == 2
    assert account.used(MONTHLY, START) == 39_900
    assert account.take([HOUR, MONTHLY], "write", START) > 24 * 3600
    assert account.take([HOUR, MONTHLY], "proof", START) == 0


def test_calls_under_way_are_not_forgotten_for_an_older_answer() -> None:
    account = Account()
    taken(account, (HOUR,), 10, "proof")
    heard(account, told(999, 39_999))
    assert account.used(HOUR, START) == 10


@pytest.mark.parametrize("limit", [5000, 20])
def test_a_raised_or_lowered_limit_is_believed(limit: int) -> None:
    account = Account()
    assert heard(account, told(limit, 39_000, limit=limit))
    assert account.limit(HOUR) == limit
    assert taken(account, (HOUR,), 6000, "proof") == limit


def test_a_limit_below_what_is_used_waits_for_the_next_window() -> None:
    account = Account()
    taken(account, (HOUR,), 100, "proof")
    heard(account, told(0, 39_000, limit=50))
    assert account.take([HOUR], "proof", START) == 40 * 60 + 5


def test_what_was_told_in_the_last_hour_does_not_hold_in_this_one() -> None:
    account = Account()
    heard(account, told(0, 20_000))
    assert account.take([HOUR], "proof", START) == 40 * 60 + 5
    assert account.take([HOUR], "proof", START + 40 * 60 + 5) == 0


@pytest.mark.parametrize("dated", [-3601, -10, 4])
def test_an_answer_of_the_last_hour_that_comes_in_this_one_is_not_taken_for_its_own(
    dated: float,
) -> None:
    """By the app's own clock, whose first seconds of an hour may be ours of the one before."""
    account, hour = Account(), start_of(START, 3600)
    account.take([HOUR], "read", hour + 20)
    account.learn(Told.by(told(0, 100, limit=900), START), hour + dated, hour + 20)
    assert account.used(HOUR, hour + 20) == 1
    assert account.limit(HOUR) == 900, "the limit is the same in every hour"
    account.learn(Told.by(told(0, 100, limit=900), START), hour + 15, hour + 20)
    assert account.used(HOUR, hour + 20) == 900


@pytest.mark.parametrize(
    ("reset", "wait"), [("120", 120), (str(int(START) + 90), 90), ("", 0), ("soon", 0)]
)
def test_an_empty_bucket_waits_for_its_reset(reset: str, wait: float) -> None:
    account = Account()
    heard(account, [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", reset)])
    assert account.take((), "read", START) == wait


@pytest.mark.parametrize(
    "headers",
    [
        [("RateLimit-HourlyRemaining", "x"), ("RateLimit-HourlyLimit", "1000")],
        [("RateLimit-HourlyRemaining", "-5"), ("RateLimit-HourlyLimit", "1000")],
        [("RateLimit-HourlyRemaining", "9" * 40), ("RateLimit-HourlyLimit", "9" * 40)],
        [("RateLimit-HourlyRemaining", "5")],
        [("content-type", "application/json")],
        [],
    ],
)
def test_odd_headers_change_nothing(headers: list[tuple[str, str]]) -> None:
    account = Account()
    heard(account, headers)
    assert (account.used(HOUR, START), account.limit(HOUR)) == (0, 1000)
    assert account.take([HOUR], "read", START) == 0


@pytest.mark.parametrize(
    ("headers", "weight"),
    [
        (told(990, 39_990), "none"),
        (told(989, 39_990), "some"),
        (told(900, 39_990), "much"),
        (told(990, 39_990, limit=900), "much"),
        ([("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "9")], "much"),
    ],
)
def test_only_news_is_worth_a_transaction(headers: list[tuple[str, str]], weight: str) -> None:
    account = Account()
    heard(account, told(990, 39_990))
    heavy = account.weighs(Told.by(headers, START), START)
    assert {"none": heavy <= 0, "some": 0 < heavy < 1, "much": heavy >= 1}[weight]
    assert heard(account, headers) is (weight != "none")


# --- clocks -----------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_forgets_nothing_and_heals() -> None:
    """The calls of a day that never was were made before now: they count as made now."""
    account, day = Account(), 24 * 3600
    quotas = (Quota(calls=50, seconds=320), HOUR)
    assert taken(account, quotas, 50, "proof", START + day) == 50
    assert account.take(quotas, "proof", START) == 325, "and not a day"
    assert account.used(HOUR, START) == 50
    assert taken(account, quotas, 60, "proof", START + 325) == 50


def test_moments_are_kept_without_rounding_and_never_too_early() -> None:
    for now in (START, START + 0.1, START + 1 / 3, START + 0.999999):
        assert now <= tick(now) < now + 1 / TICKS
        assert tick(now) * TICKS == int(tick(now) * TICKS)


# --- against a reference ----------------------------------------------------------------------

MOMENTS = st.integers(0, 40 * TICKS).map(lambda ticks: ticks / TICKS)
STEPS = st.lists(st.tuples(MOMENTS, st.sampled_from(list(SHARES))), max_size=60)


def windows(quota: Quota, moment: float) -> list[float]:
    """Every window that a call of this moment may fall into, by its start."""
    late = lateness(quota.seconds)
    starts = [start_of(moment - late, quota.seconds), start_of(moment + late, quota.seconds)]
    return sorted(set(starts))


def has_room(quota: Quota, share: float, went: Sequence[float], now: float) -> bool:
    """By counting anew whatever went, each time."""
    allowed = max(1, int(quota.calls * share))
    if quota.window == "sliding":
        oldest = now - quota.seconds - lateness(quota.seconds)
        return sum(one > oldest for one in went) < allowed
    return all(
        sum(start in windows(quota, one) for one in went) < allowed for start in windows(quota, now)
    )


def earliest(
    has: Callable[[float], bool], quotas: Sequence[Quota], went: Sequence[float], now: float
) -> float:
    """The first moment with room among all at which anything changes."""
    moments = [one + quota.seconds + lateness(quota.seconds) for quota in quotas for one in went]
    for quota in quotas:
        if quota.window == "calendar":
            moments += [
                next_start(start, quota.seconds) + lateness(quota.seconds)
                for one in went
                for start in windows(quota, one)
            ]
    return next(one for one in sorted(moments) if one > now and has(one))


@given(
    st.lists(
        st.builds(
            Quota,
            calls=st.integers(1, 6),
            seconds=st.sampled_from([1, 4, 16, 60]),
            window=st.sampled_from(["sliding", "calendar"]),
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda one: (one.window, one.seconds),
    ),
    STEPS,
)
def test_it_decides_like_one_that_counts_everything_anew(
    quotas: list[Quota], steps: list[tuple[float, Priority]]
) -> None:
    """And says the very moment when there is room, if nobody else comes in between."""
    account, went, now = Account(), [], START
    for pause, priority in steps:
        now += pause

        def has(moment: float, share: float = SHARES[priority]) -> bool:
            return all(has_room(quota, share, went, moment) for quota in quotas)

        wait = account.take(quotas, priority, now)
        assert (wait == 0) is has(now)
        if wait > 0:
            assert now + wait == earliest(has, quotas, went, now)
            now += wait
            assert account.take(quotas, priority, now) == 0
        went.append(now)
    assert all(one <= other for one, other in pairwise(went))


@given(
    st.builds(Quota, calls=st.integers(1, 6), seconds=st.sampled_from([16, 64])),
    st.builds(
        Quota,
        calls=st.integers(1, 6),
        seconds=st.sampled_from([16, 64]),
        window=st.just("calendar"),
    ),
    STEPS,
    st.lists(st.floats(0, 1), min_size=60, max_size=60),
    st.floats(-1, 0),
)
def test_an_app_that_counts_late_and_by_a_clock_of_its_own_never_counts_too_many(
    sliding: Quota,
    calendar: Quota,
    steps: list[tuple[float, Priority]],
    delays: list[float],
    clock: float,
) -> None:
    account, now, seen_short, seen_hour = Account(), START, [], []
    for (pause, priority), delay in zip(steps, delays, strict=False):
        now += pause
        if account.take((sliding, calendar), priority, now) == 0:
            seen_short.append(now + delay * lateness(sliding.seconds))
            seen_hour.append(now + (delay + clock) * lateness(calendar.seconds))
    for moment in seen_short:
        assert sum(moment - sliding.seconds < one <= moment for one in seen_short) <= sliding.calls
    for moment in seen_hour:
        start = start_of(moment, calendar.seconds)
        assert sum(start_of(one, calendar.seconds) == start for one in seen_hour) <= calendar.calls


@pytest.mark.parametrize(
    ("quota", "seconds"),
    [(SHORT, 1.25), (HOUR, 4.5), (MONTHLY, 0.0)],
    ids=["short", "hour", "month"],
)
def test_reads_are_spaced_once_half_of_their_share_is_used(quota: Quota, seconds: float) -> None:
    account = Account()
    half = int(quota.calls * SHARES["read"]) // 2
    taken(account, [quota], half - 1, "write")
    assert account.spacing(quota, START) == 0
    taken(account, [quota], 1, "write")
    assert account.spacing(quota, START) == pytest.approx(seconds)
