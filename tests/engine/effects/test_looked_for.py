"""Looking before a write is sent again, and what a restored backup has forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from connector.engine.effects import Effects
from connector.engine.waits import Park, Wait
from tests.engine import remote as remote_module
from tests.engine.driving import INSTALLATION, SECOND_LOOK, SETTLE, Driver, intent, only
from tests.engine.effects.kit import check
from tests.engine.remote import BLIND, CLIENT, INVOICE, UPDATE, Record

# --- looking ----------------------------------------------------------------------------------


async def test_it_looks_after_settling_and_once_more_later(driver: Driver) -> None:
    driver.remote.faults = iter(["reset before"])
    start = driver.clock()
    story = await driver.drive(intent(INVOICE))
    assert story.end == "parked"
    assert driver.remote.searches == [start + SETTLE, start + SETTLE + SECOND_LOOK]
    assert "cannot be found" in story.error.message
    assert story.error.who == "user"
    assert "adopt" in story.error.remedy


async def test_it_does_not_look_before_its_time_however_often_it_is_asked(driver: Driver) -> None:
    driver.remote.faults = iter(["reset after"])
    for _ in range(5):
        with pytest.raises(Wait):
            await driver.once(intent(INVOICE))
        driver.clock.now += 1
    assert driver.remote.searches == []
    assert len(driver.remote.sent) == 1


async def test_a_second_loss_of_a_client_is_not_sent_a_third_time(driver: Driver) -> None:
    driver.remote.faults = iter(["reset before", "reset before"])
    story = await driver.drive(intent(CLIENT))
    await check(driver, story)
    assert story.end == "parked"
    assert len(driver.remote.sent) == 2
    assert len(driver.remote.searches) == 4


async def test_a_state_is_not_repeated_for_ever(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout before"] * 50)
    story = await driver.drive(intent(UPDATE))
    assert story.end == "parked"
    assert len(driver.remote.sent) == 8


async def test_a_write_that_nobody_can_search_is_parked_at_once(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    story = await driver.drive(intent(BLIND))
    assert (story.end, len(driver.remote.sent)) == ("parked", 1)


async def test_several_matches_are_shown_to_a_person(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    with pytest.raises(Wait):
        await driver.once(intent(INVOICE))
    copy = driver.remote.records[-1]
    driver.remote.records.append(Record(99, copy.body, copy.applied_at))
    story = await driver.drive(intent(INVOICE))
    assert story.end == "parked"
    assert "2 records" in story.error.message


@pytest.mark.parametrize("action", [INVOICE, CLIENT], ids=["invoice", "client"])
async def test_a_parked_write_is_never_sent_again_by_itself(driver: Driver, action: Any) -> None:
    driver.remote.faults = iter(["timeout before", "timeout before"])
    story = await driver.drive(intent(action))
    sent = len(driver.remote.sent)
    for run_id in range(1, 30):
        driver.clock.now += 24 * 3600
        driver.effects = Effects(driver.clock, INSTALLATION)
        with pytest.raises(Park) as caught:
            await driver.once(intent(action, run_id=run_id))
        assert caught.value.cause.message == story.error.message
    assert len(driver.remote.sent) == sent


@pytest.mark.parametrize("trouble", ["connect refused", "unclear", "429", "401"])
async def test_a_list_that_cannot_be_read_now_is_no_answer(driver: Driver, trouble: str) -> None:
    driver.remote.faults = iter(["timeout after"])
    driver.remote.looking = iter([trouble] * 9)
    story = await driver.drive(intent(INVOICE))
    await check(driver, story)
    assert story.end == "done"
    assert len(driver.remote.searches) == 10


async def test_a_list_that_may_not_be_read_shows_the_write_to_a_person(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    driver.remote.looking = iter(["403"])
    story = await driver.drive(intent(CLIENT))
    assert story.end == "parked"
    assert "scope for reading is missing" in story.error.message


@pytest.mark.parametrize("trouble", ["connect refused", "unclear", "429", "401", "403"])
async def test_a_write_whose_record_cannot_be_named_yet_is_not_forgotten(
    driver: Driver, trouble: str
) -> None:
    driver.remote.faults = iter(["no id"])
    driver.remote.looking = iter([trouble])
    with pytest.raises(Wait):
        await driver.once(intent(INVOICE))
    assert (await only(driver)).state == "uncertain"
    story = await driver.drive(intent(INVOICE))
    await check(driver, story)
    assert (story.end, len(driver.remote.sent)) == ("done", 1)


async def test_an_answer_without_an_id_is_proven_by_the_list_at_once_where_it_does_not_lag(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "LIST_LAG", 0.0)
    driver.remote.faults = iter(["no id"])
    output = await driver.once(intent(INVOICE))
    assert output["id"] == 2
    assert output["subject"].startswith("Order 7 #")


# --- a restored backup ---------------------------------------------------------------------------


def search_first(driver: Driver) -> Driver:
    """The same world with an empty database, by a process that searches first."""

    def make(clock: Any, key: bytes) -> Effects:
        return Effects(clock, key, search_first=True)

    driver.clock.now += 3600
    empty = remote_module.Effects()
    driver.remote.before_send = lambda stored: None
    return Driver(driver.clock, driver.remote, empty, make)


@pytest.mark.parametrize("action", [INVOICE, CLIENT], ids=["invoice", "client"])
async def test_searching_first_finds_by_the_mark_what_the_database_has_forgotten(
    driver: Driver, action: Any
) -> None:
    before = await driver.drive(intent(action))
    later = search_first(driver)
    # The customer has another name by now, so that the text around the mark is another one.
    told = await later.drive(intent(action, inputs={"data": {"name": "Rossi", "subject": "New"}}))
    assert (told.end, told.output["id"]) == ("done", before.output["id"])
    row = later.store.only()
    assert (row.remote_id, row.sends, len(driver.remote.sent)) == (str(told.output["id"]), 0, 1)
    assert "searched first" in row.evidence[-1]["message"]


@pytest.mark.parametrize("action", [INVOICE, CLIENT], ids=["invoice", "client"])
async def test_searching_first_sends_what_is_not_there(driver: Driver, action: Any) -> None:
    told = await search_first(driver).drive(intent(action))
    assert (told.end, len(driver.remote.sent)) == ("done", 1)


@pytest.mark.parametrize("trouble", ["connect refused", "unclear", "429", "401"])
async def test_searching_first_sends_nothing_while_the_list_cannot_be_read(
    driver: Driver, trouble: str
) -> None:
    await driver.drive(intent(INVOICE))
    later = search_first(driver)
    driver.remote.looking = iter([trouble] * 5)
    told = await later.drive(intent(INVOICE))
    assert (told.end, len(told.tries), len(driver.remote.sent)) == ("done", 5, 1)


async def test_searching_first_shows_several_that_carry_the_mark_to_a_person(
    driver: Driver,
) -> None:
    await driver.drive(intent(INVOICE))
    copy = driver.remote.records[-1]
    driver.remote.records.append(Record(99, copy.body, copy.applied_at))
    told = await search_first(driver).drive(intent(INVOICE))
    assert (told.end, len(driver.remote.sent)) == ("parked", 1)
    assert "2, 99" in told.error.message


async def test_without_searching_first_an_invoice_is_not_looked_for(driver: Driver) -> None:
    await driver.drive(intent(INVOICE))
    assert driver.remote.searches == []
