"""Documents that exist: changed, deleted, paid, listed; on the sandbox, with lost answers."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from connector.engine.waits import Wait
from connector.errors import Conflict, MappingError, Refused
from tests.nodes.fatture_in_cloud.office import COMPANY, Office

LINES = [{"name": "Canone", "qty": 2, "net_price": 80, "vat": "22%"}]


async def issue(office: Office, **changes: Any) -> dict[str, Any]:
    if not office.sandbox.fic.first_company.tables["clients"].view():
        office.client()
    data = {
        "type": "invoice",
        "date": "2026-03-04",
        "entity": {"vat_number": "IT09876543217"},
        "items_list": LINES,
        **changes,
    }
    made: dict[str, Any] = await office.do("compose_invoice", data=data)
    return made


def break_once(office: Office, kind: str, made: dict[str, Any]) -> None:
    path = f"/c/{COMPANY}/issued_documents/{made['id']}"
    office.sandbox.fic.faults.add(kind=kind, method="PUT", path=path)


async def finish(office: Office, key: str, **inputs: Any) -> Any:
    """Try until it ends, as a run does."""
    for _ in range(12):
        try:
            return await office.do(key, event="the event", **inputs)
        except Wait as wait:
            office.later(max(1, (wait.due_at or 0) - office.now()))
    raise AssertionError("it does not end")


class TestUpdate:
    async def test_only_what_was_set_is_sent(self, office: Office) -> None:
        made = await issue(office)
        await office.do("update_issued_document", document_id=made["id"], data={"notes": "Grazie"})
        assert office.caller.sent[-1].body == b'{"data":{"notes":"Grazie"}}'
        assert len(office.document(made["id"])["items_list"]) == 1

    async def test_one_line_is_changed_and_the_others_stay(self, office: Office) -> None:
        made = await issue(office, type="quote", items_list=LINES * 3)
        second = made["items_list"][1]["id"]
        rows = [{"id": second, "description": "Assistenza"}]
        await office.do("update_issued_document", document_id=made["id"], data={"items_list": rows})
        stored = office.document(made["id"])["items_list"]
        assert [row["description"] for row in stored] == ["", "Assistenza", ""]
        assert [row["net_price"] for row in stored] == [80, 80, 80]

    async def test_a_field_is_emptied_when_asked(self, office: Office) -> None:
        made = await issue(office, notes="Da togliere")
        await office.do("update_issued_document", document_id=made["id"], data={}, clear=["notes"])
        assert office.document(made["id"])["notes"] is None

    @pytest.mark.parametrize("status", ["sent", "accepted", "not_delivered", "no_response"])
    async def test_an_e_invoice_that_was_sent_is_left_alone(
        self, office: Office, status: str
    ) -> None:
        made = await issue(office)
        office.sandbox.person.change("issued_documents", made["id"], {"ei_status": status})
        before = office.writes
        with pytest.raises(Refused, match="can no longer be changed") as caught:
            await office.do("update_issued_document", document_id=made["id"], data={"notes": "x"})
        assert "credit note" in caught.value.remedy
        assert office.writes == before

    async def test_an_invoice_that_sdi_discarded_may_be_corrected(self, office: Office) -> None:
        made = await issue(office)
        office.sandbox.person.change("issued_documents", made["id"], {"ei_status": "discarded"})
        await office.do("update_issued_document", document_id=made["id"], data={"notes": "x"})
        assert office.document(made["id"])["notes"] == "x"

    async def test_a_credit_note_never_becomes_an_invoice(self, office: Office) -> None:
        made = await issue(office, type="quote")
        with pytest.raises(Refused, match="another type"):
            await office.do(
                "update_issued_document", document_id=made["id"], data={"type": "invoice"}
            )

    async def test_a_number_that_is_taken_is_a_conflict_and_is_not_tried_again(
        self, office: Office
    ) -> None:
        first, second = await issue(office), await issue(office)
        with pytest.raises(Conflict):
            await office.do(
                "update_issued_document", document_id=second["id"], data={"number": first["number"]}
            )
        path = "PUT /c/{company_id}/issued_documents/{id}"
        assert office.sandbox.fic.ledger.requests[path] == 1

    async def test_a_lost_answer_is_read_back(self, office: Office) -> None:
        made = await issue(office)
        break_once(office, "reset_after", made)
        given = {"document_id": made["id"], "data": {"notes": "Grazie"}}
        await finish(office, "update_issued_document", **given)
        assert office.sandbox.fic.ledger.writes["update issued_documents"] == 1


class TestDelete:
    async def test_moves_to_the_bin_and_says_when_it_was_gone(self, office: Office) -> None:
        made = await issue(office)
        told = await office.do("delete_issued_document", document_id=made["id"])
        assert told == {"id": made["id"], "deleted": True, "already_gone": False}
        told = await office.do("delete_issued_document", document_id=made["id"])
        assert told["already_gone"] is True

    async def test_an_e_invoice_that_was_sent_is_left_alone(self, office: Office) -> None:
        made = await issue(office)
        office.sandbox.person.change("issued_documents", made["id"], {"ei_status": "accepted"})
        with pytest.raises(Refused, match="can no longer be deleted"):
            await office.do("delete_issued_document", document_id=made["id"])
        assert office.document(made["id"])


class TestPayments:
    PLAN = {"instalments": [{"days": 30}, {"days": 60}]}  # noqa: RUF012

    async def pay(self, office: Office, made: dict[str, Any], **data: Any) -> Any:
        given = {"paid_date": "2026-04-01", "account": "Banca Esempio", **data}
        return await office.do("register_payment", document_id=made["id"], data=given)

    async def test_all_that_is_open_is_paid(self, office: Office) -> None:
        made = await issue(office, payment=self.PLAN)
        await self.pay(office, made)
        rows = office.document(made["id"])["payments_list"]
        assert [(row["status"], row["paid_date"]) for row in rows] == [("paid", "2026-04-01")] * 2
        assert {row["payment_account"]["id"] for row in rows} == {555}

    async def test_part_of_an_instalment_leaves_the_rest_open(self, office: Office) -> None:
        made = await issue(office, payment=self.PLAN)
        await self.pay(office, made, amount=Decimal(100))
        rows = office.document(made["id"])["payments_list"]
        assert [(row["amount"], row["status"], row["due_date"]) for row in rows] == [
            (Decimal("97.60"), "paid", "2026-04-03"),
            (Decimal("2.40"), "paid", "2026-05-03"),
            (Decimal("95.20"), "not_paid", "2026-05-03"),
        ]

    async def test_what_was_registered_before_stays(self, office: Office) -> None:
        made = await issue(office, payment=self.PLAN)
        first, second = (row["id"] for row in made["payments_list"])
        await self.pay(office, made, id=first, paid_date="2026-03-20")
        await self.pay(office, made, id=second)
        rows = office.document(made["id"])["payments_list"]
        assert [row["paid_date"] for row in rows] == ["2026-03-20", "2026-04-01"]
        assert [row["id"] for row in rows] == [first, second]

    async def test_more_than_is_open_is_refused(self, office: Office) -> None:
        made = await issue(office)
        with pytest.raises(Refused, match=r"195\.20 is open") as caught:
            await self.pay(office, made, amount=Decimal(200))
        assert caught.value.field == "data.amount"

    async def test_it_needs_an_account(self, office: Office) -> None:
        made = await issue(office, payment={"method": "Contanti"})
        with pytest.raises(MappingError, match="account"):
            await self.pay(office, made, account=None)

    async def test_unknown_account_offers_the_nearest(self, office: Office) -> None:
        made = await issue(office)
        with pytest.raises(MappingError) as caught:
            await self.pay(office, made, account="Banca Esempi")
        assert "'Banca Esempio'" in caught.value.remedy

    async def test_a_paid_document_is_paid_once(self, office: Office) -> None:
        made = await issue(office)
        await self.pay(office, made)
        before = office.writes
        await self.pay(office, made)
        assert office.writes == before

    async def test_even_a_locked_document_can_be_paid(self, office: Office) -> None:
        made = await issue(office)
        office.sandbox.person.change(
            "issued_documents", made["id"], {"ei_status": "accepted", "locked": True}
        )
        await self.pay(office, made)
        assert office.document(made["id"])["payments_list"][0]["status"] == "paid"

    async def test_two_nodes_at_once_undo_nothing_of_each_other(self, office: Office) -> None:
        made = await issue(office, payment=self.PLAN)
        first, second = (row["id"] for row in made["payments_list"])
        row = {"id": second, "status": "paid", "paid_date": "2026-04-02"}
        data = {"payments_list": [{**row, "payment_account": {"id": 555}}]}
        await asyncio.gather(
            self.pay(office, made, id=first),
            office.do("update_issued_document", document_id=made["id"], data=data),
        )
        rows = office.document(made["id"])["payments_list"]
        assert [row["paid_date"] for row in rows] == ["2026-04-01", "2026-04-02"]

    @pytest.mark.parametrize("fault", ["reset_after", "error_after", "truncated"])
    async def test_a_lost_answer_never_registers_an_amount_twice(
        self, office: Office, fault: str
    ) -> None:
        made = await issue(office)
        break_once(office, fault, made)
        data = {"amount": Decimal(50), "paid_date": "2026-04-01", "account": "Cassa"}
        await finish(office, "register_payment", document_id=made["id"], data=data)
        assert office.sandbox.fic.ledger.writes["update issued_documents"] == 1
        rows = office.document(made["id"])["payments_list"]
        assert sum(row["amount"] for row in rows if row["status"] == "paid") == 50

    async def test_a_lost_request_is_sent_again(self, office: Office) -> None:
        made = await issue(office)
        break_once(office, "reset_before", made)
        data = {"amount": Decimal(50), "paid_date": "2026-04-01", "account": "Cassa"}
        await finish(office, "register_payment", document_id=made["id"], data=data)
        rows = office.document(made["id"])["payments_list"]
        assert sum(row["amount"] for row in rows if row["status"] == "paid") == 50

    async def test_a_payment_can_be_taken_back(self, office: Office) -> None:
        made = await issue(office)
        await self.pay(office, made)
        await office.do("cancel_payment", document_id=made["id"], data={})
        (row,) = office.document(made["id"])["payments_list"]
        assert (row["status"], row["paid_date"]) == ("not_paid", None)
        assert office.document(made["id"])["next_due_date"] == "2026-04-03"


class TestList:
    async def test_criteria_narrow_it(self, office: Office) -> None:
        first = await issue(office)
        second = await issue(office, items_list=[{**LINES[0], "net_price": 800}])
        await office.do(
            "register_payment",
            document_id=first["id"],
            data={"paid_date": "2026-04-01", "account": "Cassa"},
        )
        for criteria, ids in (
            ({}, [second["id"], first["id"]]),
            ({"sort": "date"}, None),
            ({"amount_from": Decimal("1000.5")}, [second["id"]]),
            ({"amount_to": 200}, [first["id"]]),
            ({"customer_name": "Adda"}, [second["id"], first["id"]]),
            ({"customer_name": "L'Adda"}, []),
            ({"date_from": "2026-03-05"}, []),
            ({"payment": "unpaid"}, [second["id"]]),
            ({"payment": "paid"}, [first["id"]]),
            ({"payment": "overdue", "overdue_on": "2026-04-04"}, [second["id"]]),
            ({"payment": "overdue", "overdue_on": "2026-04-03"}, []),
            ({"e_invoice_status": "accepted"}, []),
            ({"number": 1}, [first["id"]]),
        ):
            found = await office.do("list_issued_documents", type="invoice", **criteria)
            assert ids is None or sorted(found["ids"]) == sorted(ids), criteria

    async def test_pages_go_on_until_the_limit(self, office: Office) -> None:
        for _ in range(3):
            await issue(office)
        found = await office.do("list_issued_documents", type="invoice", limit=2)
        assert (found["count"], len(found["records"])) == (2, 2)

    async def test_exactly_one_or_an_error(self, office: Office) -> None:
        await issue(office)
        found = await office.do("list_issued_documents", type="invoice", which="exactly_one")
        assert found["count"] == 1
        await issue(office)
        with pytest.raises(Refused, match="several fit"):
            await office.do("list_issued_documents", type="invoice", which="exactly_one")
        with pytest.raises(Refused, match="none fits"):
            await office.do("list_issued_documents", type="quote", which="exactly_one")
        first = await office.do("list_issued_documents", type="invoice", which="first")
        assert first["count"] == 1
