"""Working out a derived trigger: what a record's state is, what it was, and whether that counts.

Nothing is stored here: the new state goes with the run, in the commit that makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connector import paths
from connector.derived import FIRST_NAMES, STATE_NAMES
from connector.engine.moments import SLACK, wall
from connector.expressions import Expression, compile_expression
from connector.store.rows import EventRow, StateRow, WatchRow

if TYPE_CHECKING:
    from connector.derived import DerivedTrigger
    from connector.expressions import Filter
    from connector.model import Reader

DUE = "due"
"""The operation of an event that a daily look made."""
UNCHANGED = "Nothing that this trigger waits for has happened to this record."
FIRST = "This record is seen for the first time: where it stands is noted, nothing else."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an event means to a derived trigger; `row` is the state to store, when it is new."""

    fires: bool
    before: Mapping[str, Any] | None
    change: Mapping[str, Any]
    row: StateRow | None
    reason: str = ""


class Derived:
    """One derived trigger, compiled, with the settings of the flow that uses it."""

    def __init__(
        self,
        trigger: DerivedTrigger,
        inputs: Mapping[str, Any],
        filters: Mapping[str, Filter] | None = None,
    ) -> None:
        """Raises ExpressionError for a text that cannot be read."""
        derive = self.derive = trigger.derive
        self.inputs = dict(inputs)
        self.zone = ZoneInfo(derive.zone)
        self._state = _compiled(derive.state, STATE_NAMES, filters)
        self._older = _compiled(derive.older or {}, FIRST_NAMES, filters)
        self._tell = _compiled(derive.tell, STATE_NAMES, filters)
        self._when = compile_expression(derive.when, names=STATE_NAMES, filters=filters)
        self._proof = (
            None
            if derive.proof is None
            else compile_expression(derive.proof, names=FIRST_NAMES, filters=filters)
        )

    @property
    def remembers(self) -> bool:
        """Whether states are kept; if not, each event counts by itself."""
        return bool(self.derive.state)

    def date(self, now: float) -> str:
        """The date in the trigger's zone."""
        return datetime.fromtimestamp(now, self.zone).date().isoformat()

    def hour(self, now: float) -> int:
        """The hour of the day in the trigger's zone."""
        return datetime.fromtimestamp(now, self.zone).hour

    def moment(self, now: float) -> str:
        """The moment on the app's own wall, as records date themselves."""
        return datetime.fromtimestamp(now, self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def judge(
        self,
        event: EventRow,
        record: Mapping[str, Any],
        reader: Reader | None,
        watch: WatchRow | None,
        stored: StateRow,
        now: float,
    ) -> Verdict:
        """What the state of a record means after this event. Raises ExpressionError.

        `stored` is the newest state that was judged (`version` 0: none was).
        """
        seen = self._seen(event, record, watch, now)
        first = stored.version == 0 and self.remembers
        before = self._first(seen, record, reader, watch) if first else stored.state
        state = self._worked_out(seen, before)
        if before is None:
            return Verdict(False, None, state, _next(stored, state, record, reader), FIRST)
        seen = {**seen, "before": before, "now": state}
        fires = self._when.evaluate(seen, now=_at(now)) is True
        change = dict(state)
        if fires:
            for name, expression in self._tell.items():
                change[name] = expression.evaluate({**seen, "now": change}, now=_at(now))
        row = None
        if self.remembers and (first or state != dict(stored.state)):
            row = _next(stored, state, record, reader)
        return Verdict(fires, before, change, row, "" if fires else UNCHANGED)

    def state_of(self, record: Mapping[str, Any], watch: WatchRow, now: float) -> dict[str, Any]:
        """Where a record stands when the flow begins to watch."""
        nothing = EventRow("", "", "", "", "", "", (), 0)
        return self._worked_out(self._seen(nothing, record, watch, now), None)

    def _seen(
        self, event: EventRow, record: Mapping[str, Any], watch: WatchRow | None, now: float
    ) -> dict[str, Any]:
        since = watch.since if watch is not None else now
        ready = watch.ready_at if watch is not None and watch.ready_at is not None else since
        told = wall(event.happened_at)
        return {
            "record": record,
            "event": {"operation": event.operation, "time": event.happened_at},
            "input": self.inputs,
            "today": self.date(now),
            "since": self.moment(since),
            "during": wall(self.moment(since)) <= told <= wall(self.moment(ready)) + SLACK,
        }

    def _first(
        self,
        seen: Mapping[str, Any],
        record: Mapping[str, Any],
        reader: Reader | None,
        watch: WatchRow | None,
    ) -> Mapping[str, Any] | None:
        """The state before the first one that is seen; None when there is nothing to go by."""
        derive = self.derive
        if derive.made is not None:
            made_at = paths.get(record, reader.created_at or "") if reader else None
            if isinstance(made_at, str) and wall(made_at) and wall(made_at) >= wall(seen["since"]):
                return derive.made
            if self._proof is not None and self._proof.evaluate(seen) is True:
                return derive.made
        if not self._older:
            return None
        return {name: one.evaluate(seen) for name, one in self._older.items()}

    def _worked_out(
        self, seen: Mapping[str, Any], before: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for name, expression in self._state.items():
            state[name] = expression.evaluate({**seen, "before": before, "now": dict(state)})
        return state


def _next(
    stored: StateRow, state: Mapping[str, Any], record: Mapping[str, Any], reader: Reader | None
) -> StateRow:
    return replace(
        stored, state=dict(state), updated_at=dated(record, reader), version=stored.version + 1
    )


def dated(record: Mapping[str, Any], reader: Reader | None) -> str:
    """How a record dates itself, in the app's own words."""
    told = paths.get(record, reader.updated_at) if reader and reader.updated_at else None
    return told if isinstance(told, str) else ""


def _compiled(
    texts: Mapping[str, str], names: tuple[str, ...], filters: Mapping[str, Filter] | None
) -> dict[str, Expression]:
    return {
        name: compile_expression(text, names=names, filters=filters) for name, text in texts.items()
    }


def _at(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
