"""E-invoices on their way, documents made of others, documents by e-mail."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.codec import decode
from connector.engine.waits import Park, Wait
from connector.errors import Invalid, MappingError, Refused
from tests.nodes.fatture_in_cloud.office import COMPANY, Office
from tests.nodes.fatture_in_cloud.test_documents import LINES, issue


class TestFollowing:
    async def test_the_chain_from_issue_to_acceptance(self, office: Office) -> None:
        made = await issue(office)
        given = {"document_id": made["id"]}
        assert (await office.do("verify_e_invoice", **given))["success"] is True
        told = await office.do("preview_e_invoice_sending", **given)
        assert (told["can_be_sent"], told["ei_status"]) == (True, "not_sent")
        assert office.sandbox.fic.ledger.writes["send e_invoices"] == 0
        office.later(10)
        await office.do("send_e_invoice", **given)
        status = await office.do("get_e_invoice_status", **given)
        assert (status["ei_status"], status["is_final"]) == ("attempt", False)
        office.sandbox.person.change("issued_documents", made["id"], {"ei_status": "accepted"})
        status = await office.do("get_e_invoice_status", **given)
        assert (status["is_final"], status["came_back"]) == (True, False)
        assert status["message"] == "The invoice 1 of 2026-03-04: SDI has accepted it."

    async def test_after_a_rejection_the_five_day_clock_is_told(self, office: Office) -> None:
        made = await issue(office)
        office.sandbox.person.change("issued_documents", made["id"], {"ei_status": "discarded"})
        status = await office.do("get_e_invoice_status", document_id=made["id"])
        assert status["resend_until"] == "2026-03-09"
        assert status["code"] == "00305"
        assert "by 2026-03-09, with the same number and date" in status["message"]

    async def test_a_dry_run_tells_every_fault(self, office: Office) -> None:
        made = await issue(office)
        entity = {"name": "Rossi"}
        table = office.sandbox.fic.first_company.tables["issued_documents"]
        table.put(office.document(made["id"]) | {"entity": entity})
        with pytest.raises(Invalid) as caught:
            await office.do("preview_e_invoice_sending", document_id=made["id"])
        assert len(caught.value.issues) == 3

    @pytest.mark.parametrize("status", ["accepted", "sent", "not_delivered"])
    async def test_what_was_sent_is_not_even_tried(self, office: Office, status: str) -> None:
        made = await issue(office)
        office.sandbox.person.change("issued_documents", made["id"], {"ei_status": status})
        with pytest.raises(Refused, match="can no longer be sent"):
            await office.do("preview_e_invoice_sending", document_id=made["id"])

    async def test_a_document_that_is_no_e_invoice_has_no_status(self, office: Office) -> None:
        made = await issue(office, type="quote")
        with pytest.raises(Refused, match="no e-invoice"):
            await office.do("get_e_invoice_status", document_id=made["id"])


class TestTransforming:
    async def test_a_quote_becomes_an_invoice_that_can_be_paid(self, office: Office) -> None:
        quote = await issue(office, type="quote", items_list=LINES * 2)
        data = {"type": "invoice", "date": "2026-03-05", "due_date": "2026-04-05"}
        made = await office.do("transform_issued_document", document_id=quote["id"], data=data)
        stored = office.document(made["id"])
        assert (stored["type"], stored["number"], stored["date"]) == ("invoice", 1, "2026-03-05")
        assert len(stored["items_list"]) == 2
        (row,) = stored["payments_list"]
        assert (row["amount"], row["due_date"]) == (Decimal("390.40"), "2026-04-05")
        sent = decode(office.caller.sent[-1].body)
        assert sent["options"]["create_from"] == [str(quote["id"])]
        assert sent["options"]["keep_copy"] is True
        assert office.document(quote["id"])["type"] == "quote"

    async def test_an_e_invoice_is_checked_before_it_is_made(self, office: Office) -> None:
        quote = await issue(office, type="quote")
        data = {"type": "invoice", "date": "2026-03-05", "e_invoice": True}
        before = office.writes
        with pytest.raises(MappingError) as caught:
            await office.do("transform_issued_document", document_id=quote["id"], data=data)
        assert [one.field for one in caught.value.issues] == ["data.ei_data.payment_method"]
        assert office.writes == before

    async def test_delivery_notes_become_one_invoice(self, office: Office) -> None:
        first = await issue(office, type="delivery_note")
        second = await issue(office, type="delivery_note", items_list=LINES * 2)
        data = {"type": "invoice", "date": "2026-03-31"}
        made = await office.do(
            "join_issued_documents", document_ids=[first["id"], second["id"]], data=data
        )
        stored = office.document(made["id"])
        assert len(stored["items_list"]) == 3
        assert stored["payments_list"][0]["amount"] == Decimal("585.60")

    async def test_a_lost_answer_never_makes_two(self, office: Office) -> None:
        quote = await issue(office, type="quote")
        path = f"/c/{COMPANY}/issued_documents"
        office.sandbox.fic.faults.add(kind="reset_after", method="POST", path=path)
        given = {"document_id": quote["id"], "data": {"type": "invoice", "date": "2026-03-05"}}
        with pytest.raises(Wait):
            await office.do("transform_issued_document", event="q", **given)
        office.later(120)
        made = await office.do("transform_issued_document", event="q", **given)
        assert made["number"] == 1
        assert office.sandbox.fic.ledger.writes["create issued_documents"] == 2


class TestMailing:
    async def mail(self, office: Office, made: dict[str, Any], **data: Any) -> Any:
        return await office.do("email_issued_document", document_id=made["id"], data=data)

    async def test_everything_has_a_sensible_default(self, office: Office) -> None:
        made = await issue(office)
        assert await self.mail(office, made) == {"done": True}
        sent = decode(office.caller.sent[-1].body)["data"]
        assert sent["recipient_email"] == "amm@officineadda.example"
        assert sent["include"] == {
            "document": True,
            "delivery_note": False,
            "attachment": False,
            "accompanying_invoice": False,
        }
        assert (sent["attach_pdf"], sent["send_copy"], sent["sender_id"]) == (True, False, 0)

    async def test_every_fault_is_told_before_anything_is_sent(self, office: Office) -> None:
        made = await issue(office)
        with pytest.raises(MappingError) as caught:
            await self.mail(
                office,
                made,
                recipient_email="a@b.example, rossi",
                body="è" * 30_000,
                include_attachment=True,
            )
        assert [one.field for one in caught.value.issues] == [
            "data.recipient_email",
            "data.body",
            "data.include_attachment",
        ]


class TestMailInDoubt:
    """Nobody heard whether it left: the list of sent e-mails is the only witness."""

    async def send(self, office: Office, fault: str, **data: Any) -> dict[str, Any]:
        """An e-mail whose answer is lost; gives what it was asked with."""
        made = await issue(office)
        path = f"/c/{COMPANY}/issued_documents/{made['id']}/email"
        office.sandbox.fic.faults.add(kind=fault, method="POST", path=path)
        given = {"event": "m", "document_id": made["id"], "data": data}
        with pytest.raises(Wait):
            await office.do("email_issued_document", **given)
        return given

    def asked(self, office: Office) -> int:
        asked = "POST /c/{company_id}/issued_documents/{id}/email"
        return office.sandbox.fic.ledger.requests[asked]

    @pytest.mark.parametrize("fault", ["reset_after", "error_after"])
    async def test_what_the_list_shows_is_done(self, office: Office, fault: str) -> None:
        given = await self.send(office, fault)
        office.later(120)
        told = await office.do("email_issued_document", **given)
        assert told["done"] is True
        assert (told["id"], told["to_email"]) == (7_001, "amm@officineadda.example")
        assert self.asked(office) == 1
        assert await office.do("email_issued_document", **given) == told

    async def test_one_that_shows_up_late_is_found_by_the_second_look(self, office: Office) -> None:
        given = await self.send(office, "reset_after")
        office.sandbox.fic.list_lag = 300
        office.later(120)
        with pytest.raises(Wait):
            await office.do("email_issued_document", **given)
        office.later(700)
        assert (await office.do("email_issued_document", **given))["id"] == 7_001
        assert self.asked(office) == 1

    async def test_one_that_never_shows_up_waits_for_a_person(self, office: Office) -> None:
        given = await self.send(office, "reset_before")
        office.later(120)
        with pytest.raises(Wait):
            await office.do("email_issued_document", **given)
        office.later(700)
        for _ in range(2):
            with pytest.raises(Park, match="cannot be found"):
                await office.do("email_issued_document", **given)
            office.later(86_400)
        assert self.asked(office) == 1, "an e-mail twice is worse than one late"

    async def test_one_that_somebody_sent_before_is_not_taken_for_it(self, office: Office) -> None:
        made = await issue(office)
        await office.do("email_issued_document", document_id=made["id"], data={"subject": "Yours"})
        office.later(2 * 3_600 + 600)
        given = await self.send(office, "reset_before", subject="Yours")
        office.later(120)
        with pytest.raises(Wait):
            await office.do("email_issued_document", **given)
        office.later(700)
        with pytest.raises(Park, match="cannot be found"):
            await office.do("email_issued_document", **given)

    async def test_two_alike_prove_nothing(self, office: Office) -> None:
        given = await self.send(office, "reset_before", subject="Yours")
        # Another document, the same words to the same customer: this one arrives.
        other = await issue(office)
        await office.do("email_issued_document", document_id=other["id"], data={"subject": "Yours"})
        office.later(120)
        with pytest.raises(Park, match="alike: 7001"):
            await office.do("email_issued_document", **given)

    @pytest.mark.parametrize("other", [{"subject": "Yours 12"}, {"recipient_email": "b@x.example"}])
    async def test_another_subject_or_recipient_is_another_one(
        self, office: Office, other: dict[str, Any]
    ) -> None:
        words = {"subject": "Yours 1", "recipient_email": "bb@x.example"}
        given = await self.send(office, "reset_before", **words)
        made = await issue(office)
        data = {**words, **other}
        await office.do("email_issued_document", document_id=made["id"], data=data)
        office.later(120)
        with pytest.raises(Wait):
            await office.do("email_issued_document", **given)

    async def test_a_token_that_may_not_read_them_leaves_it_to_a_person(
        self, office: Office
    ) -> None:
        given = await self.send(office, "reset_after")
        office.sandbox.fic.faults.add(kind="status", status=403, method="GET", path="/c/*/emails")
        office.later(120)
        with pytest.raises(Park, match="does not let us look"):
            await office.do("email_issued_document", **given)


async def test_what_is_made_of_a_document_keeps_its_subject_and_has_a_mark_of_its_own(
    office: Office,
) -> None:
    office.client()
    made = await issue(office, type="quote", subject="Ordine 1042")
    data = {"type": "invoice", "date": "2026-03-05"}
    new = await office.do("transform_issued_document", document_id=made["id"], data=data)
    old, text = (office.document(one["id"])["subject"] for one in (made, new))
    assert text.startswith("Ordine 1042 #")
    assert text.count("#") == 1
    assert text != old
