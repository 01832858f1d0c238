"""A CRM that says yes to a change and keeps the old values is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.kit import World, client, flow, story, world

CHANGE = """\
  - id: change
    node: perfex_crm.update_customer
    connection: perfex
    map:
      customer_id: CUSTOMER
      data.city: "{{ trigger.resource.address_city }}"
      data.zip: "{{ trigger.resource.address_postal_code }}"
      data.phonenumber: "{{ trigger.resource.phone }}"
"""


async def change(w: World) -> dict[str, Any]:
    number = w.sandbox.perfex.tables["customers"].add({"company": "Adda", "zip": "20100"})
    await w.follow(flow(steps=CHANGE.replace("CUSTOMER", number)))
    w.person.create("clients", client())
    await w.quiet()
    return await w.run()


def test_a_change_is_believed_when_it_shows(tmp_path: Path) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            run = await change(w)
            assert run["state"] == "succeeded", run["error"]
            assert (w.customers[0]["zip"], w.customers[0]["city"]) == ("24121", "Bergamo")
            assert len(w.perfex.seen("PUT")) == 1

    told()


@pytest.mark.parametrize(("times", "state"), [(1, "succeeded"), (99, "parked")])
def test_a_yes_without_the_change_is_not_believed(
    tmp_path: Path, times: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connector.sandbox.perfex import records

    columns, left = records._columns, [times]

    def keeps_the_zip(kind: Any, fields: Any) -> Any:
        left[0] -= 1
        return {k: v for k, v in columns(kind, fields).items() if k != "zip" or left[0] < 0}

    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            monkeypatch.setattr(records, "_columns", keeps_the_zip)
            run = await change(w)
            assert run["state"] == state, run["error"]
            assert (w.customers[0]["zip"] == "24121") is (state == "succeeded")
            if state == "parked":
                assert "zip" in run["error"]["message"]
                assert len(w.perfex.seen("PUT")) == 3

    told()


@story
async def test_a_lost_answer_is_read_back_and_not_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.sandbox.perfex.faults.add(kind="reset_after", method="PUT", path="/api/customers/*")
        run = await change(w)
        assert (run["state"], len(w.perfex.seen("PUT"))) == ("succeeded", 1)
