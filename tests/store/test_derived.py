"""States of derived triggers: of two that were worked out from the same one, one is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector.errors import Raced
from connector.store.rows import StateRow, WatchRow
from connector.store.sql.database import SqlDatabase
from connector.store.sql.tenant import TenantStore
from tests.store.kit import NOW, connection_row, event_row, run_row

PLACE = "7:/c/{}/issued_documents"


async def made(database: SqlDatabase, delivery: str) -> tuple[TenantStore, Any]:
    """The store as one process has it, with an event of its own to match."""
    store = database.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main"))
    event = event_row("main", delivery)
    event.id = await store.accept(event) or 0
    event.state = "matched"
    return store, event


def paid(event: int, version: int = 2, **changes: Any) -> Any:
    state = StateRow(PLACE, {"status": "paid"}, "2026-03-04 09:00:00", version)
    return run_row("main", event, derived=state, **changes)


async def test_of_two_processes_one_tells_a_change(
    either: SqlDatabase, beside: SqlDatabase
) -> None:
    (one, first), (two, second) = await made(either, "d-1"), await made(beside, "d-2")
    await one.add_states(1, PLACE, {"1": ({"status": "not_paid"}, "")}, NOW)
    outcomes = await asyncio.gather(
        one.match(first, [paid(first.id)]),
        two.match(second, [paid(second.id)]),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Raced", "list"]
    assert len(await one.runs()) == 1, "nothing of the refused one is stored"
    events = {event.delivery_id: event.state for event in await one.events()}
    assert sorted(events.values()) == ["matched", "received"], "and its event stays open"
    assert await one.states(PLACE, [1], ["1"]) == {
        (1, "1"): StateRow(PLACE, {"status": "paid"}, "2026-03-04 09:00:00", 2)
    }


async def test_only_the_newest_state_is_kept(either: SqlDatabase) -> None:
    store, event = await made(either, "d-1")
    await store.match(event, [paid(event.id, 1), paid(event.id, 1, item_id="2")])
    await store.match(event, [paid(event.id, 2, replay=1)])
    assert {
        key: row.version for key, row in (await store.states(PLACE, [1, 9], ["1", "2"])).items()
    } == {(1, "1"): 2, (1, "2"): 1}
    rows = await either.all("SELECT item_id, version FROM derived_state ORDER BY item_id")
    assert [tuple(row) for row in rows] == [("1", 2), ("2", 1)]


async def test_a_baseline_takes_nothing_back(either: SqlDatabase) -> None:
    """Read again after a stop, it may show what was judged meanwhile."""
    store, _ = await made(either, "d-1")
    before = {"1": ({"status": "not_paid"}, ""), "2": ({"status": "not_paid"}, "")}
    await store.add_states(1, PLACE, before, NOW)
    again = {"1": ({"status": "paid"}, ""), "3": ({"status": "paid"}, "")}
    await store.add_states(1, PLACE, again, NOW)
    found = await store.states(PLACE, [1], ["1", "2", "3"])
    assert [found[1, one].state["status"] for one in "123"] == ["not_paid", "not_paid", "paid"]


async def test_a_flow_that_ends_is_forgotten_with_its_states(either: SqlDatabase) -> None:
    store, _ = await made(either, "d-1")
    for flow in (1, 2):
        await store.save_watch(WatchRow(flow, "paid", NOW))
        await store.add_states(flow, PLACE, {"1": ({}, "")}, NOW)
    await store.save_watch(WatchRow(2, "paid", NOW, NOW + 5, "2026-03-04"))
    await store.drop_watch(1)
    assert await store.watches() == {2: WatchRow(2, "paid", NOW, NOW + 5, "2026-03-04")}
    assert list(await store.states(PLACE, [1, 2], ["1"])) == [(2, "1")]


async def test_a_row_that_is_there_already_is_told_from_other_faults(either: SqlDatabase) -> None:
    store, event = await made(either, "d-1")
    await store.match(event, [paid(event.id, 1)])
    with pytest.raises(Raced):
        await store.match(event, [paid(event.id, 1, replay=1)])
