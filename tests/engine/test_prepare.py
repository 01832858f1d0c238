"""What an action reads before its write is recorded, and keys made of several values."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connector.codec import decode
from connector.engine.packing import unpack
from connector.engine.proof import natural_of, strong_criteria_of, unlike
from connector.errors import NotSent, Refused
from connector.model import Caller, Identity
from connector.store.sqlite.database import Database
from tests.engine.driving import Driver, intent
from tests.engine.remote import INVOICE, Clock, Remote, action


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    database = Database(tmp_path / "connector.db")
    store = database.tenant("main")
    await store.ensure(0)
    clock = Clock()
    yield Driver(clock, Remote(clock), store)
    await database.close()


def preparing(*fails: Exception) -> tuple[Any, list[int]]:
    """An action that counts how often it reads, and fails so at first."""
    asked: list[int] = []
    left = list(fails)

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
        asked.append(1)
        if left:
            raise left.pop(0)
        return {"data": {**inputs["data"], "total": len(asked)}}

    return INVOICE.model_copy(update={"prepare": prepare}), asked


async def test_what_is_prepared_is_stored_and_sent(driver: Driver) -> None:
    node, asked = preparing()
    story = await driver.drive(intent(node))
    (row,) = await driver.store.effects()
    assert (story.end, row.inputs["data"]["total"]) == ("done", 1)
    assert decode(unpack(driver.remote.sent[0]).body)["data"]["total"] == 1
    assert len(asked) == 1


async def test_it_is_prepared_once_whatever_happens_to_the_write(driver: Driver) -> None:
    node, asked = preparing()
    driver.remote.faults = iter(["connect refused", "429", "timeout after"])
    story = await driver.drive(intent(node))
    assert (story.end, len(asked)) == ("done", 1)
    assert len(set(driver.remote.sent)) == 1


async def test_a_read_that_fails_leaves_nothing_behind_and_is_tried_again(driver: Driver) -> None:
    node, asked = preparing(NotSent("away"))
    story = await driver.drive(intent(node))
    assert (story.end, len(asked), len(driver.remote.sent)) == ("done", 2, 1)


async def test_a_read_that_says_no_writes_nothing(driver: Driver) -> None:
    node, _ = preparing(Refused("There is no such tax."))
    with pytest.raises(Refused, match="no such tax"):
        await driver.effects.perform(intent(node), driver.store, driver.remote, driver.remote.find)
    assert (await driver.store.effects(), driver.remote.sent) == ([], [])


PAYMENT = action(
    "create_payment",
    "POST",
    Identity(
        natural_key=("data.invoice+data.transaction",),
        find="find_payment",
        by={"invoice": "data.invoice", "transaction": "data.transaction", "note": "data.note"},
    ),
)


class TestKeyOfSeveralValues:
    ONE: ClassVar = {"data": {"invoice": 7, "transaction": " TRN 1", "note": "x"}}

    def test_is_one_text_of_all_of_them(self) -> None:
        other = {"data": {**self.ONE["data"], "invoice": 8}}
        assert natural_of(PAYMENT, self.ONE) == "data.invoice+data.transaction=7+trn1"
        assert natural_of(PAYMENT, self.ONE) != natural_of(PAYMENT, other)

    def test_is_none_while_one_is_missing(self) -> None:
        assert natural_of(PAYMENT, {"data": {"invoice": 7}}) == ""

    def test_is_searched_for_by_all_of_them(self) -> None:
        found = strong_criteria_of(PAYMENT, self.ONE)
        assert found == {"invoice": 7, "transaction": " TRN 1"}

    def test_tells_records_apart_by_each(self) -> None:
        shown = {"id": "3", "invoice": "7", "transaction": "TRN 1"}
        assert unlike(PAYMENT, self.ONE, "#M", shown, "3") == ""
        assert "transaction" in unlike(PAYMENT, self.ONE, "#M", {**shown, "transaction": "2"}, "3")
