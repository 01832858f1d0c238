"""Whether a change was handled already: a late event and a sweep's finding tell of the same one.

A record is made once, so whoever tells of it first is the one. Further changes have no name, only
a moment: a finding stands for all of them up to the state that its run was given. An event of the
app that tells of one of those starts nothing; two events of the app are two changes, as always.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.engine.moments import LAG, SLACK, wall
from connector.store.rows import EventRow, HandledRow

WRITES = ("create", "update")
NOTHING = HandledRow()
TOLD = "An event of the app had told of this change already."


def covered(event: EventRow, before: HandledRow, updated_at: str) -> str | None:
    """Why this event tells a flow nothing new, if so.

    `before` is what the flow has handled of the record, `updated_at` how the record dates itself
    now (empty when it was not read or does not say).
    """
    if event.operation not in WRITES:
        return None
    if event.swept:
        return TOLD if _told_already(event, before) else None
    if event.operation == "create":
        known = before.made == "sweep"
    else:
        known = _found_already(wall(event.happened_at), before.swept_to, wall(updated_at))
    if not known:
        return None
    return f"A sweep had found this change already: event {before.swept_by} told of it."


def _told_already(event: EventRow, before: HandledRow) -> bool:
    if event.operation == "create":
        return bool(before.made)
    found = wall(event.happened_at)
    if before.updated_at:
        return wall(before.updated_at) >= found
    # A flow that reads no record knows only what events have said.
    return max(before.told_to + SLACK, before.swept_to) >= found


def _found_already(told: float, swept_to: float, read: float) -> bool:
    """Whether findings up to `swept_to` stand for a change that an event tells of."""
    if not swept_to:
        return False
    if not told:
        return 0 < read <= swept_to
    if told <= swept_to:
        return True
    if told > swept_to + LAG:
        return False
    # The event lags; or there was a newer change, which has an event or a finding of its own. A
    # flow that reads no record was run minutes after the finding's moment: nothing is newer to it.
    return not read or read <= swept_to or told < read - SLACK


def now_handled(event: EventRow, before: HandledRow, updated_at: str) -> HandledRow:
    """What a flow has handled of a record once it is run for this event."""
    read, made = updated_at or before.updated_at, before.made
    told_to, swept_to, swept_by = before.told_to, before.swept_to, before.swept_by
    if event.operation in WRITES:
        told, swept = wall(event.happened_at), event.swept
        if event.operation == "create" and not made:
            made = "sweep" if swept else "event"
        if swept:
            swept_to, swept_by = max(swept_to, told, wall(updated_at)), event.id
        else:
            told_to = max(told_to, told)
    return HandledRow(read, made, told_to, swept_to, swept_by)


def alike(queue: Sequence[EventRow], most: int) -> list[EventRow]:
    """The head of a queue whose events cannot tell of the same change in two ways.

    They are matched side by side, so none of them sees what the others have handled.
    """
    head: list[EventRow] = []
    seen: set[str] = set()
    for place in range(min(len(queue), most)):
        event = queue[place]
        if head and (event.swept != head[0].swept or (event.swept and seen & set(event.ids))):
            break
        head.append(event)
        seen.update(event.ids)
    return head
