"""Waits are kept, whatever ends in between, and a run goes on at its time."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConnectorError, NotSent, Throttled, Unauthorized, Unclear
from tests.engine.runs.kit import at, failing, only
from tests.engine.virtual import simulate
from tests.engine.world import CONNECTION, Flow, Step, World, clock, play


@pytest.mark.parametrize("error", [NotSent("away"), Unclear("who knows")])
def test_a_passing_fault_is_tried_again_later_and_later(
    tmp_path: Path, error: ConnectorError
) -> None:
    times: list[float] = []

    async def story(world: World) -> None:
        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            times.append(clock())
            if len(times) < 4:
                raise error
            return {}

        world.books.script = script
        await world.deliver("1")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story, Flow("sync", [Step("one")]), retries=(10, 60, 300))
    waits = [later - before for before, later in itertools.pairwise(times)]
    for wait, ceiling in zip(waits, (10, 60, 300), strict=True):
        assert ceiling / 2 <= wait <= ceiling


def test_used_up_tries_end_in_a_failure_that_says_what_was_wrong(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        away = NotSent("Books could not be reached.", remedy="It is tried again.")
        world.books.script = failing("two", *[away] * 3)
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert (run.state, run.attempts) == ("failed", 2)
        assert run.error["message"] == "Books could not be reached."
        one, two = await world.store.steps(run.id)
        assert one.state == "done"
        assert (two.state, two.error["step"], two.error["kind"]) == ("failed", "two", "NotSent")

    world = play(tmp_path, story, retries=(10, 60))
    assert [step for _, step in world.books.looked] == ["one", "two", "two", "two"]


def test_each_step_has_its_own_tries(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        left = {"one": 2, "two": 2}

        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            if left[inputs["step"]]:
                left[inputs["step"]] -= 1
                raise NotSent("away")
            return {}

        world.books.script = script
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert (run.state, run.error) == ("succeeded", None)

    play(tmp_path, story, retries=(10, 60))


def test_a_quota_is_waited_for_exactly_and_is_no_try(tmp_path: Path) -> None:
    times: list[float] = []

    async def story(world: World) -> None:
        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            times.append(clock())
            if len(times) <= 6:
                raise Throttled("used up", retry_after=77.5)
            return {}

        world.books.script = script
        await world.deliver("1")
        await asyncio.sleep(1)
        run = await only(world)
        assert (run.state, run.reason, run.attempts) == ("waiting", "quota", 0)
        assert run.due_at == times[0] + 77.5
        assert run.error["kind"] == "Throttled"
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story, Flow("sync", [Step("one")]), retries=(10,))
    assert at(times) == [pytest.approx(77.5 * place) for place in range(7)]


def test_a_wait_goes_on_in_the_next_process_at_its_time(tmp_path: Path) -> None:
    times: list[float] = []

    async def whole() -> None:
        world = World(tmp_path / "connector.db", (Flow("sync", [Step("one")]),))

        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            times.append(clock())
            if len(times) == 1:
                raise Throttled("used up", retry_after=1000)
            return {}

        world.books.script = script
        await world.start()
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.kill()
        await asyncio.sleep(100)
        await world.start()
        await world.settled()
        assert (await only(world)).state == "succeeded"
        await world.kill()

    simulate(whole)
    assert at(times) == [0, pytest.approx(1000)]


def test_the_runs_of_a_dead_connection_wait_and_go_on_in_order(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dead = True

        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            if dead:
                raise Unauthorized("The token is dead.")
            return {}

        world.books.script = script
        for number in range(5):
            await world.deliver(str(number))
            await world.deliver(str(number), operation="create")
        await asyncio.sleep(7 * 24 * 3600)
        runs = await world.runs_of()
        assert {run.state for run in runs[::2]} == {"waiting"}
        assert {run.reason for run in runs[::2]} == {f"connection:{CONNECTION}"}
        assert {run.state for run in runs[1::2]} == {"queued"}, "each behind the first"
        assert {run.attempts for run in runs} == {0}
        dead = False
        world.books.looked.clear()
        await world.reconnect()
        await world.settled()
        assert {run.state for run in await world.runs_of()} == {"succeeded"}

    world = play(tmp_path, story, Flow("sync", [Step("one")]), workers=1)
    assert [item for item, _ in world.books.looked] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_a_connection_renewed_while_a_run_was_refused_leaves_it_not_waiting(
    tmp_path: Path,
) -> None:
    """The consent comes between the refusal and the moment the run would begin to wait."""

    async def story(world: World) -> None:
        world.books.script = failing("one", Unauthorized("dead"))
        mark = world.books.mark
        assert mark is not None

        async def and_renewed() -> None:
            await mark()
            await world.reconnect()

        world.books.mark = and_renewed
        await world.deliver("1")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story)


def test_a_connection_that_another_process_renewed_is_noticed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.script = failing("one", Unauthorized("dead"))
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.store.set_connection_status(CONNECTION, "active")
        await world.store.release_runs(f"connection:{CONNECTION}")
        await world.resume()
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story)


def test_a_run_that_waits_for_its_owner_waits_in_the_next_process_too(tmp_path: Path) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db")
        world.books.script = failing("one", Unauthorized("dead"))
        await world.start()
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.kill()
        await world.start()
        await asyncio.sleep(24 * 3600)
        assert (await only(world)).state == "waiting"
        await world.reconnect()
        await world.settled()
        assert (await only(world)).state == "succeeded"
        await world.kill()

    simulate(whole)
