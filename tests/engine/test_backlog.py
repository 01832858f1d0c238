"""A backlog: events wait as events until their runs would soon have a turn."""

from __future__ import annotations

import asyncio

import pytest

from connector.engine import dispatch as dispatch_module
from connector.engine.dispatch import Ticket
from tests.engine.test_dispatch import Desk, play, run_row


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


# --- tenants ------------------------------------------------------------------------------------


def put(desk: Desk, number: int, tenant: str) -> None:
    desk.items[number] = str(number)
    row = run_row(number, str(number))
    desk.dispatcher.enqueue(Ticket(number, (1, str(number)), row, tenant=tenant))


def test_tenants_take_turns_and_each_keeps_its_order() -> None:
    async def story(desk: Desk) -> None:
        for number in range(6):
            put(desk, number, "noisy")
        for number in (10, 11):
            put(desk, number, "calm")
        put(desk, 20, "small")
        await desk.dispatcher.settled()

    assert play(story, workers=1).begun() == [0, 10, 20, 1, 11, 2, 3, 4, 5]


def test_events_of_a_tenant_without_runs_wait_for_nobody_elses() -> None:
    async def story(desk: Desk) -> None:
        for number in range(10):
            put(desk, number, "noisy")
        async with asyncio.timeout(1):
            await desk.dispatcher.room("calm")
        waits = asyncio.create_task(desk.dispatcher.room("noisy"))
        await asyncio.sleep(0)
        assert not waits.done()
        await waits
        assert len(desk.begun()) == 7
        await desk.dispatcher.settled()

    play(story, workers=1)


def test_room_of_a_tenant_with_its_share_comes_back_when_its_own_had_their_turn() -> None:
    async def story(desk: Desk) -> None:
        for number in range(10):
            put(desk, number, "noisy")
        for number in (20, 21):
            put(desk, number, "calm")
        await desk.dispatcher.room("calm")
        # One of its two has begun, while far more of the other wait than there is room for.
        assert desk.begun() == [0, 20]
        await desk.dispatcher.settled()

    play(story, workers=1)
