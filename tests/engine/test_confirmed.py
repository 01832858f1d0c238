"""An app has confirmed a write and the database cannot store it: it is kept beside it."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector.engine.confirmed import Confirmed
from connector.engine.effects import Effects
from connector.errors import StoreBusy, StoreError
from connector.store.side_journal import SideJournal
from tests.engine import remote as remote_module
from tests.engine.driving import Driver, intent
from tests.engine.remote import BLIND, CLIENT, INVOICE, Clock, Crash, Remote
from tests.engine.virtual import simulate

ACTIONS = {"client": CLIENT, "invoice": INVOICE, "blind": BLIND}
AWAY = ["busy"] * 4
"""A database that is away for the first try and all that follow."""


class World:
    """A process on a store, a remote system and a file; `die` makes another process of it."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        self.path = path
        self.clock = Clock()
        self.remote = Remote(self.clock)
        self.store = remote_module.Effects(faults=faults)
        self.told: list[str] = []
        self.die()

    def die(self) -> None:
        self.journal = SideJournal(self.path)
        self.confirmed = Confirmed(
            self.journal, lambda tenant: self.store, self.clock, lambda one: self.told.append("x")
        )

        def make(clock: Any, key: bytes) -> Effects:
            return Effects(clock, key, confirmed=self.confirmed)

        self.driver = Driver(self.clock, self.remote, self.store, make)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., World]:
    return lambda *faults: World(tmp_path / "connector.effects", list(faults))


@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_killed_after_the_2xx_with_a_dead_store_it_is_done_without_a_search_or_a_second_send(
    make: Callable[..., World], kind: str
) -> None:
    async def story() -> None:
        world = make("ok", "ok", *AWAY)
        with pytest.raises(StoreBusy):
            await world.driver.once(intent(ACTIONS[kind]))
        assert world.store.only().state == "sending"
        world.die()
        await world.confirmed.settle()
        assert world.store.only().state == "done", "before anybody asks for it"
        told = await world.driver.drive(intent(ACTIONS[kind]))
        assert (told.end, told.tries, told.output["id"]) == ("done", [], 1)
        assert told.output["name"] == "Rossi"
        assert world.store.only().remote_id == "1"
        assert (len(world.remote.sent), world.remote.searches) == (1, [])
        assert "had confirmed it" in world.store.only().evidence[-1]["message"]
        assert world.path.read_bytes() == b"", "what the database knows is not kept twice"

    simulate(story)


def test_it_is_kept_before_the_first_wait_for_the_database(make: Callable[..., World]) -> None:
    async def story() -> None:
        world = make("ok", "ok", *AWAY)
        sending = asyncio.create_task(world.driver.once(intent(INVOICE)))
        while not world.remote.sent or not world.path.exists():
            await asyncio.sleep(0)
        # The process ends while it waits to try again.
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        world.die()
        world.store.faults = iter(())
        told = await world.driver.drive(intent(INVOICE))
        assert (told.end, told.tries, world.remote.searches) == ("done", [], [])

    simulate(story)


def test_nothing_is_sent_to_any_app_until_the_database_has_taken_it(
    make: Callable[..., World],
) -> None:
    async def story() -> None:
        world = make("ok", "ok", *AWAY, "busy")
        with pytest.raises(StoreBusy):
            await world.driver.once(intent(INVOICE))
        other = intent(INVOICE, event_id="2")
        with pytest.raises(StoreBusy):
            await world.driver.once(other)
        assert (len(world.remote.sent), world.confirmed.waiting) == (1, 1)
        told = await world.driver.drive(other)
        assert (told.end, world.confirmed.waiting) == ("done", 0)
        assert sorted(one.state for one in world.store.rows.values()) == ["done", "done"]
        assert len(world.remote.sent) == 2

    simulate(story)


@pytest.mark.parametrize("fault", ["crash before", "crash after", "busy"])
def test_a_stop_while_the_database_takes_it_loses_and_doubles_nothing(
    make: Callable[..., World], fault: str
) -> None:
    async def story() -> None:
        world = make("ok", "ok", *AWAY, fault)
        with pytest.raises(StoreBusy):
            await world.driver.once(intent(INVOICE))
        world.die()
        with pytest.raises((Crash, StoreBusy)):
            await world.confirmed.settle()
        assert world.path.read_bytes().strip(), "kept until it is stored"
        world.die()
        told = await world.driver.drive(intent(INVOICE))
        assert (told.end, told.output["id"], len(world.remote.sent)) == ("done", 1, 1)
        assert world.remote.searches == []
        assert world.path.read_bytes() == b""

    simulate(story)


def test_what_the_database_took_at_a_later_try_is_not_taken_twice(
    make: Callable[..., World],
) -> None:
    async def story() -> None:
        world = make("ok", "ok", "busy", "busy")
        told = await world.driver.drive(intent(INVOICE))
        assert (told.end, told.tries) == ("done", [])
        saves = len(world.store.saved)
        await world.confirmed.settle()
        assert len(world.store.saved) == saves
        assert world.told == []
        assert world.path.read_bytes() == b""

    simulate(story)


async def test_what_a_person_has_decided_since_is_left_as_it_is(make: Callable[..., World]) -> None:
    world = make()
    await world.driver.once(intent(INVOICE))
    row = world.store.only()
    row.remote_id = "77"
    world.confirmed.keep(row)
    row.remote_id, row.state = None, "refused"
    await world.confirmed.settle()
    assert (world.store.only().state, world.store.only().remote_id) == ("refused", None)


async def test_listeners_hear_of_a_write_that_was_kept(make: Callable[..., World]) -> None:
    world = make()
    await world.driver.once(intent(INVOICE))
    row = world.store.only()
    world.confirmed.keep(row)
    row.state = "sending"
    await world.confirmed.settle()
    assert world.told == ["x"]


# --- the file -----------------------------------------------------------------------------------


def test_the_file_is_its_owners_alone_and_keeps_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "connector.effects"
    SideJournal(path).append({"key": "a", "output": {"total": 12.5}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (entry,) = SideJournal(path).entries
    assert (entry["key"], str(entry["output"]["total"])) == ("a", "12.5")


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_line_spoils_neither_the_one_before_nor_the_one_after(
    tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "connector.effects"
    for key in "ab":
        SideJournal(path).append({"key": key})
    path.write_bytes(path.read_bytes()[:-cut])
    SideJournal(path).append({"key": "c"})
    keys = [entry["key"] for entry in SideJournal(path).entries]
    assert keys in (["a", "b", "c"], ["a", "c"])


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "connector.effects").mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        _ = SideJournal(tmp_path / "connector.effects").entries


def test_without_a_second_disk_the_write_is_looked_for_as_ever(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path / "no folder" / "connector.effects", ["ok", "ok", *AWAY])
        with pytest.raises(StoreBusy):
            await world.driver.once(intent(INVOICE))
        world.die()
        told = await world.driver.drive(intent(INVOICE))
        assert (told.end, len(world.remote.sent)) == ("done", 1)
        assert world.store.only().evidence[-1]["message"].endswith("adopted")

    simulate(story)
