"""The runs that an event makes: one for each flow and record, or the reason why it ends at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector.engine.covering import NOTHING, covered, now_handled
from connector.engine.enrich import Found, is_older
from connector.engine.origins import CHAIN, Cause, cause_of
from connector.engine.waits import Clock, fault_of_ours
from connector.errors import ConnectorError
from connector.model import Reader
from connector.store.rows import EventRow, HandledRow, OriginRow, RunRow, StateRow, WatchRow
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.engine.deriving import Derived
    from connector.engine.events import ActiveFlow

logger = logging.getLogger("connector.engine")

GONE_ALREADY = "The record is no longer there, so nothing of it can be judged."
STALE = "A newer state of this record was already handled."


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the records of a batch of events, apart from what was read of them."""

    handled: Mapping[tuple[int, str], HandledRow] = field(default_factory=dict)
    """By flow and record."""
    origins: Mapping[str, Sequence[OriginRow]] = field(default_factory=dict)
    """The writes of ours behind each record."""
    reader: Reader | None = None
    place: str = ""
    watches: Mapping[int, WatchRow] = field(default_factory=dict)
    """Since when flows of derived triggers watch, by flow."""
    states: Mapping[tuple[int, str], StateRow] = field(default_factory=dict)
    """What those have judged last, by flow and record."""

    def is_ready(self, taker: ActiveFlow) -> bool:
        """Whether a flow knows where things stood when it was switched on, if it must."""
        if taker.derived is None or not taker.derived.remembers:
            return True
        watch = self.watches.get(taker.row.id)
        return watch is not None and watch.ready_at is not None


class Making:
    """Makes runs; what is turned away is a run as well, and says why."""

    def __init__(self, clock: Clock, chain: int = CHAIN) -> None:
        self._clock = clock
        self._chain = chain

    def runs(
        self,
        event: EventRow,
        takers: Sequence[ActiveFlow],
        found: Mapping[str, Found],
        known: Known,
        done: set[tuple[int, str]],
    ) -> list[RunRow]:
        """One run for each flow and record that has none yet and could be read."""
        runs = []
        for one in event.ids:
            for taker in takers:
                if (taker.row.id, one) in done:
                    continue
                reads = taker.trigger.enrich and event.operation != "delete"
                read = found.get(one, Found("gone")) if reads else Found("gone")
                if read.enrichment == "deferred":
                    continue
                runs.append(self._run(event, taker, one, read, reads, known))
        return runs

    def _run(
        self, event: EventRow, taker: ActiveFlow, one: str, read: Found, reads: bool, known: Known
    ) -> RunRow:
        item = envelope(event, one, read if reads or event.operation == "delete" else None)
        now = self._clock()
        run = RunRow(
            tenant=event.tenant,
            flow_id=taker.row.id,
            flow_version=taker.row.version,
            event_id=event.id,
            item_id=one,
            state="queued",
            context={"trigger": item},
            created_at=now,
            ordered=taker.flow.order == "per_record",
        )
        before = known.handled.get((taker.row.id, one), NOTHING)
        if is_older(read.updated_at, before.updated_at):
            return _turned_away(run, STALE)
        # A derived trigger goes by states: whoever tells of one, it counts once.
        told = covered(event, before, read.updated_at) if taker.derived is None else None
        if told is not None:
            return _turned_away(run, told)
        run.handled = now_handled(event, before, read.updated_at)
        if taker.derived is not None and read.enrichment != "denied":
            turned_away = self._derive(run, taker.derived, event, read, known)
            if turned_away:
                return run
        cause = cause_of(event, read.updated_at, known.origins.get(one, ()))
        if cause is not None:
            run.context["cause"] = _told_of(cause)
            reason = self._of_ours(cause, taker)
            if reason is not None:
                return _turned_away(run, reason)
        self._filter(run, taker, read, event)
        return run

    def _derive(
        self, run: RunRow, derived: Derived, event: EventRow, read: Found, known: Known
    ) -> bool:
        """Judge the record's state; tells whether the run ends with that."""
        if not isinstance(read.resource, Mapping):
            _turned_away(run, GONE_ALREADY)
            return True
        stored = known.states.get((run.flow_id, run.item_id), StateRow(known.place, {}))
        if is_older(read.updated_at, stored.updated_at):
            _turned_away(run, STALE)
            return True
        watch = known.watches.get(run.flow_id)
        try:
            verdict = derived.judge(
                event, read.resource, known.reader, watch, stored, run.created_at
            )
        except ConnectorError as error:
            self._fail(run, error)
            return True
        run.derived = verdict.row
        trigger = run.context["trigger"]
        trigger["before"] = None if verdict.before is None else dict(verdict.before)
        trigger["change"] = dict(verdict.change)
        if not verdict.fires:
            _turned_away(run, verdict.reason)
        return not verdict.fires

    def _of_ours(self, cause: Cause, taker: ActiveFlow) -> str | None:
        """Why a flow does not follow a write of ours, if so."""
        origin = cause.origin
        if taker.flow.loops == "ignore" and taker.row.id in origin.flows:
            return (
                f"This change {'was' if cause.sure else 'may have been'} caused by our own write,"
                f" of run {origin.run_id}, which this flow led to."
            )
        if origin.depth >= self._chain:
            return (
                f"This change was caused by our own write, of run {origin.run_id}: the last of"
                f" {origin.depth} runs that followed from each other, and no more do."
            )
        return None

    def _filter(self, run: RunRow, taker: ActiveFlow, read: Found, event: EventRow) -> None:
        """End the run at once when its record cannot be read, or its flow does not want it."""
        if read.enrichment == "denied":
            cause = read.cause or ConnectorError(
                f"Records of {event.resource} cannot be read.",
                remedy="Use the raw event, or ask for this resource.",
                who="developer",
            )
            self._fail(run, cause)
            return
        try:
            passes = taker.flow.filter(run.context, datetime.fromtimestamp(run.created_at, UTC))
        except ConnectorError as error:
            self._fail(run, error)
            return
        except Exception as fault:  # noqa: BLE001 - it ends this run, not its siblings
            log_surprise(logger, f"the filter of {taker.row.key} failed on a fault of ours", fault)
            self._fail(run, fault_of_ours(fault))
            return
        if not passes:
            run.state, run.finished_at = "filtered", run.created_at

    def _fail(self, run: RunRow, error: ConnectorError) -> None:
        run.state, run.finished_at, run.error = "failed", run.created_at, error.as_data()


def _turned_away(run: RunRow, reason: str) -> RunRow:
    run.state, run.reason, run.finished_at = "filtered", reason, run.created_at
    return run


def _told_of(cause: Cause) -> dict[str, Any]:
    """What a run keeps of the write that it follows from; a replay takes it over."""
    origin = cause.origin
    return {
        "run": origin.run_id,
        "depth": origin.depth + 1,
        "flows": list(origin.flows),
        "sure": cause.sure,
    }


def envelope(event: EventRow, one: str, read: Found | None) -> dict[str, Any]:
    """What expressions see as `trigger`: the event, the record's id, the record if read."""
    told = event.account
    return {
        "event": {
            "id": event.delivery_id,
            "type": event.type,
            "resource": event.resource,
            "operation": event.operation,
            "time": event.happened_at,
            "company_id": int(told) if told.isdecimal() else told or None,
        },
        "id": int(one) if one.isdecimal() else one,
        "resource": read.resource if read else None,
        "enrichment": read.enrichment if read else "none",
    }
