"""Which run goes next: a record's runs in order and one at a time, many records at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from connector.engine import dispatch as dispatch_module
from connector.engine.dispatch import Dispatcher, Ticket
from connector.errors import StoreBusy
from connector.store.rows import RunRow
from tests.engine.virtual import START, simulate

INF = float("inf")


def run_row(number: int, item: str = "a") -> RunRow:
    return RunRow("main", 1, 1, 1, item, "queued", {}, START, id=number)


class Desk:
    """A dispatcher whose runs end as told: `ends[run]` holds what each try gives."""

    def __init__(self, workers: int = 4) -> None:
        self.ends: dict[int, list[Any]] = defaultdict(list)
        self.log: list[tuple[str, int, float]] = []
        self.busy: dict[str, int] = defaultdict(int)
        self.together = 0
        self.loaded: list[int] = []
        self.takes = 1.0
        self.items: dict[int, str] = {}
        self.dispatcher = Dispatcher(self._perform, self._load, self._clock, workers)

    def _clock(self) -> float:
        return asyncio.get_running_loop().time()

    async def _load(self, run_id: int) -> RunRow:
        self.loaded.append(run_id)
        return run_row(run_id, self.items[run_id])

    async def _perform(self, run: RunRow) -> float | None:
        self.busy[run.item_id] += 1
        assert self.busy[run.item_id] == 1, "two runs of one record side by side"
        self.together = max(self.together, sum(self.busy.values()))
        self.log.append(("begin", run.id, self._clock()))
        await asyncio.sleep(self.takes)
        self.busy[run.item_id] -= 1
        self.log.append(("end", run.id, self._clock()))
        given = self.ends[run.id].pop(0) if self.ends[run.id] else None
        if isinstance(given, BaseException):
            raise given
        return given if given is None else float(given)

    def add(
        self,
        number: int,
        item: str = "a",
        due_at: float = 0,
        *,
        read: bool = False,
        tenant: str = "",
    ) -> None:
        self.items[number] = item
        row = None if read else run_row(number, item)
        self.dispatcher.enqueue(Ticket(number, (1, item), row, due_at, tenant))

    def begun(self) -> list[int]:
        return [run for what, run, _ in self.log if what == "begin"]

    def times(self, number: int) -> list[float]:
        return [at - START for what, run, at in self.log if what == "begin" and run == number]


def play(story: Callable[[Desk], Coroutine[Any, Any, None]], workers: int = 4) -> Desk:
    desk = Desk(workers)

    async def whole() -> None:
        desk.dispatcher.start()
        await story(desk)
        await desk.dispatcher.stop()

    simulate(whole)
    return desk


def test_the_runs_of_a_record_go_one_at_a_time_in_their_order() -> None:
    async def story(desk: Desk) -> None:
        for number in range(10):
            desk.add(number)
        await desk.dispatcher.settled()

    desk = play(story)
    assert desk.begun() == list(range(10))
    assert desk.together == 1


def test_records_go_side_by_side_up_to_the_number_of_workers() -> None:
    async def story(desk: Desk) -> None:
        for number in range(20):
            desk.add(number, item=str(number), tenant=str(number % 2))
        await desk.dispatcher.settled()

    desk = play(story, workers=4)
    assert desk.together == 4
    assert sorted(desk.begun()) == list(range(20))


def test_a_record_that_waits_keeps_its_order_while_others_go_on() -> None:
    async def story(desk: Desk) -> None:
        desk.ends[1] = [START + 100]
        for number, item in ((1, "a"), (2, "a"), (3, "b"), (4, "b")):
            desk.add(number, item)
        await desk.dispatcher.settled()

    desk = play(story)
    assert desk.times(1) == [0, 100]
    assert desk.times(2) == [101], "after the first has ended, not while it waits"
    assert desk.times(3) == [0]
    assert desk.times(4) == [1]


def test_a_waiting_run_takes_no_worker() -> None:
    async def story(desk: Desk) -> None:
        for number in range(8):
            desk.ends[number] = [START + 100]
            desk.add(number, item=str(number))
        desk.add(99, item="other")
        await desk.dispatcher.settled()

    desk = play(story, workers=1)
    assert desk.times(99) == [8]


def test_a_run_with_a_later_time_begins_at_that_time() -> None:
    async def story(desk: Desk) -> None:
        desk.add(1, due_at=START + 50, read=True)
        desk.add(2)
        await desk.dispatcher.settled()

    desk = play(story)
    assert desk.times(1) == [50]
    assert desk.times(2) == [51]


async def after(seconds: float, act: Callable[[], Any]) -> None:
    await asyncio.sleep(seconds)
    act()


def test_a_run_that_waits_for_a_release_goes_on_when_released() -> None:
    async def story(desk: Desk) -> None:
        desk.ends[1] = [INF]
        desk.add(1)
        desk.add(2)
        await after(500, lambda: desk.dispatcher.release(1))
        await desk.dispatcher.settled()

    desk = play(story)
    assert desk.times(1) == [0, 500]
    assert desk.times(2) == [501]
    assert desk.loaded == [1], "it is read anew: it may have been changed"


def test_released_runs_go_on_in_the_order_of_their_release() -> None:
    async def story(desk: Desk) -> None:
        for number in range(6):
            desk.ends[number] = [INF]
            desk.add(number, item=str(number))
        await asyncio.sleep(50)
        for number in range(6):
            desk.dispatcher.release(number)
        await desk.dispatcher.settled()

    desk = play(story, workers=1)
    assert desk.begun()[6:] == list(range(6))


def test_a_release_of_a_retry_brings_it_forward_and_its_timer_does_nothing_more() -> None:
    async def story(desk: Desk) -> None:
        desk.ends[1] = [START + 1_000]
        desk.add(1)
        await after(10, lambda: desk.dispatcher.release(1))
        await desk.dispatcher.settled()
        await asyncio.sleep(2_000)

    assert play(story).times(1) == [0, 10]


@pytest.mark.parametrize("times", [1, 3])
def test_a_release_in_the_middle_of_a_try_is_not_lost(times: int) -> None:
    async def story(desk: Desk) -> None:
        desk.takes = 10
        desk.ends[1] = [INF]
        desk.add(1)
        for _ in range(times):
            await after(2, lambda: desk.dispatcher.release(1))
        await desk.dispatcher.settled()

    assert play(story).times(1) == [0, 10]


def test_a_release_in_the_middle_does_not_shorten_a_wait_with_a_time() -> None:
    async def story(desk: Desk) -> None:
        desk.takes = 10
        desk.ends[1] = [START + 100]
        desk.add(1)
        await after(5, lambda: desk.dispatcher.release(1))
        await desk.dispatcher.settled()

    assert play(story).times(1) == [0, 100]


def test_a_release_of_a_run_that_stands_behind_another_is_remembered() -> None:
    async def story(desk: Desk) -> None:
        desk.ends[1] = [START + 20]
        desk.add(1)
        desk.add(2, due_at=INF, read=True)
        await after(5, lambda: desk.dispatcher.release(2))
        await desk.dispatcher.settled()

    assert play(story).times(2) == [21]


def test_releasing_what_is_not_here_is_harmless() -> None:
    async def story(desk: Desk) -> None:
        desk.dispatcher.release(7)
        desk.add(1)
        desk.dispatcher.release(7)
        await desk.dispatcher.settled()
        desk.dispatcher.release(1)
        await asyncio.sleep(10)

    assert play(story).begun() == [1]


def test_a_run_that_is_here_is_not_taken_twice() -> None:
    async def story(desk: Desk) -> None:
        desk.ends[1] = [START + 30]
        desk.add(1)
        await asyncio.sleep(5)
        desk.add(1, due_at=START + 30, read=True)
        assert desk.dispatcher.open == 1
        await desk.dispatcher.settled()

    assert play(story).times(1) == [0, 30]


def test_a_waiting_run_that_another_process_released_goes_on_when_it_is_offered_again() -> None:
    async def story(desk: Desk) -> None:
        desk.ends[1] = [INF]
        desk.add(1)
        await asyncio.sleep(5)
        desk.add(1, due_at=INF, read=True)
        await asyncio.sleep(5)
        assert desk.begun() == [1], "it waits still"
        desk.add(1, due_at=0, read=True)
        await desk.dispatcher.settled()

    assert play(story).times(1) == [0, 10]


def test_a_store_that_is_away_only_delays_a_run() -> None:
    async def story(desk: Desk) -> None:
        desk.ends[1] = [StoreBusy("away")] * 3
        desk.add(1)
        desk.add(2)
        await desk.dispatcher.settled()

    desk = play(story)
    assert desk.times(1) == [0, 2, 4, 6]
    assert desk.times(2) == [7]
    assert desk.loaded == [1, 1, 1], "what is in memory may be ahead of the store"


def test_a_run_that_cannot_be_read_now_is_read_later() -> None:
    async def story(desk: Desk) -> None:
        load = desk.dispatcher._load
        faults: list[Exception] = [StoreBusy("away"), StoreBusy("away")]

        async def flaky(run_id: int) -> RunRow:
            if faults:
                raise faults.pop()
            return await load(run_id)

        desk.dispatcher._load = flaky
        desk.add(1, read=True)
        await desk.dispatcher.settled()

    assert play(story).begun() == [1]


def test_a_fault_of_ours_costs_no_worker_and_holds_up_nobody() -> None:
    async def story(desk: Desk) -> None:
        for number in range(6):
            desk.ends[number] = [RuntimeError("a bug")]
            desk.add(number, item=str(number))
        desk.add(10, item="0")
        desk.add(11, item="other")
        await desk.dispatcher.settled()

    desk = play(story, workers=2)
    assert {10, 11} <= set(desk.begun())


def test_stopping_leaves_what_is_open_to_the_next_process() -> None:
    async def story(desk: Desk) -> None:
        desk.takes = 100
        desk.ends[2] = [START + 5_000]
        for number in range(3):
            desk.add(number, item=str(number))
        await asyncio.sleep(50)
        await desk.dispatcher.stop()
        assert desk.dispatcher.open == 3
        await asyncio.sleep(10_000)

    desk = play(story)
    assert [what for what, _, _ in desk.log] == ["begin"] * 3


def test_beyond_a_number_runs_are_kept_as_numbers_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch_module, "KEEP_IN_MEMORY", 5)

    async def story(desk: Desk) -> None:
        for number in range(20):
            desk.add(number, item=str(number))
        await desk.dispatcher.settled()

    desk = play(story, workers=1)
    assert desk.begun() == list(range(20))
    assert desk.loaded == list(range(6, 20))


def test_no_runs_are_added_beyond_a_number_until_some_have_had_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch_module, "AHEAD", 5)
    began: list[int] = []

    async def story(desk: Desk) -> None:
        await desk.dispatcher.room()
        for number in range(12):
            desk.add(number, item=str(number))
        waiting = [asyncio.create_task(desk.dispatcher.room()) for _ in range(3)]
        await asyncio.gather(*waiting)
        began.extend(desk.begun())
        await desk.dispatcher.room()
        await desk.dispatcher.settled()

    play(story, workers=2)
    assert len(began) >= 12 - 5 - 1
    assert len(began) < 12, "as soon as there is room"


def test_a_tenant_whose_runs_take_long_leaves_a_part_of_the_workers_to_others() -> None:
    """All of them slow: without a share the second tenant would wait for the first one's calls."""

    async def story(desk: Desk) -> None:
        desk.takes = 29
        for number in range(20):
            desk.add(number, item=str(number), tenant="slow")
        await asyncio.sleep(1)
        assert len(desk.begun()) == 3
        desk.add(101, item="second", tenant="other")
        await desk.dispatcher.settled()

    desk = play(story, workers=4)
    assert desk.times(101) == [1]
    assert desk.together == 4
    assert sorted(desk.begun()) == [*range(20), 101], "and nothing of it is left"


def test_it_is_settled_at_once_when_there_is_nothing_to_do() -> None:
    async def story(desk: Desk) -> None:
        await desk.dispatcher.settled()
        assert desk.dispatcher.open == 0

    play(story)


def test_random_lanes_keep_their_order_whatever_each_try_gives() -> None:
    import random

    for seed in range(40):
        draw = random.Random(seed)

        async def story(desk: Desk, draw: random.Random = draw) -> None:
            for number in range(60):
                desk.ends[number] = [
                    draw.choice([START + draw.uniform(0, 90), StoreBusy("away")])
                    for _ in range(draw.choice([0, 0, 0, 1, 2]))
                ]
                desk.add(number, item=draw.choice("abcde"), read=draw.random() < 0.3)
                if draw.random() < 0.3:
                    await asyncio.sleep(draw.uniform(0, 5))
            await desk.dispatcher.settled()

        desk = play(story, workers=draw.randint(1, 6))
        ended: dict[str, list[int]] = defaultdict(list)
        for what, run, _ in desk.log:
            if what == "end":
                ended[desk.items[run]].append(run)
        for item, order in ended.items():
            assert order == sorted(order), f"seed {seed}: record {item} out of order"
        assert {run for order in ended.values() for run in order} == set(range(60)), f"seed {seed}"
