"""When a change counts as missed: by the dates that the app tells, and by the events that came."""

from __future__ import annotations

import pytest

from connector.engine.sweeps import Change, _covered, _reached, _text
from connector.store.rows import EventRow, SweepRow

MADE, CHANGED, LATER = "2026-03-04 09:15:02", "2026-03-04 10:00:00", "2026-03-04 10:30:00"
CHANGE = Change("7", MADE, CHANGED)
NOW = 1_772_612_102.0
"""2026-03-04 08:15:02 UTC."""


def told(happened_at: str, state: str = "matched") -> EventRow:
    return EventRow(
        tenant="main",
        connection_id="conn",
        delivery_id="d-1",
        type="books.client.update",
        resource="client",
        operation="update",
        ids=("7",),
        received_at=NOW,
        happened_at=happened_at,
        state=state,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("happened_at", "state", "covers"),
    [
        ("2026-03-04T10:00:00+01:00", "matched", True),
        ("2026-03-04T10:20:00+01:00", "matched", True),
        ("2026-03-04T09:59:59+01:00", "matched", True),
        ("2026-03-04T09:59:00+01:00", "matched", False),
        ("2026-03-04T09:59:00+01:00", "received", True),
        ("2026-03-04T10:00:00+01:00", "unmatched", True),
        ("2026-03-04T10:00:00+01:00", "failed", True),
        (CHANGED, "matched", True),
        ("", "matched", False),
        ("no date", "matched", False),
    ],
    ids=str,
)
def test_an_event_covers_what_it_may_tell_of(happened_at: str, state: str, covers: bool) -> None:
    assert _covered(CHANGE, [told(happened_at, state)], [""]) is covers


@pytest.mark.parametrize(
    ("handled", "covers"),
    [
        ([CHANGED], True),
        ([LATER], True),
        ([MADE], False),
        ([""], False),
        ([LATER, CHANGED], True),
        ([LATER, MADE], False),
        ([LATER, ""], False),
    ],
)
def test_a_state_that_every_flow_has_handled_was_not_missed(
    handled: list[str], covers: bool
) -> None:
    assert _covered(CHANGE, [], handled) is covers


def row(newest: str, swept_at: float) -> SweepRow:
    return SweepRow("conn", "7", "client", "create", newest, "", swept_at)


def test_the_first_look_goes_back_further_than_any_zone() -> None:
    assert _text(_reached(None, NOW), None) == "2026-03-03 18:15:02"


def test_time_that_passed_moves_a_quiet_place_on() -> None:
    assert _text(_reached(row(MADE, NOW - 3_600), NOW), None) == "2026-03-04 10:15:02"


def test_a_clock_that_went_back_moves_nothing_back() -> None:
    assert _text(_reached(row(MADE, NOW + 3_600), NOW), None) == MADE


@pytest.mark.parametrize("newest", [MADE, "2026-03-04T09:15:02", "2026-03-04T09:15:02+01:00"])
def test_moments_are_asked_for_as_the_app_writes_them(newest: str) -> None:
    before = row(newest, NOW)
    assert _text(_reached(before, NOW), before) == newest
