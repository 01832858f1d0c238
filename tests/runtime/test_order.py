"""Which runs wait for each other: those of one flow about one record, unless it says otherwise."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.runtime.kit import Call, World, flow, story, world

NAMED = """\
  - id: create
    node: perfex_crm.create_customer
    connection: perfex
    map:
      data.company: "{{ trigger.event.id }}"
"""


class Slow:
    """Perfex takes a minute for the first customer, and is quick afterwards."""

    def __init__(self, w: World) -> None:
        self.began: list[float] = []
        w.perfex.before = self

    async def __call__(self, call: Call) -> None:
        if call.method == "POST":
            self.began.append(asyncio.get_running_loop().time())
            if len(self.began) == 1:
                await asyncio.sleep(20)


async def two_events_about_one_record(w: World, head: str) -> list[float]:
    """The time between the two writes, in seconds."""
    await w.follow(flow(node="raw_event", steps=NAMED, head=head))
    slow = Slow(w)
    one = w.person.create("clients", {"name": "A"})["id"]
    w.person.change("clients", one, {"phone": "1"})
    await w.quiet()
    assert [run["state"] for run in await w.runs()] == ["succeeded", "succeeded"]
    assert [run["item_id"] for run in await w.runs()] == [str(one), str(one)]
    return [later - slow.began[0] for later in slow.began[1:]]


@story
async def test_events_about_one_record_run_one_after_the_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        (gap,) = await two_events_about_one_record(w, "")
        assert gap >= 20


@story
async def test_a_flow_that_needs_no_order_does_not_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        (gap,) = await two_events_about_one_record(w, "order: none")
        assert gap < 1


@story
async def test_different_records_never_wait_for_each_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(node="raw_event", steps=NAMED, types="[create]"))
        slow = Slow(w)
        w.person.create("clients", {"name": "A"})
        w.person.create("clients", {"name": "B"})
        await w.quiet()
        assert slow.began[1] - slow.began[0] < 1


async def waiting_through_a_restart(w: World, head: str) -> list[str]:
    """Two runs about one record that found Perfex away, go on in another process, one is slow."""
    await w.follow(flow(node="raw_event", steps=NAMED, head=head))
    w.perfex.plugged = False
    one = w.person.create("clients", {"name": "A"})["id"]
    await w.until(lambda: w.runs(state="waiting"))
    w.person.change("clients", one, {"phone": "1"})

    async def both() -> bool:
        return len(await w.runs()) == 2

    await w.until(both)
    w.perfex.plugged = True
    await w.restart()
    return [one["state"] for one in await w.runs()]


@story
async def test_order_outlives_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await waiting_through_a_restart(w, "") == ["waiting", "queued"]
        slow = Slow(w)
        await w.quiet()
        assert slow.began[1] - slow.began[0] >= 20
        events = [one["delivery_id"] for one in await w.events() if one["state"] == "matched"]
        assert [one["company"] for one in w.customers] == events


@story
async def test_no_order_outlives_a_restart_too(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await waiting_through_a_restart(w, "order: none")
        slow = Slow(w)
        await w.quiet()
        # Each is tried again at its own time: the second while the slow first is still under way.
        assert slow.began[1] - slow.began[0] < 20
        assert len(w.customers) == 2


@story
async def test_a_replay_of_a_flow_without_order_does_not_wait_for_a_waiting_run(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        text = flow(node="raw_event", steps=NAMED, head="order: none")
        await w.follow(text)
        one = w.person.create("clients", {"name": "A"})["id"]
        await w.quiet()
        w.perfex.plugged = False
        w.person.change("clients", one, {"phone": "1"})
        (waiting,) = await w.until(lambda: w.runs(state="waiting"))
        w.perfex.plugged = True
        await w.runtime.replay(1, "create")
        await w.until(lambda: w.run_state(3, "succeeded"))
        assert (await w.runtime.get_run(waiting["id"]))["state"] == "waiting"
        await w.quiet()
