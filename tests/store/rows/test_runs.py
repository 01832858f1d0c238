"""Runs and their steps: each once, and what belongs together is stored together."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from connector.errors import StoreError
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import NOW, accepted, run_row, step_row

# --- runs -------------------------------------------------------------------------------------


async def test_matching_stores_the_runs_and_the_state_of_the_event_together(
    store: TenantStore,
) -> None:
    event = await accepted(store)
    event.state, event.attempts, event.due_at, event.error = "received", 2, NOW + 9, {"a": 1}
    runs = await store.match(event, [run_row("main", event.id, item_id=one) for one in "12"])
    assert [run.item_id for run in runs] == ["1", "2"]
    assert all(run.id for run in runs)
    assert await store.event(event.id) == event
    assert await store.items_with_runs(event.id) == {(1, "1"), (1, "2")}
    assert await store.run_counts([event.id, 999]) == {event.id: 2}


async def test_matching_twice_gives_no_run_twice(store: TenantStore) -> None:
    event = await accepted(store)
    first = await store.match(event, [run_row("main", event.id)])
    again = await store.match(
        event, [run_row("main", event.id), run_row("main", event.id, item_id="2")]
    )
    assert [run.item_id for run in again] == ["2"]
    assert len(await store.runs()) == 2
    kept = await store.run(first[0].id)
    assert kept is not None
    assert kept.item_id == "1"


async def test_an_id_named_twice_in_one_event_gets_one_run(store: TenantStore) -> None:
    event = await accepted(store)
    fresh = await store.match(event, [run_row("main", event.id), run_row("main", event.id)])
    assert len(fresh) == 1
    assert fresh[0].id


async def test_a_run_comes_back_as_it_was_stored(database: Database, store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    run.state, run.reason, run.attempts = "waiting", "retry", 3
    run.due_at, run.error = NOW + 60, {"kind": "NotSent"}
    await store.record_run(run)
    stored = replace(run, fresh=False)
    assert await store.run(run.id) == stored
    assert await database.run(run.id) == stored


async def test_only_a_run_made_by_this_process_is_fresh(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    replayed = await store.add_run(run_row("main", event.id))
    assert run.fresh
    assert replayed.fresh
    stored = await store.run(run.id)
    assert stored is not None
    assert not stored.fresh


async def test_open_runs_are_those_without_an_end_in_the_order_they_came(
    database: Database, store: TenantStore
) -> None:
    event = await accepted(store)
    one, two, three = await store.match(
        event, [run_row("main", event.id, item_id=item) for item in "abc"]
    )
    two.state, two.finished_at = "succeeded", NOW
    three.state, three.reason, three.due_at = "waiting", "quota", NOW + 5
    await store.record_run(two)
    await store.record_run(three)
    assert await database.open_runs() == [
        (one.id, 1, "a", 0.0, None, 1, "main"),
        (three.id, 1, "c", NOW + 5, "quota", 1, "main"),
    ]


async def test_a_replay_is_one_more_run_of_the_same_record(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    replays = [await store.add_run(run_row("main", event.id)) for _ in range(2)]
    assert [one.replay for one in (run, *replays)] == [0, 1, 2]
    assert len({run.id, *(one.id for one in replays)}) == 3


async def test_of_two_replays_at_once_one_is_told_to_wait(store: TenantStore) -> None:
    event = await accepted(store)
    outcomes = await asyncio.gather(
        *(store.add_run(run_row("main", event.id)) for _ in range(2)), return_exceptions=True
    )
    # Where reading takes its time one of them may come second, and is simply the next replay.
    refused = [one for one in outcomes if isinstance(one, StoreError)]
    assert [one.who for one in refused] == ["wait"] * len(refused)
    replays = [run.replay for run in await store.runs()]
    assert sorted(replays) == list(range(2 - len(refused)))


async def test_runs_are_listed_by_state_flow_and_event_page_by_page(store: TenantStore) -> None:
    flow = await store.save_flow("sync", "text", NOW, enable=True)
    other = await store.save_flow("other", "text", NOW, enable=True)
    first, second = await accepted(store, "d-1"), await accepted(store, "d-2")
    for event in (first, second):
        rows = [
            run_row("main", event.id, flow_id=flow.id, item_id="1"),
            run_row("main", event.id, flow_id=flow.id, item_id="2", state="filtered"),
            run_row("main", event.id, flow_id=other.id, item_id="1"),
        ]
        await store.match(event, rows)
    assert len(await store.runs()) == 6
    assert [run.state for run in await store.runs(state="filtered")] == ["filtered"] * 2
    assert {run.flow_id for run in await store.runs(flow="other")} == {other.id}
    assert await store.runs(flow="nothing") == []
    assert {run.event_id for run in await store.runs(event_id=second.id)} == {second.id}
    top = await store.runs(limit=4)
    rest = await store.runs(limit=4, before=top[-1].id)
    ids = [run.id for run in (*top, *rest)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6


async def test_releasing_makes_due_only_what_waits_for_this_reason(
    database: Database, store: TenantStore
) -> None:
    event = await accepted(store)
    rows = [
        run_row("main", event.id, item_id="a", state="waiting", reason="connection:x"),
        run_row("main", event.id, item_id="b", state="waiting", reason="quota", due_at=NOW),
        run_row("main", event.id, item_id="c", state="waiting", reason="connection:x"),
        run_row("main", event.id, item_id="d", state="failed", reason="connection:x",
                finished_at=NOW),
    ]  # fmt: skip
    a, _, c, _ = await store.match(event, rows)
    before = await database.revision()
    assert await store.count_waiting("connection:x", 100) == 2
    assert await store.count_waiting("connection:x", 1) == 1
    assert await store.release_runs("connection:x") == [(a.id, 1, "a"), (c.id, 1, "c")]
    assert await store.release_runs("connection:x") == []
    assert await store.count_waiting("connection:x", 100) == 0
    assert await database.revision() != before, "another process drives them"
    released = await store.run(a.id)
    assert released is not None
    assert (released.state, released.reason, released.due_at) == ("queued", None, 0)


# --- steps ------------------------------------------------------------------------------------


async def test_steps_come_back_in_their_order(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    second = step_row(run.id, position=1, id="b", error={"kind": "X"}, exchange={"status": 200})
    first = step_row(run.id, position=0, id="a", output=None, summary=None)
    await store.record_step(run, second)
    await store.record_step(run, first)
    assert await store.steps(run.id) == [first, second]


async def test_the_end_of_a_step_replaces_its_failure(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    await store.record_step(
        run, step_row(run.id, state="failed", error={"kind": "NotSent"}, output=None)
    )
    done = step_row(run.id)
    await store.record_step(run, done)
    assert await store.steps(run.id) == [done]


async def test_a_step_and_the_end_of_its_run_are_stored_together_or_not_at_all(
    database: Database, store: TenantStore
) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    broken = replace(run, state="succeeded", finished_at=NOW, due_at=None)
    with pytest.raises(StoreError):
        await store.record_run(broken, step_row(run.id))
    assert await store.steps(run.id) == []
    assert len(await database.open_runs()) == 1


async def test_a_run_is_summed_up_by_its_last_step_that_says_something(
    store: TenantStore,
) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    for position, summary in enumerate(("first", "second", None)):
        await store.record_step(run, step_row(run.id, position=position, summary=summary))
    assert await store.summaries([run.id]) == {run.id: "second"}
    assert await store.summaries([]) == {}
    assert await store.run_counts([]) == {}
