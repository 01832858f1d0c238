"""Every accepted event comes to an end, and each flow gets one run for each of its records."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from connector.engine.events import AT_ONCE
from connector.errors import (
    ConnectorError,
    FlowError,
    Forbidden,
    Missing,
    NotConnected,
    NotSent,
    StoreBusy,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.store.rows import EventRow, RunRow
from tests.engine.virtual import START, simulate
from tests.engine.world import RAW, Flow, Step, World, clock

Story = Callable[[World], Awaitable[None]]
ONE_STEP = [Step("one")]
FIFTY = tuple(str(number) for number in range(1, 51))


def play(path: Path, story: Story, *flows: Flow, **given: Any) -> World:
    async def whole() -> World:
        world = World(path / "connector.db", flows or (Flow("sync", ONE_STEP),), **given)
        await world.start()
        await story(world)
        await world.kill()
        return world

    return simulate(whole)


async def again(world: World, event: EventRow) -> EventRow:
    stored = await world.store.event(event.id)
    assert stored is not None
    return stored


def by_item(runs: list[RunRow]) -> dict[str, RunRow]:
    items = {run.item_id: run for run in runs}
    assert len(items) == len(runs), "one run each"
    return items


# --- reading ----------------------------------------------------------------------------------


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


# --- who wants what ---------------------------------------------------------------------------


def test_deletes_give_one_run_for_each_id_without_reading(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "3", operation="delete")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert set(runs) == {"1", "2", "3"}
        for run in runs.values():
            assert run.state == "succeeded"
            assert run.context["trigger"]["resource"] is None
            assert run.context["trigger"]["enrichment"] == "gone"

    assert play(tmp_path, story).books.reads == []


def test_a_raw_event_gives_runs_without_reading(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", "2")
        await world.settled()
        for run in by_item(await world.runs_of(event)).values():
            assert run.context["trigger"]["resource"] is None
            assert run.context["trigger"]["enrichment"] == "none"

    assert play(tmp_path, story, Flow("raw", ONE_STEP, trigger=RAW)).books.reads == []


def test_a_raw_flow_does_not_wait_for_the_record_that_another_flow_wants(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        world.books.single_faults = {"1": [NotSent("away")]}
        event = await world.deliver("1")
        await asyncio.sleep(1)
        (raw,) = await world.runs_of(event)
        assert raw.context["trigger"]["enrichment"] == "none"
        assert raw.state == "succeeded"
        await world.settled()
        assert len(await world.runs_of(event)) == 2

    play(tmp_path, story, Flow("sync", ONE_STEP), Flow("raw", ONE_STEP, trigger=RAW))


def test_an_event_does_not_wait_for_a_record_that_only_another_event_wants(
    tmp_path: Path,
) -> None:
    created = frozenset({"create"})
    flows = (
        Flow("sync", ONE_STEP, operations=created),
        Flow("raw", ONE_STEP, trigger=RAW, operations=frozenset({"update"})),
    )

    async def story(world: World) -> None:
        world.books.single_faults = {"1": [NotSent("away")] * 3}
        raw, enriched = await asyncio.gather(
            world.deliver("1", operation="update"), world.deliver("1", operation="create")
        )
        await asyncio.sleep(1)
        assert (await again(world, raw)).state == "matched"
        assert (await again(world, enriched)).state == "received"
        await world.settled()
        assert (await again(world, enriched)).state == "failed"
        assert len(await world.runs_of(raw)) == 1

    play(tmp_path, story, *flows)


def test_ids_that_come_twice_in_an_event_get_one_run(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "1", "2", "1")
        await world.settled()
        assert set(by_item(await world.runs_of(event))) == {"1", "2"}

    assert len(play(tmp_path, story).books.looked) == 2


def test_an_unknown_resource_fails_with_what_to_do(tmp_path: Path) -> None:
    flow = Flow("sync", ONE_STEP, resources=frozenset({"unheard_of"}))

    async def story(world: World) -> None:
        event = await world.deliver("1", "2", resource="unheard_of")
        await world.settled()
        assert (await again(world, event)).state == "matched"
        for run in by_item(await world.runs_of(event)).values():
            assert run.state == "failed"
            assert "unheard_of" in run.error["message"]
            assert run.error["remedy"]

    assert play(tmp_path, story, flow).books.reads == []


@pytest.mark.parametrize(
    "changes", [{"resource": "supplier"}, {"operation": "send"}, {"account": "8"}]
)
def test_an_event_that_no_flow_follows_is_kept_as_unmatched(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", **changes)
        await world.settled()
        assert (await again(world, event)).state == "unmatched"
        assert await world.runs_of(event) == []

    assert play(tmp_path, story, Flow("sync", ONE_STEP, account="7")).books.reads == []


def test_an_event_without_ids_is_kept_as_unmatched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver()
        await world.settled()
        assert (await again(world, event)).state == "unmatched"

    play(tmp_path, story)


def test_a_filter_that_says_no_is_recorded_as_a_run(tmp_path: Path) -> None:
    flow = Flow("sync", ONE_STEP, passes=lambda context: context["trigger"]["id"] % 2 == 0)

    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "3", "4")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert [runs[one].state for one in "1234"] == [
            "filtered", "succeeded", "filtered", "succeeded",
        ]  # fmt: skip
        assert runs["1"].finished_at == START
        assert (await again(world, event)).state == "matched"

    assert sorted(play(tmp_path, story, flow).books.looked) == [(2, "one"), (4, "one")]


@pytest.mark.parametrize(
    ("fault", "message", "who"),
    [
        (FlowError("The filter is not yes or no.", who="user"), "The filter is not", "user"),
        (TypeError("secret data"), "Connector itself failed here (TypeError).", "developer"),
    ],
)
def test_a_filter_that_fails_fails_one_run(
    tmp_path: Path, fault: Exception, message: str, who: str
) -> None:
    def passes(context: dict[str, Any]) -> bool:
        if context["trigger"]["id"] == 2:
            raise fault
        return True

    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "3")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert [runs[one].state for one in "123"] == ["succeeded", "failed", "succeeded"]
        assert runs["2"].error["message"].startswith(message)
        assert runs["2"].error["who"] == who
        assert "secret" not in str(runs["2"].error)
        assert (await again(world, event)).state == "matched"

    play(tmp_path, story, Flow("sync", ONE_STEP, passes=passes))


# --- our own trouble --------------------------------------------------------------------------


class Between:
    """A store in which one method is replaced."""

    def __init__(self, store: Any, name: str, method: Any) -> None:
        self._store = store
        self._name = name
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return self._method if name == self._name else getattr(self._store, name)


def test_one_event_that_cannot_be_stored_strands_no_run_of_another(tmp_path: Path) -> None:
    """Those of its batch are stored in the same moment: their runs must start all the same."""

    async def story(world: World) -> None:
        store = world.store
        faults: dict[str, list[Exception]] = {
            "d-2": [StoreBusy("away"), StoreBusy("away")],
            "d-4": [OverflowError("cannot be written"), StoreBusy("away")],
        }

        async def match(event: EventRow, runs: Any) -> Any:
            if left := faults.get(event.delivery_id):
                raise left.pop(0)
            if event.delivery_id == "d-5" and runs:
                raise OverflowError("can never be written")
            return await store.match(event, runs)

        world.events._store_of = lambda tenant: Between(store, "match", match)
        events = await asyncio.gather(
            *(world.deliver(str(number), delivery=f"d-{number}") for number in range(1, 7))
        )
        await world.settled()
        states = [(await again(world, event)).state for event in events]
        assert states == ["matched"] * 4 + ["failed"] + ["matched"]
        assert {run.item_id: run.state for run in await world.runs_of()} == dict.fromkeys(
            ("1", "2", "3", "4", "6"), "succeeded"
        )
        failed = await again(world, events[4])
        assert failed.error["message"] == "Connector itself failed here (OverflowError)."

    play(tmp_path, story)


@pytest.mark.parametrize("method", ["match", "items_with_runs"])
def test_a_database_that_is_away_only_delays(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        faults: list[Exception] = [StoreBusy("away")] * 3
        real = getattr(world.store, method)

        async def away(*given: Any) -> Any:
            if faults:
                raise faults.pop()
            return await real(*given)

        world.events._store_of = lambda tenant: Between(world.store, method, away)
        world.books.missing = {"2"}
        world.books.single_faults = {"2": [NotSent("away")]}
        event = await world.deliver("1", "2")
        await world.settled()
        assert faults == []
        assert (await again(world, event)).state == "matched"
        assert [run.state for run in await world.runs_of(event)] == ["succeeded"] * 2

    play(tmp_path, story)


@pytest.mark.parametrize("error", [StoreBusy("away"), FlowError("broken"), RuntimeError("a bug")])
def test_flows_that_cannot_be_looked_up_now_only_delay(tmp_path: Path, error: Exception) -> None:
    async def story(world: World) -> None:
        following = world.following
        faults = [error] * 3

        async def sometimes(tenant: str, connection_id: str) -> Any:
            if faults:
                raise faults.pop()
            return await following(tenant, connection_id)

        world.following = sometimes
        events = [await world.deliver(str(number)) for number in range(3)]
        await world.settled()
        assert [(await again(world, event)).state for event in events] == ["matched"] * 3

    play(tmp_path, story)


def test_an_event_that_is_here_is_not_taken_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.single_faults = {"1": [NotSent("away")]}
        event = await world.deliver("1")
        for _ in range(5):
            await asyncio.sleep(1)
            await world.resume()
            assert world.events.open == 1
        await world.settled()
        assert (await again(world, event)).attempts == 1

    assert len(play(tmp_path, story).books.reads) == 2


def test_an_event_that_is_opened_again_gives_runs_only_to_flows_that_have_none(
    tmp_path: Path,
) -> None:
    """What a flow that was switched on too late asks for."""

    async def story(world: World) -> None:
        late = world.active.pop()
        event = await world.deliver("1", "2")
        await world.settled()
        assert len(await world.runs_of(event)) == 2
        world.books.reads.clear()
        assert await world.store.reopen_event(event.id)
        await world.resume()
        await world.settled()
        assert world.books.reads == [], "every flow has its runs"
        world.active.append(late)
        assert await world.store.reopen_event(event.id)
        await world.resume()
        await world.settled()
        runs = [(run.flow_id, run.item_id) for run in await world.runs_of(event)]
        assert sorted(runs) == sorted((one.row.id, item) for one in world.active for item in "12")
        assert (await again(world, event)).state == "matched"

    play(tmp_path, story, Flow("early", ONE_STEP), Flow("late", ONE_STEP))


def test_an_event_that_is_still_open_is_not_opened_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.single_faults = {"1": [NotSent("away")]}
        event = await world.deliver("1")
        await asyncio.sleep(1)
        assert not await world.store.reopen_event(event.id)
        await world.settled()
        assert (await again(world, event)).state == "matched"

    play(tmp_path, story)


def test_a_kill_loses_no_event_and_repeats_no_run(tmp_path: Path) -> None:
    async def whole(seed: int) -> None:
        import random

        draw = random.Random(seed)
        world = World(tmp_path / f"{seed}.db", (Flow("a", ONE_STEP), Flow("b", ONE_STEP)))
        await world.start()
        events = []
        for _ in range(5):
            count = draw.randint(1, 6)
            events += await asyncio.gather(
                *(world.deliver(*(str(draw.randint(1, 9)) for _ in range(3))) for _ in range(count))
            )
            for _ in range(draw.randint(0, 30)):
                await asyncio.sleep(0)
            await world.kill()
            await world.start()
        await world.settled()
        for event in events:
            assert (await again(world, event)).state == "matched", f"seed {seed}"
            runs = [(run.flow_id, run.item_id) for run in await world.runs_of(event)]
            wanted = {(one.row.id, item) for one in world.active for item in event.ids}
            assert sorted(runs) == sorted(wanted), f"seed {seed}"
        assert {run.state for run in await world.runs_of()} == {"succeeded"}, f"seed {seed}"
        await world.kill()

    for seed in range(10):
        simulate(lambda seed=seed: whole(seed))


# --- accounting -------------------------------------------------------------------------------


def test_after_any_bad_day_every_event_is_matched_and_every_run_is_there_once(
    tmp_path: Path,
) -> None:
    """Random faults of the app, the store and the process, then all is well."""

    async def whole(seed: int) -> None:
        import random

        draw = random.Random(seed)
        flows = (
            Flow("every", ONE_STEP),
            Flow("even", ONE_STEP, passes=lambda context: context["trigger"]["id"] % 2 == 0),
            Flow("raw", ONE_STEP, trigger=RAW),
        )
        # Enough tries that no event gives up before the day is over.
        world = World(tmp_path / f"day-{seed}.db", flows, retries=(10,) * 60)
        bad = True

        def fault() -> Exception | None:
            if not bad or draw.random() < 0.6:
                return None
            return draw.choice(
                [
                    NotSent("away"), Unclear("broken", status=500), Unauthorized("dead"),
                    Throttled("used up", retry_after=draw.uniform(0, 40)),
                ]
            )  # fmt: skip

        real_read = world.books.read

        async def read(request: Any, inputs: Any) -> Any:
            error = fault()
            if error is not None:
                raise error
            return await real_read(request, inputs)

        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            error = fault()
            if error is not None:
                raise error
            return {}

        world.books.read = read
        world.books.script = script

        async def begin() -> None:
            await world.start()
            store = world.store

            async def match(event: EventRow, runs: Any) -> Any:
                if bad and draw.random() < 0.2:
                    raise StoreBusy("away")
                return await store.match(event, runs)

            world.events._store_of = lambda tenant: Between(store, "match", match)

        await begin()
        events = []
        for _ in range(12):
            ids = [str(draw.randint(1, 12)) for _ in range(draw.randint(1, 5))]
            operation = draw.choice(["create", "update", "update", "delete"])
            events.append(await world.deliver(*ids, operation=operation))
            await asyncio.sleep(draw.uniform(0, 30))
            if draw.random() < 0.2:
                await world.kill()
                await begin()
        bad = False
        await world.reconnect()
        await world.settled()
        for event in events:
            assert (await again(world, event)).state == "matched", f"seed {seed}"
            runs = [(run.flow_id, run.item_id) for run in await world.runs_of(event)]
            wanted = {(one.row.id, item) for one in world.active for item in event.ids}
            assert sorted(runs) == sorted(wanted), f"seed {seed}"
        every = await world.runs_of()
        assert {run.state for run in every} <= {"succeeded", "filtered"}, f"seed {seed}"
        await world.kill()

    for seed in range(12):
        simulate(lambda seed=seed: whole(seed))


# --- many places ------------------------------------------------------------------------------


def test_of_hundreds_of_places_the_store_is_asked_for_few_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def story(world: World) -> None:
        book: Any = world.events._book
        following, now = book.following, 0

        async def slow(*given: Any) -> Any:
            nonlocal now
            now += 1
            asked.append(now)
            await asyncio.sleep(0.1)
            now -= 1
            return await following(*given)

        monkeypatch.setattr(book, "following", slow)
        for number in range(3 * AT_ONCE):
            await world.deliver(str(number), account=f"company {number}")
        await world.settled()

    play(tmp_path, story)
    assert len(asked) == 3 * AT_ONCE
    assert max(asked) == AT_ONCE
