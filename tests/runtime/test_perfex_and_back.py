"""The examples: an invoice of Perfex is issued in Fatture in Cloud, and its payment comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from connector.sandbox.perfex.app import add_row
from connector.sandbox.perfex.tables import kinds
from tests.runtime.kit import EXAMPLES, clock, story, world


@story
async def test_there_and_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        texts = [
            (EXAMPLES / f"{name}.yaml").read_text("utf-8")
            for name in ("perfex-invoice-to-fic", "fic-payment-to-perfex")
        ]
        perfex, known = w.sandbox.perfex, kinds()
        customer = add_row(
            perfex, known["customers"],
            {"company": "Officine Adda S.r.l.", "vat": "IT09876543217", "city": "Bergamo"},
        )  # fmt: skip
        await w.follow(*texts)
        await asyncio.sleep(30)
        created = await w.call(
            "POST",
            "https://crm.example/api/invoices",
            {
                "clientid": customer, "number": "17", "date": "2026-03-04",
                "duedate": "2026-04-03", "currency": "1", "subtotal": "100.00", "total": "122.00",
                "billing_street": "Via Po 7", "allowed_payment_modes": ["1"],
                "newitems": [
                    {
                        "description": "Canone", "qty": "2", "rate": "50.00",
                        "order": "1", "taxname": ["IVA|22.00"],
                    }
                ],
            },
            [("authtoken", perfex.authtoken)],
        )  # fmt: skip
        assert created.status == 200, created.body
        await w.quiet()
        # The second is of the other flow: its invoice was seen, and is not paid.
        assert [one["state"] for one in await w.runs()] == ["succeeded", "filtered"]
        (invoice,) = w.documents
        assert invoice["entity"]["name"] == "Officine Adda S.r.l."
        assert (invoice["amount_gross"], invoice["next_due_date"]) == (122, "2026-04-03")
        account = w.sandbox.fic.first_company.tables["payment_accounts"].view()[0]["id"]
        paid = [
            {**row, "status": "paid", "paid_date": "2026-03-20", "payment_account": {"id": account}}
            for row in invoice["payments_list"]
        ]
        w.person.change("issued_documents", invoice["id"], {"payments_list": paid})
        await w.quiet()
        (payment,) = perfex.tables["payments"].view()
        assert (payment["date"], float(payment["amount"])) == ("2026-03-20", 122.0)
        there = perfex.tables["invoices"].rows[payment["invoiceid"]]
        assert (there["status"], there["number"]) == ("2", "17")
        # Everything is told once more, by lists and events: nothing follows from it.
        before = clock()
        await asyncio.sleep(900)
        await w.quiet()
        assert clock() > before
        assert len(w.documents) == 1
        assert len(perfex.tables["payments"].view()) == 1
