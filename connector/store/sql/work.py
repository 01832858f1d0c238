"""What a tenant's flows do: events, runs, steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from connector.codec import encode_text
from connector.errors import StoreError, TakenOver
from connector.store.rows import (
    COUNTED,
    FINAL_RUN_STATES,
    MENDING,
    EventRow,
    RunRow,
    StepRow,
)
from connector.store.sql.backend import BUMP, Statement
from connector.store.sql.columns import (
    EVENT_COLUMNS,
    INSERT_RUN,
    INSERT_STEP,
    RUN_COLUMNS,
    STEP_COLUMNS,
    event_row,
    json_text,
    run_row,
    step_row,
)
from connector.store.sql.derived import Derived
from connector.store.sql.polling import Polling
from connector.store.sql.snapshots import Snapshots

# One question a state, each in the words of an index that holds all that it asks for.
_STATES = (
    *(("event", state, f"state = '{state}' AND {words}") for state, words in (
        # Where several processes drive, who has it in hand is in words of its own.
        ("received", "owner = ''"),
        ("received", "owner <> ''"),
        ("matched", "TRUE"),
        *((state, "state IN ('unmatched', 'silent', 'failed')")
          for state in ("unmatched", "silent", "failed")),
    )),
    *(("run", state, f"state = '{state}' AND finished_at IS NULL")
      for state in ("queued", "waiting")),
    *(("run", state, f"state = '{state}' AND finished_at IS NOT NULL")
      for state in sorted(FINAL_RUN_STATES)),
    *(("effect", state, f"state = '{state}'")
      for state in ("planned", "sending", "done", "refused", "uncertain", "parked")),
)  # fmt: skip
_COUNTS = " UNION ALL ".join(
    f"SELECT '{table}', '{state}', count(*) FROM (SELECT 1 FROM {table}"
    f" WHERE tenant = ?1 AND {words} LIMIT ?2) AS counted_{place}"
    for place, (table, state, words) in enumerate(_STATES)
)


class Work(Snapshots, Derived, Polling):
    """A tenant's events, runs and steps."""

    # --- events -----------------------------------------------------------------------------

    async def accept(self, event: EventRow) -> int | None:
        """Store an event durably; its new id, or None when this delivery was here before."""
        outcome = await self._backend.write(
            (
                self._backend.insert_event,
                (
                    self.tenant, event.connection_id, event.delivery_id, event.type,
                    event.resource, event.operation, event.account, event.happened_at,
                    encode_text(event.ids), event.received_at, event.state, event.due_at,
                ),
            )
        )  # fmt: skip
        rows = outcome[0][1]
        return rows[0][0] if rows else None

    async def events(self, *, limit: int = 50, before: int | None = None) -> list[EventRow]:
        """The newest events first; `before` is the last id of the page before."""
        rows = await self._all(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE tenant = ? AND id < ?"
            " ORDER BY id DESC LIMIT ?",
            self.tenant,
            before if before is not None else 1 << 62,
            limit,
        )
        return [event_row(row) for row in rows]

    async def event(self, event_id: int) -> EventRow | None:
        """One event."""
        row = await self._one(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE tenant = ? AND id = ?", self.tenant, event_id
        )
        return event_row(row) if row else None

    async def event_of(self, connection_id: str, delivery_id: str) -> EventRow | None:
        """The event that a delivery became."""
        row = await self._one(
            f"SELECT {EVENT_COLUMNS} FROM event"
            " WHERE tenant = ? AND connection_id = ? AND delivery_id = ?",
            self.tenant,
            connection_id,
            delivery_id,
        )
        return event_row(row) if row else None

    async def hurry_events(self, connection_id: str) -> None:
        """Let the open events of a connection be read now: its owner has renewed it."""
        await self._backend.write(
            (
                "UPDATE event SET due_at = 0 WHERE tenant = ? AND connection_id = ?"
                " AND state = 'received' AND due_at > 0",
                (self.tenant, connection_id),
            )
        )

    async def items_with_runs(self, event_id: int) -> set[tuple[int, str]]:
        """The flow and record of every run that an event already has."""
        rows = await self._all(
            "SELECT flow_id, item_id FROM run WHERE tenant = ? AND event_id = ?",
            self.tenant,
            event_id,
        )
        return {(row[0], row[1]) for row in rows}

    async def match(self, event: EventRow, runs: Iterable[RunRow]) -> list[RunRow]:
        """Store an event's runs and its new state in one commit; gives the runs that are new.

        Raises Raced, and stores nothing, when a derived state is not the newest any more.
        """
        runs = list(runs)
        inserts: list[Statement] = [
            (
                INSERT_RUN,
                (
                    self.tenant, run.flow_id, run.flow_version, run.event_id, run.item_id,
                    run.replay, run.state, run.reason, encode_text(run.context), run.due_at,
                    run.created_at, run.finished_at, json_text(run.error), int(run.ordered),
                ),
            )
            for run in runs
        ]  # fmt: skip
        update: Statement = (
            "UPDATE event SET state = ?, attempts = ?, due_at = ?, error = ?, owner = ''"
            " WHERE tenant = ? AND id = ? AND owner = ?",
            (
                event.state, event.attempts, event.due_at, json_text(event.error),
                self.tenant, event.id, event.owner,
            ),
        )  # fmt: skip
        handled = self._now_handled(event, runs)
        derived = self._now_derived(runs)
        outcome = await self._backend.write(*inserts, update, *handled, *derived)
        if not outcome[len(inserts)][0]:
            # Its runs are there, once; what the event becomes is the other's to say.
            raise TakenOver(f"Another process matches event {event.id}.")
        fresh = []
        for run, (_, rows) in zip(runs, outcome, strict=False):
            if rows:
                run.id, run.fresh = rows[0][0], True
                fresh.append(run)
        return fresh

    # --- runs and steps ---------------------------------------------------------------------

    async def runs(
        self,
        *,
        limit: int = 50,
        before: int | None = None,
        state: str | None = None,
        flow: str | None = None,
        event_id: int | None = None,
    ) -> list[RunRow]:
        """The newest runs first, filtered by state, flow key or event."""
        rows = await self._all(
            f"SELECT {RUN_COLUMNS} FROM run WHERE tenant = ?1 AND id < ?2"
            " AND (CAST(?3 AS TEXT) IS NULL OR state = ?3)"
            " AND (CAST(?5 AS BIGINT) IS NULL OR event_id = ?5)"
            " AND (CAST(?4 AS TEXT) IS NULL"
            " OR flow_id = (SELECT id FROM flow WHERE tenant = ?1 AND key = ?4))"
            " ORDER BY id DESC LIMIT ?6",
            self.tenant,
            before if before is not None else 1 << 62,
            state,
            flow,
            event_id,
            limit,
        )
        return [run_row(row) for row in rows]

    async def run_counts(self, events: Sequence[int]) -> Mapping[int, int]:
        """How many runs each of these events has."""
        if not events:
            return {}
        marks = ",".join("?" * len(events))
        rows = await self._all(
            f"SELECT event_id, count(*) FROM run WHERE tenant = ? AND event_id IN ({marks})"
            " GROUP BY event_id",
            self.tenant,
            *events,
        )
        return dict(rows)

    async def summaries(self, runs: Sequence[int]) -> Mapping[int, str]:
        """What the last step of each of these runs says it did."""
        if not runs:
            return {}
        marks = ",".join("?" * len(runs))
        rows = await self._all(
            "SELECT run_id, summary FROM step JOIN run ON run.id = step.run_id"
            f" WHERE tenant = ? AND run_id IN ({marks}) AND summary IS NOT NULL"
            " ORDER BY position",
            self.tenant,
            *runs,
        )
        return dict(rows)

    async def run(self, run_id: int) -> RunRow | None:
        """One run."""
        row = await self._one(
            f"SELECT {RUN_COLUMNS} FROM run WHERE tenant = ? AND id = ?", self.tenant, run_id
        )
        return run_row(row) if row else None

    async def steps(self, run_id: int) -> list[StepRow]:
        """The recorded steps of a run, in order."""
        rows = await self._all(
            f"SELECT {STEP_COLUMNS} FROM step WHERE run_id = (SELECT id FROM run"
            " WHERE tenant = ? AND id = ?) ORDER BY position",
            self.tenant,
            run_id,
        )
        return [step_row(row) for row in rows]

    async def add_run(self, run: RunRow, *, copy_of: int | None = None, before: int = 0) -> RunRow:
        """Store one more run of an event (a replay) and give it its id.

        The steps of `copy_of` that are done and stand before the position `before` come with it.
        """
        row = await self._one(
            "SELECT max(replay) FROM run WHERE tenant = ? AND flow_id = ? AND event_id = ?"
            " AND item_id = ?",
            self.tenant,
            run.flow_id,
            run.event_id,
            run.item_id,
        )
        latest = row[0]
        run.replay = (latest if latest is not None else -1) + 1
        outcome = await self._backend.write(
            BUMP,
            (
                INSERT_RUN,
                (
                    self.tenant, run.flow_id, run.flow_version, run.event_id, run.item_id,
                    run.replay, run.state, run.reason, encode_text(run.context), run.due_at,
                    run.created_at, None, None, int(run.ordered),
                ),
            ),
            *self._copied(run, copy_of, before),
        )  # fmt: skip
        if not outcome[1][1]:
            raise StoreError("Somebody else replayed this run at the same moment.", who="wait")
        run.id, run.fresh = outcome[1][1][0][0], copy_of is None
        return run

    def _copied(self, run: RunRow, copy_of: int | None, before: int) -> list[Statement]:
        if copy_of is None:
            return []
        return [
            (
                f"INSERT INTO step ({STEP_COLUMNS}) SELECT new.id, old.position, old.id,"
                " old.state, old.summary, old.output, old.error, old.exchange, old.started_at,"
                " old.finished_at FROM step AS old, run AS new WHERE old.run_id = ?"
                " AND old.state != 'failed' AND old.position < ? AND new.tenant = ?"
                " AND new.flow_id = ? AND new.event_id = ? AND new.item_id = ?"
                " AND new.replay = ?",
                (
                    copy_of, before, self.tenant, run.flow_id, run.event_id, run.item_id,
                    run.replay,
                ),
            )
        ]  # fmt: skip

    async def reopen_event(self, event_id: int) -> bool:
        """Let an event be matched once more; tells whether it had been and is now open again."""
        outcome = await self._backend.write(
            BUMP,
            (
                # An attempt counts: then flows that have a run for it already get no second one.
                "UPDATE event SET state = 'received', attempts = 1, due_at = 0, error = NULL"
                " WHERE tenant = ? AND id = ? AND state IN ('matched', 'unmatched', 'failed')",
                (self.tenant, event_id),
            ),
        )
        return outcome[1][0] == 1

    async def record_step(self, run: RunRow, step: StepRow) -> None:
        """Store the end of a step. Raises TakenOver when the run is another process's by now."""
        await self._write_held(run, self._step(run, step))

    async def record_run(self, run: RunRow, step: StepRow | None = None) -> None:
        """Let go of a run in its new state, with the end of its last step in the same commit.

        Raises TakenOver when the run is another process's by now.
        """
        steps = [self._step(run, step)] if step is not None else []
        await self._write_held(
            run,
            *steps,
            *self._mended(run),
            (
                "UPDATE run SET state = ?, reason = ?, attempts = ?, due_at = ?,"
                " finished_at = ?, error = ?, owner = ''"
                " WHERE tenant = ? AND id = ? AND epoch = ? AND owner = ?",
                (
                    run.state, run.reason, run.attempts, run.due_at, run.finished_at,
                    json_text(run.error), self.tenant, run.id, run.epoch, run.owner,
                ),
            ),
        )  # fmt: skip

    async def park_run(self, run: RunRow, key: str) -> bool:
        """Let a run wait for the decision of this write; False, and queued, when there was one.

        Raises TakenOver when the run is another process's by now.
        """
        waits = "EXISTS (SELECT 1 FROM effect WHERE tenant = ? AND key = ? AND state = 'parked')"
        whose = (self.tenant, key)
        outcome = await self._backend.write(
            # First, as with a decision: whichever comes second sees what the other has stored.
            BUMP,
            (
                f"UPDATE run SET state = CASE WHEN {waits} THEN 'parked' ELSE 'queued' END,"
                f" finished_at = CASE WHEN {waits} THEN CAST(? AS DOUBLE PRECISION) END,"
                " reason = NULL, attempts = ?, due_at = 0, error = ?, owner = ''"
                " WHERE tenant = ? AND id = ? AND epoch = ? AND owner = ? RETURNING state",
                (
                    *whose, *whose, run.finished_at, run.attempts, json_text(run.error),
                    self.tenant, run.id, run.epoch, run.owner,
                ),
            ),
        )  # fmt: skip
        rows = outcome[-1][1]
        if not rows:
            raise TakenOver(f"Another process goes on with run {run.id}.")
        run.state, run.due_at = rows[0][0], 0
        if run.state == "queued":
            run.finished_at = None
        return bool(run.state == "parked")

    def _mended(self, run: RunRow) -> list[Statement]:
        """What a replay that ended well says of the runs that failed; whichever ends first."""
        held = (
            "EXISTS (SELECT 1 FROM run AS held WHERE held.tenant = ? AND held.id = ?"
            " AND held.epoch = ? AND held.owner = ?)"
        )
        whose = (self.tenant, run.id, run.epoch, run.owner)
        same = (self.tenant, run.flow_id, run.event_id, run.item_id, run.replay)
        of = "tenant = ? AND flow_id = ? AND event_id = ? AND item_id = ? AND replay"
        if run.replay and run.state in MENDING:
            return [
                (
                    f"UPDATE run SET mended_by = ? WHERE {of} < ? AND state = 'failed'"
                    f" AND mended_by IS NULL AND {held}",
                    (run.id, *same, *whose),
                )
            ]
        if run.state == "failed":
            well = f"SELECT min(id) FROM run WHERE {of} > ? AND state IN ('succeeded', 'filtered')"
            return [
                (f"UPDATE run SET mended_by = ({well}) WHERE tenant = ? AND id = ?"
                 f" AND {held}", (*same, self.tenant, run.id, *whose))
            ]  # fmt: skip
        return []

    def _step(self, run: RunRow, step: StepRow) -> Statement:
        return (
            INSERT_STEP,
            (
                step.position, step.id, step.state, step.summary,
                json_text(step.output), json_text(step.error), json_text(step.exchange),
                step.started_at, step.finished_at, self.tenant, run.id, run.epoch, run.owner,
            ),
        )  # fmt: skip

    async def _write_held(self, run: RunRow, *unit: Statement) -> None:
        outcome = await self._backend.write(*unit)
        if not outcome[-1][0]:
            raise TakenOver(f"Another process goes on with run {run.id}.")

    async def release_runs(self, reason: str) -> list[tuple[int, int, str]]:
        """Make the runs that wait for `reason` due at once; gives (run id, flow id, record id)."""
        outcome = await self._backend.write(
            BUMP,
            (
                "UPDATE run SET reason = NULL, due_at = 0, state = 'queued' WHERE tenant = ?"
                " AND finished_at IS NULL AND reason = ? RETURNING id, flow_id, item_id",
                (self.tenant, reason),
            ),
        )
        return sorted(outcome[-1][1])

    async def count_waiting(self, reason: str, most: int) -> int:
        """How many runs wait for `reason`; no more than `most` are counted."""
        ((count,),) = await self._backend.aside(
            "SELECT count(*) FROM (SELECT 1 FROM run WHERE tenant = ? AND finished_at IS NULL"
            " AND reason IS NOT NULL AND reason = ? LIMIT ?) AS waiting",
            self.tenant,
            reason,
            most,
        )
        return int(count)

    async def counts(self, most: int = COUNTED) -> Mapping[str, Mapping[str, int]]:
        """How many events, runs and writes are in each state, of each at most `most`.

        Counted each time, so that nothing can drift, from no more of an index than is told.
        """
        counted: dict[str, dict[str, int]] = {"event": {}, "run": {}, "effect": {}}
        for table, state, count in await self._backend.aside(_COUNTS, self.tenant, most):
            if count:
                states = counted[table]
                states[state] = min(most, states.get(state, 0) + count)
        return counted
