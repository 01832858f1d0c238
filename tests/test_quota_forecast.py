"""connector.quota.forecast: what is used, when there is room again, and where the month leads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.model import Quota
from connector.quota.account import KEPT_DAYS, Account, Calendar, Told
from connector.quota.forecast import quota_view

SHORT = Quota(calls=300, seconds=300)
HOUR = Quota(calls=1000, seconds=3600, window="calendar")
MONTH = Quota(calls=40_000, seconds=31 * 24 * 3600, window="calendar")
APRIL = datetime(2026, 4, 1, tzinfo=UTC).timestamp()
DAY = 24 * 3600


def month(used: int, day: float, began: float = -40, before: int | None = None) -> dict[str, Any]:
    """What is said of April on a day of it (0 is its first moment)."""
    calendar = Calendar({APRIL: used}, before=before)
    account = Account(calendars={MONTH.seconds: calendar}, began=APRIL + began * DAY)
    (window,) = quota_view(account, [MONTH], APRIL + day * DAY)["windows"]
    told: dict[str, Any] = window["forecast"]
    return told


def on_day(moment: float | None) -> float | None:
    return None if moment is None else round((moment - APRIL) / DAY, 2)


def test_windows_say_what_is_used_and_when_there_is_room() -> None:
    account, now = Account(), APRIL + 1800
    for _ in range(270):
        assert account.take([SHORT, HOUR], "proof", now) == 0
    view = quota_view(account, [SHORT, HOUR], now + 1)
    short, hour = view["windows"]
    assert (short["name"], short["kind"], short["used"], short["limit"]) == (
        "5 minutes", "sliding", 270, 300,
    )  # fmt: skip
    assert short["resets_at"] is None
    assert short["reads_wait_until"] == short["writes_wait_until"] == now + 300 + 300 / 64
    assert (hour["name"], hour["used"], hour["limit"]) == ("hour", 270, 1000)
    assert hour["resets_at"] == APRIL + 3600
    assert hour["reads_wait_until"] is hour["writes_wait_until"] is None
    assert short["forecast"] is hour["forecast"] is view["blocked_until"] is None


def test_a_limit_that_was_told_and_a_wait_that_was_asked_for_are_shown() -> None:
    account = Account()
    account.learn(Told(((3600, 500, 450),), APRIL + 99), APRIL + 50, APRIL + 50)
    view = quota_view(account, [HOUR], APRIL + 50)
    assert view["blocked_until"] == APRIL + 99
    assert (view["windows"][0]["used"], view["windows"][0]["limit"]) == (450, 500)
    assert view["windows"][0]["writes_wait_until"] == APRIL + 3605
    assert quota_view(account, [HOUR], APRIL + 99)["blocked_until"] is None


def test_a_month_that_goes_on_like_this_ends_early() -> None:
    told = month(16_000, day=10)
    assert (told["state"], told["per_day"], told["expected"]) == ("ends", 1600, 48_000)
    assert on_day(told["reads_wait_from"]) == 20
    assert on_day(told["writes_wait_from"]) == 22.5


def test_only_reads_may_find_no_room_in_the_end() -> None:
    told = month(11_500, day=10)
    assert on_day(told["reads_wait_from"]) == 27.83
    assert (told["state"], told["writes_wait_from"]) == ("ends", None)


@pytest.mark.parametrize("used", [0, 1, 10_000])
def test_a_month_that_lasts(used: int) -> None:
    told = month(used, day=10)
    assert (told["state"], told["expected"]) == ("lasts", used * 3)
    assert told["reads_wait_from"] is told["writes_wait_from"] is None


def test_what_is_used_up_waits_from_now_on() -> None:
    told = month(39_000, day=10)
    assert on_day(told["reads_wait_from"]) == on_day(told["writes_wait_from"]) == 10


@pytest.mark.parametrize(("day", "began"), [(0.99, -40), (10, 9.01), (10, 10), (0, -40)])
def test_too_short_a_look_back_says_nothing(day: float, began: float) -> None:
    told = month(5_000, day=day, began=began)
    assert told["state"] == "unknown"
    assert told["per_day"] is told["expected"] is told["reads_wait_from"] is None


def test_an_account_without_any_call_says_nothing() -> None:
    (window,) = quota_view(Account(), [MONTH], APRIL + 9 * DAY)["windows"]
    assert (window["used"], window["forecast"]["state"]) == (0, "unknown")


def test_the_pace_is_that_since_we_came_and_not_what_others_had_used_before() -> None:
    told = month(20_000, day=12, began=10, before=18_000)
    assert told["per_day"] == 1000
    assert on_day(told["reads_wait_from"]) == 24
    same = month(20_000, day=12, began=-1, before=18_000)
    assert same["per_day"] == pytest.approx(20_000 / 12, abs=0.1), "that was another month"


def test_what_others_had_used_is_known_from_the_first_answer() -> None:
    account, now = Account(), APRIL + 10 * DAY
    account.take([MONTH], "read", now)
    account.learn(Told(((MONTH.seconds, 40_000, 18_001),)), now, now)
    for _ in range(1999):
        account.take([MONTH], "read", now + DAY)
    account.learn(Told(((MONTH.seconds, 40_000, 20_500),)), now + DAY, now + DAY)
    (window,) = quota_view(account, [MONTH], now + 2 * DAY)["windows"]
    assert window["used"] == 20_500
    assert window["forecast"]["per_day"] == 1250, "others go on as well"


def called(account: Account, day: float, times: int) -> None:
    for _ in range(times):
        assert account.take([MONTH], "proof", APRIL + day * DAY) == 0


def test_the_pace_is_that_of_the_last_week_and_not_of_the_whole_month() -> None:
    account = Account()
    for day in range(20):
        called(account, day + 0.5, 100 if day < 10 else 10)
    (window,) = quota_view(account, [MONTH], APRIL + 20 * DAY)["windows"]
    assert window["used"] == 1100
    assert (window["forecast"]["per_day"], window["forecast"]["expected"]) == (10, 1200)
    assert [one["calls"] for one in window["days"]] == [100] * 10 + [10] * 10
    assert window["days"][0]["start"] == APRIL


def test_a_new_month_begins_with_the_pace_of_the_old_one() -> None:
    account = Account()
    for day in range(-8, 0):
        called(account, day + 0.5, 40)
    (window,) = quota_view(account, [MONTH], APRIL + 60)["windows"]
    assert (window["used"], window["days"]) == (0, [])
    assert window["forecast"]["state"] == "lasts"
    assert window["forecast"]["per_day"] == pytest.approx(40, abs=0.1)


def test_an_account_from_before_days_were_counted_has_the_pace_of_its_month() -> None:
    account = Account(calendars={MONTH.seconds: Calendar({APRIL: 16_000})}, began=APRIL - DAY)
    called(account, 10, 1)
    (window,) = quota_view(account, [MONTH], APRIL + 10.5 * DAY)["windows"]
    assert window["forecast"]["per_day"] == pytest.approx(16_001 / 10.5, abs=0.1)
    assert window["days"] == [{"start": APRIL + 10 * DAY, "calls": 1}]


def test_days_are_kept_for_a_while_and_follow_a_clock_that_was_set_back() -> None:
    account = Account()
    for day in range(60):
        called(account, day, 1)
    assert len(account.days) == KEPT_DAYS
    called(account, 57, 1)
    assert max(account.days) == APRIL // DAY + 57
    assert account.days[int(APRIL // DAY) + 57] == 1 + 2 + 1, "none is lost"


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(1, "second"), (90, "90 seconds"), (60, "minute"), (300, "5 minutes"), (3600, "hour"),
     (7200, "2 hours"), (DAY, "day"), (31 * DAY, "month")],
)  # fmt: skip
def test_windows_are_named_in_words(seconds: int, name: str) -> None:
    quota = Quota(calls=1, seconds=seconds, window="calendar")
    assert quota_view(Account(), [quota], APRIL)["windows"][0]["name"] == name
