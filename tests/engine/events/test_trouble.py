"""Every accepted event comes to an end, whatever trouble is our own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.engine.events import AT_ONCE
from connector.errors import FlowError, NotSent, StoreBusy, Throttled, Unauthorized, Unclear
from connector.store.rows import EventRow
from tests.engine.events.kit import ONE_STEP, again, play
from tests.engine.virtual import simulate
from tests.engine.world import RAW, Flow, World

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
