"""A write that reads first: anew before each send, and what others did meanwhile is noticed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from connector.errors import Missing, Refused, Unauthorized, Unclear
from connector.model import MADE, Action, Caller, Identity, Prepared, Request
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
    # Until it was read, there is nothing to store; then it is stored before it is sent.
    assert world.rows.saved[:2] == [("planned", b""), ("sending", world.remote.sent[0])]
    digest = hashlib.sha256(world.rows.only().request or b"").hexdigest()
    assert world.rows.only().payload_hash == digest[:16]


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
    assert "otherwise: rows." in str(story.error)


async def test_a_person_who_says_that_it_goes_again_is_obeyed_once() -> None:
    world = World(["timeout before", "timeout before"])
    with pytest.raises(BaseException, match="unsure"):
        await world.driver.once(intent(world.action))
    world.record |= {"rows": ["of others"], "updated_at": "t9"}
    assert (await world.driver.drive(intent(world.action))).end == "parked"
    effect = world.rows.only()
    effect.state = "planned"
    effect.evidence.append({"at": 0.0, "message": "sent again, decided by Ada", "again": True})
    await world.rows.save_effect(effect)
    with pytest.raises(BaseException, match="unsure"):
        await world.driver.once(intent(world.action))
    assert b'"rows":["of others","new"]' in world.remote.sent[1]
    world.record |= {"rows": ["of others once more"], "updated_at": "t10"}
    assert (await world.driver.drive(intent(world.action))).end == "parked"


async def test_a_read_that_fails_sends_nothing() -> None:
    world = World()
    world.fails = [Unclear("502"), Missing("There is no such record.")]
    story = await world.driver.drive(intent(world.action))
    assert (story.end, story.tries, world.remote.sent) == ("refused", ["Unclear"], [])


def made(prepare: Any, **more: Any) -> Action:
    """An action that makes or changes a record by what it reads."""
    given = {
        "request": Request(method="POST", path="/make", root="data"), "result": "data",
        "identity": Identity(
            record_id="data.id", natural_key=("data.name",), when_unsure="resend_once"
        ),
    }  # fmt: skip
    return Action(
        app="books", key="make", noun="Record", label="Make", description="Makes.",
        prepare=prepare, **{**given, **more},
    )  # fmt: skip


ENSURES = Identity(
    record_id="data.id", natural_key=("data.name",), when_unsure="resend_once", ensures=True
)


class TestWhatWasReadSays:
    async def drive(self, ready: Prepared, **more: Any) -> tuple[World, Any]:
        async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
            return ready

        world = World()
        story = await world.driver.drive(intent(made(prepare, **more)))
        return world, story

    async def test_that_it_is_so_already_nothing_is_sent(self) -> None:
        record = {"id": 9, "name": "Rossi"}
        world, story = await self.drive(Prepared(inputs={}, record=record, enough=True))
        assert (story.end, story.output, world.remote.sent) == ("done", record, [])
        assert world.rows.only().remote_id == "9"
        (note,) = world.rows.only().evidence
        assert note["message"] == "read as 9: it is so already, nothing was sent"

    async def test_that_another_request_is_to_be_sent(self) -> None:
        other = Request(method="PUT", path="/else", root="data")
        ready = Prepared(inputs={"data": {"name": "B"}}, request=other, record={"id": 1})
        world, story = await self.drive(ready)
        assert story.end == "done"
        assert b"/else" in world.remote.sent[0]
        (note,) = world.rows.only().evidence
        assert note["message"] == "read first, as it was at an unknown time"
        assert note["read"] == ""

    async def test_what_differs_up_to_nine_fields(self) -> None:
        names = tuple(f"f{number}" for number in range(12))
        reads = iter(["t1", "t2"])

        async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
            return Prepared(
                inputs={"data": {"a": 1}}, record={"id": 1}, state=next(reads), differs=names
            )

        world = World(["timeout before"])
        repeat = Identity(record_id="data.id", when_unsure="repeat")
        put = Request(method="PUT", path="/change", root="data")
        story = await world.driver.drive(intent(made(prepare, request=put, identity=repeat)))
        assert story.end == "parked"
        assert f"otherwise: {', '.join(names[:9])}." in str(story.error)

    async def test_what_another_write_has_just_made_is_handed_on(self) -> None:
        given: list[dict[str, Any]] = []

        async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
            given.append(inputs)
            return Prepared(inputs={"data": inputs["data"]})

        world = World()
        await world.driver.drive(intent(made(prepare, identity=ENSURES), event_id="before"))
        await world.driver.drive(intent(made(prepare, identity=ENSURES)))
        assert [one.get(MADE) for one in given] == [None, "2"]

    @pytest.mark.parametrize(
        ("shown", "sends"),
        [({"rows": ["a"], "by": "us"}, 1), ({"rows": ["b"], "by": "us"}, None)],
    )
    async def test_in_doubt_that_all_that_was_sent_is_there(
        self, shown: dict[str, Any], sends: int | None
    ) -> None:
        """It differs from what is wanted by now, but shows what went."""
        reads = iter([{"id": 1, "rows": []}, {"id": 1, **shown}])

        async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
            record = next(reads)
            return Prepared(
                inputs={"data": {"rows": ["a"]}}, record=record, state=str(record),
                differs=("note",),
            )  # fmt: skip

        put = Request(method="PUT", path="/change", root="data", wrap=("data",))
        repeat = Identity(record_id="data.id", when_unsure="repeat")
        world = World(["timeout after"])
        story = await world.driver.drive(intent(made(prepare, request=put, identity=repeat)))
        assert len(world.remote.sent) == 1
        assert story.end == ("done" if sends else "parked")
        if sends:
            assert "it shows what was written" in str(world.rows.only().evidence[-1])


class TestCheck:
    """An action that looks by itself right before it is sent."""

    def action(self, *found: Any) -> Action:
        said = iter(found)
        self.asked = 0

        async def check(caller: Caller, inputs: dict[str, Any]) -> Any:
            self.asked += 1
            told = next(said)
            if isinstance(told, Exception):
                raise told
            return told

        return Action(
            app="books", key="send", noun="Record", label="Send", description="Sends.",
            request=Request(method="POST", path="/send", root="data"), result="data",
            identity=Identity(record_id="data.id", own_id="number", natural_key=("data.name",),
                              when_unsure="park"),
            check=check,
        )  # fmt: skip

    async def test_it_is_asked_before_each_send_and_says_nothing(self) -> None:
        world = World(["429"])
        assert (await world.driver.drive(intent(self.action({}, {})))).end == "done"
        assert (self.asked, len(world.remote.sent)) == (2, 2)

    async def test_what_is_there_is_used(self) -> None:
        world = World()
        story = await world.driver.drive(intent(self.action({"number": 5, "state": "sent"})))
        assert (story.end, world.remote.sent) == ("done", [])
        assert story.output == {"number": 5, "state": "sent", "id": 5}
        row = world.rows.only()
        assert row.remote_id == "5"
        assert row.evidence[-1]["message"] == "it was there already as 5: nothing was sent"

    async def test_what_it_refuses_is_refused_and_kept(self) -> None:
        world = World()
        error = Refused("It has no number.", field="document_id", remedy="Give it one.")
        story = await world.driver.drive(intent(self.action(error)))
        assert (story.end, str(story.error.field), world.remote.sent) == (
            "refused", "document_id", [],
        )  # fmt: skip
        row = world.rows.only()
        assert (row.state, row.evidence[-1]["message"]) == ("refused", "It has no number.")
        # The same run asks again: it hears the same, with the field and the remedy.
        again = await world.driver.drive(intent(self.action()))
        assert (again.error.field, again.error.remedy, again.error.who) == (
            "document_id", "Give it one.", "user",
        )  # fmt: skip

    async def test_a_dead_token_is_no_refusal(self) -> None:
        world = World()
        story = await world.driver.drive(intent(self.action(Unauthorized("dead"), {})))
        assert (story.end, story.tries) == ("done", ["unauthorized"])

    async def test_another_write_that_waits_for_a_person_parks_this_one(self) -> None:
        world = World(["timeout before"])
        first = await world.driver.drive(intent(self.action({}), event_id="before"))
        assert first.end == "parked"
        story = await world.driver.drive(intent(self.action({})))
        assert (story.end, len(world.remote.sent), self.asked) == ("parked", 1, 0)
        assert "Another write of this very record waits" in str(story.error)

    async def test_what_another_write_has_done_is_used_without_asking(self) -> None:
        world = World()
        await world.driver.drive(intent(self.action({}), event_id="before"))
        story = await world.driver.drive(intent(self.action()))
        assert (story.end, len(world.remote.sent), self.asked) == ("done", 1, 0)

    async def test_a_replay_by_a_later_run_gives_what_was_found(self) -> None:
        world = World()
        await world.driver.drive(intent(self.action({"number": 5})))
        story = await world.driver.drive(intent(self.action({}), run_id=9))
        assert (story.end, story.output["number"], world.remote.sent) == ("done", 5, [])


class TestWhatTheAnswerSays:
    def action(self, identity: Identity, **more: Any) -> Action:
        return Action(
            app="books", key="act", noun="Record", label="Act", description="Acts.",
            request=Request(method="POST", path="/act", root="data"), identity=identity, **more,
        )  # fmt: skip

    async def test_nothing_means_what_the_action_says_of_it(self) -> None:
        blind = Identity(record_id="", when_unsure="park")
        for means, output in (({"state": "sent"}, {"state": "sent"}), ({}, {"done": True})):
            world = World()
            world.remote.says = b""
            story = await world.driver.drive(intent(self.action(blind, empty_means=means)))
            assert (story.end, story.output) == ("done", output)
        world = World()
        story = await world.driver.drive(intent(self.action(blind, empty_means={"no": "use"})))
        assert story.output["data"]["name"] == "Rossi"


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
