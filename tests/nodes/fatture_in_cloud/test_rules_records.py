"""Rules of Fatture in Cloud for all records but issued documents, each test named as its rule."""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector.apps.fatture_in_cloud.filters import Criterion, compiled, criteria, fits
from connector.engine.waits import Park, Wait
from connector.errors import Conflict, Forbidden, Invalid, MappingError, Missing, Refused
from connector.sandbox.fic.query import compile_filter
from tests.nodes.fatture_in_cloud.office import COMPANY, Office

EXPENSE: dict[str, Any] = {
    "type": "expense",
    "entity": {"name": "Cartoleria Serio"},
    "date": "2026-03-02",
    "category": "Cancelleria",
    "invoice_number": "118/26",
    "amount_net": 100,
    "amount_vat": 22,
    "payments_list": [{"amount": 122, "due_date": "2026-03-31", "status": "not_paid"}],
}


class TestClients:
    async def test_a_client_is_made_once_however_often_it_is_ensured(self, office: Office) -> None:
        data = {"name": "Bruni S.r.l.", "vat_number": "IT12345678903"}
        first = await office.do("ensure_client", data=data)
        again = await office.do("ensure_client", data={**data, "vat_number": "12345678903"})
        assert (first["id"], office.writes) == (again["id"], 1)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("code", "B1"), ("tax_code", "BRNMRA80A01H501U"), ("email", "b@bruni.example")],
    )
    async def test_without_a_vat_number_code_tax_code_and_e_mail_identify(
        self, office: Office, key: str, value: str
    ) -> None:
        data = {"name": "Bruni", key: value}
        made = [await office.do("ensure_client", data=data) for _ in range(2)]
        assert made[0]["id"] == made[1]["id"]

    async def test_two_flows_at_once_end_with_one_client(self, office: Office) -> None:
        office.sandbox.fic.list_lag = 60
        data = {"name": "Bruni", "vat_number": "12345678903"}
        nodes = ("ensure_client", "create_client", "ensure_client")
        made = await asyncio.gather(*(office.do(one, data=data) for one in nodes))
        assert len({one["id"] for one in made}) == 1
        assert office.writes == 1

    async def test_the_same_client_of_two_companies_is_two_records(self, office: Office) -> None:
        data = {"name": "Bruni", "vat_number": "12345678903"}
        for node in ("create_client", "ensure_client"):
            await office.do(node, data=data)
            await office.do(node, data=data, company_id=108_101)
        tables = [office.sandbox.fic.companies[one].tables["clients"] for one in (COMPANY, 108_101)]
        assert [len(table.view()) for table in tables] == [1, 1]

    async def test_who_shares_an_e_mail_and_has_another_code_is_another(
        self, office: Office
    ) -> None:
        one = office.client(code="A1", vat_number="", tax_code="", email="shared@x.example")
        other = await office.do(
            "ensure_client", data={"name": "Bruni", "code": "B2", "email": "shared@x.example"}
        )
        assert other["id"] != one["id"]

    async def test_two_with_one_key_are_never_guessed_between(self, office: Office) -> None:
        for name in ("Uno", "Due"):
            office.client(name=name, code="", vat_number="", tax_code="", email="x@x.example")
        with pytest.raises(Refused, match="2 clients have this email") as error:
            await office.do("ensure_client", data={"name": "Uno", "email": "x@x.example"})
        assert error.value.field == "data.email"

    async def test_one_that_is_there_is_changed_only_if_you_say_so(self, office: Office) -> None:
        client = office.client(code="A1", notes="VIP")
        data = {"name": "Adda S.p.A.", "code": "A1"}
        kept = await office.do("ensure_client", data=data)
        assert kept["name"] == client["name"]
        changed = await office.do("ensure_client", data=data, when_there="update")
        assert (changed["id"], changed["name"], changed["notes"]) == (
            client["id"], "Adda S.p.A.", "VIP"
        )  # fmt: skip

    async def test_one_that_is_there_as_wanted_is_not_written(self, office: Office) -> None:
        office.client(code="A1")
        before = office.writes
        data = {"name": "Officine Adda S.r.l.", "code": "A1"}
        await office.do("ensure_client", data=data, when_there="update")
        assert office.writes == before

    async def test_a_clash_that_the_app_sees_is_a_conflict(self, office: Office) -> None:
        office.client(tax_code="TC1", vat_number="")
        with pytest.raises(Conflict):
            await office.do(
                "create_client", data={"name": "Altro", "code": "N1", "tax_code": "TC1"}
            )


class TestSuppliersAndProducts:
    async def test_a_shared_e_mail_does_not_stop_a_supplier_from_being_made(
        self, office: Office
    ) -> None:
        data = {"email": "studio@x.example"}
        one = await office.do("create_supplier", data={"name": "Legnami", **data})
        other = await office.do("create_supplier", data={"name": "Ferramenta", **data})
        assert one["id"] != other["id"]

    async def test_a_supplier_and_a_client_may_have_the_same_vat_number(
        self, office: Office
    ) -> None:
        data = {"name": "Bruni", "vat_number": "12345678903"}
        await office.do("ensure_client", data=data)
        await office.do("ensure_supplier", data=data)
        assert office.writes == 2

    async def test_a_product_without_a_code_is_known_by_its_name(self, office: Office) -> None:
        first = await office.do("ensure_product", data={"name": "Canone", "net_price": 80})
        again = await office.do(
            "ensure_product", data={"name": "canone ", "net_price": 90}, when_there="update"
        )
        assert (again["id"], again["net_price"]) == (first["id"], 90)

    async def test_products_of_one_name_with_two_codes_are_two(self, office: Office) -> None:
        made = [
            await office.do("ensure_product", data={"name": "Canone", "code": code})
            for code in ("A", "B")
        ]
        assert made[0]["id"] != made[1]["id"]


class TestUpdates:
    async def test_only_what_is_set_is_sent(self, office: Office) -> None:
        client = office.client(notes="VIP", e_invoice=True)
        changed = await office.do(
            "update_client", client_id=client["id"], data={"address_city": "Roma"}
        )
        assert office.caller.sent[-1].body == b'{"data":{"address_city":"Roma"}}'
        assert (changed["notes"], changed["e_invoice"]) == ("VIP", True)

    async def test_a_field_is_emptied_only_by_name(self, office: Office) -> None:
        client = office.client(notes="VIP")
        kept = await office.do("update_client", client_id=client["id"], data={"code": "A"})
        assert kept["notes"] == "VIP"
        cleared = await office.do("update_client", client_id=client["id"], clear=["notes"])
        assert not cleared["notes"]
        with pytest.raises(MappingError, match="Did you mean 'notes'"):
            await office.do("update_client", client_id=client["id"], clear=["note"])

    async def test_a_payment_that_is_changed_leaves_the_others(self, office: Office) -> None:
        rows = [
            {"amount": 61, "due_date": "2026-03-31", "status": "not_paid"},
            {"amount": 61, "due_date": "2026-04-30", "status": "not_paid"},
        ]
        made = await office.do("create_received_document", data={**EXPENSE, "payments_list": rows})
        first = made["payments_list"][0]["id"]
        paid = {
            "id": first, "status": "paid", "paid_date": "2026-03-20", "payment_account": {"id": 333}
        }  # fmt: skip
        changed = await office.do(
            "update_received_document",
            received_document_id=made["id"],
            data={"payments_list": [paid]},
        )
        assert [row["status"] for row in changed["payments_list"]] == ["paid", "not_paid"]
        assert [row["amount"] for row in changed["payments_list"]] == [61, 61]

    async def test_a_list_is_replaced_when_asked(self, office: Office) -> None:
        made = await office.do("create_received_document", data=EXPENSE)
        row = {"amount": 122, "due_date": "2026-05-31", "status": "not_paid"}
        changed = await office.do(
            "update_received_document",
            received_document_id=made["id"],
            data={"payments_list": [row]},
            replace_lists=True,
        )
        assert [one["due_date"] for one in changed["payments_list"]] == ["2026-05-31"]

    async def test_a_row_that_is_not_there_is_refused_before_anything_is_sent(
        self, office: Office
    ) -> None:
        made = await office.do("create_received_document", data=EXPENSE)
        before = office.writes
        with pytest.raises(Refused, match="There is no row 1"):
            await office.do(
                "update_received_document",
                received_document_id=made["id"],
                data={"payments_list": [{"id": 1, "amount": 122}]},
            )
        assert office.writes == before

    async def test_what_somebody_changed_meanwhile_is_left_alone(self, office: Office) -> None:
        client = office.client()
        office.later(60)
        office.sandbox.person.change("clients", client["id"], {"phone": "035 1"})
        with pytest.raises(Conflict, match="changed meanwhile"):
            await office.do(
                "update_client",
                client_id=client["id"],
                data={"phone": "035 2"},
                unchanged_since=client["updated_at"],
            )

    async def test_a_record_that_is_gone_cannot_be_changed(self, office: Office) -> None:
        with pytest.raises(Missing):
            await office.do("update_client", client_id=999, data={"name": "X"})


class TestDeletes:
    async def test_what_is_gone_already_is_a_success_that_says_so(self, office: Office) -> None:
        client = office.client()
        first = await office.do("delete_client", client_id=client["id"])
        again = await office.do("delete_client", client_id=client["id"])
        assert (first["already_gone"], again["already_gone"]) == (False, True)

    async def test_a_deleted_expense_lies_in_the_bin_and_can_be_recovered(
        self, office: Office
    ) -> None:
        made = await office.do("create_received_document", data=EXPENSE)
        await office.do("delete_received_document", received_document_id=made["id"])
        there = await office.do("list_received_documents_in_bin")
        assert there["ids"] == [made["id"]]
        told = await office.do("recover_received_document", document_id=made["id"])
        assert told["recovered"] is True
        back = await office.do("get_received_document", received_document_id=made["id"])
        assert back["invoice_number"] == "118/26"

    async def test_what_is_deleted_from_the_bin_is_gone_for_good(self, office: Office) -> None:
        made = await office.do("create_received_document", data=EXPENSE)
        await office.do("delete_received_document", received_document_id=made["id"])
        await office.do("delete_received_document_from_bin", document_id=made["id"])
        with pytest.raises(Missing):
            await office.do("get_received_document_in_bin", document_id=made["id"])
        again = await office.do("delete_received_document_from_bin", document_id=made["id"])
        assert again["already_gone"] is True


class TestLists:
    async def test_a_list_is_paged_to_its_end(self, office: Office) -> None:
        for number in range(230):
            office.client(name=f"Cliente {number}", code=str(number), vat_number="", tax_code="")
        told = await office.do("list_clients", name_starts_with="cliente")
        assert (told["count"], told["more"]) == (230, False)
        pages = [one for one in office.caller.sent if "per_page=100" in one.url]
        assert len(pages) == 3

    async def test_a_page_never_holds_fewer_than_five(self, office: Office) -> None:
        office.client()
        told = await office.do("list_clients", limit=1)
        assert told["count"] == 1
        assert "per_page=5" in office.caller.sent[-1].url

    async def test_a_limit_says_that_there_are_more(self, office: Office) -> None:
        for number in range(7):
            office.client(name=f"C{number}", code=str(number), vat_number="", tax_code="")
        told = await office.do("list_clients", limit=6, sort="-code")
        assert (told["count"], told["more"]) == (6, True)
        assert [one["code"] for one in told["records"]] == ["6", "5", "4", "3", "2", "1"]

    async def test_exactly_one_is_neither_none_nor_several(self, office: Office) -> None:
        with pytest.raises(Missing, match="exactly one was wanted"):
            await office.do("list_clients", want="one")
        office.client(code="A", vat_number="", tax_code="")
        assert (await office.do("list_clients", want="one"))["count"] == 1
        office.client(code="B", vat_number="", tax_code="")
        with pytest.raises(Refused, match="More than one"):
            await office.do("list_clients", want="one")
        assert (await office.do("list_clients", want="first"))["count"] == 1

    async def test_an_apostrophe_in_a_name_finds_and_breaks_nothing(self, office: Office) -> None:
        office.client(name="L'Orto d'Oro' or name <> ''", code="")
        office.client(name="Altro", code="Z", vat_number="", tax_code="")
        told = await office.do("list_clients", name="L'Orto d'Oro' or name <> ''")
        assert told["count"] == 1

    async def test_until_a_day_means_until_its_end(self, office: Office) -> None:
        client = office.client()
        day = client["updated_at"][:10]
        assert (await office.do("list_clients", updated_from=day, updated_to=day))["count"] == 1

    async def test_stock_prices_are_compared_as_numbers(self, office: Office) -> None:
        office.product(code="P1", net_price=9)
        office.product(code="P2", net_price=Decimal("10.50"))
        told = await office.do("list_products", net_price_from=Decimal("9.5"), net_price_to=100)
        assert [one["code"] for one in told["records"]] == ["P2"]

    async def test_the_cashbook_demands_a_period(self, office: Office) -> None:
        entry = {
            "date": "2026-03-04", "description": "Prelievo", "kind": "cashbook", "type": "out",
            "amount_out": 250, "payment_account_out": {"id": 333},
        }  # fmt: skip
        made = await office.do("create_cashbook_entry", data=entry)
        assert isinstance(made["id"], str)
        with pytest.raises(Invalid):
            await office.do("list_cashbook_entries")
        told = await office.do(
            "list_cashbook_entries", date_from="2026-03-01", date_to="2026-03-31", type="out"
        )
        assert told["ids"] == [made["id"]]


class TestReceived:
    async def test_payments_come_to_the_gross_amount_even_of_a_plain_expense(
        self, office: Office
    ) -> None:
        short = [{"amount": 100, "due_date": "2026-03-31", "status": "not_paid"}]
        with pytest.raises(Refused, match="totale dei pagamenti"):
            await office.do("create_received_document", data={**EXPENSE, "payments_list": short})

    async def test_a_payment_that_is_made_names_its_account(self, office: Office) -> None:
        paid = [{"amount": 122, "due_date": "2026-03-31", "status": "paid"}]
        with pytest.raises(Invalid) as error:
            await office.do("create_received_document", data={**EXPENSE, "payments_list": paid})
        fields = [issue.field for issue in error.value.issues]
        assert fields == ["data.payments_list.0.payment_account.id"]

    async def test_registering_a_pending_document_takes_it_off_the_list(
        self, office: Office
    ) -> None:
        from connector.sandbox.fic.more import arrive

        waiting = arrive(office.sandbox.fic.first_company, {"supplier_name": "Serio", "date": "x"})
        there = await office.do("list_pending_documents", type="agyo")
        assert there["ids"] == [waiting["id"]]
        made = await office.do("register_pending_document", pending_id=waiting["id"], data=EXPENSE)
        assert made["is_from_pending_expenses"] is True
        assert (await office.do("list_pending_documents", type="agyo"))["count"] == 0
        with pytest.raises(Invalid) as error:
            await office.do("register_pending_document", pending_id=waiting["id"], data=EXPENSE)
        assert [issue.field for issue in error.value.issues] == ["pending_id"]

    async def test_an_expense_in_doubt_is_never_sent_again(self, office: Office) -> None:
        place = {"method": "POST", "path": "*/received_documents"}
        office.sandbox.fic.faults.add(kind="reset_after", **place)
        with pytest.raises((Wait, Park)):
            await office.do("create_received_document", data=EXPENSE, event="e")
        office.later(3600)
        with pytest.raises(Park):
            await office.do("create_received_document", data=EXPENSE, event="e")
        assert office.writes == 1

    async def test_totals_are_computed_and_nothing_is_stored(self, office: Office) -> None:
        told = await office.do(
            "preview_received_document_totals", data={**EXPENSE, "amount_withholding_tax": 20}
        )
        assert (told["amount_gross"], told["amount_due"]) == (122, Decimal("102.00"))
        assert office.writes == 0


class TestRegisters:
    async def test_a_month_without_receipts_counts_nothing(self, office: Office) -> None:
        receipt = {
            "date": "2026-03-04", "type": "sales_receipt", "use_gross_prices": True,
            "payment_account": {"id": 555},
            "items_list": [{"amount_gross": 122, "category": "negozio", "vat": {"id": 0}}],
        }  # fmt: skip
        await office.do("create_receipt", data=receipt)
        told = await office.do("get_receipt_totals", type="sales_receipt", year=2026)
        assert [one["count"] for one in told["months"]] == [0, 0, 1, *[0] * 9]
        assert (told["net"], told["gross"], told["count"]) == (100, 122, 1)
        till = await office.do("get_receipt_totals", type="till_receipt", year=2026)
        assert till["count"] == 0

    async def test_a_built_in_vat_type_cannot_be_changed(self, office: Office) -> None:
        with pytest.raises(Forbidden, match="cannot be changed"):
            await office.do("update_vat_type", vat_type_id=0, data={"notes": "x"})

    async def test_a_vat_type_of_ones_own_can_be_made_changed_and_deleted(
        self, office: Office
    ) -> None:
        data = {"value": 0, "description": "Non imp. art. 9", "e_invoice": True, "ei_type": "N3.1"}
        made = await office.do("create_vat_type", data=data)
        assert made["value"] == 0
        changed = await office.do("update_vat_type", vat_type_id=made["id"], data={"notes": "x"})
        assert (changed["notes"], changed["ei_type"]) == ("x", "N3.1")
        assert (await office.do("delete_vat_type", vat_type_id=made["id"]))["deleted"] is True

    async def test_prices_of_a_list_are_a_map_by_product(self, office: Office) -> None:
        office.sandbox.fic.first_company.price_lists["PL1"] = {
            "about": {"id": "PL1", "name": "Rivenditori", "prices_type": "net"},
            "items": {"331": Decimal("3.5"), "332": 4},
        }
        assert (await office.do("list_price_lists"))["ids"] == ["PL1"]
        told = await office.do("list_price_list_items", price_list_id="PL1", product_id=331)
        assert told["record"] == {"id": 331, "price": Decimal("3.5")}


class TestCompanies:
    async def test_an_accountants_clients_are_companies_like_any(self, office: Office) -> None:
        told = await office.do("list_companies")
        assert told["ids"] == [108_061, 108_100, 108_101, 108_102]
        assert [one["controlled_by"] for one in told["records"]] == [None, None, 108_100, 108_100]

    async def test_the_legacy_key_of_a_company_is_never_shown(self, office: Office) -> None:
        assert "legacy" not in repr(await office.do("list_companies"))

    async def test_a_company_is_a_number_from_one(self, office: Office) -> None:
        from tests.nodes.fatture_in_cloud.office import catalog

        for node in catalog().actions.values():
            for field in catalog().fields(node):
                if field.path == "company_id":
                    assert field.minimum == 1, node.name

    async def test_the_plan_says_what_is_left(self, office: Office) -> None:
        office.client()
        told = await office.do("get_plan_usage", category="clients")
        assert (told["usage"], told["left"]) == (1, 2999)


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
).filter(lambda text: text.strip())
EQUAL, HOLDS, BEGINS = (
    Criterion("name", "="), Criterion("name", "contains"), Criterion("name", "starts with")
)  # fmt: skip


@given(TEXTS, st.sampled_from([EQUAL, HOLDS, BEGINS]))
def test_whatever_text_is_looked_for_stays_one_text_in_the_filter(
    text: str, criterion: Criterion
) -> None:
    known = {"name": criterion}
    matches = compile_filter(compiled(known, {"name": text}), {"name": ("name",)})
    assert matches({"name": text.strip()})
    assert fits(known, {"name": text}, {"name": text.strip()})
    # Two characters that no part of the text can be, but by chance themselves.
    other = "\N{SNOWMAN}\N{COMET}"
    assert not matches({"name": other}) or set(other) & set(text)


@given(st.integers(0, 10**9), st.integers(0, 6), st.decimals(0, 10**6, places=2))
def test_numbers_are_written_as_the_filter_reads_them(
    digits: int, places: int, shown: Decimal
) -> None:
    value = Decimal(digits).scaleb(-places)
    known = {"from": Criterion("amount", ">=")}
    matches = compile_filter(compiled(known, {"from": value}), {"amount": ("amount",)})
    assert matches({"amount": shown}) is (shown >= value)


def test_a_number_below_zero_cannot_be_written_and_is_compared_here() -> None:
    known = criteria(low="amount >=")
    assert compiled(known, {"low": Decimal(-5)}) == ""
    assert fits(known, {"low": Decimal(-5)}, {"amount": -4})
    assert not fits(known, {"low": Decimal(-5)}, {"amount": -6})


def test_several_criteria_are_all_met() -> None:
    known = criteria(vat="vat_number =", name="name contains")
    q = compiled(known, {"vat": "12345678903", "name": "Bruni"})
    matches = compile_filter(q, {"vat_number": ("vat_number",), "name": ("name",)})
    for number, name in itertools.product(("12345678903", "9"), ("I Bruni", "Neri")):
        wanted = (number, name) == ("12345678903", "I Bruni")
        assert matches({"vat_number": number, "name": name}) is wanted
