"""Business rules of issued documents (facts §5.4), each as a test with the rule as its name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.errors import ConnectorError, MappingError, Refused
from connector.sandbox.fic.totals import totals as sandbox_totals
from tests.nodes.fatture_in_cloud.office import Office

LINE = {"name": "Canone", "qty": 2, "net_price": 80, "vat": "22%"}
PA = {"type": "pa", "ei_code": "UFABCD", "vat_number": "", "tax_code": "80012345676"}
D = Decimal


async def compose(office: Office, **changes: Any) -> dict[str, Any]:
    data = {
        "type": "invoice",
        "date": "2026-03-04",
        "entity": {"vat_number": "09876543217"},
        "items_list": [LINE],
        **changes,
    }
    made = await office.do("compose_invoice", data=data)
    return office.document(made["id"])


async def faults(office: Office, **changes: Any) -> dict[str, str]:
    """The faults by field; nothing was issued."""
    before = office.writes
    with pytest.raises((MappingError, Refused)) as caught:
        await compose(office, **changes)
    assert office.writes == before
    error: ConnectorError = caught.value
    found = error.issues or (error,)
    return {str(one.field): one.message for one in found}


class TestCustomer:
    async def test_nothing_is_filled_in_by_the_vendor_so_the_customer_is_copied(
        self, office: Office
    ) -> None:
        client = office.client()
        stored = await compose(office, entity={"id": client["id"]})
        for key in ("name", "vat_number", "tax_code", "address_street", "address_city", "ei_code"):
            assert stored["entity"][key] == client[key]

    @pytest.mark.parametrize(
        "entity",
        [
            {"vat_number": "IT 0987 6543 217"},
            {"tax_code": "09876543217"},
            {"code": "adda"},
            {"email": "AMM@officineadda.example"},
        ],
    )
    async def test_a_customer_is_found_by_any_of_its_keys(
        self, office: Office, entity: dict[str, Any]
    ) -> None:
        client = office.client(code="ADDA")
        assert (await compose(office, entity=entity))["entity"]["id"] == client["id"]

    async def test_what_is_given_counts_more_than_the_record(self, office: Office) -> None:
        office.client()
        entity = {"vat_number": "09876543217", "address_street": "Via Nuova 1"}
        stored = await compose(office, entity=entity)
        assert stored["entity"]["address_street"] == "Via Nuova 1"

    async def test_a_customer_with_another_vat_number_is_not_the_one_that_is_meant(
        self, office: Office
    ) -> None:
        client = office.client()
        entity = {"id": client["id"], "vat_number": "12345678903"}
        assert (
            "another VAT number" in (await faults(office, entity=entity))["data.entity.vat_number"]
        )

    async def test_a_customer_without_record_is_used_as_given_or_refused_as_asked(
        self, office: Office
    ) -> None:
        entity = {"name": "Rossi", "vat_number": "12345678903"}
        stored = await compose(office, entity=entity, e_invoice=False)
        assert (stored["entity"]["name"], stored["entity"]["id"]) == ("Rossi", None)
        found = await faults(office, entity=entity, customer_lookup="required")
        assert "not in Fatture in Cloud" in found["data.entity.vat_number"]

    async def test_two_customers_with_one_key_are_never_guessed_between(
        self, office: Office
    ) -> None:
        office.client(vat_number="", tax_code="")
        office.client(vat_number="", tax_code="", name="Altra S.r.l.")
        found = await faults(office, entity={"email": "amm@officineadda.example"})
        assert "Several customers" in found["data.entity.email"]


class TestAmounts:
    async def test_each_line_is_rounded_to_cents_before_it_is_summed(self, office: Office) -> None:
        office.client()
        lines = [{**LINE, "qty": 1, "net_price": D("0.335")}] * 3
        assert (await compose(office, items_list=lines))["amount_net"] == D("1.02")

    async def test_a_discount_of_a_line_is_a_per_cent(self, office: Office) -> None:
        office.client()
        stored = await compose(office, items_list=[{**LINE, "discount": D("12.5")}])
        assert stored["amount_net"] == D("140.00")
        found = await faults(office, items_list=[{**LINE, "discount": 150}])
        assert "0 to 100" in found["data.items_list.0.discount"]

    async def test_a_discount_of_the_document_is_sent_negative(self, office: Office) -> None:
        office.client()
        stored = await compose(office, discount_amount=10)
        assert stored["amount_due_discount"] == -10
        assert stored["payments_list"][0]["amount"] == D("185.20")

    async def test_gross_prices_hold_the_vat(self, office: Office) -> None:
        office.client()
        lines = [{"name": "Libro", "qty": 3, "gross_price": D("9.99"), "vat": "4%"}]
        stored = await compose(office, items_list=lines)
        assert stored["use_gross_prices"] is True
        assert stored["amount_gross"] == D("29.97")

    async def test_net_and_gross_prices_are_not_mixed(self, office: Office) -> None:
        office.client()
        lines = [LINE, {"name": "Libro", "gross_price": 10, "vat": "4%"}]
        found = await faults(office, items_list=lines)
        assert "with VAT" in found["data.items_list.1.gross_price"]

    async def test_rivalsa_raises_the_base_of_cassa_and_withholding(self, office: Office) -> None:
        office.client()
        stored = await compose(
            office,
            items_list=[{**LINE, "qty": 1, "net_price": 1000}],
            rivalsa=4,
            withholding_tax=20,
            ei_withholding_tax_causal="A",
        )
        assert stored["amount_rivalsa"] == D("40.00")
        assert stored["amount_withholding_tax"] == D("208.00")
        assert stored["payments_list"][0]["amount"] == D("1268.80") - D("208.00")

    async def test_a_fixed_amount_of_the_cassa_counts_only_without_a_share(
        self, office: Office
    ) -> None:
        office.client()
        taxes = {"cassa": 4, "ei_cassa_type": "TC04", "amount_cassa_taxable": 50}
        assert (await compose(office, **taxes))["amount_cassa"] == D("2.00")
        assert (await compose(office, **taxes, cassa_taxable=100))["amount_cassa"] == D("6.40")

    async def test_a_line_may_stay_outside_rivalsa_cassa_and_withholding(
        self, office: Office
    ) -> None:
        office.client()
        lines = [LINE, {**LINE, "apply_withholding_taxes": False}]
        taxes = {"withholding_tax": 20, "ei_withholding_tax_causal": "A"}
        stored = await compose(office, items_list=lines, **taxes)
        assert stored["amount_withholding_tax"] == D("32.00")

    async def test_what_is_reimbursed_is_outside_the_taxable_amount(self, office: Office) -> None:
        office.client()
        lines = [LINE, {**LINE, "name": "Spese", "vat": "N1", "not_taxable": True}]
        stored = await compose(office, items_list=lines)
        assert (stored["amount_net"], stored["amount_gross"]) == (D("160.00"), D("355.20"))

    async def test_split_payment_leaves_the_vat_to_the_customer(self, office: Office) -> None:
        office.client()
        stored = await compose(office, use_split_payment=True)
        assert stored["ei_data"]["vat_kind"] == "S"
        assert stored["payments_list"][0]["amount"] == D("160.00")

    async def test_stamp_on_paper_is_paid_by_the_customer(self, office: Office) -> None:
        office.client()
        stored = await compose(office, stamp_duty=2, e_invoice=False)
        assert stored["payments_list"][0]["amount"] == D("197.20")

    async def test_stamp_of_an_e_invoice_is_charged_by_a_line_out_of_scope(
        self, office: Office
    ) -> None:
        office.client()
        borne = await compose(office, stamp_duty=2)
        assert borne["payments_list"][0]["amount"] == D("195.20")
        charged = await compose(office, stamp_duty=2, charge_stamp_duty=True)
        assert charged["payments_list"][0]["amount"] == D("197.20")
        stamp = charged["items_list"][-1]
        assert (stamp["vat"]["ei_type"], stamp["not_taxable"]) == ("N1", True)

    async def test_credit_notes_have_positive_amounts(self, office: Office) -> None:
        office.client()
        original = {"invoice_number": "42", "invoice_date": "2026-02-01"}
        stored = await compose(office, type="credit_note", ei_data=original)
        assert stored["amount_gross"] == D("195.20")
        less = await faults(office, items_list=[{**LINE, "net_price": -80}])
        assert "less than nothing" in less["data.items_list"]


class TestVat:
    async def test_a_vat_type_is_found_by_rate_natura_or_name(self, office: Office) -> None:
        office.client()
        asked = ("22%", "22,0 %", "N3.1", "escluso  ART. 15", 10)
        lines = [{**LINE, "vat": one} for one in asked]
        stored = await compose(office, items_list=lines)
        assert [row["vat"]["id"] for row in stored["items_list"]] == [0, 0, 6, 21, 3]

    async def test_a_rate_that_means_several_types_is_refused_with_all_of_them(
        self, office: Office
    ) -> None:
        office.client()
        found = await faults(office, items_list=[{**LINE, "vat": "0%"}])
        assert (
            "6 (0 % · Non imp. art. 8), 21 (0 % · Escluso art. 15)"
            in found["data.items_list.0.vat"]
        )

    async def test_a_vat_type_that_is_switched_off_is_not_used(self, office: Office) -> None:
        office.client()
        table = office.sandbox.fic.first_company.tables["vat_types"]
        table.put((table.get(3) or {}) | {"is_disabled": True})
        found = await faults(office, items_list=[{**LINE, "vat": None, "vat_id": 3}])
        assert "switched off" in found["data.items_list.0.vat_id"]
        assert await faults(office, items_list=[{**LINE, "vat": "10%"}])

    async def test_vat_comes_from_the_product_then_the_customer_then_the_company(
        self, office: Office
    ) -> None:
        office.client(default_vat={"id": 4})
        product = office.product(default_vat={"id": 3})
        bare = {"name": "Canone", "net_price": 80}
        lines = [{"product_id": product["id"]}, bare]
        stored = await compose(office, items_list=lines)
        assert [row["vat"]["id"] for row in stored["items_list"]] == [3, 4]
        other = {"name": "Rossi"}
        stored = await compose(office, entity=other, items_list=[bare], e_invoice=False)
        assert stored["items_list"][0]["vat"]["id"] == 0


class TestPayments:
    async def test_payments_equal_the_amount_due_to_the_cent(self, office: Office) -> None:
        office.client()
        plan = {"instalments": [{"percent": D("33.33")}, {"percent": D("66.67"), "days": 60}]}
        stored = await compose(office, payment=plan)
        rows = [row["amount"] for row in stored["payments_list"]]
        assert rows == [D("65.06"), D("130.14")]

    async def test_terms_are_as_agreed_with_the_customer(self, office: Office) -> None:
        office.client(default_payment_terms=60, default_payment_terms_type="end_of_month")
        (row,) = (await compose(office))["payments_list"]
        assert row["due_date"] == "2026-05-31"
        assert row["payment_terms"] == {"days": 60, "type": "end_of_month"}

    async def test_paid_needs_an_account(self, office: Office) -> None:
        office.client()
        plan = {"paid": True, "method": "Contanti"}
        found = await faults(office, payment=plan)
        assert "account" in found["data.payment.account_id"]
        stored = await compose(office, payment={**plan, "account": "cassa"})
        (row,) = stored["payments_list"]
        assert (row["status"], row["payment_account"]["id"]) == ("paid", 333)
        assert row["paid_date"] == "2026-03-04"

    async def test_instalments_must_make_a_hundred_per_cent(self, office: Office) -> None:
        office.client()
        plan = {"instalments": [{"percent": 50}, {"percent": 40}]}
        assert "90 %" in (await faults(office, payment=plan))["data.payment.instalments"]

    async def test_a_quote_needs_no_payments(self, office: Office) -> None:
        office.client()
        assert not (await compose(office, type="quote"))["payments_list"]

    async def test_a_payment_method_is_found_by_its_name(self, office: Office) -> None:
        office.client()
        stored = await compose(office, payment={"method": "contanti"})
        assert stored["payment_method"]["id"] == 386_684
        assert stored["ei_data"]["payment_method"] == "MP01"
        found = await faults(office, payment={"method": "Bonifica"})
        assert "Bonifica" in found["data.payment.method"]


class TestEInvoice:
    async def test_a_company_needs_a_recipient_code_or_a_pec(self, office: Office) -> None:
        office.client(ei_code="")
        assert "PEC" in (await faults(office))["data.entity.ei_code"]
        with_mail = {"vat_number": "09876543217", "certified_email": "adda@pec.example"}
        assert (await compose(office, entity=with_mail))["e_invoice"]

    async def test_a_private_person_has_the_code_of_seven_zeros(self, office: Office) -> None:
        office.client(type="person", vat_number="", ei_code="", tax_code="RSSMRA80A01H501U")
        stored = await compose(office, entity={"tax_code": "RSSMRA80A01H501U"})
        assert stored["entity"]["ei_code"] == "0000000"

    async def test_a_customer_abroad_has_the_code_of_seven_x(self, office: Office) -> None:
        office.client(country="Germania", country_iso="DE", vat_number="DE123456789", ei_code="",
                      address_postal_code="80331", address_province="", tax_code="")  # fmt: skip
        stored = await compose(office, entity={"vat_number": "DE123456789"})
        assert stored["entity"]["ei_code"] == "XXXXXXX"

    async def test_a_public_body_needs_a_code_of_six_characters(self, office: Office) -> None:
        client = office.client(**{**PA, "ei_code": "UFABCDE"})
        found = await faults(office, entity={"id": client["id"]}, without_cig=True)
        assert "6-character code" in found["data.entity.ei_code"]

    async def test_a_public_body_needs_a_cig_or_cup_or_the_word_that_there_is_none(
        self, office: Office
    ) -> None:
        client = office.client(**PA)
        entity = {"id": client["id"]}
        assert "CIG" in (await faults(office, entity=entity))["data.ei_data.cig"]
        assert (await compose(office, entity=entity, without_cig=True))["e_invoice"]
        means = {"cig": "Z1A2B3C4D5"}
        found = await faults(office, entity=entity, ei_data=means)
        assert "not named" in found["data.ei_data.od_number"]
        means |= {"original_document_type": "ordine", "od_number": "7"}
        stored = await compose(office, entity=entity, ei_data=means)
        assert stored["ei_data"]["cig"] == "Z1A2B3C4D5"

    async def test_the_tax_identity_must_fit_its_check_digits(self, office: Office) -> None:
        office.client(vat_number="IT09876543210", tax_code="RSSMRA80A01H501X")
        found = await faults(office, entity={"vat_number": "09876543210"})
        assert set(found) == {"data.entity.vat_number", "data.entity.tax_code"}

    async def test_someone_without_any_tax_number_gets_no_e_invoice(self, office: Office) -> None:
        client = office.client(vat_number="", tax_code="")
        found = await faults(office, entity={"id": client["id"]})
        assert "neither a VAT number" in found["data.entity.vat_number"]

    async def test_the_address_must_be_whole(self, office: Office) -> None:
        office.client(address_street="", address_city="", address_postal_code="2412")
        assert set(await faults(office)) == {
            "data.entity.address_street",
            "data.entity.address_city",
            "data.entity.address_postal_code",
        }

    async def test_no_vat_needs_a_reason(self, office: Office) -> None:
        office.client()
        table = office.sandbox.fic.first_company.tables["vat_types"]
        table.put((table.get(6) or {}) | {"ei_type": None})
        found = await faults(office, items_list=[{**LINE, "vat": "Non imp. art. 8"}])
        assert "Natura" in found["data.items_list.0.vat"]

    async def test_the_way_of_payment_must_be_said(self, office: Office) -> None:
        office.client()
        table = office.sandbox.fic.first_company.tables["payment_methods"]
        table.put((table.get(386_683) or {}) | {"ei_payment_method": None})
        assert "ModalitaPagamento" in (await faults(office))["data.ei_data.payment_method"]
        assert (await compose(office, ei_data={"payment_method": "MP08"}))["e_invoice"]

    async def test_a_credit_note_names_the_invoice_that_it_corrects(self, office: Office) -> None:
        office.client()
        assert set(await faults(office, type="credit_note")) == {
            "data.ei_data.invoice_number",
            "data.ei_data.invoice_date",
        }

    async def test_cassa_and_withholding_say_their_kind(self, office: Office) -> None:
        office.client()
        assert set(await faults(office, cassa=4, withholding_tax=20, other_withholding_tax=5)) == {
            "data.ei_cassa_type",
            "data.ei_withholding_tax_causal",
            "data.ei_other_withholding_tax_type",
        }

    async def test_split_payment_needs_its_vat_kind(self, office: Office) -> None:
        office.client()
        found = await faults(office, use_split_payment=True, ei_data={"vat_kind": "I"})
        assert "Split payment" in found["data.ei_data.vat_kind"]

    async def test_a_quote_is_no_e_invoice(self, office: Office) -> None:
        office.client()
        assert not (await compose(office, type="quote"))["e_invoice"]
        assert (
            "cannot be an e-invoice"
            in (await faults(office, type="quote", e_invoice=True))["data.type"]
        )


async def test_twenty_lines_two_rates_discount_cassa_and_withholding_equal_the_sandbox(
    office: Office,
) -> None:
    office.client()
    lines = [
        {
            "name": f"Articolo {at}",
            "qty": D(at % 4 + 1) / 2,
            "net_price": D("80.13") + D(at) * D("1.1111"),
            "vat": "22%" if at % 3 else "10%",
            "discount": D("12.5") if at % 5 == 0 else 0,
        }
        for at in range(20)
    ]
    stored = await compose(
        office,
        items_list=lines,
        cassa=4,
        ei_cassa_type="TC04",
        withholding_tax=20,
        ei_withholding_tax_causal="A",
        discount_amount=D("15.55"),
        payment={"instalments": [{"days": 30}, {"days": 60}, {"days": 90}]},
    )
    theirs = sandbox_totals(stored)
    assert sum(row["amount"] for row in stored["payments_list"]) == theirs["amount_due"]
    assert set(theirs["vat_list"]) == {"22", "10"}
    # Worked out by hand once, so that both sides cannot be wrong alike without notice.
    by_hand = {"22": D(0), "10": D(0)}
    for row in stored["items_list"]:
        amount = row["qty"] * row["net_price"] * (100 - row["discount"]) / 100
        by_hand[f"{row['vat']['value']}"] += amount.quantize(D("0.01"), "ROUND_HALF_UP")
    net = sum(by_hand.values())
    cassa = (net * 4 / 100).quantize(D("0.01"), "ROUND_HALF_UP")
    by_hand["10"] += cassa
    vat = sum(
        (amount * int(rate) / 100).quantize(D("0.01"), "ROUND_HALF_UP")
        for rate, amount in by_hand.items()
    )
    held = (net * 20 / 100).quantize(D("0.01"), "ROUND_HALF_UP")
    assert theirs["amount_due"] == net + cassa + vat - held - D("15.55")
