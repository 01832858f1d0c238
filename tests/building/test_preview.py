"""What a form says beside a field, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from connector.building.contexts import labels_for
from connector.building.forms import form
from connector.building.preview import preview
from connector.web.pages.words import words_of
from tests.loaded import the_catalog

CATALOG = the_catalog()
SEEN = {"trigger": {"id": 7, "resource": {"name": "Esempio S.r.l."}}, "steps": {}}


def fields(node: str, mapping: dict[str, Any], seen: Any = SEEN) -> Any:
    return preview(CATALOG, CATALOG.operation(node), mapping, seen)["fields"]


class TestSameInEveryRun:
    @pytest.mark.parametrize(
        ("node", "path", "value", "same"),
        [
            ("perfex_crm.create_invoice", "data.clientid", 3, True),
            ("perfex_crm.create_invoice", "data.date", "2026-03-04", True),
            ("perfex_crm.create_customer", "data.company", "Esempio S.r.l.", True),
            ("perfex_crm.create_customer", "data.company", "{{ trigger.resource.name }}", False),
            ("perfex_crm.create_customer", "data.company", "{{ trigger.id }} bis", False),
            ("perfex_crm.create_customer", "data.city", "Roma", False),
            ("perfex_crm.find_customer", "vat", "12345678903", True),
            ("fatture_in_cloud.compose_invoice", "data.entity.vat_number", "12345678903", True),
            ("fatture_in_cloud.compose_invoice", "data.type", "invoice", False),
            ("fatture_in_cloud.compose_invoice", "company_id", 12345, False),
        ],
    )
    def test_is_said_where_it_tells_of_one_record(
        self, node: str, path: str, value: Any, same: bool
    ) -> None:
        assert ("same" in fields(node, {path: value})[path]) == same

    def test_is_not_said_while_there_is_nothing_else_to_take(self) -> None:
        told = fields("perfex_crm.find_customer", {"vat": "1"}, {"trigger": {}})
        assert "same" not in told["vat"]


@pytest.mark.parametrize("language", ["en", "it"])
def test_a_typed_number_that_is_two_is_answered_in_plain_words(language: str) -> None:
    """What an expression gives is answered with filters (tests/golden/mapping)."""
    told = fields("fatture_in_cloud.create_cashbook_entry", {"data.amount_in": "1.234"})[
        "data.amount_in"
    ]["issue"]
    words = words_of(language)
    decimal = {"en": "1.234", "it": "1,234"}[language]
    assert f"1234 o {decimal}" in words.told(told["message"]).replace(" or ", " o ")
    assert words.told(told["remedy"]).endswith(f"{decimal}0.")
    assert "{{" not in told["remedy"]
    written = fields("fatture_in_cloud.create_cashbook_entry", {"data.amount_in": decimal + "0"})[
        "data.amount_in"
    ]
    assert (written["state"], written["value"]) == ("set", "1.2340")


def test_a_whole_number_is_not_told_to_take_a_part() -> None:
    flat = fields("fatture_in_cloud.create_client", {"data.default_payment_terms": "1.234"})
    told = flat["data.default_payment_terms"]["issue"]
    assert told["remedy"] == "Write 1234: this field takes whole numbers only."


SEARCHES = [
    name for name, node in CATALOG.nodes.items() if ".find_" in name and node.kind == "search"
]


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_with_nothing_to_search_by_says_so(name: str) -> None:
    node = CATALOG.operation(name)
    asked = {one.path for one in CATALOG.fields(node) if one.required}
    if asked - {"company_id", "type"}:
        return  # it finds by what it requires
    found = preview(CATALOG, node, dict.fromkeys(asked, 1), SEEN)
    lacking = [one for one in found["issues"] if one.get("lacks") == "one_of"]
    assert [one["message"] for one in lacking] == ["Nothing is given to search by."]
    first = node.demands[0].one_of[-1]
    found = preview(CATALOG, node, {**dict.fromkeys(asked, 1), first: "{{ trigger.id }}"}, SEEN)
    assert not [one for one in found["issues"] if one.get("lacks")]


def test_values_of_one_name_are_told_apart_by_what_they_lie_in() -> None:
    trigger = {
        "node": "fatture_in_cloud.enriched_event",
        "with": {"resource": "issued_documents.invoices"},
    }
    find = {"id": "find", "node": "perfex_crm.find_customer"}
    data = {"trigger": trigger, "steps": [find]}
    told = labels_for(CATALOG, data, 1, "it")
    method = "trigger.resource.payment_method"
    usual = "trigger.resource.entity.default_payment_method"
    name = "Nome del metodo di pagamento"
    assert told[f"{method}.name"] == f"{name} (Metodo di pagamento)"
    assert told[f"{usual}.name"] == f"{name} (Metodo di pagamento predefinito)"
    account = "default_payment_account.iban"
    assert told[f"{method}.{account}"] != told[f"{usual}.{account}"]
    assert told["steps.find.record.company"] != told["steps.find.records.company"]
    assert told["trigger.resource.entity.name"] == "Ragione sociale o nome"
    same = [word for path, word in told.items() if path.startswith("trigger.resource.")]
    assert len(same) == len(set(same))


def test_a_missing_record_is_found_by_a_step() -> None:
    """The remedy says it to page, CLI and API; the form tells the page which step."""
    node = CATALOG.operation("perfex_crm.create_invoice")
    issues = preview(CATALOG, node, {"data.number": 1}, SEEN)["issues"]
    lacking = next(one for one in issues if one["field"] == "data.clientid")
    assert "the step perfex_crm.find_customer before it" in lacking["remedy"]
    told = {one["path"]: one.get("finder") for one in form(CATALOG, node)["fields"]}
    assert (told["data.clientid"], told["data.date"]) == ("perfex_crm.find_customer", None)
    search = form(CATALOG, CATALOG.operation("perfex_crm.get_customer"))["fields"]
    assert not [one for one in search if "finder" in one], "a search looks for nothing else first"


def test_what_finds_a_record_of_a_list_is_there() -> None:
    for app in CATALOG.apps.values():
        for key, source in app.choices.items():
            if source.found_by:
                found = CATALOG.nodes[f"{app.key}.{source.found_by}"]
                assert found.kind == "search", key
                assert "id" in {one.path for one in CATALOG.output_fields(found)}, key
