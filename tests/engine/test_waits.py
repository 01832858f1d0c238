"""When a run goes on after a passing fault."""

from __future__ import annotations

import random

import pytest

from connector.engine.waits import RETRY_SECONDS, Backoff, Wait, connection_reason, fault_of_ours
from connector.errors import (
    ConnectorError,
    Forbidden,
    NotSent,
    StoreBusy,
    Throttled,
    Unauthorized,
    Unclear,
    Uncounted,
)

NOW = 1_000.0


def backoff(ceilings: tuple[float, ...] = RETRY_SECONDS) -> Backoff:
    return Backoff(lambda: NOW, random.Random(7), ceilings)


def waited(attempts: int, cause: ConnectorError) -> Wait:
    wait = backoff().wait(attempts, cause, "c1")
    assert wait is not None
    assert wait.cause is cause
    return wait


@pytest.mark.parametrize("cause", [NotSent("a"), Unclear("b")])
def test_it_waits_at_least_half_of_a_ceiling_that_rises(cause: ConnectorError) -> None:
    for attempts, ceiling in enumerate((10, 60, 300, 1_800, 7_200, 18_000, 36_000)):
        wait = waited(attempts, cause)
        assert wait.reason == "retry"
        assert ceiling / 2 <= (wait.due_at or 0) - NOW <= ceiling
    assert backoff().wait(7, cause, "c1") is None


def test_the_draw_uses_the_whole_second_half() -> None:
    one = backoff((100,))
    waits = [one.wait(0, NotSent("a"), "c1") for _ in range(200)]
    after = [(wait.due_at or 0) - NOW for wait in waits if wait is not None]
    assert 50 <= min(after) < 55
    assert 95 < max(after) <= 100


def test_a_quota_says_its_own_time_however_often() -> None:
    wait = waited(99, Throttled("full", retry_after=33))
    assert (wait.reason, wait.due_at) == ("quota", NOW + 33)
    assert waited(0, Throttled("full", retry_after=0)).due_at == NOW + 0.05


@pytest.mark.parametrize("cause", [Uncounted("away"), StoreBusy("away")])
def test_our_own_database_is_waited_for_a_moment_however_often(cause: ConnectorError) -> None:
    for attempts in (0, 3, 99):
        wait = waited(attempts, cause)
        assert (wait.reason, wait.due_at) == ("database", NOW + 1)


def test_no_quota_is_waited_for_longer_than_an_hour_without_asking() -> None:
    assert waited(0, Throttled("full", retry_after=9 * 24 * 3_600)).due_at == NOW + 3_600


def test_a_dead_connection_waits_for_its_owner() -> None:
    wait = waited(99, Unauthorized("dead"))
    assert (wait.reason, wait.due_at) == ("connection:c1", None)
    assert connection_reason("x") == "connection:x"


def test_what_is_forbidden_is_not_tried_again() -> None:
    assert backoff().wait(0, Forbidden("no"), "c1") is None


def test_a_wait_says_why() -> None:
    assert str(Wait("quota", 1, None)) == "quota"


def test_a_fault_of_ours_tells_its_type_and_nothing_of_its_text() -> None:
    told = fault_of_ours(KeyError("s3cr3t"))
    assert "KeyError" in told.message
    assert "s3cr3t" not in str(told.as_data())
    assert told.who == "developer"
