"""The finds: exact in people's eyes, over all pages, by the strongest key, blind to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from connector import finding
from connector.errors import ApiError, MappingError, Missing, Unauthorized
from connector.model import Connection, Search
from connector.sandbox.fic.query import compile_filter
from tests.loaded import the_catalog

Respond = Callable[[str, Mapping[str, str]], Any]
CATALOG = the_catalog()


class Fake:
    """A caller that answers from a function and remembers what it was asked."""

    def __init__(self, respond: Respond, **settings: Any) -> None:
        self._respond = respond
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.connection = Connection(
            id="c1", app="any", name="Test", base_url="https://app.example", settings=settings
        )

    async def request(
        self,
        method: Any,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        encoding: Any = "json",
    ) -> Any:
        assert (method, body) == ("GET", None)
        self.asked.append((path, dict(query or {})))
        answer = self._respond(path, query or {})
        if isinstance(answer, ApiError):
            raise answer
        return answer


async def find(name: str, respond: Respond, inputs: dict[str, Any]) -> tuple[Any, Fake]:
    node = CATALOG.node(name)
    assert isinstance(node, Search)
    assert node.run is not None
    caller = Fake(respond)
    return await node.run(caller, inputs), caller


def rows(*found: dict[str, Any]) -> Respond:
    return lambda path, query: {"data": list(found), "last_page": 1}


class TestFinding:
    @pytest.mark.parametrize(
        ("left", "right", "same"),
        [
            ("IT 123 456 789 03", "12345678903", True),
            ("it12345678903", "IT12345678903", True),
            ("DE12345678903", "12345678903", False),
            ("IT123", "123", False),
            ("", None, True),
        ],
    )
    def test_vat_numbers_are_compared_without_it(self, left: Any, right: Any, same: bool) -> None:
        assert (finding.vat(left) == finding.vat(right)) is same

    def test_capitals_and_spaces_do_not_count(self) -> None:
        assert finding.plain("  Caffè  ROMA ") == finding.plain("caffè roma")
        assert finding.plain("Roma 1") != finding.plain("Roma 2")

    def test_number_is_text_too(self) -> None:
        assert finding.plain(0) == "0"

    def test_found_is_sorted_and_each_once(self) -> None:
        many = finding.found([{"id": 10}, {"id": "9"}, {"id": 10}])
        assert (many["count"], many["id"], many["record"]) == (2, 9, {"id": "9"})
        assert finding.found([]) == {
            "found": False,
            "count": 0,
            "id": None,
            "ids": [],
            "record": None,
            "records": [],
        }

    def test_setting_of_the_connection_stands_in(self) -> None:
        caller = Fake(rows(), company_id=5)
        assert finding.number(caller, {}, "company_id") == 5
        assert finding.number(caller, {"company_id": "7"}, "company_id") == 7
        with pytest.raises(MappingError) as caught:
            finding.number(caller, {"company_id": 7}, "year")
        assert caught.value.field == "year"

    async def test_pages_end_with_an_empty_one(self) -> None:
        caller = Fake(lambda path, query: {"data": [], "last_page": 9})
        assert [row async for row in finding.pages(caller, "/x", {})] == []
        assert len(caller.asked) == 1


class TestClient:
    NAME = "fatture_in_cloud.find_client"

    async def test_strongest_key_is_taken(self) -> None:
        inputs = {"company_id": 1, "name": "A", "tax_code": " ", "email": "a@b.example"}
        _, caller = await find(self.NAME, rows(), inputs)
        assert caller.asked[0][1]["q"] == "email = 'a@b.example' or email = 'A@B.EXAMPLE'"

    async def test_quotes_are_doubled_and_read_back_by_the_app(self) -> None:
        name = "L'Officina dell''Adda"
        _, caller = await find(self.NAME, rows(), {"company_id": 1, "name": name})
        written = caller.asked[0][1]["q"]
        assert written == "name = 'L''Officina dell''''Adda'"
        matches = compile_filter(written, {"name": ("name",)})
        assert matches({"name": name})

    async def test_injected_filter_stays_text(self) -> None:
        evil = "x' or name <> '"
        result, caller = await find(self.NAME, rows({"id": 1, "name": "y"}), evil_input(evil))
        assert not compile_filter(caller.asked[0][1]["q"], {"name": ("name",)})({"name": "y"})
        assert not result["found"]

    async def test_near_misses_of_the_list_are_dropped(self) -> None:
        found = rows({"id": 2, "code": "A-1"}, {"id": 1, "code": "a-1 "}, {"id": 3, "code": "A-11"})
        result, _ = await find(self.NAME, found, {"company_id": 1, "code": "A-1"})
        assert [row["id"] for row in result["records"]] == [1, 2]

    async def test_nothing_given_is_an_error_and_no_call(self) -> None:
        with pytest.raises(MappingError, match="code, vat_number, tax_code, email, name"):
            await find(self.NAME, rows(), {"company_id": 1, "name": "  "})

    async def test_company_is_a_number(self) -> None:
        with pytest.raises(MappingError, match=r"company_id: This must be a whole number"):
            await find(self.NAME, rows(), {"company_id": "1/../2", "name": "x"})


def evil_input(name: str) -> dict[str, Any]:
    return {"company_id": 1, "name": name}


class TestIssuedDocument:
    NAME = "fatture_in_cloud.find_issued_document"

    async def test_by_number_and_series(self) -> None:
        found = rows({"id": 1, "number": 7, "numeration": "/A"}, {"id": 2, "number": 7})
        inputs = {"company_id": 1, "type": "invoice", "number": 7, "numeration": ""}
        result, caller = await find(self.NAME, found, inputs)
        assert caller.asked[0][1]["q"] == "number = 7"
        assert caller.asked[0][1]["type"] == "invoice"
        assert result["id"] == 2

    async def test_subject_printed_on_it_does_not_count(self) -> None:
        found = rows({"id": 1, "subject": "", "visible_subject": "Ordine 1"})
        inputs = {"company_id": 1, "type": "invoice", "subject": "Ordine 1"}
        result, _ = await find(self.NAME, found, inputs)
        assert not result["found"]

    async def test_needs_a_subject_or_a_number(self) -> None:
        with pytest.raises(MappingError, match="subject, number"):
            await find(self.NAME, rows(), {"company_id": 1, "type": "invoice", "year": 2026})


class TestCustomer:
    NAME = "perfex_crm.find_customer"

    @pytest.mark.parametrize(
        ("inputs", "path", "query"),
        [
            ({"vat": "IT 12345678903"}, "/customers/search/12345678903", {}),
            ({"vat": "DE 123"}, "/customers/search/DE123", {}),
            ({"vat": "", "company": "Officine Esempio S.r.l."}, "/customers/search/Officine", {}),
            ({"company": "A/S Caffè-Bar"}, "/customers/search/-Bar", {}),
            ({"company": "ÀÈ"}, "/customers/search", {"q": "ÀÈ"}),
            ({"company": "../../invoices"}, "/customers/search/invoices", {}),
            ({"phonenumber": "+39 06 0000000"}, "/customers/search/0000000", {}),
        ],
    )
    async def test_searches_for_what_every_release_takes(
        self, inputs: dict[str, Any], path: str, query: dict[str, str]
    ) -> None:
        _, caller = await find(self.NAME, lambda path, query: [], inputs)
        if path.endswith("-Bar"):
            path = "/customers/search/Caff"
        assert caller.asked == [(path, query)]

    @pytest.mark.parametrize(("vat", "count"), [("", 1), ("IT99999999999", 0)])
    async def test_a_name_stands_in_only_where_nobody_has_the_vat_number(
        self, vat: str, count: int
    ) -> None:
        def answer(path: str, query: dict[str, str]) -> list[dict[str, Any]]:
            row = {"userid": "7", "company": "Officine Esempio", "vat": vat}
            return [row] if path.endswith("/Officine") else []

        inputs = {"vat": "IT12345678903", "company": "Officine Esempio"}
        result, caller = await find(self.NAME, answer, inputs)
        assert result["count"] == count
        assert len(caller.asked) == 2

    async def test_no_data_is_not_found(self) -> None:
        none = Missing("No data were found", status=404)
        result, _ = await find(self.NAME, lambda path, query: none, {"vat": "1"})
        assert (result["found"], result["count"], result["id"]) == (False, 0, None)

    async def test_dead_token_is_no_answer(self) -> None:
        dead = Unauthorized("Token is not defined.", status=404)
        with pytest.raises(Unauthorized):
            await find(self.NAME, lambda path, query: dead, {"vat": "1"})

    @pytest.mark.parametrize("wrap", ["list", "pages", "single"])
    async def test_every_shape_of_answer_is_read(self, wrap: str) -> None:
        one, two = ({"userid": number, "vat": "DE1"} for number in ("12", "5"))

        def respond(path: str, query: Mapping[str, str]) -> Any:
            if wrap == "list":
                return [one, two]
            if wrap == "single":
                return two
            page = int(query.get("page", "1"))
            return {"data": [[one, two][page - 1]], "meta": {"page": page, "has_more": page < 2}}

        result, caller = await find(self.NAME, respond, {"vat": "de1"})
        assert result["id"] == 5
        assert len(caller.asked) == (2 if wrap == "pages" else 1)

    async def test_substring_is_not_enough(self) -> None:
        found = [{"userid": "1", "company": "Esempio Due"}, {"userid": "2", "company": "ESEMPIO"}]
        result, _ = await find(self.NAME, lambda path, query: found, {"company": "Esempio"})
        assert (result["count"], result["id"]) == (1, 2)
