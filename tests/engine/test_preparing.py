"""A write that reads first: anew before each send, and what others did meanwhile is noticed."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import Missing, Unclear
from connector.model import Action, Caller, Identity, Prepared, Request
from tests.engine.driving import Driver, intent
from tests.engine.remote import Clock, Effects as Rows, Record, Remote


class World:
    """A remote record with a date of change, and what the update makes of it."""

    def __init__(self, faults: list[str] | None = None) -> None:
        self.clock = Clock()
        self.rows = Rows()
        self.record: dict[str, Any] = {"id": 1, "rows": ["old"], "updated_at": "t1"}
        self.reads = 0
        self.fails: list[Exception] = []
        self.remote = Remote(self.clock, faults=iter(faults or []))
        self.remote.records = [Record(1, {"data": self.record}, 0)]
        self.driver = Driver(self.clock, self.remote, self.rows)

    def applied(self, state: str = "t2") -> None:
        """The write arrived."""
        self.record |= {"rows": ["old", "new"], "updated_at": state}

    @property
    def action(self) -> Action:
        async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
            self.reads += 1
            if self.fails:
                raise self.fails.pop(0)
            rows = self.record["rows"]
            sent = rows if "new" in rows else [*rows, "new"]
            return Prepared(
                inputs={"data": {"rows": sent}},
                record=dict(self.record),
                state=self.record["updated_at"],
                differs=() if "new" in rows else ("rows",),
            )

        return Action(
            app="books", key="change", noun="Record", label="Change", description="Changes.",
            request=Request(method="PUT", path="/change", root="data"), result="data",
            identity=Identity(record_id="data.id", when_unsure="repeat"), prepare=prepare,
        )  # fmt: skip


async def test_what_was_read_is_what_is_sent_and_recorded() -> None:
    world = World()
    story = await world.driver.drive(intent(world.action))
    assert story.end == "done"
    assert b'"rows":["old","new"]' in world.remote.sent[0]
    assert [note.get("read") for note in world.rows.only().evidence] == ["t1"]
    assert ("sending", world.remote.sent[0]) in world.rows.saved


async def test_it_is_read_anew_when_nothing_was_sent() -> None:
    world = World(["429"])
    with pytest.raises(Exception, match="quota"):
        await world.driver.once(intent(world.action))
    world.record |= {"rows": ["of others"], "updated_at": "t9"}
    assert (await world.driver.drive(intent(world.action))).end == "done"
    assert b'"rows":["of others","new"]' in world.remote.sent[-1]


async def test_in_doubt_and_unchanged_it_goes_again() -> None:
    world = World(["timeout before"])
    assert (await world.driver.drive(intent(world.action))).end == "done"
    assert len(world.remote.sent) == 2


async def test_in_doubt_and_as_wanted_nothing_goes_again() -> None:
    world = World(["timeout before"])
    with pytest.raises(BaseException, match="unsure"):
        await world.driver.once(intent(world.action))
    world.applied()
    story = await world.driver.drive(intent(world.action))
    assert (story.end, len(world.remote.sent)) == ("done", 1)
    assert story.output["rows"] == ["old", "new"]


async def test_in_doubt_and_changed_by_others_a_person_decides() -> None:
    world = World(["timeout before"])
    with pytest.raises(BaseException, match="unsure"):
        await world.driver.once(intent(world.action))
    world.record |= {"rows": ["of others"], "updated_at": "t9"}
    story = await world.driver.drive(intent(world.action))
    assert (story.end, len(world.remote.sent)) == ("parked", 1)
    assert "Somebody changed the record meanwhile" in str(story.error)


async def test_a_read_that_fails_sends_nothing() -> None:
    world = World()
    world.fails = [Unclear("502"), Missing("There is no such record.")]
    story = await world.driver.drive(intent(world.action))
    assert (story.end, story.tries, world.remote.sent) == ("refused", ["Unclear"], [])


class TestRemoved:
    def action(self) -> Action:
        return Action(
            app="books", key="delete", noun="Record", label="Delete", description="Deletes.",
            request=Request(method="DELETE", path="/delete", root="data"), destructive=True,
            removes="data.name", identity=Identity(record_id="", when_unsure="repeat"),
        )  # fmt: skip

    @pytest.mark.parametrize(("fault", "gone"), [("no id", False), ("404", True)])
    async def test_gone_already_is_a_success_that_says_so(self, fault: str, gone: bool) -> None:
        world = World([fault])
        story = await world.driver.drive(intent(self.action()))
        assert story.end == "done"
        assert story.output == {"id": "Rossi", "deleted": True, "already_gone": gone}

    async def test_in_doubt_it_is_deleted_again(self) -> None:
        world = World(["timeout after", "404"])
        story = await world.driver.drive(intent(self.action()))
        assert (story.end, len(world.remote.sent)) == ("done", 2)
        assert story.output["already_gone"] is True

    async def test_a_missing_record_of_another_write_stays_an_error(self) -> None:
        world = World(["404"])
        story = await world.driver.drive(intent(world.action))
        assert story.end == "refused"
