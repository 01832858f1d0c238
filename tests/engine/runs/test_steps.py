"""Steps are taken in order, and one that is done is never repeated."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.errors import Unauthorized
from tests.engine.runs.kit import THREE, failing, only
from tests.engine.virtual import simulate
from tests.engine.world import Flow, Step, World, clock, play

# --- the way through --------------------------------------------------------------------------


def test_a_run_takes_its_steps_in_order_and_keeps_what_each_gave(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert run.state == "succeeded"
        assert run.finished_at == clock()
        assert run.error is None
        steps = await world.store.steps(run.id)
        assert [(one.position, one.id, one.state) for one in steps] == [
            (0, "one", "done"), (1, "two", "done"), (2, "three", "done"),
        ]  # fmt: skip
        assert steps[0].output == {"seen": 1}

    world = play(tmp_path, story, THREE)
    assert world.books.looked == [(1, "one"), (1, "two"), (1, "three")]
    assert world.finished == [("1", "succeeded")]


def test_a_later_step_sees_what_the_earlier_ones_gave(tmp_path: Path) -> None:
    seen: list[Any] = []
    flow = Flow(
        "sync",
        [
            Step("one"),
            Step("no", only_if=lambda context: False),
            Step("two", make=lambda context: seen.append(dict(context)) or {}),
        ],
    )

    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        steps = await world.store.steps((await only(world)).id)
        assert [one.state for one in steps] == ["done", "skipped", "done"]

    play(tmp_path, story, flow)
    (context,) = seen
    assert context["steps"]["one"] == {"skipped": False, "seen": 1}
    assert context["steps"]["no"] == {"skipped": True}
    assert context["trigger"]["resource"] == {"id": 1, "name": "client 1"}
    assert context["flow"] == {"key": "sync", "version": 1}
    assert context["run"]["created_at"] == "1970-01-12T13:46:40+00:00"


@pytest.mark.parametrize(
    "steps", [[], [Step("one", only_if=lambda context: False)]], ids=["no step", "skipped"]
)
def test_a_flow_with_nothing_to_do_succeeds(tmp_path: Path, steps: list[Step]) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story, Flow("sync", steps))


# --- kills ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["one", "two", "three"])
def test_a_step_that_is_done_is_not_repeated_after_a_kill(tmp_path: Path, step: str) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db", (THREE,))
        reached = asyncio.Event()

        async def hang(inputs: dict[str, Any]) -> dict[str, Any]:
            if inputs["step"] == step:
                reached.set()
                await asyncio.get_running_loop().create_future()
            return {"seen": inputs["item"], "by": "the first process"}

        world.books.script = hang
        await world.start()
        await world.deliver("1")
        await reached.wait()
        await world.kill()
        world.books.script = None
        await world.start()
        await world.settled()
        run = await only(world)
        assert run.state == "succeeded"
        before = {"one": 0, "two": 1, "three": 2}[step]
        steps = await world.store.steps(run.id)
        by = [(one.output or {}).get("by") for one in steps]
        assert by == ["the first process"] * before + [None] * (3 - before)
        looked = [name for _, name in world.books.looked]
        assert sorted(looked) == sorted(["one", "two", "three", step])
        await world.kill()

    simulate(whole)


def test_a_step_that_is_done_is_not_repeated_after_a_release(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.script = failing("two", Unauthorized("dead"))
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.reconnect()
        await world.settled()
        assert (await only(world)).state == "succeeded"

    world = play(tmp_path, story)
    assert [step for _, step in world.books.looked] == ["one", "two", "two"]


def test_kills_at_random_moments_repeat_no_step_and_leave_no_run_open(tmp_path: Path) -> None:
    import random

    async def whole(seed: int) -> None:
        draw = random.Random(seed)
        world = World(tmp_path / f"{seed}.db", (THREE,), workers=3)

        async def slow(inputs: dict[str, Any]) -> dict[str, Any]:
            await asyncio.sleep(draw.uniform(0, 3))
            done[(inputs["item"], inputs["step"])] = done.get((inputs["item"], inputs["step"]), 0)
            return {"seen": inputs["item"]}

        done: dict[tuple[int, str], int] = {}
        world.books.script = slow
        await world.start()
        await world.deliver(*(str(number) for number in range(8)))
        stored: set[tuple[int, str]] = set()
        for _ in range(4):
            await asyncio.sleep(draw.uniform(0, 6))
            await world.kill()
            world.books.looked.clear()
            await world.start()
            stored = {
                (run.context["trigger"]["id"], step.id)
                for run in await world.runs_of()
                for step in await world.store.steps(run.id)
            }
        await world.settled()
        assert not stored & set(world.books.looked), f"seed {seed}: a stored step ran again"
        runs = await world.runs_of()
        assert [run.state for run in runs] == ["succeeded"] * 8, f"seed {seed}"
        await world.kill()

    for seed in range(12):
        simulate(lambda seed=seed: whole(seed))


def test_a_run_that_is_at_its_end_is_not_driven_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert await world.runs.perform(run) is None

    world = play(tmp_path, story)
    assert len(world.books.looked) == 2
    assert len(world.finished) == 1
