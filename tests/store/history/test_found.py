"""The past is found by all that is said of it, in pages, and every event is accounted for."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from connector.store.past import Part
from connector.store.rows import EventFilter, EventRow, RunFilter, RunRow
from connector.store.sql.tenant import TenantStore
from tests.store.history.kit import HOUR, ids, run
from tests.store.kit import NOW, effect_row, event_row, run_row, step_row


async def test_runs_are_found_by_all_that_is_said_of_them(store: TenantStore) -> None:
    await store.save_flow("second", "another", NOW, enable=True)
    second = await store.flow("second")
    assert second is not None
    failed = await run(store, 1, "failed", flow_id=second.id)
    waits = await run(store, 2, "waiting")
    done = await run(store, 30)
    assert await ids(store, state="failed") == [failed.id]
    assert await ids(store, state="waiting") == [waits.id]
    assert await ids(store, state="succeeded") == [done.id]
    assert await ids(store, flow="second") == [failed.id]
    assert await ids(store, flow="nobody") == []
    assert await ids(store, record="r2") == [waits.id]
    assert await ids(store, event_id=done.event_id) == [done.id]
    assert await ids(store, since=NOW + 2 * HOUR) == [done.id, waits.id]
    assert await ids(store, since=NOW + HOUR, until=NOW + 3 * HOUR) == [waits.id, failed.id]
    assert await ids(store, state="failed", since=NOW + 2 * HOUR) == []
    assert await ids(store, ids=(waits.id, 10**9)) == [waits.id]
    assert await ids(store, first=waits.id, last=waits.id) == [waits.id]


async def test_pages_follow_each_other(store: TenantStore) -> None:
    made = [(await run(store, number)).id for number in range(1, 6)]
    seen: list[int] = []
    before = None
    for _ in range(3):
        found = await store.look_up_runs(RunFilter(state="succeeded"), 2, before)
        seen += [line.id for line in found.rows]
        before = found.following
    assert (seen, before) == (made[::-1], None)


async def test_texts_are_searched_whatever_their_case_and_signs(store: TenantStore) -> None:
    error = {"message": "La città 100% <b>non</b> esiste_", "remedy": ""}
    failed = await run(store, 1)
    failed.error, failed.state, failed.finished_at = error, "failed", NOW
    await store.record_run(failed)
    named = await run(store, 2, context={"trigger": {"name": "Rossi S.r.l."}})
    told = await run(store, 3)
    await store.record_step(told, step_row(told.id, summary="Invoice 12/A for Bianchi"))
    wrote = await run(store, 4)
    await store.save_effect(effect_row("main", wrote.id, key="k4", remote_id="INV-9"))
    assert await ids(store, text="100% <B>") == [failed.id]
    assert await ids(store, text="esiste_") == [failed.id]
    assert await ids(store, text="esisteX") == []
    assert await ids(store, text="rossi s.r.l.") == [named.id]
    assert await ids(store, text="bianchi") == [told.id]
    assert await ids(store, text="INV-9") == [wrote.id]
    assert await ids(store, text=str(told.id)) == [told.id]
    assert await ids(store, text="bianchi", state="failed") == []


async def test_a_search_says_where_it_stopped(
    store: TenantStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.store.sql.history.LOOKED_THROUGH", 3)
    old = await run(store, 1, context={"trigger": {"name": "Rossi"}})
    recent = [(await run(store, number)).id for number in range(2, 6)]
    found = await store.look_up_runs(RunFilter(text="rossi"), 50)
    assert (found.rows, found.looked) == ([], recent[1])
    found = await store.look_up_runs(RunFilter(text="rossi"), 50, found.looked)
    assert [line.id for line in found.rows] == [old.id]
    assert found.looked is None or found.looked < old.id


async def test_a_replayed_run_names_the_latest(store: TenantStore) -> None:
    old = await run(store, 1, "failed")
    again = run_row("main", old.event_id, flow_id=old.flow_id, item_id=old.item_id)
    new = await store.add_run(again, copy_of=old.id)
    lines = (await store.look_up_runs(RunFilter(record=old.item_id), 50)).rows
    assert [(line.id, line.newer) for line in lines] == [(new.id, None), (old.id, new.id)]
    assert await ids(store, replays=True) == [new.id]


async def replayed(store: TenantStore, old: RunRow, state: str) -> RunRow:
    """A replay of a run that has ended so."""
    again = run_row("main", old.event_id, flow_id=old.flow_id, item_id=old.item_id)
    new = await store.add_run(again, copy_of=old.id)
    new.state, new.finished_at = state, NOW + 9 * HOUR  # type: ignore[assignment]
    await store.record_run(new)
    return new


async def test_a_failed_run_is_mended_by_a_replay_that_ends_well(store: TenantStore) -> None:
    once, twice, never = [await run(store, number, "failed") for number in (1, 2, 3)]
    well = await replayed(store, once, "succeeded")
    amiss = await replayed(store, twice, "failed")
    assert await ids(store, state="failed", mended=False) == [amiss.id, never.id, twice.id]
    assert await ids(store, state="failed", mended=True) == [once.id]
    late = await replayed(store, twice, "filtered")
    assert await ids(store, state="failed", mended=False) == [never.id]
    lines = (await store.look_up_runs(RunFilter(state="failed"), 50)).rows
    mended = {line.id: line.mended_by for line in lines}
    assert mended == {amiss.id: late.id, never.id: None, twice.id: late.id, once.id: well.id}
    counted = await store.count_runs(RunFilter(), ("failed", "mended", "succeeded"))
    assert (counted["failed"], counted["mended"]) == (1, 3)
    assert await store.ends_of_events([once.event_id]) == {
        once.event_id: {"mended": 1, "succeeded": 1}
    }
    told = await store.account((NOW + 1, NOW + 9 * HOUR))
    assert told["runs"] == {"mended": 2, "failed": 1}
    assert told["replays"] == {"succeeded": 1, "mended": 1, "filtered": 1}


async def test_a_run_that_fails_after_its_replay_has_succeeded_is_mended(
    store: TenantStore,
) -> None:
    slow = await run(store, 1, "waiting")
    await replayed(store, slow, "succeeded")
    slow.state, slow.finished_at = "failed", NOW + 10 * HOUR
    await store.record_run(slow)
    assert await ids(store, state="failed", mended=False) == []
    assert await ids(store, state="failed", mended=True) == [slow.id]


async def test_counts_fit_the_lists(store: TenantStore) -> None:
    for number, state in enumerate(("failed", "failed", "waiting", "parked"), 1):
        await run(store, number, state)
    counted = await store.count_runs(RunFilter(state="failed", text="x"), ("failed", "waiting"))
    assert counted == {"failed": 2, "waiting": 1}
    assert await store.count_runs(RunFilter(record="r4"), ("failed", "parked")) == {
        "failed": 0, "parked": 1,
    }  # fmt: skip


async def test_events_are_found_and_their_ends_counted(store: TenantStore) -> None:
    made = await run(store, 1, "failed")
    swept = event_row("main", "sweep:9", received_at=NOW + 2 * HOUR)
    swept.id = await store.accept(swept) or 0
    quiet = event_row("main", "e-q", received_at=NOW + 3 * HOUR, state="silent")
    quiet.id = await store.accept(quiet) or 0

    async def found(**asked: Any) -> list[int]:
        found = await store.look_up_events(EventFilter(**asked), 50)
        return [one.id for one in found.rows]

    assert await found(state="silent") == [quiet.id]
    assert await found(state="received") == [swept.id]
    assert await found(recovered=True) == [swept.id]
    assert (await found(state="matched"))[0] == made.event_id
    assert await found(resource="nothing") == []
    assert await found(since=NOW + HOUR, until=NOW + 3 * HOUR) == [swept.id, made.event_id]
    assert await store.ends_of_events([made.event_id, swept.id]) == {made.event_id: {"failed": 1}}


async def test_events_are_found_by_record_name_and_delivery(
    store: TenantStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = await run(store, 1, context={"trigger": {"name": "Rossi 100%", "number": "12/A"}})
    alone = event_row("main", "sweep:7:client:4711", ids=("4711",), state="unmatched")
    alone.id = await store.accept(alone) or 0
    several = event_row("main", "d-several", ids=("81", "82"), state="unmatched")
    several.id = await store.accept(several) or 0

    async def found(text: str, **asked: Any) -> list[int]:
        return [one.id for one in (await look(text, **asked)).rows]

    async def look(text: str, before: int | None = None, **asked: Any) -> Part[EventRow]:
        return await store.look_up_events(EventFilter(text=text, **asked), 50, before)

    assert await found("rossi 100%") == [named.event_id]
    assert await found("12/a") == [named.event_id]
    assert await found("r1") == [named.event_id]
    assert await found("e-1") == [named.event_id]
    assert await found("4711") == [alone.id]
    assert await found("82") == [several.id]
    assert await found(str(named.event_id)) == [named.event_id]
    assert await found("4711", state="silent") == []
    assert await found("nobody") == []
    # What is named exactly is found behind the window of a search; a part of it is not.
    monkeypatch.setattr("connector.store.sql.history.LOOKED_THROUGH", 1)
    last = (await run(store, 2)).event_id
    assert await found("4711") == [alone.id]
    assert await found("sweep:7:client:4711") == [alone.id]
    assert await found("r1") == [named.event_id]
    assert await look("rossi") == Part([], None, last)
    part = await look("82", last)
    assert ([one.id for one in part.rows], part.looked) == ([several.id], several.id)


@pytest.mark.parametrize("seed", range(6))
async def test_the_pages_of_a_search_show_every_hit_once(
    store: TenantStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Old exact hits, mentions and others in any order, windows and pages of any size."""
    draw = random.Random(seed)
    monkeypatch.setattr("connector.store.sql.history.LOOKED_THROUGH", draw.randint(1, 9))
    monkeypatch.setattr("connector.store.sql.searching.BLOCK", draw.randint(1, 3))
    limit, text = draw.randint(1, 5), "4711"
    events, runs = set(), set()
    for number in range(1, 25):
        record = draw.choice([text, "other", "other", "x4711y"])
        mentions = draw.random() < 0.2
        context = {"trigger": {"name": f"about {text}" if mentions else "nothing"}}
        made = await run(store, number, context=context, item_id=record)
        if mentions or record == text:
            events.add(made.event_id)
        if mentions or record != "other":
            runs.add(made.id)
        quiet = event_row("main", f"q-{number}", ids=(draw.choice([text, "9"]),), state="silent")
        quiet.id = await store.accept(quiet) or 0
        if quiet.ids == (text,):
            events.add(quiet.id)
    told = event_row("main", text, ids=("9",), state="silent")
    events.add(await store.accept(told))
    if seed % 2:
        # What a removed connection brought is found by its delivery all the same.
        await store.drop_connection("conn-main", NOW)

    async def walk(look: Callable[[int | None], Any]) -> list[int]:
        shown: list[int] = []
        part = await look(None)
        for _ in range(200):
            shown += [one.id for one in part.rows]
            assert len(part.rows) <= limit
            before = part.following or part.looked
            if before is None:
                return shown
            part = await look(before)
        raise AssertionError("the pages do not end")

    found = await walk(lambda at: store.look_up_events(EventFilter(text=text), limit, at))
    assert sorted(found) == sorted(events)
    found = await walk(lambda at: store.look_up_runs(RunFilter(text=text), limit, at))
    assert sorted(found) == sorted(runs)


async def test_every_event_of_a_time_is_accounted_for(store: TenantStore) -> None:
    for number, state in enumerate(("failed", "succeeded", "succeeded", "waiting"), 1):
        old = await run(store, number, state)
    again = run_row("main", old.event_id, flow_id=old.flow_id, item_id=old.item_id)
    await store.add_run(again)
    await store.accept(event_row("main", "e-q", received_at=NOW + 2 * HOUR, state="silent"))
    await store.accept(event_row("main", "sweep:1", received_at=NOW + 2 * HOUR))
    told = await store.account((NOW + 1, NOW + 9 * HOUR))
    assert told == {
        "events": {"matched": 4, "silent": 1, "received": 1},
        "recovered": {"found": 1},
        "lost": {"found": 0},
        "runs": {"failed": 1, "succeeded": 2, "waiting": 1},
        "replays": {"queued": 1},
    }
    assert (await store.account((0, 1)))["events"] == {}


async def test_over_time(store: TenantStore) -> None:
    for number, state in ((1, "failed"), (2, "succeeded"), (2.1, "succeeded"), (3, "waiting")):
        await run(store, number, state)  # type: ignore[arg-type]
    spans = [(NOW + hour * HOUR, NOW + (hour + 1) * HOUR) for hour in range(1, 5)]
    assert await store.over_time(spans, None) == [{"failed": 1}, {"succeeded": 2}, {}, {}]
    assert await store.over_time(spans, "sync") == await store.over_time(spans, None)
    assert await store.over_time(spans, "nobody") == [{}, {}, {}, {}]
    assert await store.accepted_over_time(spans) == [1, 2, 1, 0]
    assert await store.seconds_taken(spans, "sync") == [[], [5.0, 5.0], [], []]
