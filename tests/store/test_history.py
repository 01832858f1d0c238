"""Looking back: what is found, that its sums are right, and that no question reads a table."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from connector.store.past import Part
from connector.store.rows import COUNTED, EventFilter, EventRow, RunFilter, RunRow
from connector.store.sql.database import SqlDatabase
from connector.store.sql.history import LOOKED_THROUGH, History
from connector.store.sql.tenant import TenantStore
from tests.store.kit import NOW, effect_row, event_row, fill, run_row, step_row

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


@pytest.fixture
async def store(either: SqlDatabase) -> TenantStore:
    """One filled tenant beside another, whose rows must never be seen."""
    await fill(either.tenant("other"))
    filled = await fill(either.tenant("main"))
    return filled.store


async def ids(store: TenantStore, **asked: Any) -> list[int]:
    return [line.id for line in (await store.look_up_runs(RunFilter(**asked), 50)).rows]


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


# --- what is read ---------------------------------------------------------------------------

SPANS = [(NOW, NOW + HOUR), (NOW + HOUR, NOW + 2 * HOUR)]
QUESTIONS: dict[str, Callable[[History], Any]] = {
    "runs": lambda one: one.look_up_runs(RunFilter(), 50),
    "runs by state": lambda one: one.look_up_runs(RunFilter(state="failed"), 50),
    "failed runs": lambda one: one.look_up_runs(RunFilter(state="failed", mended=False), 50),
    "mended runs": lambda one: one.look_up_runs(RunFilter(state="failed", mended=True), 50),
    "runs by open state": lambda one: one.look_up_runs(RunFilter(state="waiting"), 50),
    "runs by flow": lambda one: one.look_up_runs(RunFilter(flow="sync"), 50),
    "runs by record": lambda one: one.look_up_runs(RunFilter(record="7"), 50),
    "runs by event": lambda one: one.look_up_runs(RunFilter(event_id=7), 50),
    "runs of a time": lambda one: one.look_up_runs(RunFilter(since=NOW, until=NOW + 1), 50),
    "runs by text": lambda one: one.look_up_runs(RunFilter(text="rossi"), 50),
    "runs by number": lambda one: one.look_up_runs(RunFilter(text="12"), 50),
    "counts": lambda one: one.count_runs(RunFilter(), ("failed", "parked", "waiting")),
    "events": lambda one: one.look_up_events(EventFilter(), 50),
    "events by state": lambda one: one.look_up_events(EventFilter(state="failed"), 50),
    "recovered": lambda one: one.look_up_events(EventFilter(recovered=True), 50),
    "events of a time": lambda one: one.look_up_events(EventFilter(since=NOW), 50),
    "events by text": lambda one: one.look_up_events(EventFilter(text="4711"), 50),
    "ends": lambda one: one.ends_of_events([1, 2]),
    "account": lambda one: one.account((NOW, NOW + HOUR)),
    "over time": lambda one: one.over_time(SPANS, None),
    "over time of a flow": lambda one: one.over_time(SPANS, "sync"),
    "accepted": lambda one: one.accepted_over_time(SPANS),
    "seconds taken": lambda one: one.seconds_taken(SPANS, None),
}


BY = {
    "runs by state": "run_state",
    "failed runs": "run_amiss",
    "mended runs": "run_mended",
    "runs by open state": "run_waits",
    "runs by flow": "run_flow",
    "runs by record": "run_item",
    "runs by event": "run_event",
    "runs of a time": "run_made",
    "runs by number": "run_item",
    "counts": "run_waits",
    "events by state": "event_state",
    "recovered": "event_swept",
    "events of a time": "event_time",
    "events by text": "event_ids",
    "account": "event_time",
    "over time": "run_end",
    "accepted": "event_time",
    "seconds taken": "run_end",
}
"""What must be found by more than walking through all numbers."""


class Planner:
    """Runs nothing: keeps how each question would be answered."""

    def __init__(self, database: SqlDatabase, explain: str) -> None:
        self._database = database
        self._explain = explain
        self.plans: list[str] = []

    async def all(self, sql: str, *values: Any) -> list[Any]:
        plan = await self._database.all(f"{self._explain} {sql}", *values)
        self.plans.append(f"{sql}\n" + "\n".join(str(row) for row in plan))
        return await self._database.all(sql, *values)

    aside = all


@pytest.mark.parametrize("question", QUESTIONS)
async def test_sqlite_reads_no_table_from_end_to_end(database: SqlDatabase, question: str) -> None:
    await fill(database.tenant("main"))
    planner = Planner(database, "EXPLAIN QUERY PLAN")
    await QUESTIONS[question](History("main", planner))  # type: ignore[arg-type]
    assert planner.plans
    for plan in planner.plans:
        scans = re.findall(r"SCAN (run|event|step|effect)\b", plan)
        assert not scans, plan
        few = question in ("runs by event", "runs by number", "recovered")
        assert few or "B-TREE FOR ORDER BY" not in plan, f"a list is sorted: {plan}"
        assert "newer USING INDEX run_item" not in plan, plan
    wanted = BY.get(question)
    assert wanted is None or any(f"INDEX {wanted} " in one for one in planner.plans), planner.plans


async def test_who_made_a_record_is_found_by_index(database: SqlDatabase) -> None:
    planner = Planner(database, "EXPLAIN QUERY PLAN")
    store = database.tenant("main")
    store._backend = planner  # type: ignore[assignment]
    await store.claimed_ids("conn-main", "books.create_client", ["7", "8"])
    (plan,) = planner.plans
    assert "USING INDEX effect_remote (connection_id=? AND remote_id=?)" in plan


async def test_runs_that_wait_for_a_connection_are_counted_by_index(database: SqlDatabase) -> None:
    planner = Planner(database, "EXPLAIN QUERY PLAN")
    store = database.tenant("main")
    store._backend = planner  # type: ignore[assignment]
    assert await store.count_waiting("connection:7", 100) == 0
    (plan,) = planner.plans
    assert "USING COVERING INDEX run_reason (tenant=? AND reason=?" in plan


async def test_postgres_reads_many_rows_by_index(postgres_url: str) -> None:
    from connector.store.postgres.database import Database

    database = Database(postgres_url)
    await database.open()
    try:
        await fill(database.tenant("main"))
        await _many(database)
        for name, ask in QUESTIONS.items():
            planner = Planner(database, "EXPLAIN")
            await ask(History("main", planner))  # type: ignore[arg-type]
            for plan in planner.plans:
                assert not re.search(r"Seq Scan on (run|event)\b", plan), (name, plan)
    finally:
        await database.close()


async def _many(database: SqlDatabase) -> None:
    """So many rows that a planner would rather not read them all."""
    events = (
        "INSERT INTO event (tenant, connection_id, delivery_id, type, resource, operation,"
        " ids, received_at, state) SELECT 'main', 'conn-main', 'm-' || n, 't', 'client',"
        " 'update', '[]', 1700000000 + n * 60, 'matched' FROM generate_series(1, 40000) AS n"
    )
    runs = (
        "INSERT INTO run (tenant, flow_id, flow_version, event_id, item_id, state, context,"
        " created_at, finished_at) SELECT 'main', 1, 1, id, 'i' || id,"
        " CASE WHEN id % 50 = 0 THEN 'failed' ELSE 'succeeded' END, '{}', received_at,"
        " received_at + 2 FROM event WHERE delivery_id LIKE 'm-%'"
    )
    await database.write((events, ()), (runs, ()))
    await database.write(("ANALYZE event", ()), ("ANALYZE run", ()))


def test_a_search_in_texts_is_bounded() -> None:
    assert LOOKED_THROUGH <= 10_000


# --- counting -----------------------------------------------------------------------------------


def asking(database: SqlDatabase, planner: Planner) -> TenantStore:
    """A store whose questions are explained."""
    return TenantStore("main", planner)  # type: ignore[arg-type]


async def test_sqlite_counts_states_by_indexes_alone(database: SqlDatabase) -> None:
    store = database.tenant("main")
    await fill(store)
    planner = Planner(database, "EXPLAIN QUERY PLAN")
    told = await asking(database, planner).counts()
    assert sum(told["run"].values()) == len(await store.runs(limit=1_000))
    assert sum(told["event"].values()) == len(await store.events(limit=1_000))
    assert sum(told["effect"].values()) == len(await store.effects())
    (plan,) = planner.plans
    reads = re.findall(r"(SEARCH|SCAN) (run|event|effect)\b([^']*)", plan)
    assert len(reads) == plan.count("count(*)")
    assert {table for _, table, _ in reads} == {"run", "event", "effect"}
    for how, table, by in reads:
        assert how == "SEARCH", plan
        # LIMIT ends it, if nothing else is read than what is counted. Open runs are few.
        assert "COVERING INDEX" in by or f"{table}{by}".startswith("run USING INDEX run_waits"), by
        whole = ("event_open (tenant=?)", "(tenant=? AND state=?)", "(state=? AND tenant=?)")
        assert by.endswith(whole), by


async def test_counting_ends_where_it_is_told(either: SqlDatabase) -> None:
    store, other = either.tenant("main"), either.tenant("other")
    for filled in (store, other):
        await fill(filled)
        for number in range(1, 4):
            await run(filled, number)
    whole = await store.counts()
    assert whole["run"]["succeeded"] >= 3
    assert await store.counts(most=2) == {
        table: {state: min(2, count) for state, count in states.items()}
        for table, states in whole.items()
    }


async def test_postgres_counts_states_by_indexes_alone(postgres_url: str) -> None:
    from connector.store.postgres.database import Database

    database = Database(postgres_url)
    await database.open()
    try:
        await fill(database.tenant("main"))
        await _many(database)
        effects = (
            "INSERT INTO effect (key, tenant, connection_id, run_id, step_id, node, state, marker,"
            " inputs, created_at, updated_at) SELECT 'k' || id, tenant, 'c', id, 's', 'n', 'done',"
            " 'm', repeat('x', 200), 0, 0 FROM run"
        )
        await database.write((effects, ()))
        # As long as in real life: of short rows the planner would rather read the table.
        await database.write(
            ("UPDATE event SET error = repeat('x', 400)", ()),
            ("UPDATE run SET context = repeat('x', 1500)", ()),
        )
        async with await database._connect() as connection:
            for table in ("effect", "event", "run"):
                await connection.execute(f"VACUUM (ANALYZE) {table}")
        planner = Planner(database, "EXPLAIN")
        told = await asking(database, planner).counts()
        assert told["run"]["failed"] >= 800
        assert told["effect"]["done"] == COUNTED
        for plan in planner.plans:
            assert "Index Only Scan" in plan, plan
            assert "Seq Scan" not in plan, plan
    finally:
        await database.close()
