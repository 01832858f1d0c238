"""From Perfex to Fatture in Cloud and back: an invoice is issued once, its payment entered once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from connector.model import HttpRequest
from connector.sandbox.perfex.app import add_row
from connector.sandbox.perfex.tables import kinds
from tests.runtime.kit import EXAMPLES, PERFEX, World, story, world

FLOWS = [
    (EXAMPLES / name).read_text("utf-8")
    for name in ("perfex-invoice-to-fic.yaml", "fic-payment-to-perfex.yaml")
]
FORM = {
    "clientid": "412", "number": "16", "date": "2026-03-04", "duedate": "2026-04-03",
    "currency": "1", "subtotal": "200.00", "total": "244.00", "billing_street": "Via Po 7",
    "allowed_payment_modes[]": "1", "newitems[0][description]": "Assistenza",
    "newitems[0][qty]": "2", "newitems[0][rate]": "100", "newitems[0][taxname][]": "IVA|22.00",
}  # fmt: skip


async def enter(w: World, **changes: str) -> None:
    """Somebody makes an invoice in the CRM."""
    headers = (
        ("authtoken", w.sandbox.perfex.authtoken),
        ("content-type", "application/x-www-form-urlencoded"),
    )
    body = urlencode({**FORM, **changes}).encode()
    url = f"{PERFEX}/api/invoices"
    answer = await w.outside.send(HttpRequest(method="POST", url=url, headers=headers, body=body))
    assert answer.status == 200, answer.body


def seed(w: World) -> None:
    fields = {"company": "Officine Adda", "vat": "IT12345678903", "address": "Via Po 7"}
    add_row(w.sandbox.perfex, kinds()["customers"], fields)


@pytest.mark.parametrize("generation", ["2.x", "3.x"])
def test_an_invoice_goes_over_and_its_payment_comes_back(tmp_path: Path, generation: str) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, generation=generation) as w:
            seed(w)
            await w.follow(*FLOWS)
            # What was there when the flows were switched on is not new.
            await asyncio.sleep(30)
            await enter(w)

            async def issued() -> list[dict[str, Any]]:
                return [one for one in w.documents if "Perfex 51" in str(one["visible_subject"])]

            (invoice,) = await w.until(issued)
            assert (invoice["entity"]["name"], invoice["amount_gross"]) == ("Officine Adda", 244)
            plan = [
                {**one, "status": "paid", "paid_date": "2026-03-05"}
                for one in invoice["payments_list"]
            ]
            w.person.change("issued_documents", invoice["id"], {"payments_list": plan})

            async def paid() -> list[dict[str, Any]]:
                return w.sandbox.perfex.tables["payments"].view()

            (payment,) = await w.until(paid)
            await w.quiet()
            assert (payment["invoiceid"], float(payment["amount"])) == ("51", 244)
            assert payment["transactionid"] == f"FIC-{invoice['id']}-2026-03-05"
            assert w.sandbox.perfex.tables["invoices"].rows["51"]["status"] == "2"
            assert len(await paid()) == len(await issued()) == 1

    told()


def test_an_invoice_with_other_taxes_is_left_to_a_person(tmp_path: Path) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            seed(w)
            await w.follow(*FLOWS)
            # What was there when the flows were switched on is not new.
            await asyncio.sleep(30)
            await enter(w, total="220.00")

            async def ran() -> list[dict[str, Any]]:
                return await w.runs()

            runs = await w.until(ran)
            assert {run["state"] for run in runs} == {"filtered"}
            assert w.documents == []

    told()
