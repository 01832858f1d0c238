"""Every query of one tenant on SQLite: connections, hooks, events, flows, runs, steps, effects."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from connector.codec import decode, encode_text
from connector.errors import StoreError
from connector.store.journal import Journal, Statement
from connector.store.rows import (
    ConnectionRow,
    EffectRow,
    EventRow,
    FlowRow,
    HookRow,
    RunRow,
    StepRow,
)

EVENT_COLUMNS = (
    "id, tenant, connection_id, delivery_id, type, resource, operation, account, happened_at,"
    " ids, received_at, state, attempts, due_at, error"
)
RUN_COLUMNS = (
    "id, tenant, flow_id, flow_version, event_id, item_id, replay, state, reason, context,"
    " attempts, due_at, epoch, created_at, finished_at, error"
)
STEP_COLUMNS = (
    "run_id, position, id, state, summary, output, error, exchange, started_at, finished_at"
)
EFFECT_COLUMNS = (
    "key, tenant, connection_id, run_id, step_id, node, state, marker, inputs, request,"
    " payload_hash, sends, searches, due_at, sent_at, remote_id, output, evidence, created_at,"
    " updated_at"
)
HOOK_COLUMNS = (
    "id, tenant, connection_id, url, account, verify_until, verified_at, subscription, created_at"
)
CONNECTION_COLUMNS = (
    "id, tenant, app, name, base_url, settings, status, created_at, secrets, version"
)
FLOW_COLUMNS = (
    "flow.id, flow.tenant, flow.key, flow.enabled, flow.version, flow_version.document,"
    " flow.created_at"
)
_FLOW_FROM = (
    "FROM flow JOIN flow_version ON flow_version.flow_id = flow.id"
    " AND flow_version.version = flow.version"
)

# A run's unit carries everything that begins with it, hence the literal statements below.
INSERT_RUN = (
    "INSERT INTO run (tenant, flow_id, flow_version, event_id, item_id, replay, state, reason,"
    " context, due_at, created_at, finished_at, error)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
)
INSERT_STEP = f"INSERT OR REPLACE INTO step ({STEP_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)"


def _text(value: Any) -> str | None:
    return None if value is None else encode_text(value)


def _value(text: str | None) -> Any:
    return None if text is None else decode(text)


def event_row(row: Sequence[Any]) -> EventRow:
    """An event from its columns."""
    return EventRow(
        id=row[0], tenant=row[1], connection_id=row[2], delivery_id=row[3], type=row[4],
        resource=row[5], operation=row[6], account=row[7], happened_at=row[8],
        ids=tuple(decode(row[9])), received_at=row[10], state=row[11], attempts=row[12],
        due_at=row[13], error=_value(row[14]),
    )  # fmt: skip


def run_row(row: Sequence[Any]) -> RunRow:
    """A run from its columns."""
    return RunRow(
        id=row[0], tenant=row[1], flow_id=row[2], flow_version=row[3], event_id=row[4],
        item_id=row[5], replay=row[6], state=row[7], reason=row[8], context=decode(row[9]),
        attempts=row[10], due_at=row[11], epoch=row[12], created_at=row[13],
        finished_at=row[14], error=_value(row[15]),
    )  # fmt: skip


def hook_row(row: Sequence[Any]) -> HookRow:
    """A hook from its columns."""
    return HookRow(
        id=row[0], tenant=row[1], connection_id=row[2], url=row[3], account=row[4],
        verify_until=row[5], verified_at=row[6], subscription=_value(row[7]), created_at=row[8],
    )  # fmt: skip


def _step_row(row: Sequence[Any]) -> StepRow:
    return StepRow(
        run_id=row[0], position=row[1], id=row[2], state=row[3], summary=row[4],
        output=_value(row[5]), error=_value(row[6]), exchange=_value(row[7]),
        started_at=row[8], finished_at=row[9],
    )  # fmt: skip


def _effect_row(row: Sequence[Any]) -> EffectRow:
    values = dict(zip((one.strip() for one in EFFECT_COLUMNS.split(",")), row, strict=True))
    for name in ("inputs", "output", "evidence"):
        values[name] = _value(values[name])
    values["evidence"] = values["evidence"] or []
    return EffectRow(**values)


def _connection_row(row: Sequence[Any]) -> ConnectionRow:
    return ConnectionRow(
        id=row[0], tenant=row[1], app=row[2], name=row[3], base_url=row[4],
        settings=decode(row[5]), status=row[6], created_at=row[7], secrets=row[8], version=row[9],
    )  # fmt: skip


def _flow_row(row: Sequence[Any]) -> FlowRow:
    return FlowRow(
        id=row[0], tenant=row[1], key=row[2], enabled=bool(row[3]), version=row[4],
        document=row[5], created_at=row[6],
    )  # fmt: skip


class TenantStore:
    """One tenant's rows; every method that writes returns after its commit."""

    def __init__(self, tenant: str, reader: sqlite3.Connection, journal: Journal) -> None:
        self.tenant = tenant
        self._reader = reader
        self._journal = journal

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self._reader.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> Any:
        return self._reader.execute(sql, values).fetchone()

    async def ensure(self, now: float) -> None:
        """Make the tenant's own row."""
        await self._journal.write(
            (
                "INSERT OR IGNORE INTO tenant (id, created_at) VALUES (?, ?)",
                (self.tenant, now),
            )
        )

    # --- connections and hooks --------------------------------------------------------------

    def connections(self) -> list[ConnectionRow]:
        """Every connection, by name."""
        rows = self._all(
            f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE tenant = ? ORDER BY name",
            self.tenant,
        )
        return [_connection_row(row) for row in rows]

    def connection(self, id_or_name: str) -> ConnectionRow | None:
        """The connection with this id or name."""
        row = self._one(
            f"SELECT {CONNECTION_COLUMNS} FROM connection"
            " WHERE tenant = ?1 AND (id = ?2 OR name = ?2) ORDER BY id = ?2 DESC LIMIT 1",
            self.tenant,
            id_or_name,
        )
        return _connection_row(row) if row else None

    async def save_connection(self, row: ConnectionRow) -> None:
        """Add a connection, or replace what one of the same id says (its secrets included)."""
        await self._journal.write(
            (
                "INSERT INTO connection (id, tenant, app, name, base_url, settings, status,"
                " secrets, version, created_at) VALUES (?,?,?,?,?,?,?,?,?,?)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, base_url ="
                " excluded.base_url, settings = excluded.settings, status = excluded.status,"
                " secrets = excluded.secrets, version = version + 1",
                (
                    row.id, self.tenant, row.app, row.name, row.base_url,
                    encode_text(row.settings), row.status, row.secrets, row.version,
                    row.created_at,
                ),
            )
        )  # fmt: skip

    async def save_secrets(self, connection_id: str, secrets: bytes, version: int) -> bool:
        """Replace the secrets if nobody has since `version`; tells whether it was done."""
        outcome = await self._journal.write(
            (
                "UPDATE connection SET secrets = ?, version = version + 1, status = 'active'"
                " WHERE tenant = ? AND id = ? AND version = ?",
                (secrets, self.tenant, connection_id, version),
            )
        )
        return outcome[0][0] == 1

    async def set_connection_status(self, connection_id: str, status: str) -> None:
        """Mark a connection as usable or as waiting for its owner."""
        await self._journal.write(
            (
                "UPDATE connection SET status = ? WHERE tenant = ? AND id = ?",
                (status, self.tenant, connection_id),
            )
        )

    def hooks(self) -> list[HookRow]:
        """Every hook."""
        rows = self._all(f"SELECT {HOOK_COLUMNS} FROM hook WHERE tenant = ?", self.tenant)
        return [hook_row(row) for row in rows]

    async def save_hook(self, row: HookRow) -> None:
        """Add a hook or replace what it says."""
        await self._journal.write(
            (
                f"INSERT INTO hook ({HOOK_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)"
                " ON CONFLICT (id) DO UPDATE SET url = excluded.url, verify_until ="
                " excluded.verify_until, verified_at = excluded.verified_at, subscription ="
                " excluded.subscription",
                (
                    row.id, self.tenant, row.connection_id, row.url, row.account,
                    row.verify_until, row.verified_at, _text(row.subscription), row.created_at,
                ),
            )
        )  # fmt: skip

    async def start_consent(self, state: str, request: Any, expires_at: float) -> None:
        """Remember what a one-time consent state stands for."""
        await self._journal.write(
            (
                "INSERT INTO consent (state, tenant, request, expires_at) VALUES (?,?,?,?)",
                (state, self.tenant, encode_text(request), expires_at),
            )
        )

    async def take_consent(self, state: str, now: float) -> Any:
        """Give back what a state stands for, once; None when it is unknown, used or too old."""
        outcome = await self._journal.write(
            (
                "DELETE FROM consent WHERE tenant = ? AND state = ? RETURNING request, expires_at",
                (self.tenant, state),
            ),
            ("DELETE FROM consent WHERE expires_at < ?", (now,)),
        )
        rows = outcome[0][1]
        return decode(rows[0][0]) if rows and rows[0][1] >= now else None

    # --- events -----------------------------------------------------------------------------

    async def accept(self, event: EventRow) -> int | None:
        """Store an event durably; its new id, or None when this delivery was here before."""
        outcome = await self._journal.write(
            (
                "INSERT INTO event (tenant, connection_id, delivery_id, type, resource,"
                " operation, account, happened_at, ids, received_at, state)"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING RETURNING id",
                (
                    self.tenant, event.connection_id, event.delivery_id, event.type,
                    event.resource, event.operation, event.account, event.happened_at,
                    encode_text(event.ids), event.received_at, event.state,
                ),
            )
        )  # fmt: skip
        rows = outcome[0][1]
        return rows[0][0] if rows else None

    def events(self, *, limit: int = 50, before: int | None = None) -> list[EventRow]:
        """The newest events first; `before` is the last id of the page before."""
        rows = self._all(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE tenant = ? AND id < ?"
            " ORDER BY id DESC LIMIT ?",
            self.tenant,
            before if before is not None else 1 << 62,
            limit,
        )
        return [event_row(row) for row in rows]

    def event(self, event_id: int) -> EventRow | None:
        """One event."""
        row = self._one(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE tenant = ? AND id = ?", self.tenant, event_id
        )
        return event_row(row) if row else None

    def items_with_runs(self, event_id: int) -> set[tuple[int, str]]:
        """The flow and record of every run that an event already has."""
        rows = self._all("SELECT flow_id, item_id FROM run WHERE event_id = ?", event_id)
        return {(row[0], row[1]) for row in rows}

    async def match(self, event: EventRow, runs: Iterable[RunRow]) -> list[RunRow]:
        """Store an event's runs and its new state in one commit; gives the runs that are new."""
        runs = list(runs)
        inserts: list[Statement] = [
            (
                INSERT_RUN,
                (
                    self.tenant, run.flow_id, run.flow_version, run.event_id, run.item_id,
                    run.replay, run.state, run.reason, encode_text(run.context), run.due_at,
                    run.created_at, run.finished_at, _text(run.error),
                ),
            )
            for run in runs
        ]  # fmt: skip
        update: Statement = (
            "UPDATE event SET state = ?, attempts = ?, due_at = ?, error = ? WHERE id = ?",
            (event.state, event.attempts, event.due_at, _text(event.error), event.id),
        )
        outcome = await self._journal.write(*inserts, update)
        fresh = []
        for run, (_, rows) in zip(runs, outcome, strict=False):
            if rows:
                run.id = rows[0][0]
                fresh.append(run)
        return fresh

    # --- flows ------------------------------------------------------------------------------

    def flows(self) -> list[FlowRow]:
        """Every flow, by key."""
        rows = self._all(
            f"SELECT {FLOW_COLUMNS} {_FLOW_FROM} WHERE flow.tenant = ? ORDER BY flow.key",
            self.tenant,
        )
        return [_flow_row(row) for row in rows]

    def flow(self, key: str) -> FlowRow | None:
        """The flow with this key."""
        row = self._one(
            f"SELECT {FLOW_COLUMNS} {_FLOW_FROM} WHERE flow.tenant = ? AND flow.key = ?",
            self.tenant,
            key,
        )
        return _flow_row(row) if row else None

    def flow_document(self, flow_id: int, version: int) -> str | None:
        """The text of one version of a flow."""
        row = self._one(
            "SELECT document FROM flow_version JOIN flow ON flow.id = flow_version.flow_id"
            " WHERE flow.tenant = ? AND flow_id = ? AND flow_version.version = ?",
            self.tenant,
            flow_id,
            version,
        )
        return row[0] if row else None

    async def save_flow(self, key: str, document: str, now: float, enable: bool | None) -> FlowRow:
        """Store a flow; a changed document becomes its next version, the old ones stay."""
        existing = self.flow(key)
        if existing is None:
            await self._journal.write(
                (
                    "INSERT INTO flow (tenant, key, enabled, version, created_at)"
                    " VALUES (?,?,?,1,?)",
                    (self.tenant, key, int(bool(enable)), now),
                ),
                (
                    "INSERT INTO flow_version (flow_id, version, document, created_at)"
                    " SELECT id, 1, ?, ? FROM flow WHERE tenant = ? AND key = ?",
                    (document, now, self.tenant, key),
                ),
            )
        else:
            changes: list[Statement] = []
            if existing.document != document:
                changes = [
                    (
                        "INSERT INTO flow_version (flow_id, version, document, created_at)"
                        " VALUES (?,?,?,?)",
                        (existing.id, existing.version + 1, document, now),
                    ),
                    (
                        "UPDATE flow SET version = ? WHERE id = ?",
                        (existing.version + 1, existing.id),
                    ),
                ]
            if enable is not None:
                changes.append(
                    ("UPDATE flow SET enabled = ? WHERE id = ?", (int(enable), existing.id))
                )
            if changes:
                await self._journal.write(*changes)
        saved = self.flow(key)
        if saved is None:
            raise StoreError(f"The flow {key!r} vanished while it was stored.")
        return saved

    async def enable_flow(self, key: str, enabled: bool) -> bool:
        """Switch a flow on or off; tells whether there is such a flow."""
        outcome = await self._journal.write(
            (
                "UPDATE flow SET enabled = ? WHERE tenant = ? AND key = ?",
                (int(enabled), self.tenant, key),
            )
        )
        return outcome[0][0] == 1

    # --- runs and steps ---------------------------------------------------------------------

    def runs(
        self,
        *,
        limit: int = 50,
        before: int | None = None,
        state: str | None = None,
        flow: str | None = None,
        event_id: int | None = None,
    ) -> list[RunRow]:
        """The newest runs first, filtered by state, flow key or event."""
        rows = self._all(
            f"SELECT {RUN_COLUMNS} FROM run WHERE tenant = ?1 AND id < ?2"
            " AND (?3 IS NULL OR state = ?3) AND (?5 IS NULL OR event_id = ?5)"
            " AND (?4 IS NULL OR flow_id = (SELECT id FROM flow WHERE tenant = ?1 AND key = ?4))"
            " ORDER BY id DESC LIMIT ?6",
            self.tenant,
            before if before is not None else 1 << 62,
            state,
            flow,
            event_id,
            limit,
        )
        return [run_row(row) for row in rows]

    def run(self, run_id: int) -> RunRow | None:
        """One run."""
        row = self._one(
            f"SELECT {RUN_COLUMNS} FROM run WHERE tenant = ? AND id = ?", self.tenant, run_id
        )
        return run_row(row) if row else None

    def steps(self, run_id: int) -> list[StepRow]:
        """The recorded steps of a run, in order."""
        rows = self._all(
            f"SELECT {STEP_COLUMNS} FROM step WHERE run_id = ? ORDER BY position", run_id
        )
        return [_step_row(row) for row in rows]

    async def add_run(self, run: RunRow) -> RunRow:
        """Store one more run of an event (a replay) and give it its id."""
        latest = self._one(
            "SELECT max(replay) FROM run WHERE flow_id = ? AND event_id = ? AND item_id = ?",
            run.flow_id,
            run.event_id,
            run.item_id,
        )[0]
        run.replay = (latest if latest is not None else -1) + 1
        outcome = await self._journal.write(
            (
                INSERT_RUN,
                (
                    self.tenant, run.flow_id, run.flow_version, run.event_id, run.item_id,
                    run.replay, run.state, run.reason, encode_text(run.context), run.due_at,
                    run.created_at, None, None,
                ),
            )
        )  # fmt: skip
        if not outcome[0][1]:
            raise StoreError("Somebody else replayed this run at the same moment.", who="wait")
        run.id = outcome[0][1][0][0]
        return run

    async def record(self, step: StepRow | None, run: RunRow | None = None) -> None:
        """Store the end of a step, the new state of its run, or both in one commit."""
        unit: list[Statement] = []
        if step is not None:
            unit.append(
                (
                    INSERT_STEP,
                    (
                        step.run_id, step.position, step.id, step.state, step.summary,
                        _text(step.output), _text(step.error), _text(step.exchange),
                        step.started_at, step.finished_at,
                    ),
                )
            )  # fmt: skip
        if run is not None:
            unit.append(
                (
                    "UPDATE run SET state = ?, reason = ?, attempts = ?, due_at = ?,"
                    " finished_at = ?, error = ? WHERE id = ?",
                    (
                        run.state, run.reason, run.attempts, run.due_at, run.finished_at,
                        _text(run.error), run.id,
                    ),
                )
            )  # fmt: skip
        await self._journal.write(*unit)

    async def release_runs(self, reason: str) -> list[tuple[int, int, str]]:
        """Make the runs that wait for `reason` due at once; gives (run id, flow id, record id)."""
        outcome = await self._journal.write(
            (
                "UPDATE run SET reason = NULL, due_at = 0, state = 'queued' WHERE tenant = ?"
                " AND finished_at IS NULL AND reason = ? RETURNING id, flow_id, item_id",
                (self.tenant, reason),
            )
        )
        return sorted(outcome[0][1])

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many events and runs are in each state."""
        return {
            table: dict(
                self._all(
                    f"SELECT state, count(*) FROM {table} WHERE tenant = ? GROUP BY state",
                    self.tenant,
                )
            )
            for table in ("event", "run", "effect")
        }

    # --- effects ----------------------------------------------------------------------------

    def effect(self, key: str) -> EffectRow | None:
        """The write with this key."""
        row = self._one(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ? AND key = ?", self.tenant, key
        )
        return _effect_row(row) if row else None

    def effects(self, *, run_id: int | None = None, state: str | None = None) -> list[EffectRow]:
        """Writes of a run or in a state, oldest first."""
        rows = self._all(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ?1"
            " AND (?2 IS NULL OR run_id = ?2) AND (?3 IS NULL OR state = ?3)"
            " ORDER BY created_at, key",
            self.tenant,
            run_id,
            state,
        )
        return [_effect_row(row) for row in rows]

    async def save_effect(self, effect: EffectRow) -> None:
        """Store a write's present state durably."""
        values = [getattr(effect, one.name) for one in fields(EffectRow)]
        names = [one.name for one in fields(EffectRow)]
        for name in ("inputs", "output", "evidence"):
            values[names.index(name)] = _text(getattr(effect, name))
        values[names.index("tenant")] = self.tenant
        marks = ",".join("?" * len(names))
        await self._journal.write(
            (
                f"INSERT INTO effect ({', '.join(names)}) VALUES ({marks})"
                " ON CONFLICT (key) DO UPDATE SET state = excluded.state, request ="
                " excluded.request, payload_hash = excluded.payload_hash, sends = excluded.sends,"
                " searches = excluded.searches, due_at = excluded.due_at, sent_at ="
                " excluded.sent_at, remote_id = excluded.remote_id, output = excluded.output,"
                " evidence = excluded.evidence, updated_at = excluded.updated_at",
                values,
            )
        )
