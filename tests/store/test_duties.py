"""Who is to be looked after, on both back ends: asked by an index, and no change is overlooked."""

from __future__ import annotations

from typing import Any

import pytest

from connector.store.sql.database import SqlDatabase
from tests.store.kit import NOW, connection_row, hook_row

WHAT = "sweeps"


async def tenant(database: SqlDatabase, name: str) -> Any:
    store = database.tenant(name)
    await store.ensure(NOW)
    await store.save_connection(connection_row(name))
    return store


async def test_whoever_sets_something_up_is_due_until_it_was_looked_after(
    either: SqlDatabase,
) -> None:
    await either.tenant("idle").ensure(NOW)
    await tenant(either, "alfa")
    ((who, since),) = await either.due(WHAT, NOW, 10)
    assert who == "alfa", "the idle one has nothing set up"
    assert await either.looked_after(WHAT, "alfa", since, NOW + 60)
    assert await either.due(WHAT, NOW + 59, 10) == []
    assert await either.due(WHAT, NOW + 60, 10) == [("alfa", NOW + 60)]
    assert [one[0] for one in await either.due("polls", NOW, 10)] == ["alfa"], "each by itself"


@pytest.mark.parametrize("change", ["flow", "switch", "secrets", "status", "removal", "deletion"])
async def test_a_change_during_the_look_makes_due_again(either: SqlDatabase, change: str) -> None:
    store = await tenant(either, "alfa")
    await store.save_flow("one", "flow: one", NOW, True)
    ((_, since),) = await either.due(WHAT, NOW, 10)
    if change == "flow":
        await store.save_flow("one", "flow: two", NOW, None)
    elif change == "switch":
        await store.enable_flow("one", False)
    elif change == "secrets":
        assert await store.save_secrets("conn-alfa", b"new", 0)
    elif change == "status":
        await store.set_connection_status("conn-alfa", "reconnect")
    elif change == "removal":
        await store.drop_connection("conn-alfa", NOW)
    else:
        assert await store.delete_flow("one", NOW)
    assert not await either.looked_after(WHAT, "alfa", since, None)
    assert await either.due(WHAT, NOW, 10)


async def test_whoever_waited_longest_comes_first_and_a_change_before_all(
    either: SqlDatabase,
) -> None:
    for at, name in enumerate(("c", "a", "b")):
        await tenant(either, name)
        ((_, since),) = [one for one in await either.due(WHAT, 0, 10) if one[0] == name]
        await either.looked_after(WHAT, name, since, NOW + at)
    await tenant(either, "new")
    assert [one[0] for one in await either.due(WHAT, NOW + 5, 3)] == ["new", "c", "a"]


async def test_a_start_brings_forward_those_with_a_flow_that_is_on(either: SqlDatabase) -> None:
    for name, on in (("on", True), ("off", False)):
        store = await tenant(either, name)
        await store.save_flow("one", "flow: one", NOW, on)
    for name, since in await either.due(WHAT, NOW, 10):
        await either.looked_after(WHAT, name, since, None)
    await either.due_by(WHAT, NOW + 300)
    assert await either.due(WHAT, NOW + 300, 10) == [("on", NOW + 300)]


async def test_only_who_was_told_another_address_is_asked_anew(either: SqlDatabase) -> None:
    for name in ("here", "there"):
        store = await tenant(either, name)
        at = "https://us.example" if name == "here" else "https://old.example"
        await store.save_hook(hook_row(name, url=f"{at}/hooks/hook-{name}"))
    for name, since in await either.due("subscriptions", NOW, 10):
        await either.looked_after("subscriptions", name, since, None)
    await either.moved_to("https://us.example")
    assert [one[0] for one in await either.due("subscriptions", NOW, 10)] == ["there"]


async def test_the_question_reads_only_what_is_due(either: SqlDatabase) -> None:
    many = (
        "INSERT INTO duty (tenant, what, due_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
        " SELECT i + 1 FROM n WHERE i < 5000) SELECT CAST(i AS TEXT), 'sweeps', i FROM n"
    )
    await either.write((many, ()))
    question = (
        "SELECT tenant, due_at FROM duty WHERE what = 'sweeps' AND due_at <= 3"
        " ORDER BY due_at LIMIT 8"
    )
    if hasattr(either, "reader"):
        plan = [row[3] for row in await either.all(f"EXPLAIN QUERY PLAN {question}")]
        assert len(plan) == 1
        assert "INDEX duty_due (what=? AND due_at<?)" in plan[0]
    else:
        await either.write(("ANALYZE duty", ()))
        plan = [row[0] for row in await either.all(f"EXPLAIN {question}")]
        assert any("Index" in line and "duty_due" in line for line in plan), plan
        assert not any("Sort" in line or "Seq" in line for line in plan), plan
