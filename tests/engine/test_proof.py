"""By what a record is recognised, and when a confirmed change is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connector.engine import proof
from connector.engine.packing import shown_answer
from connector.errors import NotSent
from connector.model import Answer, Identity
from connector.store.rows import EffectRow
from connector.store.sqlite.database import Database
from tests.engine.driving import SECOND_LOOK, SETTLE, Driver, intent, only
from tests.engine.remote import CLIENT, Clock, Record, Remote, action

SHOWN = action(
    "change_client",
    "PUT",
    Identity(record_id="", find="find_client", by={"number": "number"}, shows="data",
             when_unsure="repeat"),
)  # fmt: skip
WANTED = {"number": "1", "data": {"name": "Rossi", "city": "Roma"}}
ALIKE = action(
    "create_thing",
    "POST",
    Identity(record_id="data.id", marker="data.notes", find="find_thing",
             by={"notes": "data.notes"},
             alike={"company": "company", "name": "data.name", "city": "data.city"},
             when_unsure="resend_once"),
)  # fmt: skip


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (412, "412"), (None, ""), (True, "1"), (False, "0"), ("12.50", 12.5), ("0", 0),
        ("Caffè  Roma", "caffè roma"), ("A & B", "A &amp; B"), ("", None),
    ],
)  # fmt: skip
def test_values_that_mean_the_same_are_the_same(one: Any, other: Any) -> None:
    assert proof.same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "2"), ("", "0"), ("NaN", 0), ("Roma", "Rom"), ("00184", "184"), ("+39", "39")],
)
def test_values_that_differ_are_not(one: Any, other: Any) -> None:
    assert not proof.same(one, other)


def test_only_what_the_record_shows_is_compared() -> None:
    wanted = {"name": "A", "city": "Roma", "secret": "x", "groups": [1], "more": {"a": 1}}
    shown = {"name": "A", "city": "Milano", "groups": [], "more": {}}
    assert proof.not_shown(wanted, shown) == ["city"]
    assert proof.not_shown(wanted, None) == []
    assert proof.not_shown(None, shown) == []


MOMENT = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("told", "since"),
    [
        ("2026-01-01T00:00:00+00:00", True),
        ("2025-12-31T23:55:00+00:00", True),
        ("2025-12-31T23:54:59+00:00", False),
        ("2026-01-01T01:00:00+01:00", True),
        ("2026-01-01T00:50:00+01:00", False),
        # Without a zone it may be anywhere.
        ("2025-12-31 10:00:00", True),
        ("2025-12-31 09:59:59", False),
        ("a while ago", True),
        (None, True),
    ],
)
def test_when_a_record_was_made(told: Any, since: bool) -> None:
    assert proof.made_since(CLIENT, {"created_at": told}, MOMENT) is since
    assert proof.made_since(CLIENT, {}, MOMENT) is True
    assert proof.made_since(CLIENT, {"created_at": told}, None) is True


def test_the_mark_may_stand_anywhere_in_its_field_and_in_no_other() -> None:
    assert proof.carries(CLIENT, {"notes": "a #MARK b"}, "#MARK")
    assert not proof.carries(CLIENT, {"notes": None, "name": "#MARK"}, "#MARK")
    assert not proof.carries(SHOWN, {"notes": "#MARK"}, "#MARK")


def test_the_search_is_by_the_mark_alone() -> None:
    inputs = {"data": {"notes": "VIP #MARK", "name": "A"}}
    assert proof.criteria_of(CLIENT, inputs, "#MARK") == {"notes": "#MARK"}
    assert proof.criteria_of(CLIENT, inputs) == {"notes": "VIP #MARK"}


def test_what_is_alike_needs_a_value_of_the_record() -> None:
    assert proof.alike_of(ALIKE, {"company": 7, "data": {}}) == {}
    found = proof.alike_of(ALIKE, {"company": 7, "data": {"name": "A", "city": ""}})
    assert found == {"company": 7, "name": "A"}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"id": 7, "notes": "x #MARK"}, ""),
        ({"id": 7, "notes": "x"}, "its notes lacks the mark #MARK"),
        ({"id": 8, "notes": "x #MARK"}, "the app shows another record for it"),
        ({}, "the app shows another record for it"),
    ],
)
def test_a_marked_record_is_told_by_its_mark(record: Any, why: str) -> None:
    assert proof.unlike(CLIENT, {}, "#MARK", record, "7") == why


def test_a_record_without_a_mark_is_told_by_its_strongest_natural_key() -> None:
    keyed = action("make", "POST", Identity(natural_key=("data.vat", "data.code")))
    inputs = {"data": {"vat": "IT 1", "code": "c"}}
    assert proof.unlike(keyed, inputs, "", {"id": 7, "vat": "it1", "code": "z"}, "7") == ""
    assert proof.unlike(keyed, inputs, "", {"id": 7, "vat": "IT2"}, "7") == "its vat is another one"
    assert proof.unlike(keyed, inputs, "", {"id": 7}, "7") == "", "it does not show it"
    assert proof.unlike(keyed, {"data": {}}, "", {"id": 7, "vat": "IT2"}, "7") == ""


# --- suspects -------------------------------------------------------------------------------------


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    database = Database(tmp_path / "connector.db")
    store = database.tenant("main")
    await store.ensure(0)
    clock = Clock()
    old = {"data": {"number": "1", "name": "Verdi", "city": "Roma"}}
    yield Driver(clock, Remote(clock, records=[Record(1, old, 0)]), store)
    await database.close()


def thing(**changes: Any) -> Any:
    return intent(ALIKE, inputs={"data": {"name": "Rossi"}}, **changes)


async def test_what_looks_like_a_lost_write_and_lacks_the_mark_is_shown_to_a_person(
    driver: Driver,
) -> None:
    driver.remote.faults = iter(["timeout before"])
    driver.remote.records.append(Record(2, {"data": {"name": "Rossi"}}, driver.clock()))
    story = await driver.drive(thing())
    assert (story.end, len(driver.remote.sent)) == ("parked", 1)
    assert "alike: 2" in story.error.message


async def test_an_older_one_that_looks_alike_is_no_suspect(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout before"])
    made = {"name": "Rossi", "created_at": "2020-01-01T00:00:00+00:00"}
    driver.remote.records.append(Record(2, {"data": made}, driver.clock() - 9_999))
    story = await driver.drive(thing())
    assert (story.end, len(driver.remote.sent)) == ("done", 2)


async def test_what_another_write_of_ours_has_made_is_no_suspect(driver: Driver) -> None:
    await driver.drive(thing(event_id="other"))
    driver.remote.faults = iter(["timeout before"])
    story = await driver.drive(thing())
    assert (story.end, len(driver.remote.sent)) == ("done", 3)


async def test_the_mark_is_found_by_plain_values_where_its_own_search_fails(
    driver: Driver,
) -> None:
    driver.remote.faults = iter(["timeout after"])
    find = driver.remote.find

    async def blind(key: str, criteria: dict[str, Any]) -> dict[str, Any]:
        return {} if "notes" in criteria else await find(key, criteria)

    driver.remote.find = blind
    story = await driver.drive(thing())
    assert (story.end, story.output["id"], len(driver.remote.sent)) == ("done", 2, 1)


async def test_nobody_looks_before_a_list_can_show_it(driver: Driver) -> None:
    slow = ALIKE.model_copy(
        update={"identity": ALIKE.identity.model_copy(update={"list_lag_seconds": 400})}
    )
    driver.remote.faults = iter(["timeout after"])
    start = driver.clock()
    await driver.drive(intent(slow, inputs={"data": {"name": "Rossi"}}))
    assert driver.remote.searches[0] == start + 800 > start + SETTLE


# --- read back ------------------------------------------------------------------------------------


def change(**more: Any) -> Any:
    return intent(SHOWN, inputs=WANTED, **more)


def keeps(driver: Driver, *fields: str) -> None:
    """The app says yes and keeps these fields as they are, the next times as given."""
    left = iter(fields)

    def apply(method: str, body: dict[str, Any], at: float | None = None) -> Record:
        record = driver.remote.records[0]
        kept = next(left, "")
        new = {name: value for name, value in body["data"].items() if name not in kept.split()}
        record.body["data"].update(new)
        return record

    driver.remote._apply = apply  # type: ignore[method-assign]


async def row(driver: Driver) -> EffectRow:
    return await only(driver)


async def test_a_confirmed_change_that_shows_is_done_at_once(driver: Driver) -> None:
    keeps(driver)
    story = await driver.drive(change())
    assert (story.end, story.tries, len(driver.remote.sent)) == ("done", [], 1)


async def test_a_confirmed_change_that_does_not_show_is_written_again(driver: Driver) -> None:
    keeps(driver, "name")
    story = await driver.drive(change())
    assert (story.end, len(driver.remote.sent)) == ("done", 2)
    assert driver.remote.records[0].body["data"]["name"] == "Rossi"
    told = [note["message"] for note in (await row(driver)).evidence]
    assert "confirmed, but the record shows otherwise: name" in told
    assert "it shows otherwise: name; sent once more" in told


async def test_a_change_that_never_shows_is_parked_with_the_fields(driver: Driver) -> None:
    keeps(driver, *["name city"] * 9)
    driver.remote.records[0].body["data"]["city"] = "Bari"
    story = await driver.drive(change())
    assert (story.end, len(driver.remote.sent)) == ("parked", 3)
    assert story.error.message == "The app shows otherwise: name, city."


async def test_a_lost_answer_whose_change_shows_is_not_sent_again(driver: Driver) -> None:
    keeps(driver)
    driver.remote.faults = iter(["timeout after"])
    story = await driver.drive(change())
    assert (story.end, len(driver.remote.sent)) == ("done", 1)
    assert "read back" in (await row(driver)).evidence[-1]["message"]


async def test_a_change_that_cannot_be_read_back_now_is_read_later(driver: Driver) -> None:
    keeps(driver)
    driver.remote.looking = iter(["connect refused", "unclear"])
    start = driver.clock()
    story = await driver.drive(change())
    assert (story.end, len(driver.remote.sent)) == ("done", 1)
    assert driver.clock() == start + SETTLE + SECOND_LOOK
    assert story.error is None
    assert NotSent.__name__ in [one.get("kind") for one in (await row(driver)).evidence]


async def test_a_change_of_a_record_that_is_gone_is_parked(driver: Driver) -> None:
    keeps(driver)
    story = await driver.drive(intent(SHOWN, inputs={**WANTED, "number": "2"}))
    assert (story.end, len(driver.remote.sent)) == ("parked", 1)
    assert "cannot be found" in story.error.message


# --- small parts ----------------------------------------------------------------------------------


def test_a_search_by_the_strongest_key_holds_its_parts_and_where_to_look() -> None:
    identity = Identity(
        natural_key=("data.vat", "data.name+data.city"),
        by={"vat": "data.vat", "name": "data.name", "city": "data.city", "company": "company"},
    )
    what = action("make", "POST", identity)
    data = {"vat": "IT1", "name": "A", "city": "B"}
    strong = proof.strong_criteria_of(what, {"company": 7, "data": data})
    assert strong == {"vat": "IT1", "company": 7}
    weaker = proof.strong_criteria_of(what, {"company": 7, "data": {**data, "vat": ""}})
    assert weaker == {"name": "A", "city": "B", "company": 7}


def test_whether_a_search_is_by_the_mark() -> None:
    assert proof.by_mark(ALIKE) is True
    unmarked = ALIKE.identity.model_copy(update={"marker": None})
    assert proof.by_mark(ALIKE.model_copy(update={"identity": unmarked})) is False
    elsewhere = ALIKE.identity.model_copy(update={"by": {"name": "data.name"}})
    assert proof.by_mark(ALIKE.model_copy(update={"identity": elsewhere})) is False


def test_a_number_is_no_other_number_and_no_text() -> None:
    assert not proof.same(1, 2)
    assert not proof.same(2, 1.5)
    assert not proof.same(1, "x")


def test_what_a_search_found_without_records_is_no_record() -> None:
    assert proof.record_of({"ids": [1]}, "1") is None
    assert proof.record_of({}, "1") is None
    assert proof.record_of({"ids": [1, 2], "records": [{"a": 1}]}, "2") is None


def test_a_long_answer_is_kept_in_part_and_says_how_long_it_was() -> None:
    for length, cut in ((16 * 1024, None), (16 * 1024 + 1, 16 * 1024 + 1)):
        shown = shown_answer(Answer(status=200, body=b"a" * length))
        assert shown["body"] == "a" * 16 * 1024
        assert shown.get("cut") == cut


def test_a_long_natural_key_is_kept_as_its_digest() -> None:
    keyed = action("make", "POST", Identity(natural_key=("data.text", "data.vat+data.text")))
    text = "Screws, long ones. " * 400
    one, two = proof.naturals_of(keyed, {"data": {"text": text, "vat": "7"}})
    assert one.startswith("data.text=sha256:")
    assert max(len(one), len(two)) < 120
    assert one != two
    # The same as before: spaces and capitals say nothing, a letter does.
    assert proof.natural_of(keyed, {"data": {"text": f" {text.upper()}"}}) == one
    assert proof.natural_of(keyed, {"data": {"text": f"{text}x"}}) != one
    # What was kept as it is stays so: an open write of an older release is found by it.
    assert proof.natural_of(keyed, {"data": {"text": "A" * 200}}) == "data.text=" + "a" * 200
