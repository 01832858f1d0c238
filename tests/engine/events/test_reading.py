"""Records are read together, and what is wrong with one of them holds up no other."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connector.errors import (
    ConnectorError,
    Forbidden,
    Missing,
    NotConnected,
    NotSent,
    Throttled,
    Unauthorized,
    Unclear,
)
from tests.engine.events.kit import FIFTY, ONE_STEP, again, by_item, play
from tests.engine.virtual import START, simulate
from tests.engine.world import Flow, World, clock


def test_an_event_of_fifty_ids_takes_two_calls_and_gives_fifty_runs(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver(*FIFTY)
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert set(runs) == set(FIFTY)
        assert runs["7"].context["trigger"]["resource"] == {"id": 7, "name": "client 7"}
        assert (await again(world, event)).state == "matched"

    assert [len(ids) for _, ids in play(tmp_path, story).books.reads] == [40, 10]


def test_a_run_sees_the_event_and_the_record(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("9", delivery="ce-1", happened_at="2023-11-14T22:13:20Z")
        await world.settled()
        (run,) = await world.runs_of(event)
        assert run.context["trigger"] == {
            "event": {
                "id": "ce-1",
                "type": "books.client",
                "resource": "client",
                "operation": "update",
                "time": "2023-11-14T22:13:20Z",
                "company_id": 7,
            },
            "id": 9,
            "resource": {"id": 9, "name": "client 9"},
            "enrichment": "ok",
        }

    play(tmp_path, story)


def test_flows_on_one_event_share_one_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", "2")
        await world.settled()
        runs = await world.runs_of(event)
        assert Counter(run.flow_id for run in runs) == Counter(
            {one.row.id: 2 for one in world.active}
        )

    world = play(tmp_path, story, *(Flow(f"flow {number}", ONE_STEP) for number in range(5)))
    assert world.books.reads == [("batch", ("1", "2"))]


def test_events_that_came_together_are_read_together(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await asyncio.gather(*(world.deliver(str(number)) for number in range(1, 31)))
        await world.settled()
        assert len(await world.runs_of()) == 30

    assert len(play(tmp_path, story).books.reads) <= 3


def test_events_of_two_companies_are_not_read_together(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await asyncio.gather(*(world.deliver("1", account=str(one)) for one in (7, 8)))
        await world.settled()
        assert len(await world.runs_of()) == 2

    world = play(tmp_path, story)
    assert world.books.reads == [("single", ("1",))] * 2
    assert {account for _, account, _ in world.opened if account} == {"7", "8"}


@pytest.mark.parametrize(
    ("error", "state", "enrichment"),
    [
        (Missing("gone", status=404), "succeeded", "gone"),
        (Forbidden("not yours", status=403, remedy="Ask for the scope."), "failed", "denied"),
    ],
)
def test_one_bad_id_fails_no_sibling(
    tmp_path: Path, error: ConnectorError, state: str, enrichment: str
) -> None:
    async def story(world: World) -> None:
        world.books.missing = {"3"}
        world.books.single_faults = {"3": [error]}
        event = await world.deliver("1", "2", "3", "4")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert [runs[one].state for one in "124"] == ["succeeded"] * 3
        assert runs["3"].state == state
        assert runs["3"].context["trigger"]["enrichment"] == enrichment
        assert runs["3"].context["trigger"]["resource"] is None
        assert (await again(world, event)).state == "matched"
        if state == "failed":
            assert runs["3"].error == error.as_data()

    play(tmp_path, story)


def test_a_record_that_waits_holds_up_no_sibling_and_is_read_again_alone(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        world.books.missing = {"3"}
        world.books.single_faults = {"3": [Unclear("broken", status=500)]}
        event = await world.deliver("1", "2", "3", "4")
        await asyncio.sleep(1)
        assert set(by_item(await world.runs_of(event))) == {"1", "2", "4"}
        waiting = await again(world, event)
        assert (waiting.state, waiting.attempts) == ("received", 1)
        assert START + 5 <= waiting.due_at <= START + 10
        assert waiting.error["kind"] == "Unclear"
        world.books.missing = set()
        world.books.reads.clear()
        await world.settled()
        assert set(by_item(await world.runs_of(event))) == {"1", "2", "3", "4"}
        done = await again(world, event)
        assert (done.state, done.error) == ("matched", None)
        assert world.books.reads == [("single", ("3",))], "only what was missing"

    play(tmp_path, story)


@pytest.mark.parametrize(
    "error", [Throttled("used up", retry_after=30), Unauthorized("dead"), NotSent("away")]
)
def test_after_any_wait_only_what_is_missing_is_read_again(
    tmp_path: Path, error: ConnectorError
) -> None:
    async def story(world: World) -> None:
        world.books.missing = {"3"}
        world.books.single_faults = {"3": [error]}
        event = await world.deliver("1", "2", "3", "4")
        await asyncio.sleep(1)
        world.books.reads.clear()
        await world.settled()
        assert len(by_item(await world.runs_of(event))) == 4
        assert world.books.reads == [("single", ("3",))]

    play(tmp_path, story)


def test_what_waits_for_a_record_is_read_again_alone_in_the_next_process(tmp_path: Path) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db", (Flow("sync", ONE_STEP),))
        world.books.missing = {"3"}
        world.books.single_faults = {"3": [Unclear("broken", status=500)]}
        await world.start()
        event = await world.deliver("1", "2", "3")
        await asyncio.sleep(1)
        await world.kill()
        world.books.missing = set()
        world.books.reads.clear()
        await world.start()
        await world.settled()
        assert set(by_item(await world.runs_of(event))) == {"1", "2", "3"}
        assert world.books.reads == [("single", ("3",))]
        await world.kill()

    simulate(whole)


def test_a_list_that_fails_because_of_one_id_fails_no_sibling_for_ever(tmp_path: Path) -> None:
    """Two tries together, then each id by itself."""

    async def story(world: World) -> None:
        read = world.books.read

        async def poisoned(request: Any, inputs: Any) -> Any:
            if "3" in str(inputs.get("q", "")) or inputs.get("id") == "3":
                await read(request, inputs)
                raise Unclear("broken", status=500)
            return await read(request, inputs)

        world.books.read = poisoned
        event = await world.deliver("1", "2", "3", "4")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert {one: run.state for one, run in runs.items()} == dict.fromkeys("124", "succeeded")
        ended = await again(world, event)
        assert (ended.state, ended.error["message"]) == ("failed", "broken")

    play(tmp_path, story, retries=(10, 60, 300))


def test_used_up_tries_end_an_event_with_what_was_wrong(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.single_faults = {"1": [NotSent("unreachable")] * 3}
        event = await world.deliver("1")
        await world.settled()
        ended = await again(world, event)
        assert (ended.state, ended.attempts) == ("failed", 2)
        assert ended.error["message"] == "unreachable"
        assert await world.runs_of(event) == []

    play(tmp_path, story, retries=(10, 60))


def test_a_quota_is_waited_for_exactly_and_is_no_try(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        faults = [Throttled("used up", retry_after=100), NotSent("away")] * 2
        world.books.single_faults = {"1": [*faults, Throttled("used up", retry_after=100)]}
        event = await world.deliver("1")
        await asyncio.sleep(1)
        waiting = await again(world, event)
        assert (waiting.due_at, waiting.attempts) == (pytest.approx(START + 100), 0)
        await world.settled()
        assert (await again(world, event)).state == "matched"

    play(tmp_path, story, retries=(10, 60))


def test_a_dead_connection_keeps_its_events_until_it_is_renewed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dead = [Unauthorized("dead")] * 10_000
        world.books.single_faults = {"1": dead}
        event = await world.deliver("1")
        await asyncio.sleep(12 * 3600 + 17)
        waiting = await again(world, event)
        assert (waiting.state, waiting.attempts) == ("received", 0)
        dead.clear()
        renewed = clock()
        await world.reconnect()
        await world.settled()
        assert clock() - renewed < 1, "at once"
        assert (await again(world, event)).state == "matched"

    play(tmp_path, story)


@pytest.mark.parametrize("error", [NotConnected("no connection"), NotSent("away")])
def test_a_door_that_does_not_open_only_delays(tmp_path: Path, error: ConnectorError) -> None:
    async def story(world: World) -> None:
        world.door_faults = [error]
        event = await world.deliver("1")
        await world.settled()
        assert (await again(world, event)).state == "matched"
        (run,) = await world.runs_of(event)
        assert run.state == "succeeded"

    play(tmp_path, story)
