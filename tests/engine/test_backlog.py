"""A backlog: events wait as events until their runs would soon have a turn."""

from __future__ import annotations

import asyncio

import pytest

from connector.engine import dispatch as dispatch_module
from tests.engine.test_dispatch import Desk, play


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "AHEAD", 3)


def test_there_is_room_while_few_runs_wait() -> None:
    async def story(desk: Desk) -> None:
        await desk.dispatcher.room()
        for number in range(3):
            desk.add(number, str(number))
        await desk.dispatcher.room()
        assert desk.begun() == []

    play(story, workers=1)


def test_room_comes_back_as_soon_as_few_enough_wait() -> None:
    seen: list[int] = []

    async def story(desk: Desk) -> None:
        for number in range(10):
            desk.add(number, str(number))
        await desk.dispatcher.room()
        seen.append(len(desk.begun()))
        await desk.dispatcher.settled()

    # The seventh has its turn, so three wait.
    assert play(story, workers=1).begun() == list(range(10))
    assert seen == [7]


def test_runs_that_wait_for_a_time_or_an_owner_take_no_room() -> None:
    async def story(desk: Desk) -> None:
        for number in range(10):
            desk.add(number, str(number), due_at=float("inf"))
            desk.add(100 + number, str(100 + number), due_at=asyncio.get_running_loop().time() + 60)
        async with asyncio.timeout(1):
            await desk.dispatcher.room()

    play(story, workers=1)


def test_several_that_wait_for_room_all_get_it() -> None:
    async def story(desk: Desk) -> None:
        for number in range(6):
            desk.add(number, str(number))
        await asyncio.gather(*(desk.dispatcher.room() for _ in range(3)))

    play(story, workers=1)
