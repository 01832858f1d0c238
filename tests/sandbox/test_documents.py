"""Issued documents: numbering, amounts, payments, e-invoices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

MISMATCH = "Il totale dei pagamenti non corrisponde al totale da pagare."


async def create(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    answer = await world.fic("POST", "C/issued_documents", body)
    assert answer.status == 200, answer.body
    made: dict[str, Any] = answer.json()["data"]
    return made


async def faults_of(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    answer = await world.fic("POST", "C/issued_documents", body)
    assert answer.status == 422, answer.body
    found: dict[str, Any] = answer.json()["error"]["validation_result"]
    return found


async def test_invoice_of_the_documentation_adds_up(world: Any, invoice: Any) -> None:
    made = await create(world, invoice())
    assert made["amount_net"] == 160
    assert made["amount_vat"] == Decimal("35.2")
    assert made["amount_gross"] == Decimal("195.2")
    assert (made["number"], made["year"], made["date"]) == (1, 2026, "2026-03-04")
    assert made["next_due_date"] == "2026-04-03"
    assert made["items_list"][0]["id"]


async def test_type_and_entity_are_required(world: Any) -> None:
    body = {"data": {"items_list": []}}
    assert set(await faults_of(world, body)) == {"data.type", "data.entity"}


async def test_every_line_needs_a_vat_id(world: Any, invoice: Any) -> None:
    lines = [{"name": "a", "vat": {"id": 0}}, {"name": "b"}, {"name": "c", "vat": {"id": 77}}]
    found = await faults_of(world, invoice(items_list=lines))
    assert set(found) == {"data.items_list.1.vat.id", "data.items_list.2.vat.id"}


async def test_entity_id_must_exist_and_fills_nothing_in(world: Any, invoice: Any) -> None:
    client = await world.client_record(vat_number="IT1", address_city="Bergamo")
    wrong = invoice(entity={"id": 1, "name": "Adda"})
    assert set(await faults_of(world, wrong)) == {"data.entity.id"}
    made = await create(world, invoice(entity={"id": client["id"], "name": "Adda"}))
    assert made["entity"]["vat_number"] == ""
    assert made["entity"]["address_city"] == ""
    nameless = invoice(entity={"id": client["id"]})
    assert set(await faults_of(world, nameless)) == {"data.entity.name"}


async def test_payments_that_do_not_match_are_422_with_totals(world: Any, invoice: Any) -> None:
    body = invoice(payments_list=[{"amount": 160, "due_date": "2026-04-03"}])
    answer = await world.fic("POST", "C/issued_documents", body)
    assert answer.status == 422
    found = answer.json()
    assert found["error"] == {"message": MISMATCH, "validation_result": None}
    totals = found["extra"]["totals"]
    assert totals["amount_due"] == Decimal("195.2")
    assert totals["payments_sum"] == 160
    assert totals["vat_list"] == {"22": {"amount_net": 160, "amount_vat": Decimal("35.2")}}
    assert world.sandbox.fic.ledger.writes == {}


async def test_fix_payments_sets_the_last_payment(world: Any, invoice: Any) -> None:
    payments = [{"amount": 100, "due_date": "2026-04-03"}, {"due_date": "2026-05-03"}]
    body = invoice(payments_list=payments) | {"options": {"fix_payments": True}}
    made = await create(world, body)
    assert [one["amount"] for one in made["payments_list"]] == [100, Decimal("95.2")]


async def test_paid_needs_an_existing_account(world: Any, invoice: Any) -> None:
    payment = {"amount": 195.2, "due_date": "2026-04-03", "status": "paid"}
    found = await faults_of(world, invoice(payments_list=[payment]))
    assert set(found) == {"data.payments_list.0.payment_account.id"}
    payment |= {"payment_account": {"id": 333}, "paid_date": "2026-03-04"}
    assert (await create(world, invoice(payments_list=[payment])))["next_due_date"] is None


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"rivalsa": 4}, "203.01"),  # 160 + 6.40, 22 % on both
        ({"cassa": 4, "cassa_taxable": 50}, "199.10"),
        ({"withholding_tax": 20}, "163.20"),
        ({"withholding_tax": 20, "withholding_tax_taxable": 50}, "179.20"),
        ({"stamp_duty": 2}, "197.20"),
        ({"stamp_duty": 2, "e_invoice": True}, "195.20"),  # borne by the issuer
        ({"amount_due_discount": -5.2}, "190.00"),
        ({"use_split_payment": True}, "160.00"),
    ],
)
async def test_amount_due(world: Any, invoice: Any, changes: dict[str, Any], due: str) -> None:
    answer = await world.fic("POST", "C/issued_documents/totals", invoice(**changes))
    assert answer.json()["data"]["amount_due"] == Decimal(due)
    assert world.sandbox.fic.ledger.writes == {}


async def test_lines_are_rounded_before_they_are_summed(world: Any, invoice: Any) -> None:
    line = {"name": "x", "qty": 1, "net_price": 0.005, "vat": {"id": 0}}
    answer = await world.fic("POST", "C/issued_documents/totals", invoice(items_list=[line] * 3))
    assert answer.json()["data"]["amount_net"] == Decimal("0.03")


async def test_gross_prices_are_read_when_asked_for(world: Any, invoice: Any) -> None:
    line = {"name": "x", "qty": 1, "gross_price": 122, "net_price": 5, "vat": {"id": 0}}
    body = invoice(items_list=[line], use_gross_prices=True)
    totals = (await world.fic("POST", "C/issued_documents/totals", body)).json()["data"]
    assert (totals["amount_net"], totals["amount_vat"]) == (100, 22)


async def test_numbers_run_per_type_series_and_year(world: Any, invoice: Any) -> None:
    quote = invoice(type="quote")
    numbers = [
        (await create(world, body))["number"]
        for body in (
            invoice(),
            invoice(),
            invoice(numeration="/A"),
            quote,
            invoice(date="2027-01-02"),
        )
    ]
    assert numbers == [1, 2, 1, 1, 1]


async def test_used_number_is_409_and_writes_nothing(world: Any, invoice: Any) -> None:
    await create(world, invoice(number=7))
    answer = await world.fic("POST", "C/issued_documents", invoice(number=7))
    assert answer.status == 409
    assert world.sandbox.fic.ledger.writes == {"create issued_documents": 1}
    assert (await create(world, invoice()))["number"] == 8


async def test_date_before_the_last_of_its_series_is_409(world: Any, invoice: Any) -> None:
    await create(world, invoice(date="2026-03-10"))
    answer = await world.fic("POST", "C/issued_documents", invoice(date="2026-03-09"))
    assert answer.status == 409
    await create(world, invoice(date="2026-03-09", numeration="/B"))


async def test_supplied_list_replaces_the_old_one_whole(world: Any, invoice: Any) -> None:
    made = await create(world, invoice())
    path = f"C/issued_documents/{made['id']}"
    line = {"id": made["items_list"][0]["id"], "name": "only", "net_price": 1, "vat": {"id": 0}}
    answer = await world.fic("PUT", path, {"data": {"items_list": [line]}})
    assert answer.json()["error"]["message"] == MISMATCH
    assert (await world.fic("GET", path)).json()["data"]["items_list"][0]["name"] == "Canone"
    body = {"data": {"items_list": [line]}, "options": {"fix_payments": True}}
    changed = (await world.fic("PUT", path, body)).json()["data"]
    assert [row["id"] for row in changed["items_list"]] == [line["id"]]
    assert changed["payments_list"][0]["amount"] == Decimal("1.22")


async def test_quotes_may_go_without_payments(world: Any, invoice: Any) -> None:
    await create(world, invoice(type="quote", payments_list=[]))
    answer = await world.fic("POST", "C/issued_documents", invoice(payments_list=[]))
    assert answer.status == 422


async def test_each_type_needs_its_own_scope(world: Any, invoice: Any) -> None:
    scopes = frozenset({"issued_documents.quotes:a"})
    token = world.sandbox.fic.tokens.manual(world.sandbox.fic.app, scopes)
    path = "C/issued_documents"
    assert (await world.fic("POST", path, invoice(type="quote"), token=token)).status == 200
    assert (await world.fic("POST", path, invoice(), token=token)).status == 403
    assert (await world.fic("GET", path, token=token, type="invoice")).status == 403


READY = {
    "name": "Adda",
    "vat_number": "IT12345678903",
    "ei_code": "M5UXCR1",
    "address_street": "Via Po 7",
    "country": "Italia",
}


def e_invoice(invoice: Any, **entity: Any) -> Any:
    paid_how = {"payment_method": "MP05"}
    return invoice(e_invoice=True, entity={**READY, **entity}, ei_data=paid_how)


async def test_creating_an_e_invoice_does_not_send_it(world: Any, invoice: Any) -> None:
    made = await create(world, e_invoice(invoice))
    path = f"C/issued_documents/{made['id']}"
    assert (made["ei_status"], made["locked"]) == ("not_sent", False)
    dry = {"options": {"dry_run": True}}
    assert (await world.fic("POST", f"{path}/e_invoice/send", dry)).status == 200
    assert (await world.fic("GET", path)).json()["data"]["ei_status"] == "not_sent"
    sent = await world.fic("POST", f"{path}/e_invoice/send")
    assert sent.json()["data"]["name"] == "CARICATO"
    assert (await world.fic("POST", f"{path}/e_invoice/send")).status == 422
    assert (await world.fic("PUT", path, {"data": {"notes": "x"}})).status == 422
    paid = [
        {
            "amount": 195.2,
            "due_date": "2026-04-03",
            "status": "paid",
            "payment_account": {"id": 333},
        }
    ]
    assert (await world.fic("PUT", path, {"data": {"payments_list": paid}})).status == 200


@pytest.mark.parametrize(
    ("entity", "verdict"),
    [
        ({}, "accepted"),
        ({"ei_code": "0000000"}, "not_delivered"),
        ({"ei_code": "0000000", "certified_email": "adda@pec.example"}, "accepted"),
        ({"vat_number": "IT12345678900"}, "discarded"),
    ],
)
async def test_a_sent_e_invoice_goes_its_way(
    world: Any, invoice: Any, entity: dict[str, Any], verdict: str
) -> None:
    made = await create(world, e_invoice(invoice, **entity))
    path = f"C/issued_documents/{made['id']}"
    await world.fic("POST", f"{path}/e_invoice/send")
    seen = []
    for _ in range(4):
        seen.append((await world.fic("GET", path)).json()["data"]["ei_status"])
        again = await world.fic("POST", f"{path}/e_invoice/send", {"options": {"dry_run": True}})
        assert again.status == (200 if seen[-1] == "discarded" else 422)
        world.clock.advance(2)
        await world.sandbox.settle()
    assert seen == ["attempt", "pending", "sent", verdict]
    assert (await world.fic("GET", path)).json()["data"]["locked"] is (verdict != "discarded")


async def test_incomplete_e_invoice_is_refused_with_its_reasons(world: Any, invoice: Any) -> None:
    made = await create(world, invoice(e_invoice=True))
    path = f"C/issued_documents/{made['id']}/e_invoice"
    answer = await world.fic("GET", f"{path}/xml_verify")
    assert answer.status == 422
    assert len(answer.json()["extra"]["errors"]) == 4
    assert (
        (await world.fic("GET", f"{path}/xml"))
        .header(
            "content-type",
        )
        .startswith("text/xml")
    )


async def test_transform_creates_nothing(world: Any, invoice: Any) -> None:
    made = await create(world, invoice(type="quote"))
    query = {"original_document_id": made["id"], "new_type": "invoice"}
    found = (await world.fic("GET", "C/issued_documents/transform", **query)).json()
    assert found["data"]["type"] == "invoice"
    assert found["options"]["create_from"] == [str(made["id"])]
    assert world.sandbox.fic.ledger.writes == {"create issued_documents": 1}
    again = await create(world, found)
    assert again["type"] == "invoice"


async def test_info_tells_the_next_number_of_each_series(world: Any, invoice: Any) -> None:
    await create(world, invoice(number=41))
    found = (await world.fic("GET", "C/issued_documents/info", type="invoice")).json()["data"]
    assert found["numerations"] == {"2026": {"": 42}}
    assert found["vat_types_list"][0]["id"] == 0
