"""A burst of events beside a short quota: they wait together, and one call reads many of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.engine.pacing import ENOUGH, LONGEST_SECONDS, Pacing
from connector.errors import StoreBusy, Throttled, Uncounted
from connector.model import Quota, Request
from connector.quota import Limiter
from tests.engine.remote import Clock
from tests.engine.virtual import START, simulate
from tests.engine.world import Books, Flow, Step, World, clock

QUOTAS = (Quota(calls=300, seconds=300), Quota(calls=1_000, seconds=3_600, window="calendar"))
HERE = ("main", "c1", "7")


class Counted(Books):
    """Books that have the quota of Fatture in Cloud."""

    def __init__(self) -> None:
        super().__init__(clock)
        self._limiter = Limiter(clock)
        self.refused = 0

    def spacing(self) -> float:
        return self._limiter.spacing("books/7", QUOTAS)

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
        wait = await self._limiter.reserve("books/7", QUOTAS, "read")
        if wait > 0:
            self.refused += 1
            raise Throttled("no room", retry_after=wait)
        return await super().read(request, inputs)


def burst(path: Path, events: int, seconds: float) -> tuple[Counted, float]:
    """What the reads of so many events took, and after how long all of them were matched."""
    books = Counted()

    async def whole() -> float:
        world = World(path / "connector.db", (Flow("sync", [Step("one")]),), books=books)
        await world.start()
        for number in range(events):
            await world.deliver(str(number))
            await asyncio.sleep(seconds / events)
        await world.settled()
        assert len(await world.runs_of()) == events
        took = clock() - START
        await world.kill()
        return took

    return books, simulate(whole)


def test_a_burst_does_not_use_up_the_quota(tmp_path: Path) -> None:
    """One by one, 1,500 events would take 1,500 calls, more than an hour has."""
    books, took = burst(tmp_path, events=1_500, seconds=100)
    assert len(books.reads) < 300
    assert books.refused == 0
    assert took < 110


def test_events_beyond_the_quota_wait_together_and_are_read_by_fifty(tmp_path: Path) -> None:
    async def whole() -> Counted:
        books = Counted()
        world = World(tmp_path / "connector.db", (Flow("sync", [Step("one")]),), books=books)
        await world.start()
        while await books._limiter.reserve("books/7", QUOTAS, "read") == 0:
            pass  # somebody else has used it all
        for number in range(400):
            await world.deliver(str(number))
            await asyncio.sleep(0.05)
        asked = books.refused
        await world.settled()
        assert len(await world.runs_of()) == 400
        # A moment of their own for each would be a question for each.
        assert asked < 5
        assert clock() - START < 310
        await world.kill()
        return books

    books = simulate(whole)
    assert len(books.reads) < 20


@pytest.mark.parametrize("error", [Uncounted("away"), StoreBusy("away")])
def test_our_own_database_costs_an_event_no_try(tmp_path: Path, error: Exception) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db", (Flow("sync", [Step("one")]),))
        world.books.single_faults = {"1": [error] * 20}
        await world.start()
        event = await world.deliver("1")
        await world.settled()
        stored = await world.store.event(event.id)
        assert stored is not None
        assert (stored.state, stored.attempts) == ("matched", 0)
        assert clock() - START < 25
        await world.kill()

    simulate(whole)


def test_each_kind_of_record_takes_a_turn_of_its_own() -> None:
    now = Clock(START)
    pacing = Pacing(now)
    assert pacing.pause(HERE, 1) == 0
    pacing.did_read(HERE, 4.5)
    assert [pacing.pause(HERE, 1) for _ in range(3)] == pytest.approx([4.5, 9.0, 13.5])
    assert pacing.pause(HERE, 1) == LONGEST_SECONDS
    assert pacing.pause(HERE, ENOUGH) == 0
    assert pacing.pause(("main", "c1", "8"), 1) == 0
    now.now += 100
    assert pacing.pause(HERE, 1) == 0
    assert pacing.pause(HERE, 1) == pytest.approx(4.5)
    pacing.did_read(HERE, 0)
    assert pacing.pause(HERE, 1) == 0


def test_a_wait_to_the_end_of_the_month_is_asked_about_again(tmp_path: Path) -> None:
    """The owner buys a larger plan: nobody may stand until the month ends."""

    async def whole() -> None:
        world = World(tmp_path / "connector.db", (Flow("sync", [Step("one")]),))
        world.books.single_faults = {"1": [Throttled("used up", retry_after=9 * 24 * 3_600)]}
        await world.start()
        await world.deliver("1")
        await asyncio.sleep(1)
        await world.deliver("2")
        await world.settled()
        assert len(await world.runs_of()) == 2
        assert clock() - START <= 310
        await world.kill()

    simulate(whole)


def test_the_soonest_room_counts_and_is_forgotten_when_it_is_there() -> None:
    now = Clock(START)
    pacing = Pacing(now)
    assert pacing.held(HERE) is None
    for seconds in (40, 20, 30):
        pacing.hold(HERE, Throttled("no room", retry_after=seconds))
    now.now += 5
    held = pacing.held(HERE)
    assert held is not None
    assert held.retry_after == pytest.approx(15)
    now.now += 15
    assert pacing.held(HERE) is None
