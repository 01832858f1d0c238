"""What a tenant's flows do: events, runs, steps, effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from connector.codec import encode_text
from connector.errors import StoreError
from connector.store.rows import EffectRow, EventRow, RunRow, StepRow
from connector.store.sql.backend import BUMP, Statement
from connector.store.sql.columns import (
    EFFECT_COLUMNS,
    EVENT_COLUMNS,
    INSERT_STEP,
    RUN_COLUMNS,
    STEP_COLUMNS,
    effect_row,
    event_row,
    json_text,
    json_value,
    run_row,
    step_row,
)
from connector.store.sql.snapshots import Snapshots


class Work(Snapshots):
    """A tenant's events, runs, steps and effects."""

    # --- events -----------------------------------------------------------------------------

    async def accept(self, event: EventRow) -> int | None:
        """Store an event durably; its new id, or None when this delivery was here before."""
        outcome = await self._backend.write(
            (
                self._backend.insert_event,
                (
                    self.tenant, event.connection_id, event.delivery_id, event.type,
                    event.resource, event.operation, event.account, event.happened_at,
                    encode_text(event.ids), event.received_at, event.state,
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

    async def items_with_runs(self, event_id: int) -> set[tuple[int, str]]:
        """The flow and record of every run that an event already has."""
        rows = await self._all(
            "SELECT flow_id, item_id FROM run WHERE tenant = ? AND event_id = ?",
            self.tenant,
            event_id,
        )
        return {(row[0], row[1]) for row in rows}

    async def match(self, event: EventRow, runs: Iterable[RunRow]) -> list[RunRow]:
        """Store an event's runs and its new state in one commit; gives the runs that are new."""
        runs = list(runs)
        inserts: list[Statement] = [
            (
                self._backend.insert_run,
                (
                    self.tenant, run.flow_id, run.flow_version, run.event_id, run.item_id,
                    run.replay, run.state, run.reason, encode_text(run.context), run.due_at,
                    run.created_at, run.finished_at, json_text(run.error), int(run.ordered),
                ),
            )
            for run in runs
        ]  # fmt: skip
        update: Statement = (
            "UPDATE event SET state = ?, attempts = ?, due_at = ?, error = ?"
            " WHERE tenant = ? AND id = ?",
            (
                event.state, event.attempts, event.due_at, json_text(event.error),
                self.tenant, event.id,
            ),
        )  # fmt: skip
        handled = self._now_handled(event, runs)
        outcome = await self._backend.write(*inserts, update, *handled)
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
                self._backend.insert_run,
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

    async def record(self, step: StepRow | None, run: RunRow | None = None) -> None:
        """Store the end of a step, the new state of its run, or both in one commit."""
        unit: list[Statement] = []
        if step is not None:
            unit.append(
                (
                    INSERT_STEP,
                    (
                        step.position, step.id, step.state, step.summary,
                        json_text(step.output), json_text(step.error), json_text(step.exchange),
                        step.started_at, step.finished_at, self.tenant, step.run_id,
                    ),
                )
            )  # fmt: skip
        if run is not None:
            unit.append(
                (
                    "UPDATE run SET state = ?, reason = ?, attempts = ?, due_at = ?,"
                    " finished_at = ?, error = ? WHERE tenant = ? AND id = ? AND epoch = ?",
                    (
                        run.state, run.reason, run.attempts, run.due_at, run.finished_at,
                        json_text(run.error), self.tenant, run.id, run.epoch,
                    ),
                )
            )  # fmt: skip
        await self._backend.write(*unit)

    async def release_runs(self, reason: str) -> list[tuple[int, int, str]]:
        """Make the runs that wait for `reason` due at once; gives (run id, flow id, record id)."""
        wake = self._backend.wake_runs
        outcome = await self._backend.write(
            BUMP,
            *([(wake, (self.tenant, reason))] if wake else []),
            (
                "UPDATE run SET reason = NULL, due_at = 0, state = 'queued' WHERE tenant = ?"
                " AND finished_at IS NULL AND reason = ? RETURNING id, flow_id, item_id",
                (self.tenant, reason),
            ),
        )
        return sorted(outcome[-1][1])

    async def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many events and runs are in each state."""
        return {
            table: dict(
                await self._all(
                    f"SELECT state, count(*) FROM {table} WHERE tenant = ? GROUP BY state",
                    self.tenant,
                )
            )
            for table in ("event", "run", "effect")
        }

    # --- effects ----------------------------------------------------------------------------

    async def effect(self, key: str) -> EffectRow | None:
        """The write with this key."""
        row = await self._one(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ? AND key = ?", self.tenant, key
        )
        return effect_row(row) if row else None

    async def effects(
        self, *, run_id: int | None = None, state: str | None = None
    ) -> list[EffectRow]:
        """Writes of a run or in a state, oldest first."""
        # Only what is asked for: a condition that may be empty would hide the indexes.
        given = {"run_id": run_id, "state": state}
        asked = {name: value for name, value in given.items() if value is not None}
        rows = await self._all(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ?"
            f"{''.join(f' AND {name} = ?' for name in asked)} ORDER BY created_at, key",
            self.tenant,
            *asked.values(),
        )
        return [effect_row(row) for row in rows]

    async def effects_about(
        self, connection_id: str, node: str, natural_key: str
    ) -> list[EffectRow]:
        """Writes of the same record by its natural key, the newest first."""
        rows = await self._all(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ? AND connection_id = ?"
            " AND node = ? AND natural_key = ? AND natural_key != ''"
            " ORDER BY created_at DESC LIMIT 20",
            self.tenant,
            connection_id,
            node,
            natural_key,
        )
        return [effect_row(row) for row in rows]

    async def claimed_ids(self, connection_id: str, node: str, ids: Sequence[str]) -> set[str]:
        """Those of these remote ids that a write of ours has made or adopted already."""
        if not ids:
            return set()
        marks = ",".join("?" * len(ids))
        rows = await self._all(
            "SELECT remote_id FROM effect WHERE tenant = ? AND connection_id = ? AND node = ?"
            f" AND state = 'done' AND remote_id IN ({marks})",
            self.tenant,
            connection_id,
            node,
            *ids,
        )
        return {row[0] for row in rows}

    async def reopen_run(self, run_id: int) -> bool:
        """Make a parked run go on; tells whether it was parked."""
        outcome = await self._backend.write(
            BUMP,
            (
                "UPDATE run SET state = 'queued', reason = NULL, due_at = 0, finished_at = NULL"
                " WHERE tenant = ? AND id = ? AND state = 'parked'",
                (self.tenant, run_id),
            ),
        )
        return outcome[1][0] == 1

    async def audit(self, at: float, who: str, what: str, subject: str, details: Any) -> None:
        """Record what a person decided."""
        await self._backend.write(
            (
                "INSERT INTO audit (tenant, at, who, what, subject, details)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self.tenant, at, who, what, subject, json_text(details)),
            )
        )

    async def audits(self, limit: int = 100) -> list[dict[str, Any]]:
        """What people decided, the newest first."""
        rows = await self._all(
            "SELECT at, who, what, subject, details FROM audit WHERE tenant = ?"
            " ORDER BY id DESC LIMIT ?",
            self.tenant,
            limit,
        )
        names = ("at", "who", "what", "subject", "details")
        return [
            {**dict(zip(names, row, strict=True)), "details": json_value(row[4])} for row in rows
        ]

    async def save_effect(self, effect: EffectRow) -> None:
        """Store a write's present state durably."""
        values = [getattr(effect, one.name) for one in fields(EffectRow)]
        names = [one.name for one in fields(EffectRow)]
        for name in ("inputs", "known", "output", "evidence"):
            values[names.index(name)] = json_text(getattr(effect, name))
        values[names.index("tenant")] = self.tenant
        marks = ",".join("?" * len(names))
        await self._write_own(
            "effect",
            (
                f"INSERT INTO effect ({', '.join(names)}) VALUES ({marks})"
                " ON CONFLICT (key) DO UPDATE SET state = excluded.state, run_id = excluded.run_id,"
                " inputs = excluded.inputs, known = excluded.known, request ="
                " excluded.request, payload_hash = excluded.payload_hash, sends = excluded.sends,"
                " searches = excluded.searches, due_at = excluded.due_at, sent_at ="
                " excluded.sent_at, remote_id = excluded.remote_id, output = excluded.output,"
                " evidence = excluded.evidence, updated_at = excluded.updated_at"
                " WHERE effect.tenant = excluded.tenant",
                values,
            ),
        )
