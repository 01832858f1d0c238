"""Writes of a node's own code: each leaves within seconds of a stored intent, or never.

The story of two workers on a real store: the first is stopped while its code reads, or right before
the network; the second looks for the write, and ends it. Then the first one wakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from connector.engine.effects import SEND_SECONDS, Effects
from connector.engine.own_code import WritingDoor
from connector.engine.waits import Park, Wait
from connector.errors import Invalid, NotSent, StoreError, Throttled, Unclear
from connector.model import Action, Identity
from connector.store.sqlite.database import Database
from tests.engine.driving import INSTALLATION, intent
from tests.engine.virtual import simulate

LEASE = 30.0
Code = Callable[[Any, dict[str, Any]], Awaitable[dict[str, Any]]]


def now() -> float:
    return asyncio.get_running_loop().time()


class App:
    """What was written to it, and when; its lists show it at once."""

    def __init__(self) -> None:
        self.written: list[tuple[str, float]] = []

    async def find(self, key: str, criteria: dict[str, Any]) -> dict[str, Any]:
        made = [number + 1 for number, (what, _) in enumerate(self.written) if what == "POST"]
        return {"ids": made, "records": [{"id": one} for one in made]}


class Door:
    """The way of one process to the app; it may be stopped anywhere, and `faults` fail it."""

    def __init__(self, app: App, *, reading: float = 0, before_wire: float = 0) -> None:
        self.connection: Any = None
        self.app = app
        self.reading, self.before_wire = reading, before_wire
        self.faults: dict[str, list[Exception]] = {}

    async def request(
        self, method: str, path: str, *, not_after: float | None = None, **rest: Any
    ) -> Any:
        if self.faults.get(method):
            raise self.faults[method].pop(0)
        if method == "GET":
            await asyncio.sleep(self.reading)
            return {"id": 0}
        await asyncio.sleep(self.before_wire)
        if not_after is None or now() > not_after:
            raise NotSent("The time in which this may be sent is over.")
        self.app.written.append((method, now()))
        return {"id": len(self.app.written)}


async def reads_and_writes(caller: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    await caller.request("GET", "/record")
    return dict(await caller.request("POST", "/record", body=inputs))


def action(policy: str, code: Code = reads_and_writes) -> Action:
    return Action(
        app="books", key="upload", noun="File", label="Upload", description="Uploads.",
        run=code,
        identity=Identity(record_id="id", find="find_file", by={"name": "data.name"},
                          when_unsure=policy),  # type: ignore[arg-type]
    )  # fmt: skip


class Office:
    """A store on disk, and processes that work on it, each with turns of its own."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "connector.db")
        self.app = App()

    async def __aenter__(self) -> Office:
        await self.database.open()
        return self

    async def __aexit__(self, *rest: object) -> None:
        await self.database.close()

    async def work(self, what: Action, door: Door) -> str:
        """Perform it until its end, as a worker does; a new worker each time."""
        effects = Effects(now, INSTALLATION, monotonic=now)
        store = self.database.tenant("main")
        for _ in range(20):
            try:
                await effects.perform(intent(what), store, door, self.app.find)  # type: ignore[arg-type]
            except Wait as wait:
                await asyncio.sleep((wait.due_at or 0) - now())
            except Park:
                return "parked"
            except StoreError:
                return "taken over"
            except Invalid:
                return "refused"
            except (NotSent, Throttled):
                await asyncio.sleep(10)
            else:
                return "done"
        raise AssertionError("it does not end")

    async def row(self) -> Any:
        (row,) = await self.database.tenant("main").effects()
        return row


STOPS = {
    "while it reads": {"reading": 2_000.0},
    "before the wire": {"before_wire": 2_000.0},
    "for just longer than the lease": {"reading": LEASE + 1},
}


async def two_workers(folder: Path, stop: dict[str, float], policy: str) -> tuple[Office, str, str]:
    async with Office(folder) as office:
        what = action(policy)
        first = asyncio.create_task(office.work(what, Door(office.app, **stop)))
        await asyncio.sleep(LEASE)
        second = await office.work(what, Door(office.app))
        return office, await first, second


@pytest.mark.parametrize("policy", ["park", "resend_once"])
@pytest.mark.parametrize("stop", STOPS)
def test_who_was_stopped_writes_nothing_when_it_wakes(
    stop: str, policy: str, tmp_path: Path
) -> None:
    office, first, second = simulate(lambda: two_workers(tmp_path, STOPS[stop], policy))
    assert len(office.app.written) == (policy == "resend_once")
    assert second == {"park": "parked", "resend_once": "done"}[policy]
    # Right before the wire, the clock alone keeps it back; then it meets the other's end.
    assert first in ("taken over", second)


def test_without_the_moment_it_would_be_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = WritingDoor.begin

    def endless(self: WritingDoor) -> None:
        begin(self)
        self._not_after = float("inf")

    monkeypatch.setattr(WritingDoor, "begin", endless)
    office, _, _ = simulate(lambda: two_workers(tmp_path, STOPS["while it reads"], "resend_once"))
    assert len(office.app.written) == 2


async def alone(folder: Path, code: Code, door: dict[str, float], faults: Any) -> Any:
    async with Office(folder) as office:
        way = Door(office.app, **door)
        way.faults = faults or {}
        end = await office.work(action("park", code), way)
        return office, end, await office.row()


def told(folder: Path, code: Code, faults: Any = None, **door: float) -> Any:
    return simulate(lambda: alone(folder, code, door, faults))


def test_whoever_reads_for_long_stores_its_intent_anew_and_writes(tmp_path: Path) -> None:
    office, end, row = told(tmp_path, reads_and_writes, reading=300.0)
    assert (end, row.sends, row.state) == ("done", 1, "done")
    ((_, at),) = office.app.written
    assert row.sent_at == at


def test_each_of_several_writes_has_its_seconds(tmp_path: Path) -> None:
    async def several(caller: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        for pause in (4, 4, 9, 60):
            await asyncio.sleep(pause)
            told = await caller.request("PUT", "/record")
        return dict(told)

    office, end, row = told(tmp_path, several, before_wire=SEND_SECONDS / 2 - 0.1)
    assert (end, len(office.app.written)) == ("done", 4)
    assert office.app.written[-1][1] - row.sent_at < SEND_SECONDS


@pytest.mark.parametrize(
    ("faults", "end", "state", "tries"),
    [
        ({"GET": [Unclear("502")]}, "done", "done", 1),
        ({"GET": [NotSent("gone")], "POST": [NotSent("gone")]}, "done", "done", 1),
        ({"POST": [Throttled("full", retry_after=3)]}, "done", "done", 1),
        ({"POST": [Invalid("no")]}, "refused", "refused", 0),
        ({"POST": [Unclear("502")]}, "parked", "parked", 0),
    ],
)
def test_only_a_failure_after_a_write_is_a_doubt(
    faults: dict[str, list[Exception]], end: str, state: str, tries: int, tmp_path: Path
) -> None:
    office, came_to, row = told(tmp_path, reads_and_writes, faults)
    assert (came_to, row.state, len(office.app.written)) == (end, state, tries)


def test_after_a_write_even_a_refusal_is_a_doubt(tmp_path: Path) -> None:
    async def refused_at_last(caller: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        await caller.request("PUT", "/record")
        return dict(await caller.request("POST", "/record"))

    _, end, row = told(tmp_path, refused_at_last, {"POST": [Invalid("no")]})
    assert (end, row.state) == ("parked", "parked")


def test_a_fault_of_its_own_before_it_wrote_leaves_the_write_planned(tmp_path: Path) -> None:
    from connector.errors import MappingError

    async def wrong(caller: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        raise MappingError("No file is given.", field="file")

    async def story() -> Any:
        async with Office(tmp_path) as office:
            with pytest.raises(MappingError):
                await office.work(action("park", wrong), Door(office.app))
            return await office.row()

    row = simulate(story)
    assert (row.state, row.sends) == ("planned", 0)
