"""No question about the past reads a table from end to end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from connector.store.rows import COUNTED, EventFilter, RunFilter
from connector.store.sql.database import SqlDatabase
from connector.store.sql.history import LOOKED_THROUGH, History
from connector.store.sql.tenant import TenantStore
from tests.store.history.kit import HOUR, run
from tests.store.kit import NOW, fill

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
