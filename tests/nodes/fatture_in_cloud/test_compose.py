"""Compose invoice, end to end on the sandbox."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.codec import decode
from connector.engine.waits import Park, Wait
from connector.errors import ConnectorError, MappingError, NotSent, Refused
from tests.nodes.fatture_in_cloud.office import COMPANY, Office

LINE = {"name": "Canone", "qty": 2, "net_price": 80, "vat": "22%"}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "type": "invoice",
        "date": "2026-03-04",
        "entity": {"vat_number": "09876543217"},
        "items_list": [LINE],
        **changes,
    }


async def refused(office: Office, **changes: Any) -> ConnectorError:
    before = office.writes
    with pytest.raises((MappingError, Refused)) as caught:
        await office.do("compose_invoice", data=document(**changes))
    assert office.writes == before, "nothing may be issued"
    return caught.value


def told(error: ConnectorError) -> dict[str, str]:
    return {str(one.field): one.message for one in error.issues} or {str(error.field): str(error)}


async def test_whole_document_comes_of_a_vat_number_and_a_line(office: Office) -> None:
    client = office.client()
    made = await office.do("compose_invoice", data=document())
    stored = office.document(made["id"])
    assert (stored["number"], stored["amount_gross"]) == (1, Decimal("195.20"))
    assert stored["entity"]["id"] == client["id"]
    assert stored["entity"]["address_city"] == "Bergamo"
    assert stored["entity"]["ei_code"] == "M5UXCR1"
    assert stored["e_invoice"] is True
    assert stored["ei_data"]["payment_method"] == "MP05"
    (payment,) = stored["payments_list"]
    assert (payment["amount"], payment["due_date"]) == (Decimal("195.20"), "2026-04-03")
    assert await office.do("verify_e_invoice", document_id=made["id"]) == {"success": True}


async def test_what_is_sent_is_what_was_stored(office: Office) -> None:
    office.client()
    await office.do("compose_invoice", data=document())
    (effect,) = await office.store.effects()
    body = effect.request.partition(b"\n")[2]
    assert body == office.caller.sent[-1].body
    assert decode(body)["data"]["subject"] == effect.marker
    assert "customer_lookup" not in decode(body)["data"]


async def test_one_event_issues_one_document(office: Office) -> None:
    office.client()
    first = await office.do("compose_invoice", event="order 7", data=document())
    again = await office.do("compose_invoice", event="order 7", data=document())
    assert first["id"] == again["id"]
    assert office.sandbox.fic.ledger.writes["create issued_documents"] == 1


async def test_lost_answer_is_looked_for_and_adopted_never_sent_again(office: Office) -> None:
    office.client()
    path = f"/c/{COMPANY}/issued_documents"
    office.sandbox.fic.faults.add(kind="reset_after", method="POST", path=path, times=1)
    with pytest.raises(Wait):
        await office.do("compose_invoice", event="order 7", data=document())
    office.later(120)
    made = await office.do("compose_invoice", event="order 7", data=document())
    assert made["number"] == 1
    assert office.sandbox.fic.ledger.writes["create issued_documents"] == 1


async def test_document_that_cannot_be_found_waits_for_a_person(office: Office) -> None:
    office.client()
    path = f"/c/{COMPANY}/issued_documents"
    office.sandbox.fic.faults.add(kind="reset_before", method="POST", path=path, times=1)
    with pytest.raises((Wait, Park)):
        await office.do("compose_invoice", event="order 7", data=document())
    for _ in range(3):
        office.later(3600)
        with pytest.raises((Wait, Park)) as caught:
            await office.do("compose_invoice", event="order 7", data=document())
    assert isinstance(caught.value, Park)
    assert office.sandbox.fic.ledger.writes["create issued_documents"] == 0


async def test_totals_that_differ_stop_it_with_both_numbers(office: Office) -> None:
    office.client()

    async def other(caller: Any, company: int, data: Any) -> Any:
        return {"amount_due": Decimal("195.21")}

    from connector.apps.fatture_in_cloud.invoices import composing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composing, "totals_of_vendor", other)
        error = await refused(office)
        assert "ours 195.20, theirs 195.21" in str(error)


@pytest.mark.parametrize("same", [Decimal("195.20"), 195.2, "195.20", "195.2", "195.204", None, ""])
async def test_the_other_apps_total_is_no_part_of_what_is_sent(office: Office, same: Any) -> None:
    office.client()
    made = await office.do("compose_invoice", data=document(expected_total=same))
    assert office.document(made["id"])["amount_gross"] == Decimal("195.20")
    assert b"expected_total" not in b"".join(one.body or b"" for one in office.caller.sent)


@pytest.mark.parametrize(
    ("expected", "line", "told_of"),
    [
        ("195.19", LINE, ("195.20", "195.19", "0.01")),
        (Decimal("195.21"), LINE, ("195.20", "195.21", "-0.01")),
        # The bookkeeper's own case: a fixed VAT where the other app has another.
        (195.2, {**LINE, "vat": "10%"}, ("176.00", "195.20", "-19.20")),
        (-195.2, LINE, ("195.20", "-195.20", "390.40")),
        (0, LINE, ("195.20", "0.00", "195.20")),
    ],
)
async def test_another_total_than_in_the_other_app_issues_nothing(
    office: Office, expected: Any, line: dict[str, Any], told_of: tuple[str, ...]
) -> None:
    office.client()
    error = await refused(office, items_list=[line], expected_total=expected)
    assert (error.field, error.who) == ("data.expected_total", "user")
    ours, theirs, difference = told_of
    assert f"comes to {ours} with VAT, and in the other app to {theirs}." in str(error)
    assert f"The difference is {difference}." in str(error)
    assert "data.items_list.vat" in str(error.remedy)
    assert office.sandbox.fic.ledger.writes["create issued_documents"] == 0


@pytest.mark.parametrize("expected", [Decimal("-195.20"), Decimal("195.20")])
async def test_a_credit_note_is_negative_in_other_apps(office: Office, expected: Decimal) -> None:
    office.client()
    given = {"type": "credit_note", "e_invoice": False}
    error = await refused(office, **given, expected_total=expected + Decimal("0.01"))
    assert error.field == "data.expected_total"
    made = await office.do("compose_invoice", data=document(**given, expected_total=expected))
    assert office.document(made["id"])["amount_gross"] == Decimal("195.20")


async def test_withholding_is_no_part_of_the_total_that_is_compared(office: Office) -> None:
    office.client()
    given = document(withholding_tax=20, type="proforma", e_invoice=False, expected_total="195.20")
    made = await office.do("compose_invoice", data=given)
    assert office.document(made["id"])["payments_list"][0]["amount"] < Decimal("195.20")


async def test_without_their_totals_nothing_is_issued(office: Office) -> None:
    office.client()
    real = office.caller.request

    async def silent(method: Any, path: str, **given: Any) -> Any:
        return {"data": {}} if path.endswith("/totals") else await real(method, path, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(office.caller, "request", silent)
        with pytest.raises(NotSent, match="did not tell its totals"):
            await office.do("compose_invoice", data=document())
    assert office.sandbox.fic.ledger.writes["create issued_documents"] == 0


async def test_their_figures_may_be_followed_when_asked(office: Office) -> None:
    office.client()
    given = document(when_totals_differ="use_theirs", type="proforma", e_invoice=False)
    made = await office.do("compose_invoice", data=given)
    assert office.document(made["id"])["payments_list"][0]["amount"] == Decimal("195.20")


async def test_products_are_copied_with_their_price_and_vat(office: Office) -> None:
    office.client()
    one = office.product(code="ASS-01", description="Assistenza", measure="mesi",
                         default_vat={"id": 3})  # fmt: skip
    two = office.product(name="Licenza", code="LIC", net_price=Decimal("12.5"))
    lines = [{"product_id": one["id"], "qty": 3}, {"product_code": "lic", "qty": 1, "vat": "22%"}]
    made = await office.do("compose_invoice", data=document(items_list=lines))
    first, second = office.document(made["id"])["items_list"]
    assert (first["name"], first["net_price"], first["vat"]["id"]) == ("Canone", 80, 3)
    assert (first["description"], first["measure"]) == ("Assistenza", "mesi")
    assert (second["product_id"], second["net_price"]) == (two["id"], Decimal("12.5"))


async def test_instalments_are_split_to_the_cent(office: Office) -> None:
    office.client()
    plan = {"instalments": [{"days": 30}, {"days": 60}, {"days": 90, "end_of_month": True}]}
    made = await office.do(
        "compose_invoice",
        data=document(items_list=[{**LINE, "qty": 1, "net_price": 100}], payment=plan),
    )
    rows = office.document(made["id"])["payments_list"]
    assert [row["amount"] for row in rows] == [Decimal(one) for one in ("40.67", "40.67", "40.66")]
    assert [row["due_date"] for row in rows] == ["2026-04-03", "2026-05-03", "2026-06-30"]


async def test_every_fault_is_told_at_once_with_its_field(office: Office) -> None:
    office.client(address_city="", ei_code="", tax_code="")
    error = await refused(office, items_list=[{**LINE, "vat": "0%"}, {"name": "x", "vat": "22"}])
    assert set(told(error)) == {
        "data.entity.address_city",
        "data.entity.ei_code",
        "data.items_list.0.vat",
        "data.items_list.1.net_price",
    }


async def test_a_read_that_fails_issues_nothing(office: Office) -> None:
    office.client()
    office.sandbox.fic.faults.add(kind="status", method="POST", status=500, times=1,
                                  path=f"/c/{COMPANY}/issued_documents/totals")  # fmt: skip
    with pytest.raises((NotSent, ConnectorError)):
        await office.do("compose_invoice", event="order 7", data=document())
    assert office.sandbox.fic.ledger.writes["create issued_documents"] == 0
    made = await office.do("compose_invoice", event="order 7", data=document())
    assert made["number"] == 1


async def test_a_suppliers_order_reads_suppliers(office: Office) -> None:
    office.sandbox.person.create("suppliers", {"name": "Legnami", "vat_number": "IT12345678903"})
    made = await office.do(
        "compose_invoice",
        data=document(type="supplier_order", entity={"vat_number": "12345678903"}),
    )
    stored = office.document(made["id"])
    assert (stored["entity"]["name"], stored["payments_list"] or []) == ("Legnami", [])
    assert office.sandbox.fic.first_company.id == COMPANY


@pytest.mark.parametrize(("gross", "given"), [(False, "gross_price"), (True, "net_price")])
async def test_a_products_price_never_stands_for_the_one_that_is_given(
    office: Office, gross: bool, given: str
) -> None:
    office.client()
    product = office.product(gross_price=Decimal("97.60"))
    line = {"product_id": product["id"], given: Decimal(1220), "vat": "22%"}
    error = await refused(office, use_gross_prices=gross, items_list=[line])
    assert f"data.items_list.0.{given}" in told(error)


async def test_an_e_mail_that_others_share_never_stands_for_a_vat_number(office: Office) -> None:
    shared = "studio@commercialista.example"
    office.client(name="Bianchi S.r.l.", vat_number="", tax_code="", email=shared)
    entity = {"name": "Rossi S.r.l.", "vat_number": "01234567897", "email": shared}
    made = await office.do("compose_invoice", data=document(entity=entity))
    stored = office.document(made["id"])["entity"]
    assert (stored["name"], stored["id"], stored["address_street"]) == ("Rossi S.r.l.", None, "")


async def test_an_e_mail_alone_finds_its_customer(office: Office) -> None:
    client = office.client()
    made = await office.do("compose_invoice", data=document(entity={"email": client["email"]}))
    assert office.document(made["id"])["entity"]["id"] == client["id"]


@pytest.mark.parametrize("parts", [["amount", 300, Decimal("-104.80")], ["percent", 150, -50]])
async def test_an_instalment_is_more_than_nothing(office: Office, parts: list[Any]) -> None:
    office.client()
    name, *values = parts
    error = await refused(office, payment={"instalments": [{name: one} for one in values]})
    assert told(error) == {"data.payment.instalments.1": "This instalment is not more than 0."}
