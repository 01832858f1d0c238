"""Find-or-create and updates when the answer is lost: one record, and nobody's work undone."""

from __future__ import annotations

from typing import Any

import pytest

from connector.engine.waits import Park, Wait
from tests.nodes.fatture_in_cloud.office import Office

BRUNI: dict[str, Any] = {"name": "Bruni S.r.l.", "vat_number": "12345678903"}


async def until_done(office: Office, key: str, **inputs: Any) -> Any:
    """As the engine comes back after each wait."""
    for _ in range(9):
        try:
            return await office.do(key, event="e", **inputs)
        except Wait as wait:
            office.later(max(1, (wait.due_at or 0) - office.now()))
    raise AssertionError("it does not end")


def lose(office: Office, kind: str, method: str) -> None:
    office.sandbox.fic.faults.add(kind=kind, method=method, path="*/entities/clients*")


@pytest.mark.parametrize("kind", ["reset_after", "error_after", "truncated"])
async def test_a_client_whose_answer_was_lost_is_found_and_not_made_again(
    office: Office, kind: str
) -> None:
    lose(office, kind, "POST")
    made = await until_done(office, "ensure_client", data=BRUNI)
    assert (made["name"], office.writes) == ("Bruni S.r.l.", 1)


async def test_a_client_that_never_arrived_is_made_after_two_looks(office: Office) -> None:
    lose(office, "reset_before", "POST")
    made = await until_done(office, "ensure_client", data=BRUNI)
    assert (made["name"], office.writes) == ("Bruni S.r.l.", 1)


async def test_a_change_whose_answer_was_lost_is_read_and_not_sent_again(office: Office) -> None:
    client = office.client(code="A1")
    office.later(60)
    lose(office, "reset_after", "PUT")
    data = {"name": "Adda S.p.A.", "code": "A1"}
    told = await until_done(office, "ensure_client", data=data, when_there="update")
    assert (told["id"], told["name"]) == (client["id"], "Adda S.p.A.")
    assert sum(one.method == "PUT" for one in office.caller.sent) == 1


async def test_a_change_that_never_arrived_is_sent_again(office: Office) -> None:
    client = office.client(code="A1")
    lose(office, "reset_before", "PUT")
    data = {"name": "Adda S.p.A.", "code": "A1"}
    told = await until_done(office, "ensure_client", data=data, when_there="update")
    assert (told["id"], told["name"]) == (client["id"], "Adda S.p.A.")
    assert sum(one.method == "PUT" for one in office.caller.sent) == 2


async def test_what_somebody_wrote_while_we_doubted_is_not_overwritten(office: Office) -> None:
    client = office.client(code="A1")
    lose(office, "reset_before", "PUT")
    data = {"name": "Adda S.p.A.", "code": "A1"}
    with pytest.raises(Wait):
        await office.do("ensure_client", event="e", data=data, when_there="update")
    office.later(30)
    office.sandbox.person.change("clients", client["id"], {"name": "Adda & Figli"})
    office.later(60)
    with pytest.raises(Park, match="Somebody changed the record meanwhile"):
        await office.do("ensure_client", event="e", data=data, when_there="update")
    table = office.sandbox.fic.first_company.tables["clients"]
    assert (table.get(client["id"]) or {})["name"] == "Adda & Figli"


async def test_a_payment_is_added_once_when_the_answer_was_lost(office: Office) -> None:
    expense = {
        "type": "expense", "entity": {"name": "Serio"}, "amount_net": 100, "amount_vat": 22,
        "payments_list": [{"amount": 122, "due_date": "2026-03-31", "status": "not_paid"}],
    }  # fmt: skip
    made = await office.do("create_received_document", data=expense)
    row = made["payments_list"][0]
    office.later(60)
    office.sandbox.fic.faults.add(kind="reset_after", method="PUT", path="*/received_documents/*")
    changes = [
        {"id": row["id"], "amount": 61},
        {"amount": 61, "due_date": "2026-04-30", "status": "not_paid"},
    ]
    told = await until_done(
        office,
        "update_received_document",
        received_document_id=made["id"],
        data={"payments_list": changes},
    )
    assert [one["amount"] for one in told["payments_list"]] == [61, 61]
    assert sum(one.method == "PUT" for one in office.caller.sent) == 1
