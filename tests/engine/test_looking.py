"""Looking before a first send and in doubt: what is used, what waits, what a person decides."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest

from connector.engine.effects import Effects
from connector.engine.looking import SAVE_AGAIN_SECONDS
from connector.engine.waits import Park, Wait
from connector.errors import StoreBusy
from connector.model import Caller, Identity, Prepared
from connector.settings import Settings
from tests.engine.driving import INSTALLATION, SECOND_LOOK, SETTLE, Driver, intent
from tests.engine.remote import INVOICE, Clock, Crash, Effects as Rows, Record, Remote, action
from tests.engine.virtual import simulate

BY_VAT = Identity(
    record_id="data.id", natural_key=("data.vat", "data.name+data.city"), find="find_client",
    by={"vat": "data.vat", "name": "data.name", "city": "data.city", "company": "company"},
    when_unsure="resend_once", same_as=("ensure_client",),
)  # fmt: skip
CLIENT = action("create_client", "POST", BY_VAT)
ENSURED = action("ensure_client", "POST", BY_VAT.model_copy(update={"same_as": ("create_client",)}))
DATA = {"vat": "IT1", "name": "Rossi", "city": "Roma"}


def wanted(what: Any = CLIENT, data: dict[str, Any] | None = None, **changes: Any) -> Any:
    inputs = {"company": "", "data": DATA if data is None else data}
    return intent(what, **{"inputs": inputs, **changes})


async def as_given(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    return Prepared(inputs=inputs)


class World:
    def __init__(self, *faults: str, data: dict[str, Any] | None = None) -> None:
        self.clock, self.rows = Clock(), Rows()
        self.remote = Remote(self.clock, faults=iter(faults))
        self.driver = Driver(self.clock, self.remote, self.rows)

    def there(self, *numbers: int, **data: Any) -> World:
        """Records that people have made."""
        made = [Record(one, {"data": {"by": "people", **DATA, **data}}, 0) for one in numbers]
        self.remote.records += made
        return self

    def notes(self) -> list[str]:
        return [note["message"] for note in self.rows.only().evidence]


class TestBeforeTheFirstSend:
    async def test_one_that_is_there_is_used(self) -> None:
        world = World().there(7)
        story = await world.driver.drive(wanted())
        assert (story.end, story.output["id"], story.output["by"]) == ("done", 7, "people")
        assert (world.remote.sent, world.rows.only().remote_id) == ([], "7")
        assert world.notes() == ["it was there already as 7: used, not made again"]

    async def test_what_is_prepared_is_looked_for_as_well(self) -> None:
        world = World().there(7)
        prepared = CLIENT.model_copy(update={"prepare": as_given})
        story = await world.driver.drive(wanted(prepared))
        assert (story.end, story.output["id"], world.remote.sent) == ("done", 7, [])

    async def test_what_looks_itself_is_left_to_do_so(self) -> None:
        world = World()
        identity = BY_VAT.model_copy(update={"ensures": True})
        prepared = CLIENT.model_copy(update={"prepare": as_given, "identity": identity})
        assert (await world.driver.drive(wanted(prepared))).end == "done"
        assert (len(world.remote.sent), world.remote.searches) == (1, [])

    async def test_several_are_shown_to_a_person(self) -> None:
        world = World().there(*range(3, 10))
        story = await world.driver.drive(wanted())
        assert (story.end, world.remote.sent) == ("parked", [])
        assert world.notes() == ["7 records have this key already: 3, 4, 5, 6, 7."]

    async def test_none_is_made_and_others_do_not_matter(self) -> None:
        world = World().there(7, vat="IT2")
        story = await world.driver.drive(wanted())
        assert (story.end, len(world.remote.sent), len(world.remote.searches)) == ("done", 1, 1)

    async def test_a_key_of_two_parts_is_searched_by_both(self) -> None:
        world = World().there(6, vat="", city="Milano").there(7, vat="")
        story = await world.driver.drive(wanted(data={**DATA, "vat": ""}))
        assert (story.end, story.output["id"], world.remote.sent) == ("done", 7, [])

    async def test_it_is_looked_for_once_however_often_it_is_sent(self) -> None:
        world = World("timeout before")
        await world.driver.drive(wanted())
        # Before the first send, and twice in doubt; not again before the second one.
        assert (len(world.remote.sent), len(world.remote.searches)) == (2, 3)

    async def test_without_a_key_what_looks_alike_is_never_taken_for_ours(self) -> None:
        world = World("timeout before").there(7, vat="")
        unnamed = {"vat": "", "name": "Rossi", "city": ""}
        story = await world.driver.drive(wanted(data=unnamed))
        assert (story.end, story.output["id"], len(world.remote.sent)) == ("done", 2, 2)
        assert world.rows.only().known == ["7"]

    async def test_with_nothing_to_search_by_it_is_not_searched(self) -> None:
        world = World()
        empty = {"vat": "", "name": "", "city": ""}
        assert (await world.driver.drive(wanted(data=empty))).end == "done"
        assert world.remote.searches == []


class TestAnotherWriteOfTheSame:
    async def first(self, world: World, **changes: Any) -> Any:
        return await world.driver.drive(wanted(**{"event_id": "before", **changes}))

    @pytest.mark.parametrize("what", [CLIENT, ENSURED], ids=["the same", "its kin"])
    async def test_what_it_made_is_used_though_no_list_shows_it_yet(self, what: Any) -> None:
        world = World()
        await self.first(world, what=what)
        story = await world.driver.drive(wanted())
        assert (story.end, story.output["id"], len(world.remote.sent)) == ("done", 1, 1)
        last = list(world.rows.rows.values())[-1]
        assert last.evidence[-1]["message"] == "another event made it as 1: used"

    @pytest.mark.parametrize(("later", "sent"), [(SECOND_LOOK, 1), (SECOND_LOOK + 1, 2)])
    async def test_later_the_list_is_the_better_witness(self, later: float, sent: int) -> None:
        world = World()
        await self.first(world)
        world.clock.now += later
        world.remote.records.clear()  # somebody has deleted it
        await world.driver.drive(wanted())
        assert len(world.remote.sent) == sent

    async def test_while_it_is_in_doubt_this_one_waits_as_long(self) -> None:
        world = World("timeout after")
        with pytest.raises(Wait):
            await world.driver.once(wanted(event_id="before"))
        with pytest.raises(Wait) as caught:
            await world.driver.once(wanted())
        assert (caught.value.reason, caught.value.due_at) == ("unsure", world.clock() + SETTLE)
        world.clock.now += SETTLE + 5
        with pytest.raises(Wait) as caught:
            await world.driver.once(wanted())
        assert caught.value.due_at == world.clock() + 1, "it is due, and has not looked yet"

    async def test_a_second_key_is_enough(self) -> None:
        world = World()
        await self.first(world, data={**DATA, "vat": ""})
        story = await world.driver.drive(wanted())
        assert (story.end, len(world.remote.sent)) == ("done", 1)

    async def test_one_of_another_company_is_another_one(self) -> None:
        world = World()
        other = {"company": "2", "data": DATA}
        await self.first(world, inputs=other)
        await world.driver.drive(wanted(inputs={"company": "1", "data": DATA}))
        assert len(world.remote.sent) == 2


class TestInDoubt:
    async def test_the_same_outcome_again_is_one_note_that_counts(self) -> None:
        world = World("timeout after")
        world.remote.looking = iter(["ok", "unclear", "unclear", "connect refused"])
        story = await world.driver.drive(wanted())
        assert story.end == "done"
        looks = [note for note in world.rows.only().evidence if "look" in note]
        assert [note["look"] for note in looks] == [2, 1]
        assert all("it cannot be looked for now: " in note["message"] for note in looks)
        assert looks[0]["at"] == looks[1]["at"] - SECOND_LOOK

    async def test_a_write_that_waits_for_a_person_is_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World().there(1, 2)
        with caplog.at_level(logging.WARNING, "connector.engine"), pytest.raises(Park):
            await world.driver.once(wanted())
        (record,) = [one for one in caplog.records if one.name == "connector.engine"]
        key = world.rows.only().key
        assert f"the write {key} (books.create_client, run 1)" in record.getMessage()

    async def test_of_many_only_the_first_are_named(self) -> None:
        world = World("timeout after")
        with pytest.raises(Wait):
            await world.driver.once(intent(INVOICE))
        for number in range(2, 9):
            world.remote.records.append(Record(number, world.remote.records[0].body, world.clock()))
        story = await world.driver.drive(intent(INVOICE))
        assert story.end == "parked"
        assert world.notes()[-1] == "8 records in the app match: 1, 2, 3, 4, 5."


PREPARED = action("compose", "POST", BY_VAT.model_copy(update={"natural_key": ()}))


async def _as_given(caller: Any, inputs: dict[str, Any]) -> Prepared:
    return Prepared(inputs=inputs)


class TestOrder:
    async def test_a_prepared_create_is_looked_for_like_any_other(self) -> None:
        world = World("timeout before")
        what = PREPARED.model_copy(update={"prepare": _as_given})
        story = await world.driver.drive(wanted(what))
        assert (story.end, len(world.remote.sent)) == ("done", 2)
        assert len(world.remote.searches) == 3
        assert [one["message"] for one in world.rows.only().evidence[-2:]] == [
            "looked for in the app: it is not there yet",
            "searched twice, not found: sent once more",
        ]

    async def test_a_second_doubt_begins_with_a_first_look(self) -> None:
        world = World("timeout before", "timeout before")
        story = await world.driver.drive(wanted())
        assert (story.end, len(world.remote.sent)) == ("parked", 2)
        # Once before, and twice after each send.
        assert len(world.remote.searches) == 5

    async def test_a_state_that_cannot_be_compared_is_not_looked_for(self) -> None:
        update = action("change", "PUT", Identity(
            record_id="", find="find_client", by={"vat": "data.vat"}, when_unsure="repeat",
        ))  # fmt: skip
        world = World(*["timeout before"] * 9)
        story = await world.driver.drive(wanted(update))
        assert (story.end, world.remote.searches) == ("parked", [])
        assert "not known whether" in world.notes()[-1]

    async def test_the_time_counts_from_the_send_and_not_from_the_restart(self) -> None:
        world = World("crash after")
        with pytest.raises(Crash):
            await world.driver.once(wanted())
        sent = world.clock()
        world.clock.now += 30
        with pytest.raises(Wait) as caught:
            await world.driver.once(wanted())
        assert caught.value.due_at == sent + SETTLE

    async def test_one_that_stopped_while_it_was_sent_makes_others_wait(self) -> None:
        world = World("crash before")
        with pytest.raises(Crash):
            await world.driver.once(wanted(event_id="before"))
        with pytest.raises(Wait) as caught:
            await world.driver.once(wanted())
        assert (caught.value.reason, len(world.remote.sent)) == ("unsure", 1)

    async def test_searching_first_is_by_the_mark_where_there_is_one(self) -> None:
        marked = action("create_client", "POST", BY_VAT.model_copy(update={
            "marker": "data.notes", "by": {"notes": "data.notes"},
        }))  # fmt: skip
        world = World()
        await world.driver.drive(wanted(marked))
        world.clock.now += 3_600
        later = Driver(
            world.clock, world.remote, Rows(), lambda *given: Effects(*given, search_first=True)
        )
        story = await later.drive(wanted(marked))
        assert (story.end, len(world.remote.sent)) == ("done", 1)
        assert "searched first" in later.store.only().evidence[-1]["message"]


async def test_a_write_leaves_within_ten_seconds_of_its_intent() -> None:
    world, moments = World(), []
    send = world.remote.send

    async def noted(prepared: Any, **how: Any) -> Any:
        moments.append(how["not_after"])
        return await send(prepared, **how)

    world.remote.send = noted  # type: ignore[method-assign]
    world.driver.effects = Effects(world.clock, INSTALLATION, monotonic=lambda: 500.0)
    await world.driver.drive(wanted())
    assert moments == [510.0]
    request = world.rows.only().request or b""
    assert world.rows.only().payload_hash == hashlib.sha256(request).hexdigest()[:16]


def test_the_times_are_those_that_an_operator_is_told() -> None:
    told = Settings()
    assert (told.settle_seconds, told.second_look_seconds) == (SETTLE, SECOND_LOOK)


class Away(Rows):
    """A store that does not answer for a while, once a write is done."""

    seconds = 0.0
    began: float | None = None
    after: float | None = None

    async def save_effect(self, effect: Any) -> None:
        now = asyncio.get_running_loop().time()
        if effect.state == "done":
            self.began = now if self.began is None else self.began
            if now - self.began < self.seconds:
                raise StoreBusy("The database cannot write now.")
            self.after = now - self.began
        await super().save_effect(effect)


@pytest.mark.parametrize(
    ("away", "after"), [(0.0, 0.0), (0.04, 0.05), (0.5, 0.55), (2.0, 2.55), (2.6, None)]
)
def test_the_end_is_stored_as_soon_as_the_store_is_back(away: float, after: float | None) -> None:
    assert sum(SAVE_AGAIN_SECONDS) == pytest.approx(2.55)
    rows = Away()
    rows.seconds = away

    async def story() -> None:
        def now() -> float:
            return asyncio.get_running_loop().time()

        effects = Effects(now, INSTALLATION, monotonic=now)
        remote = Remote(now)
        try:
            await effects.perform(intent(INVOICE), rows, remote, remote.find)  # type: ignore[arg-type]
        except StoreBusy:
            assert after is None

    simulate(story)
    assert rows.after == (None if after is None else pytest.approx(after))


def test_a_key_stays_what_it_is_from_release_to_release() -> None:
    """It is stored: a key that changed would send what was sent before."""
    event = intent(INVOICE)
    assert event.key("main") == "1166aef72f0df7e970a1390c1af01e56c70a83a8"
    assert (
        intent(INVOICE, business_key="order 7").key("main")
        == "0df2d747f0d8d507b2e41f034c5b13a208d54abc"
    )


def test_a_store_of_a_new_process_knows_the_version(tmp_path: Path) -> None:
    """The first state of a write begins at version 0: two that plan it at once are told apart."""
    from connector.store.sqlite.database import Database

    async def story() -> list[int]:
        database = Database(tmp_path / "connector.db")
        await database.open()
        store = database.tenant("main")
        clock = Clock()
        remote = Remote(clock, faults=iter(["422"]))
        driver = Driver(clock, remote, store)
        versions = []
        for run in (1, 2):
            await driver.drive(intent(INVOICE, run_id=run))
            versions.append((await store.effects())[0].version)
        await database.close()
        return versions

    first, second = asyncio.run(story())
    assert (first, second) == (3, 6)
