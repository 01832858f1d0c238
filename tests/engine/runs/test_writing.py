"""A write within a run: once, or parked for a person to look at."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.store.rows import RunRow
from tests.engine.runs.kit import only
from tests.engine.virtual import START, simulate
from tests.engine.world import Flow, Step, World, clock, play

WRITE = Step("write", "books.create_invoice", make=lambda seen: {"data": {"subject": "Order 7"}})


def test_a_write_of_a_run_is_parked_when_nobody_knows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout before"])
        await world.deliver("1")
        await asyncio.sleep(30)
        waiting = await only(world)
        assert (waiting.state, waiting.reason) == ("waiting", "unsure")
        assert waiting.due_at == START + 60
        await world.settled()
        run = await only(world)
        assert run.state == "parked"
        assert run.error["who"] == "user"
        assert "adopt" in run.error["remedy"]
        assert run.finished_at == START + 660

    world = play(tmp_path, story, Flow("sync", [Step("one"), WRITE]))
    assert len(world.books.sent) == 1
    assert world.finished == [("1", "parked")]


@pytest.mark.parametrize("trouble", ["connect refused", "unclear"])
def test_a_list_that_is_away_for_days_ends_no_run_in_a_guess(tmp_path: Path, trouble: str) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout after"])
        world.books.looking = iter([trouble] * 200)
        await world.deliver("1")
        await asyncio.sleep(24 * 3600)
        waiting = await only(world)
        assert (waiting.state, waiting.reason) == ("waiting", "unsure")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    assert len(play(tmp_path, story, Flow("sync", [WRITE])).books.sent) == 1


def test_a_parked_run_does_not_hold_up_the_next_of_its_record(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout before"])
        await world.deliver("1")
        await world.deliver("1")
        await world.settled()
        assert [run.state for run in await world.runs_of()] == ["parked", "succeeded"]

    play(tmp_path, story, Flow("sync", [WRITE]))


def test_a_kill_while_a_write_is_under_way_writes_once(tmp_path: Path) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db", (Flow("sync", [WRITE, Step("after")]),))
        send = world.books.send
        under_way = asyncio.Event()

        async def hang(prepared: Any, **how: Any) -> Any:
            await send(prepared, **how)
            under_way.set()
            await asyncio.get_running_loop().create_future()

        world.books.send = hang
        await world.start()
        await world.deliver("1")
        await under_way.wait()
        await world.kill()
        world.books.send = send
        await world.start()
        await world.settled()
        run = await only(world)
        assert run.state == "succeeded"
        (effect,) = await world.store.effects()
        assert effect.evidence[-1]["message"].endswith("adopted")
        assert len(world.books.sent) == 1
        await world.kill()

    simulate(whole)


def test_what_proves_a_write_has_its_own_place_in_the_quota(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout after"])
        await world.deliver("1")
        await world.settled()

    world = play(tmp_path, story, Flow("sync", [WRITE]))
    assert ("Books", "", "proof") in world.opened


def test_a_replay_of_a_finished_write_sends_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        old = await only(world)
        again = await world.store.add_run(
            RunRow("main", old.flow_id, old.flow_version, old.event_id, old.item_id, "queued",
                   old.context, clock())
        )  # fmt: skip
        world.enqueue(again)
        await world.settled()
        assert [run.state for run in await world.runs_of()] == ["succeeded", "succeeded"]
        outputs = [(await world.store.steps(run.id))[0].output for run in await world.runs_of()]
        assert outputs[0] == outputs[1]

    assert len(play(tmp_path, story, Flow("sync", [WRITE])).books.sent) == 1
