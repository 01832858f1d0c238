"""How rows and columns become each other ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.codec import decode_kept, encode_text
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
    " ids, received_at, state, attempts, due_at, error, owner"
)
RUN_COLUMNS = (
    "id, tenant, flow_id, flow_version, event_id, item_id, replay, state, reason, context,"
    " attempts, due_at, epoch, created_at, finished_at, error, ordered, owner"
)
STEP_COLUMNS = (
    "run_id, position, id, state, summary, output, error, exchange, started_at, finished_at"
)
EFFECT_COLUMNS = (
    "key, tenant, connection_id, run_id, step_id, node, state, marker, natural_key, known,"
    " inputs, request,"
    " payload_hash, sends, searches, due_at, sent_at, remote_id, output, evidence, created_at,"
    " updated_at, version, answer"
)
HOOK_COLUMNS = "id, tenant, connection_id, url, account, verify_until, subscription, created_at"
CONNECTION_COLUMNS = (
    "id, tenant, app, name, base_url, settings, status, created_at, secrets, version"
)
FLOW_COLUMNS = (
    "flow.id, flow.tenant, flow.key, flow.enabled, flow.version, flow_version.document,"
    " flow.created_at"
)
FLOW_FROM = (
    "FROM flow JOIN flow_version ON flow_version.flow_id = flow.id"
    " AND flow_version.version = flow.version"
)

# A run's unit carries everything that begins with it, hence the literal statements below.
INSERT_EVENT = (
    "INSERT INTO event (tenant, connection_id, delivery_id, type, resource, operation, account,"
    " happened_at, ids, received_at, state, due_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
)
INSERT_RUN = (
    "INSERT INTO run (tenant, flow_id, flow_version, event_id, item_id, replay, state, reason,"
    " context, due_at, created_at, finished_at, error, ordered)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
)
INSERT_STEP = (
    f"INSERT INTO step ({STEP_COLUMNS})"
    " SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM run WHERE tenant = ? AND id = ? AND epoch = ?"
    " AND owner = ?"
    " ON CONFLICT (run_id, position) DO UPDATE SET id = excluded.id, state = excluded.state,"
    " summary = excluded.summary, output = excluded.output, error = excluded.error,"
    " exchange = excluded.exchange, started_at = excluded.started_at,"
    " finished_at = excluded.finished_at"
)


def json_text(value: Any) -> str | None:
    """JSON for a column that may be empty."""
    return None if value is None else encode_text(value)


def json_value(text: str | None) -> Any:
    """The value of a JSON column that may be empty."""
    return None if text is None else decode_kept(text)


def event_row(row: Sequence[Any]) -> EventRow:
    """An event from its columns."""
    return EventRow(
        id=row[0], tenant=row[1], connection_id=row[2], delivery_id=row[3], type=row[4],
        resource=row[5], operation=row[6], account=row[7], happened_at=row[8],
        ids=tuple(decode_kept(row[9])), received_at=row[10], state=row[11], attempts=row[12],
        due_at=row[13], error=json_value(row[14]), owner=row[15],
    )  # fmt: skip


def run_row(row: Sequence[Any]) -> RunRow:
    """A run from its columns."""
    return RunRow(
        id=row[0], tenant=row[1], flow_id=row[2], flow_version=row[3], event_id=row[4],
        item_id=row[5], replay=row[6], state=row[7], reason=row[8], context=decode_kept(row[9]),
        attempts=row[10], due_at=row[11], epoch=row[12], created_at=row[13],
        finished_at=row[14], error=json_value(row[15]), ordered=bool(row[16]), owner=row[17],
    )  # fmt: skip


def hook_row(row: Sequence[Any]) -> HookRow:
    """A hook from its columns."""
    return HookRow(
        id=row[0], tenant=row[1], connection_id=row[2], url=row[3], account=row[4],
        verify_until=row[5], subscription=json_value(row[6]), created_at=row[7],
    )  # fmt: skip


def step_row(row: Sequence[Any]) -> StepRow:
    """A step from its columns."""
    return StepRow(
        run_id=row[0], position=row[1], id=row[2], state=row[3], summary=row[4],
        output=json_value(row[5]), error=json_value(row[6]), exchange=json_value(row[7]),
        started_at=row[8], finished_at=row[9],
    )  # fmt: skip


def effect_row(row: Sequence[Any]) -> EffectRow:
    """An effect from its columns."""
    values = dict(zip((one.strip() for one in EFFECT_COLUMNS.split(",")), row, strict=True))
    for name in ("inputs", "known", "output", "evidence", "answer"):
        values[name] = json_value(values[name])
    values["evidence"] = values["evidence"] or []
    values["known"] = values["known"] or []
    return EffectRow(**values)


def connection_row(row: Sequence[Any]) -> ConnectionRow:
    """A connection from its columns."""
    return ConnectionRow(
        id=row[0], tenant=row[1], app=row[2], name=row[3], base_url=row[4],
        settings=decode_kept(row[5]), status=row[6], created_at=row[7], secrets=row[8],
        version=row[9],
    )  # fmt: skip


def flow_row(row: Sequence[Any]) -> FlowRow:
    """A flow from its columns."""
    return FlowRow(
        id=row[0], tenant=row[1], key=row[2], enabled=bool(row[3]), version=row[4],
        document=row[5], created_at=row[6],
    )  # fmt: skip
