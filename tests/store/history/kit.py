"""Runs of the past, and what is found of them."""

from __future__ import annotations

from typing import Any

from connector.store.rows import RunFilter, RunRow
from connector.store.sql.tenant import TenantStore
from tests.store.kit import NOW, event_row, run_row

HOUR = 3_600.0


async def run(store: TenantStore, number: int, state: str = "succeeded", **changes: Any) -> RunRow:
    """An event an hour after the last, and the ended run that it made."""
    at = NOW + number * HOUR
    event = event_row(store.tenant, f"e-{number}", received_at=at, ids=(f"r{number}",))
    event.id = await store.accept(event) or 0
    event.state = "matched"
    flow = await store.flow("sync")
    assert flow is not None
    values = {"flow_id": flow.id, "item_id": f"r{number}", "created_at": at + 1, **changes}
    (made,) = await store.match(event, [run_row(store.tenant, event.id, **values)])
    made.state, made.finished_at = state, at + 5  # type: ignore[assignment]
    if state in ("queued", "waiting"):
        made.finished_at = None
    await store.record_run(made)
    return made


async def ids(store: TenantStore, **asked: Any) -> list[int]:
    return [line.id for line in (await store.look_up_runs(RunFilter(**asked), 50)).rows]
