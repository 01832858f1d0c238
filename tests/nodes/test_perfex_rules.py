"""What the nodes of Perfex hold by their own code: exact finds, numbers for names, exact sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from connector.apps.perfex_crm.invoices import new_invoice, totals_of
from connector.apps.perfex_crm.numbers import custom_fields, payment_modes, taxes
from connector.apps.perfex_crm.resources import CONTACTS, CUSTOMERS, INVOICES, ITEMS, PAYMENTS
from connector.errors import ApiError, Conflict, MappingError, Missing, Refused, Unclear
from connector.model import Connection

NONE = Missing("No data were found", status=404)


class Crm:
    """Answers by path, and remembers what it was asked."""

    connection = Connection(id="c1", app="perfex_crm", name="n", base_url="https://crm.example/api")

    def __init__(
        self, answers: Mapping[str, Any] | Callable[[str, Mapping[str, str]], Any]
    ) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, **more: Any
    ) -> Any:
        assert method == "GET"
        self.asked.append(path)
        if callable(self._answers):
            answer = self._answers(path, query or {})
        else:
            answer = self._answers.get(path, NONE)
        if isinstance(answer, ApiError):
            raise answer
        return answer


def pages_of(rows: list[dict[str, Any]]) -> Callable[[str, Mapping[str, str]], Any]:
    """A list of 3.x, two rows to a page."""

    def answer(path: str, query: Mapping[str, str]) -> Any:
        page = int(query.get("page", "1"))
        piece = rows[(page - 1) * 2 : page * 2]
        return {"data": piece, "meta": {"has_more": page * 2 < len(rows)}} if piece else NONE

    return answer


class TestFinding:
    async def test_only_what_is_exactly_so_is_found(self) -> None:
        rows = [
            {"id": "1", "description": "Assistenza remota"},
            {"id": "2", "description": " ASSISTENZA"},
        ]
        crm = Crm({"/items/search/assistenza": rows})
        assert (await ITEMS.find(crm, {"description": "assistenza"}))["ids"] == [2]

    async def test_an_empty_result_is_a_404_and_no_error(self) -> None:
        found = await ITEMS.find(Crm({}), {"description": "x"})
        assert (found["found"], found["records"]) == (False, [])

    async def test_a_list_without_an_end_is_never_taken_for_a_whole_one(self) -> None:
        def answer(path: str, query: Mapping[str, str]) -> Any:
            row = {"id": query["page"], "description": "x", "group_id": "3"}
            return {"data": [row], "meta": {"has_more": True}}

        with pytest.raises(Refused, match="not read to the end"):
            await ITEMS.find(Crm(answer), {"group_id": "4"})
        # What has enough of it has no need of the rest.
        assert (await ITEMS.listed(Crm(answer), {"limit": 7}))["count"] == 7

    async def test_a_search_that_breaks_is_made_up_by_the_list(self) -> None:
        broken = Unclear("500", status=500)
        rows = [{"userid": "7", "company": "Adda"}, {"userid": "8", "company": "Adda Due"}]
        crm = Crm({"/customers/search/Adda": broken, "/customers": rows})
        assert (await CUSTOMERS.find(crm, {"company": "Adda"}))["ids"] == [7]

    async def test_a_gateway_that_breaks_is_no_empty_result(self) -> None:
        with pytest.raises(Unclear):
            await ITEMS.find(
                Crm({"/items/search/x": Unclear("502", status=502)}), {"description": "x"}
            )

    async def test_a_note_is_looked_for_in_the_list_where_the_search_leaves_notes_out(self) -> None:
        rows = [
            {"id": "1", "note": "Saldo #ABC"},
            {"id": "2", "note": "#ABCD"},
            {"id": "3", "note": None},
        ]
        crm = Crm({"/payments": rows})
        assert (await PAYMENTS.find(crm, {"note": "#ABC"}))["ids"] == [1, 2]
        assert crm.asked == ["/payments/search/ABC", "/payments"]

    async def test_people_of_a_customer_are_looked_for_at_that_customer(self) -> None:
        rows = [{"id": "9", "userid": "412", "email": "A@b.example"}]
        crm = Crm({"/contacts/412": rows, "/contacts/search/example": rows})
        asked = {"customer_id": 412, "email": "a@B.example"}
        assert (await CONTACTS.find(crm, asked))["ids"] == [9]
        assert crm.asked == ["/contacts/412"]

    async def test_an_item_may_be_named_by_another_id(self) -> None:
        crm = Crm({"/items/search/x": [{"itemid": "5", "description": "x"}]})
        assert (await ITEMS.find(crm, {"description": "x"}))["id"] == 5

    @pytest.mark.parametrize(("matches", "ids"), [("all", [1, 2]), (None, [1, 2]), ("first", [1])])
    async def test_all_or_the_first(self, matches: str | None, ids: list[int]) -> None:
        rows = [{"id": "2", "description": "x"}, {"id": "1", "description": "x"}]
        crm = Crm({"/items/search/x": rows})
        assert (await ITEMS.find(crm, {"description": "x", "matches": matches}))["ids"] == ids

    async def test_exactly_one_or_an_error_that_says_which(self) -> None:
        rows = [{"id": "2", "description": "x"}, {"id": "1", "description": "x"}]
        with pytest.raises(Conflict, match="1, 2"):
            await ITEMS.find(Crm({"/items/search/x": rows}), {"description": "x", "matches": "one"})
        with pytest.raises(Missing):
            await ITEMS.find(Crm({}), {"description": "x", "matches": "one"})

    async def test_a_customer_and_a_day_narrow_invoices(self) -> None:
        rows = [
            {"id": "1", "clientid": "7", "date": "2026-03-04"},
            {"id": "2", "clientid": "7", "date": "2026-03-05"},
            {"id": "3", "clientid": "8", "date": "2026-03-04"},
        ]
        found = await INVOICES.find(Crm({"/invoices": rows}), {"clientid": 7, "date": "2026-03-04"})
        assert found["ids"] == [1]


class TestLists:
    ROWS = tuple(
        {"id": str(n), "group_id": str(n % 2), "datecreated": f"2026-03-0{n}"} for n in range(1, 8)
    )

    async def test_pages_are_read_to_the_end(self) -> None:
        found = await ITEMS.listed(Crm(pages_of(list(self.ROWS))), {})
        assert found["ids"] == [1, 2, 3, 4, 5, 6, 7]

    async def test_no_page_beyond_the_limit_is_read(self) -> None:
        crm = Crm(pages_of(list(self.ROWS)))
        assert (await ITEMS.listed(crm, {"limit": 3}))["ids"] == [1, 2, 3]
        assert len(crm.asked) == 2

    async def test_a_bare_list_of_everything_is_narrowed_here(self) -> None:
        crm = Crm({"/items": list(self.ROWS)})
        assert (await ITEMS.listed(crm, {"group_id": 1}))["ids"] == [1, 3, 5, 7]
        between = {"created_after": "2026-03-02", "created_before": "2026-03-03"}
        assert (await ITEMS.listed(crm, between))["ids"] == [2, 3]


class TestNames:
    TAXES = ({"name": "IVA", "taxrate": "22.00"}, {"name": "Ridotta", "taxrate": "10.00"},
             {"name": "Estera", "taxrate": "10.00"})  # fmt: skip

    @pytest.mark.parametrize("given", ["22%", "22", "iva", "IVA|22", "IVA|22.00"])
    async def test_a_tax_is_found_by_rate_or_name(self, given: str) -> None:
        found = await taxes(Crm({"/common/tax_data": list(self.TAXES)}), [given], "t")
        assert found == {given: "IVA|22.00"}

    @pytest.mark.parametrize("given", ["10%", "4%", "none"])
    async def test_a_tax_that_could_be_two_or_none_is_an_error(self, given: str) -> None:
        with pytest.raises(MappingError, match="taxes like this") as error:
            await taxes(
                Crm({"/common/tax_data": list(self.TAXES)}), [given], "data.newitems.taxname"
            )
        assert "Ridotta|10.00" in error.value.remedy

    async def test_custom_fields_go_by_name_or_number(self) -> None:
        rows = [{"id": "3", "name": "Codice fiscale", "slug": "customers_cf"}]
        crm = Crm({"/custom_fields/customers": rows})
        assert await custom_fields(crm, "customers", {"codice FISCALE": "x"}, "f") == {"3": "x"}
        assert await custom_fields(crm, "customers", {"9": "x"}, "f") == {"9": "x"}
        with pytest.raises(MappingError, match="no custom field"):
            await custom_fields(crm, "customers", {"Codice": "x"}, "f")

    async def test_two_payment_modes_of_one_name_are_an_error(self) -> None:
        rows = [
            {"id": "1", "name": "Bank"},
            {"id": "2", "name": "BANK"},
            {"id": "3", "name": "Altro"},
        ]
        crm = Crm({"/common/payment_mode": rows})
        assert await payment_modes(crm, ["Altro"], "m") == ["3"]
        assert await payment_modes(crm, [], "m") == ["1", "2", "3"]
        with pytest.raises(MappingError, match="1, 2"):
            await payment_modes(crm, ["bank"], "m")


def line(qty: str, rate: str, *tax: str) -> dict[str, Any]:
    return {"description": "x", "qty": qty, "rate": rate, "taxname": list(tax)}


class TestTotals:
    def sums(self, rows: list[dict[str, Any]], **data: Any) -> tuple[str, str, str, str]:
        told = totals_of(rows, data)
        return str(told.subtotal), str(told.discount), str(told.tax), str(told.total)

    def test_half_a_cent_goes_up(self) -> None:
        rows = [line("3", "0.335", "IVA|22.00")]
        assert self.sums(rows) == ("1.01", "0.00", "0.22", "1.23")

    def test_each_tax_is_rounded_by_itself(self) -> None:
        rows = [line("1", "33.33", "A|22.00"), line("1", "33.33", "B|10.00")]
        assert self.sums(rows) == ("66.66", "0.00", "10.66", "77.32")

    def test_a_discount_before_tax_lowers_the_tax(self) -> None:
        rows = [line("1", "100", "A|22.00")]
        assert self.sums(rows, discount_percent="10") == ("100.00", "10.00", "19.80", "109.80")
        assert self.sums(rows, discount_total="10") == ("100.00", "10", "19.80", "109.80")

    def test_a_discount_after_tax_leaves_the_tax(self) -> None:
        rows = [line("1", "100", "A|22.00")]
        told = self.sums(rows, discount_percent="10", discount_type="after_tax")
        assert told == ("100.00", "12.20", "22.00", "109.80")

    def test_an_adjustment_is_added(self) -> None:
        assert self.sums([line("1", "10")], adjustment="-0.50")[3] == "9.50"

    async def test_a_total_that_is_not_that_of_the_lines_is_refused(self) -> None:
        data = {"newitems": [line("1", "100", "A|22.00")], "total": Decimal("121.99"),
                "billing_street": "x", "allowed_payment_modes": ["1"]}  # fmt: skip
        with pytest.raises(MappingError, match=r"total of 122\.00, not 121\.99"):
            await new_invoice(Crm({}), {"data": data}, data)

    async def test_an_invoice_without_lines_is_refused(self) -> None:
        with pytest.raises(MappingError, match="at least one line"):
            await new_invoice(Crm({}), {}, {"newitems": []})

    async def test_a_customer_without_an_address_is_named(self) -> None:
        data = {"clientid": 7, "newitems": [line("1", "1")], "allowed_payment_modes": ["1"]}
        crm = Crm({"/customers/7": {"userid": "7", "billing_street": "", "address": ""}})
        with pytest.raises(MappingError, match="Customer 7 has no address"):
            await new_invoice(crm, {"data": data}, data)
