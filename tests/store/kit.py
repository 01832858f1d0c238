"""Rows to store, filled in so that each differs from the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from connector.store.rows import (
    AlarmRow,
    ConnectionRow,
    EffectRow,
    EventRow,
    FlowRow,
    HandledRow,
    HookRow,
    OriginRow,
    PolledRow,
    RunRow,
    StepRow,
    SweepRow,
    WatchRow,
)
from connector.store.sql.tenant import TenantStore

NOW = 1_700_000_000.0
AWKWARD = bytes(range(256)) + "è\n\r\x00'\"—".encode() + b"\xff\xfe"
"""What a column of bytes must give back as it was."""


def connection_row(tenant: str, **changes: Any) -> ConnectionRow:
    row = ConnectionRow(
        id=f"conn-{tenant}",
        tenant=tenant,
        app="books",
        name="Books",
        base_url=f"https://{tenant}.example",
        settings={"owner": tenant},
        status="active",
        created_at=NOW,
        secrets=f"sealed for {tenant}".encode(),
    )
    return changed(row, changes)


def hook_row(tenant: str, **changes: Any) -> HookRow:
    row = HookRow(
        id=f"hook-{tenant}",
        tenant=tenant,
        connection_id=f"conn-{tenant}",
        url=f"https://us.example/hooks/{tenant}",
        account="7",
        created_at=NOW,
        subscription={"of": tenant},
    )
    return changed(row, changes)


def event_row(tenant: str = "main", delivery: str = "d-1", **changes: Any) -> EventRow:
    row = EventRow(
        tenant=tenant,
        connection_id=f"conn-{tenant}",
        delivery_id=delivery,
        type=f"books.client.update.of.{tenant}",
        resource="client",
        operation="update",
        ids=("1", "2"),
        received_at=NOW,
        account="7",
        happened_at="2023-11-14T22:13:20Z",
    )
    return changed(row, changes)


def run_row(tenant: str, event_id: int, **changes: Any) -> RunRow:
    row = RunRow(
        tenant=tenant,
        flow_id=1,
        flow_version=1,
        event_id=event_id,
        item_id="1",
        state="queued",
        context={"trigger": {"id": 1, "of": tenant}},
        created_at=NOW,
    )
    return changed(row, changes)


def step_row(run_id: int, tenant: str = "main", **changes: Any) -> StepRow:
    row = StepRow(
        run_id=run_id,
        position=0,
        id="write",
        state="done",
        started_at=NOW,
        finished_at=NOW + 1,
        summary=f"written for {tenant}",
        output={"id": 5, "of": tenant},
    )
    return changed(row, changes)


def sweep_row(tenant: str, **changes: Any) -> SweepRow:
    row = SweepRow(
        connection_id=f"conn-{tenant}",
        account="7",
        resource="client",
        operations="create update",
        newest=f"2023-11-14 of {tenant}",
        floor="2023-11-01",
        swept_at=NOW,
    )
    return replace(row, **changes)


def effect_row(tenant: str, run_id: int, **changes: Any) -> EffectRow:
    row = EffectRow(
        key=f"key-{tenant}",
        tenant=tenant,
        connection_id=f"conn-{tenant}",
        run_id=run_id,
        step_id="write",
        node="books.create_client",
        state="done",
        marker="#ABCDEFGHIJKL",
        inputs={"name": tenant},
        created_at=NOW,
        updated_at=NOW,
        request=f"POST for {tenant}".encode(),
    )
    return changed(row, changes)


def origin_row(tenant: str, run_id: int, **changes: Any) -> OriginRow:
    row = OriginRow(
        realm="books:7",
        place="/c/{}/clients",
        item_id="1",
        effect_key=f"key-{tenant}",
        run_id=run_id,
        depth=1,
        flows=(1,),
        made=True,
        sent_at=NOW,
        done_at=NOW,
        updated_at=f"2023-11-14 of {tenant}",
    )
    return replace(row, **changes)


def alarm_row(tenant: str, **changes: Any) -> AlarmRow:
    row = AlarmRow(
        kind="webhooks_silent",
        connection_id=f"conn-{tenant}",
        account="7",
        since=NOW,
        message=f"No event has come to {tenant}.",
        details={"of": tenant},
    )
    return replace(row, **changes)


def changed(row: Any, changes: dict[str, Any]) -> Any:
    for name, value in changes.items():
        setattr(row, name, value)
    return row


async def accepted(store: TenantStore, delivery: str = "d-1", **changes: Any) -> EventRow:
    """An event that waits to be matched."""
    event = event_row(store.tenant, delivery, **changes)
    event.id = await store.accept(event) or 0
    assert event.id
    return event


class Filled:
    """A tenant with one row of everything, and their ids."""

    def __init__(self, store: TenantStore, flow: FlowRow, event: int, run: int) -> None:
        self.store = store
        self.tenant = store.tenant
        self.flow = flow
        self.event = event
        self.run = run
        self.parked = 0
        self.ended = 0


async def fill(store: TenantStore) -> Filled:
    """One row of everything, in which every text names its tenant."""
    name = store.tenant
    await store.ensure(NOW)
    await store.save_connection(connection_row(name))
    await store.save_hook(hook_row(name))
    await store.start_consent(f"state-{name}", {"of": name}, NOW + 60)
    flow = await store.save_flow("sync", f"document of {name}", NOW, enable=True)
    event = event_row(name)
    event.id = await store.accept(event) or 0
    event.state = "matched"
    handled = HandledRow(f"2023-11-14 of {name}")
    handles = run_row(name, event.id, flow_id=flow.id, handled=handled)
    (run,) = await store.match(event, [handles])
    await store.record_step(run, step_row(run.id, name))
    await store.save_effect(
        effect_row(name, run.id, natural_key="data.code=7", remote_id=f"id in {name}")
    )
    await store.save_sweep(sweep_row(name))
    await store.save_watch(WatchRow(flow.id, f"watched by {name}", NOW))
    place = (f"conn-{name}", "", "client")
    await store.save_polled(place, {"1": PolledRow(f"digest of {name}", 3)})
    await store.add_states(flow.id, "7:/c", {"1": ({"of": name}, "")}, NOW)
    await store.save_origin(origin_row(name, run.id), NOW - 60)
    await store.raise_alarm(alarm_row(name))
    await store.audit(NOW, f"somebody of {name}", "adopt", "effect", {"of": name})
    return Filled(store, flow, event.id, run.id)
