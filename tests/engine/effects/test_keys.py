"""The key of a write and its mark: of the fact, not of the try."""

from __future__ import annotations

import asyncio
from typing import Any

from connector.codec import decode
from connector.engine.packing import marker_of, unpack
from connector.engine.waits import Wait
from connector.model import HttpRequest
from tests.engine.driving import INSTALLATION, Driver, intent, only
from tests.engine.remote import CLIENT, INVOICE


def test_a_key_is_of_the_fact_and_not_of_the_try() -> None:
    key = intent(INVOICE).key("main")
    assert intent(INVOICE, run_id=9, inputs={}).key("main") == key
    others = [
        intent(INVOICE).key("other"),
        intent(CLIENT).key("main"),
        *(
            intent(INVOICE, **{name: value}).key("main")
            for name, value in {
                "connection_id": "conn-2", "flow": "other", "step": "other", "event_id": "2",
                "item_id": "8", "business_key": "7",
            }.items()
        ),
    ]  # fmt: skip
    assert len({key, *others}) == len(others) + 1


def test_a_business_key_stands_for_event_and_record() -> None:
    one = intent(INVOICE, business_key="order 7")
    other = intent(INVOICE, business_key="order 7", event_id="5", item_id="other")
    assert one.key("main") == other.key("main")


def test_a_marker_is_the_same_after_a_restored_backup_and_says_nothing() -> None:
    marker = marker_of(INSTALLATION, intent(INVOICE).key("main"))
    assert marker == marker_of(INSTALLATION, intent(INVOICE).key("main"))
    assert marker != marker_of(b"another installation", intent(INVOICE).key("main"))
    assert len(marker) == 13
    assert marker[0] == "#"
    assert set(marker[1:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


async def test_the_marker_is_appended_to_what_its_field_says(driver: Driver) -> None:
    await driver.drive(intent(INVOICE))
    row = await only(driver)
    (body,) = [decode(unpack(sent).body) for sent in driver.remote.sent]
    assert body["data"]["subject"] == f"Order 7 {row.marker}"


async def test_the_marker_is_alone_where_its_field_says_nothing(driver: Driver) -> None:
    await driver.drive(intent(CLIENT, inputs={"data": {"name": "Rossi"}}))
    row = await only(driver)
    assert driver.remote.records[-1].body["data"]["notes"] == row.marker


async def test_two_events_about_one_order_write_once_even_at_the_same_moment(
    driver: Driver,
) -> None:
    facts = [
        intent(INVOICE, business_key="order 7", event_id=str(n), item_id=str(n), run_id=n)
        for n in range(1, 6)
    ]
    outputs = await asyncio.gather(*(driver.once(one) for one in facts))
    assert len(driver.remote.sent) == 1
    assert outputs == [outputs[0]] * 5


async def test_two_events_about_one_order_share_an_unsure_write(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    facts = [intent(INVOICE, business_key="o", event_id=str(n), run_id=n) for n in (1, 2)]
    outcomes = await asyncio.gather(*(driver.once(one) for one in facts), return_exceptions=True)
    assert [type(one) for one in outcomes] == [Wait, Wait]
    stories = [await driver.drive(one) for one in facts]
    assert [one.end for one in stories] == ["done", "done"]
    assert len(driver.remote.sent) == 1


async def test_writes_of_different_facts_do_not_wait_for_each_other(driver: Driver) -> None:
    gate = asyncio.Event()
    send = driver.remote.send

    async def held(prepared: HttpRequest, **how: Any) -> Any:
        if b'"first"' in prepared.body:
            await gate.wait()
        return await send(prepared, **how)

    driver.remote.send = held
    first = asyncio.create_task(
        driver.once(intent(INVOICE, item_id="1", inputs={"data": {"name": "first"}}))
    )
    await driver.once(intent(INVOICE, item_id="2"))
    assert not first.done()
    gate.set()
    assert (await first)["name"] == "first"
