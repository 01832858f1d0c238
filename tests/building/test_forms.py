"""Forms in two languages, suggestions with reasons, previews that are exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.building.forms import form, labels, node_cards, node_label
from connector.building.places import places_in, places_of
from connector.building.preview import preview
from connector.building.suggest import suggest
from connector.building.words import words_of
from tests.loaded import the_catalog

CATALOG = the_catalog()
INVOICE = CATALOG.operation("fatture_in_cloud.create_issued_document")
CUSTOMER = CATALOG.operation("perfex_crm.create_customer")
TRIGGER = CATALOG.trigger("fatture_in_cloud.enriched_event")
SAME = {"CIG", "CUP", "IBAN", "Fax", "E-mail", "Rivalsa INPS, %"}
"""Words that are the same in both languages."""


@pytest.mark.parametrize(
    "name",
    [
        "fatture_in_cloud.create_issued_document",
        "fatture_in_cloud.create_client",
        "perfex_crm.create_customer",
        "perfex_crm.find_customer",
    ],
)
def test_every_field_has_an_italian_word(name: str) -> None:
    node = CATALOG.node(name)
    english, italian = labels(CATALOG, node, "en"), labels(CATALOG, node, "it")
    given = {field.path: field.label for field in CATALOG.fields(node)}
    missing = [
        path
        for path, word in italian.items()
        if word not in SAME and word in (english[path], given[path])
    ]
    assert missing == []


def test_every_node_is_called_something_in_italian() -> None:
    missing = [
        name
        for name, node in CATALOG.nodes.items()
        if node.key not in words_of(node.app, CATALOG.schemas.roots).nodes
    ]
    assert missing == []
    assert node_label(CATALOG, CUSTOMER, "it") == "Crea cliente"


def test_no_word_is_kept_for_what_does_not_exist() -> None:
    for app in ("fatture_in_cloud", "perfex_crm"):
        words = words_of(app, CATALOG.schemas.roots)
        for schema in words.sections:
            keys = CATALOG.schemas.schema(f"{app}/{schema}")["properties"]
            starts = {path.split(".")[0] for one in words.sections[schema] for path in one.paths}
            assert starts <= set(keys), schema


def test_the_invoice_is_grouped_as_people_think() -> None:
    told = form(CATALOG, INVOICE, "it")
    assert [one["label"] for one in told["sections"]] == [
        "Documento", "Cliente", "Righe", "IVA e ritenute", "Pagamenti",
        "Fattura elettronica", "DDT", "Aspetto del documento", "Altro",
    ]  # fmt: skip
    fields = {one["path"]: one for one in told["fields"]}
    assert fields["data.entity.vat_number"]["label"] == "Partita IVA"
    assert fields["data.items_list.vat.id"]["required"]
    assert fields["data.items_list.qty"]["array"] == "data.items_list"
    assert fields["data.payment_method.name"]["by_id"] == "data.payment_method.id"
    assert "data.amount_net" not in fields  # the app fills it itself
    common = [one for one in told["fields"] if one["common"] and "by_id" not in one]
    assert len(common) < 50


def test_a_client_is_suggested_to_a_customer_with_reasons() -> None:
    places = places_of("trigger", CATALOG.output_fields(TRIGGER, "entities.clients"))
    found = {one.path: one for one in suggest(CATALOG, CUSTOMER, places)}
    assert found["data.vat"].value == "{{ trigger.resource.vat_number }}"
    assert found["data.vat"].reason == "Both are the VAT number."
    assert found["data.company"].value == "{{ trigger.resource.name }}"
    assert "perfex_country" in found["data.country"].value
    assert found["data.billing_city"].confidence < found["data.city"].confidence
    left = {one.path for one in suggest(CATALOG, CUSTOMER, places, mapped=["data.vat"])}
    assert left == set(found) - {"data.vat"}


def test_what_is_suggested_can_be_sent() -> None:
    sample = CATALOG.sample(TRIGGER, "issued_documents.orders")
    found = suggest(CATALOG, INVOICE, places_in("trigger", sample))
    mapping: dict[str, Any] = {one.path: one.value for one in found}
    mapping |= {"company_id": 1, "data.type": "invoice"}
    told = preview(CATALOG, INVOICE, mapping, {"trigger": sample, "steps": {}})
    wrong = [one for one in told["issues"] if one["severity"] == "error"]
    assert [one["field"] for one in wrong] in ([], ["data.items_list.vat.id"])


def test_numbers_of_an_order_are_never_suggested_for_its_invoice() -> None:
    sample = CATALOG.sample(TRIGGER, "issued_documents.orders")
    paths = {one.path for one in suggest(CATALOG, INVOICE, places_in("trigger", sample))}
    assert not paths & {"data.number", "data.date", "data.type", "data.numeration"}


def test_a_preview_is_exact_and_says_what_is_wrong() -> None:
    context = {"trigger": {"price": Decimal("1234.50"), "name": "<b>x</b>"}, "steps": {}}
    mapping = {
        "data.amount_due_discount": "{{ trigger.price }}",
        "data.notes": "{{ trigger.name }}",
        "data.subject": "{{ trigger.nam }}",
    }
    told = preview(CATALOG, INVOICE, mapping, context)
    assert told["fields"]["data.amount_due_discount"]["value"] == "1234.50"
    assert told["fields"]["data.amount_due_discount"]["type"] == "number"
    assert told["fields"]["data.notes"]["value"] == "<b>x</b>"
    assert "'name'" in told["fields"]["data.subject"]["issue"]["remedy"]
    assert not told["ok"]


def test_one_field_is_told_without_what_the_others_lack() -> None:
    told = preview(CATALOG, INVOICE, {"data.notes": "a", "data.x": "b"}, {}, only="data.notes")
    assert list(told["fields"]) == ["data.notes"]
    assert (told["issues"], told["payload"]) == ([], None)


@pytest.mark.parametrize(
    "name",
    [
        "fatture_in_cloud.compose_invoice",
        "fatture_in_cloud.create_issued_document",
        "fatture_in_cloud.register_payment",
        "fatture_in_cloud.create_receipt",
    ],
)
def test_what_the_app_has_a_list_of_is_chosen_from_it(name: str) -> None:
    things = ("vat", "vat_id", "method", "method_id", "account", "account_id", "company_id")
    objects = ("vat", "payment_method", "payment_account", "currency", "entity")
    without = []
    for one in form(CATALOG, CATALOG.node(name))["fields"]:
        *around, last = one["path"].split(".")
        wanted = last in things or (last == "id" and around[-1] in objects)
        if wanted and not one.get("by_id") and not one.get("from"):
            without.append(one["path"])
    assert without == []


def test_what_most_people_look_for_is_named_by_the_app() -> None:
    often = {one["name"]: one["often"] for one in node_cards(CATALOG, "it") if one["often"]}
    listed = [
        f"{app}.{key}" for app in CATALOG.apps for key in words_of(app, CATALOG.schemas.roots).often
    ]
    assert sorted(often) == sorted(listed), "one that is no node would never be offered"
    assert often["fatture_in_cloud.new_client"] == often["perfex_crm.new_customer"] == 1
    kinds = {CATALOG.node(name).kind for name in often}
    assert kinds == {"trigger", "action", "search"}
