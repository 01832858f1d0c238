"""connector.quota: exact windows, told limits, and who goes first."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from connector.model import Quota
from connector.quota import MONTH, SHARES, Limiter, Priority

SHORT = Quota(calls=300, seconds=300)
HOUR = Quota(calls=1000, seconds=3600, window="calendar")
MONTHLY = Quota(calls=40_000, seconds=31 * 24 * 3600, window="calendar")
START = datetime(2026, 4, 4, 12, 0, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def take(limiter: Limiter, quotas: tuple[Quota, ...], count: int, priority: Priority) -> int:
    """How many of `count` calls go at once."""
    return sum(limiter.reserve("k", quotas, priority) == 0 for _ in range(count))


def test_without_quotas_everything_goes(clock: Clock) -> None:
    assert take(Limiter(clock), (), 10_000, "sweep") == 10_000


def test_the_last_places_are_kept_for_those_who_matter_more(clock: Clock) -> None:
    limiter = Limiter(clock)
    assert take(limiter, (SHORT,), 400, "sweep") == 180
    assert take(limiter, (SHORT,), 400, "read") == 60
    assert take(limiter, (SHORT,), 400, "write") == 30
    assert take(limiter, (SHORT,), 400, "proof") == 30
    assert take(limiter, (SHORT,), 400, "proof") == 0


def test_a_sliding_window_says_to_the_second_when_to_go(clock: Clock) -> None:
    limiter = Limiter(clock)
    quota = Quota(calls=2, seconds=10)
    assert limiter.reserve("k", [quota], "proof") == 0
    clock.now += 3
    assert limiter.reserve("k", [quota], "proof") == 0
    clock.now += 1
    assert limiter.reserve("k", [quota], "proof") == 6
    clock.now += 6
    assert limiter.reserve("k", [quota], "proof") == 0
    assert limiter.reserve("k", [quota], "proof") == 3


def test_those_with_a_smaller_share_wait_for_their_own_place(clock: Clock) -> None:
    limiter = Limiter(clock)
    quota = Quota(calls=10, seconds=100)
    for _ in range(8):
        assert limiter.reserve("k", [quota], "proof") == 0
        clock.now += 1
    # Sent at 0 … 7, and it is 8: a sweep may find 5 of 6 used, which is so when that of 2 is gone.
    assert limiter.reserve("k", [quota], "sweep") == 2 + 100 - 8
    assert limiter.reserve("k", [quota], "read") == 0 + 100 - 8
    assert limiter.reserve("k", [quota], "write") == 0


def test_a_call_that_must_wait_takes_no_place(clock: Clock) -> None:
    limiter = Limiter(clock)
    quotas = (Quota(calls=1, seconds=10), HOUR)
    assert limiter.reserve("k", quotas, "proof") == 0
    for _ in range(50):
        assert limiter.reserve("k", quotas, "proof") == 10
    assert limiter.used("k", HOUR) == (1, 1000)


def test_the_longest_wait_of_all_windows_counts(clock: Clock) -> None:
    clock.now = START + 3000
    limiter = Limiter(clock)
    quotas = (Quota(calls=2, seconds=10), Quota(calls=2, seconds=3600, window="calendar"))
    take(limiter, quotas, 2, "proof")
    assert limiter.reserve("k", quotas, "proof") == 600


def test_calendar_hours_start_afresh_on_the_hour(clock: Clock) -> None:
    clock.now = START + 3599
    limiter = Limiter(clock)
    quota = Quota(calls=3, seconds=3600, window="calendar")
    assert take(limiter, (quota,), 5, "proof") == 3
    assert limiter.reserve("k", [quota], "proof") == 1
    clock.now += 1
    assert take(limiter, (quota,), 5, "proof") == 3


@pytest.mark.parametrize(
    ("day", "next_month"),
    [((2026, 4, 30), (2026, 5, 1)), ((2026, 12, 31), (2027, 1, 1)), ((2028, 2, 29), (2028, 3, 1))],
)
def test_calendar_months_have_their_own_length(
    day: tuple[int, int, int], next_month: tuple[int, int, int]
) -> None:
    clock = Clock(datetime(*day, 23, 0, tzinfo=UTC).timestamp())
    limiter = Limiter(clock)
    quota = Quota(calls=1, seconds=31 * 24 * 3600, window="calendar")
    assert quota.seconds >= MONTH
    assert limiter.reserve("k", [quota], "proof") == 0
    wait = limiter.reserve("k", [quota], "proof")
    assert clock.now + wait == datetime(*next_month, tzinfo=UTC).timestamp()


def test_accounts_do_not_share(clock: Clock) -> None:
    limiter = Limiter(clock)
    quota = Quota(calls=1, seconds=10)
    assert limiter.reserve("a", [quota]) == 0
    assert limiter.reserve("b", [quota]) == 0
    assert limiter.reserve("a", [quota]) > 0


def test_a_penalty_holds_everybody_and_is_never_shortened(clock: Clock) -> None:
    limiter = Limiter(clock)
    limiter.penalise("k", 60)
    limiter.penalise("k", 10)
    for priority in SHARES:
        assert limiter.reserve("k", (), priority) == 60
    assert limiter.reserve("other", ()) == 0
    clock.now += 60
    assert limiter.reserve("k", ()) == 0


def told(hourly: int, monthly: int, limit: int = 1000) -> list[tuple[str, str]]:
    return [
        ("RateLimit-HourlyRemaining", str(hourly)),
        ("RateLimit-HourlyLimit", str(limit)),
        ("RateLimit-MonthlyRemaining", str(monthly)),
        ("RateLimit-MonthlyLimit", "40000"),
        ("Date", "x"),
    ]


def test_what_other_applications_used_is_learned_from_answers(clock: Clock) -> None:
    limiter = Limiter(clock)
    limiter.reserve("k", [HOUR, MONTHLY])
    limiter.observe("k", told(998, 100))
    assert limiter.used("k", HOUR) == (2, 1000)
    assert limiter.used("k", MONTHLY) == (39_900, 40_000)
    assert limiter.reserve("k", [HOUR, MONTHLY], "write") > 24 * 3600
    assert limiter.reserve("k", [HOUR, MONTHLY], "proof") == 0


def test_calls_under_way_are_not_forgotten_for_an_older_answer(clock: Clock) -> None:
    limiter = Limiter(clock)
    take(limiter, (HOUR,), 10, "proof")
    limiter.observe("k", told(999, 39_999))
    assert limiter.used("k", HOUR) == (10, 1000)


def test_a_raised_limit_is_believed(clock: Clock) -> None:
    limiter = Limiter(clock)
    limiter.observe("k", told(5000, 39_000, limit=5000))
    assert take(limiter, (HOUR,), 6000, "proof") == 5000


def test_what_was_told_in_the_last_hour_does_not_hold_in_this_one(clock: Clock) -> None:
    limiter = Limiter(clock)
    limiter.observe("k", told(0, 20_000))
    assert limiter.reserve("k", [HOUR], "proof") == 3600
    clock.now += 3600
    assert limiter.reserve("k", [HOUR], "proof") == 0


@pytest.mark.parametrize(
    ("reset", "wait"), [("120", 120), (str(int(START) + 90), 90), ("", 0), ("soon", 0)]
)
def test_an_empty_bucket_waits_for_its_reset(clock: Clock, reset: str, wait: float) -> None:
    limiter = Limiter(clock)
    limiter.observe("k", [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", reset)])
    assert limiter.reserve("k", ()) == wait


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
def test_odd_headers_change_nothing(clock: Clock, headers: list[tuple[str, str]]) -> None:
    limiter = Limiter(clock)
    limiter.observe("k", headers)
    assert limiter.used("k", HOUR) == (0, 1000)
    assert limiter.reserve("k", [HOUR]) == 0


@given(
    st.integers(1, 5),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(list(SHARES))), max_size=80),
)
def test_no_window_ever_holds_more_than_its_quota(
    calls: int, seconds: int, steps: list[tuple[int, Priority]]
) -> None:
    """And a call that waits exactly as long as told goes, when nobody else came in between."""
    clock = Clock()
    limiter = Limiter(clock)
    quota = Quota(calls=calls, seconds=seconds)
    went: deque[float] = deque()
    for pause, priority in steps:
        clock.now += pause
        wait = limiter.reserve("k", [quota], priority)
        if wait > 0:
            clock.now += wait
            assert limiter.reserve("k", [quota], priority) == 0
        went.append(clock.now)
        recent = [moment for moment in went if moment > clock.now - seconds]
        assert len(recent) <= calls
