"""When two pieces of news tell of the same change, and which events may be matched together."""

from __future__ import annotations

from typing import Any

import pytest

from connector.engine.covering import NOTHING, TOLD, alike, covered, now_handled
from connector.engine.moments import wall
from connector.store.rows import EventRow, HandledRow

TEN = "2026-03-04 10:00:00"
FOUND = HandledRow(TEN, "sweep", 0, wall(TEN), 9)
KNOWN = HandledRow(TEN, "event", wall(TEN))


def news(operation: str = "update", at: str = TEN, *, swept: bool = False, **more: Any) -> EventRow:
    return EventRow(
        tenant="main",
        connection_id="conn",
        delivery_id=f"{'sweep:' if swept else ''}d-1",
        type=f"books.client.{operation}",
        resource="client",
        operation=operation,
        ids=more.get("ids", ("5",)),
        received_at=0,
        happened_at=at if swept or not at else f"{at.replace(' ', 'T')}+01:00",
        id=11,
    )


@pytest.mark.parametrize(
    ("event", "before", "read", "is_known"),
    [
        # The app's own event, late.
        (news(), FOUND, TEN, True),
        (news("create"), FOUND, TEN, True),
        (news("create", "2026-03-04 11:00:00"), FOUND, "2026-03-04 11:00:00", True),
        (news(at="2026-03-04 09:00:00"), FOUND, "2026-03-04 11:00:00", True),
        (news(at="2026-03-04 10:00:40"), FOUND, TEN, True),
        (news(at="2026-03-04 10:00:40"), FOUND, "2026-03-04 10:00:40", False),
        (news(at="2026-03-04 10:00:40"), FOUND, "2026-03-04 11:00:00", True),
        (news(at="2026-03-04 10:05:00"), FOUND, TEN, False),
        (news(at="2026-03-04 10:00:40"), FOUND, "", True),
        (news(at="2026-03-04 10:05:00"), FOUND, "", False),
        (news(at=""), FOUND, TEN, True),
        (news(at=""), FOUND, "2026-03-04 11:00:00", False),
        (news(at=""), FOUND, "", False),
        # Two events of the app are two changes.
        (news(), KNOWN, TEN, False),
        (news("create"), KNOWN, TEN, False),
        (news(), NOTHING, TEN, False),
        # What happens besides being made and changed is not swept.
        (news("delete"), FOUND, "", False),
        (news("email_sent"), FOUND, TEN, False),
        # The making was told by nobody: an update that was found does not stand for it.
        (news("create"), HandledRow(TEN, "", 0, wall(TEN), 9), TEN, False),
        # A finding.
        (news("create", swept=True), KNOWN, TEN, True),
        (news("create", swept=True), HandledRow(TEN, "", wall(TEN)), TEN, False),
        (news(swept=True), KNOWN, TEN, True),
        (news(swept=True, at="2026-03-04 10:00:01"), KNOWN, "2026-03-04 10:00:01", False),
        (news(swept=True), HandledRow("", "", wall(TEN)), "", True),
        (news(swept=True, at="2026-03-04 10:00:03"), HandledRow("", "", wall(TEN)), "", False),
        (news(swept=True), NOTHING, TEN, False),
    ],
)
def test_what_is_known_already(
    event: EventRow, before: HandledRow, read: str, is_known: bool
) -> None:
    assert (covered(event, before, read) is not None) is is_known


def test_it_says_who_told_of_it() -> None:
    late = "A sweep had found this change already: event 9 told of it."
    assert covered(news(), FOUND, TEN) == late
    assert covered(news(swept=True), KNOWN, TEN) == TOLD


def test_what_a_run_handles_adds_to_what_was_handled() -> None:
    made = now_handled(news("create", swept=True), NOTHING, "2026-03-04 10:30:00")
    assert made == HandledRow("2026-03-04 10:30:00", "sweep", 0, wall("2026-03-04 10:30:00"), 11)
    later = now_handled(news(at="2026-03-04 11:00:00"), made, "2026-03-04 11:00:00")
    assert later == HandledRow(
        "2026-03-04 11:00:00", "sweep", wall("2026-03-04 11:00:00"), made.swept_to, 11
    )
    assert now_handled(news("delete"), later, "") == later


def test_findings_and_events_are_matched_apart() -> None:
    real, other = news(), news(ids=("6",))
    found, again, next_one = (news(swept=True, ids=(one,)) for one in ("5", "5", "6"))
    assert alike([real, real, other], 200) == [real, real, other]
    assert alike([real, found, other], 200) == [real]
    assert alike([found, real], 200) == [found]
    assert alike([found, next_one, again], 200) == [found, next_one]
    assert alike([real, other, real], 2) == [real, other]
