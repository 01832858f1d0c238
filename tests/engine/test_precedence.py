"""While events arrive, other work goes on one piece in a turn of the loop; none of it is left."""

from __future__ import annotations

import asyncio

from connector.engine.precedence import Precedence


async def turns_of_loop(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_without_events_nothing_waits() -> None:
    precedence = Precedence()
    done: list[int] = []

    async def work(number: int) -> None:
        await precedence.turn()
        done.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(50)]
    await turns_of_loop(1)
    assert done == list(range(50))
    await asyncio.gather(*tasks)


async def test_while_events_arrive_one_piece_goes_on_in_a_turn_and_each_in_its_order() -> None:
    precedence = Precedence()
    precedence.arrived()
    assert precedence.busy
    done: list[int] = []

    async def work(number: int) -> None:
        await precedence.turn()
        done.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(50)]
    most, before = 0, 0
    while len(done) < 50:
        await turns_of_loop(1)
        most, before = max(most, len(done) - before), len(done)
    assert most == 1
    assert done == list(range(50))
    await asyncio.gather(*tasks)


async def test_what_was_given_up_takes_nobodys_turn() -> None:
    precedence = Precedence()
    precedence.arrived()
    first, second = (asyncio.create_task(precedence.turn()) for _ in range(2))
    await turns_of_loop(1)
    first.cancel()
    await second
    assert first.cancelled()


async def test_after_the_last_event_it_is_calm_again() -> None:
    precedence = Precedence()
    precedence.arrived()
    precedence.arrived()
    while precedence.busy:
        await asyncio.sleep(0.01)
    await precedence.turn()
    precedence.arrived()
    assert precedence.busy
