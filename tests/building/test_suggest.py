"""What is suggested for invoices, line by line with how sure it is; all that is not here is wrong.

Whoever changes the matcher reads the difference: a wrong suggestion costs money, a missing one a
minute. `left out` says of some fields why nothing is offered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector import Action, Request, build_plugins, hookimpl, load_catalog
from connector.building.contexts import context_for
from connector.building.places import Place, places_in, places_of, places_seen
from connector.building.preview import preview
from connector.building.suggest import suggest
from connector.fields import SchemaStore
from connector.model import schema
from tests.loaded import the_catalog

CATALOG = the_catalog()
COMPOSE = "fatture_in_cloud.compose_invoice"
CREATE = "fatture_in_cloud.create_issued_document"
PERFEX_CUSTOMER = "perfex_crm.create_customer"
PERFEX_INVOICE = "perfex_crm.create_invoice"
FIC = {"node": "fatture_in_cloud.enriched_event"}


def from_fic(resource: str) -> dict[str, Any]:
    return {"trigger": {**FIC, "with": {"resource": resource}}}


SOURCES: Mapping[str, dict[str, Any]] = {
    "product": from_fic("products"),
    "perfex invoice": {"trigger": {"node": "perfex_crm.new_invoice"}},
    "perfex invoice and customer": {
        "trigger": {"node": "perfex_crm.new_invoice"},
        "steps": [{"id": "customer", "node": "perfex_crm.get_customer"}],
    },
    "perfex customer": {"trigger": {"node": "perfex_crm.new_customer"}},
    "perfex lead": {"trigger": {"node": "perfex_crm.new_lead"}},
    "perfex payment": {"trigger": {"node": "perfex_crm.new_payment"}},
    "invoice": from_fic("issued_documents.invoices"),
    "order": from_fic("issued_documents.orders"),
    "supplier order": from_fic("issued_documents.supplier_orders"),
    "client": from_fic("entities.clients"),
    "client or supplier": from_fic("entities.all"),
    "expense": from_fic("received_documents"),
}
PERFEX_PARTY = """
entity.vat_number <- {at}.vat @ 0.9
entity.name <- {at}.company @ 0.8
"""
PERFEX_ADDRESS = """
entity.address_street <- {at}.address @ {sure}
entity.address_postal_code <- {at}.zip @ {sure}
entity.address_city <- {at}.city @ {sure}
entity.address_province <- {at}.state @ {sure}
entity.phone <- {at}.phonenumber @ {sure}
entity.country <- {at}.country | perfex_country_iso | country_name @ 0.95
"""
BILLED = """
entity.address_street <- trigger.resource.billing_street @ 0.7
entity.address_postal_code <- trigger.resource.billing_zip @ 0.7
entity.address_city <- trigger.resource.billing_city @ 0.7
entity.address_province <- trigger.resource.billing_state @ 0.7
entity.country <- trigger.resource.billing_country | perfex_country_iso | country_name @ 0.7
"""
PERFEX_PAPER = """
date <- trigger.resource.date @ 0.95
visible_subject <- trigger.resource.number @ 0.95
items_list <- for_each trigger.resource.items @ 0.8
items_list.name <- item.description
items_list.description <- item.long_description
items_list.qty <- item.qty
items_list.measure <- item.unit
items_list.net_price <- item.rate
"""
DUE = """
payment.due_date <- trigger.resource.duedate @ 0.9
expected_total <- trigger.resource.total @ 0.9
"""
FIC_PARTY = "\n".join(
    f"entity.{key} <- {{at}}.{key} @ 0.95"
    for key in (
        "id", "name", "vat_number", "tax_code", "first_name", "last_name", "address_street",
        "address_postal_code", "address_city", "address_province", "country", "country_iso",
        "email", "certified_email", "phone", "ei_code",
    )
) + "\n"  # fmt: skip
FIC_NOTED = (
    "entity.notes <- {at}.notes @ 0.95\nentity.shipping_address <- {at}.shipping_address @ 0.95\n"
)
FIC_LINES = "items_list <- for_each trigger.resource.items_list @ 0.8\n" + "\n".join(
    f"items_list.{key} <- item.{key}"
    for key in ("product_id", "name", "description", "qty", "measure", "net_price", "discount")
)
INTO_PERFEX = """
vat <- {at}.vat_number @ 0.9
company <- {at}.name @ 0.8
"""
ADDRESS_INTO_PERFEX = """
address <- {at}.address_street @ 0.9
city <- {at}.address_city @ 0.9
state <- {at}.address_province @ 0.9
zip <- {at}.address_postal_code @ 0.9
phonenumber <- {at}.phone @ 0.9
country <- {at}.country | perfex_country @ 0.95
"""
FOR_PERFEX = "".join(
    f"""
{what}_street <- {{at}}.address_street @ 0.6
{what}_city <- {{at}}.address_city @ 0.6
{what}_state <- {{at}}.address_province @ 0.6
{what}_zip <- {{at}}.address_postal_code @ 0.6
{what}_country <- {{at}}.country | perfex_country @ 0.6
"""
    for what in ("billing", "shipping")
)
# What a line or an item is called there stands in `description`.
LINES_INTO_PERFEX = """
date <- trigger.resource.date @ 0.95
newitems <- for_each trigger.resource.items_list @ 0.8
newitems.description <- item.name
newitems.long_description <- item.description
newitems.qty <- item.qty
newitems.rate <- item.net_price
newitems.unit <- item.measure
"""
COMPANY = "\ncompany_id <- trigger.event.company_id @ 0.8\n"
SAME = """
visible_subject <- trigger.resource.visible_subject @ 0.95
notes <- trigger.resource.notes @ 0.95
e_invoice <- trigger.resource.e_invoice @ 0.95
"""
TABLE = {
    ("perfex invoice", COMPOSE): PERFEX_PAPER + BILLED + DUE,
    ("perfex invoice", CREATE): PERFEX_PAPER + BILLED,
    ("perfex invoice and customer", COMPOSE): PERFEX_PAPER
    + DUE
    + (PERFEX_PARTY + PERFEX_ADDRESS).format(at="steps.customer", sure="0.9"),
    ("perfex invoice and customer", CREATE): PERFEX_PAPER
    + (PERFEX_PARTY + PERFEX_ADDRESS).format(at="steps.customer", sure="0.9"),
    ("perfex customer", COMPOSE): (PERFEX_PARTY + PERFEX_ADDRESS).format(
        at="trigger.resource", sure="0.9"
    ),
    ("perfex customer", CREATE): (PERFEX_PARTY + PERFEX_ADDRESS).format(
        at="trigger.resource", sure="0.9"
    ),
    # Of a lead its company, not the name of the person.
    ("perfex lead", COMPOSE): PERFEX_ADDRESS.format(at="trigger.resource", sure="0.9")
    + "entity.name <- trigger.resource.company @ 0.8\n"
    + "entity.email <- trigger.resource.email @ 0.95",
    ("perfex payment", COMPOSE): "",
    ("perfex payment", CREATE): "",
    ("order", COMPOSE): COMPANY
    + SAME
    + FIC_PARTY.format(at="trigger.resource.entity")
    + FIC_LINES
    + "\nitems_list.vat_id <- item.vat.id\n"
    + "currency <- trigger.resource.currency.id @ 0.9\n"
    + "language <- trigger.resource.language.code @ 0.9",
    ("order", CREATE): COMPANY
    + SAME
    + (FIC_PARTY + FIC_NOTED).format(at="trigger.resource.entity")
    + FIC_LINES
    + "\nitems_list.vat.id <- item.vat.id\nitems_list.code <- item.code\n"
    + "\n".join(
        f"{key} <- trigger.resource.{key} @ 0.95"
        for key in ("rivalsa", "withholding_tax", "stamp_duty", "currency.id", "payment_method.id")
    ),
    ("client", COMPOSE): COMPANY + FIC_PARTY.format(at="trigger.resource"),
    ("client", CREATE): COMPANY + (FIC_PARTY + FIC_NOTED).format(at="trigger.resource"),
    # Whom we bought from, and at what price, says nothing of whom we sell to.
    ("expense", COMPOSE): COMPANY,
    ("expense", CREATE): COMPANY,
    ("client", PERFEX_CUSTOMER): (INTO_PERFEX + ADDRESS_INTO_PERFEX + FOR_PERFEX).format(
        at="trigger.resource"
    ),
    ("invoice", PERFEX_CUSTOMER): (INTO_PERFEX + ADDRESS_INTO_PERFEX + FOR_PERFEX).format(
        at="trigger.resource.entity"
    ),
    ("product", PERFEX_CUSTOMER): "",
    ("invoice", PERFEX_INVOICE): LINES_INTO_PERFEX,
    ("order", PERFEX_INVOICE): LINES_INTO_PERFEX,
    ("supplier order", PERFEX_INVOICE): "date <- trigger.resource.date @ 0.95",
    ("expense", PERFEX_INVOICE): "",
    ("product", "perfex_crm.create_item"): """
description <- trigger.resource.name @ 0.9
long_description <- trigger.resource.description @ 0.9
rate <- trigger.resource.net_price @ 0.9
unit <- trigger.resource.measure @ 0.9
""",
    ("expense", "perfex_crm.create_item"): "",
    # Of a client's name nobody knows whose person it is.
    ("client", "perfex_crm.create_lead"): ADDRESS_INTO_PERFEX.format(at="trigger.resource")
    + "company <- trigger.resource.name @ 0.8\nemail <- trigger.resource.email @ 0.95",
    ("invoice", "perfex_crm.create_payment"): "amount <- trigger.resource.amount_gross @ 0.9",
}


def offered(source: str, target: str) -> dict[str, str]:
    """What is suggested, `data.` left out: a value with how sure it is; columns of rows, too."""
    data = {"steps": [], **SOURCES[source]}
    context = context_for(CATALOG, data, 9)
    found: dict[str, str] = {}
    places = places_seen(CATALOG, data, 9, context)
    for one in suggest(CATALOG, CATALOG.operation(target), places):
        path = one.path.removeprefix("data.")
        if isinstance(one.value, Mapping):
            each = one.value["for_each"]
            found[path] = f"for_each {each[3:-3]} @ {one.confidence}"
            for name, text in one.value["map"].items():
                assert text.endswith(" | default(none) }}")
                found[f"{path}.{name}"] = text[3 : -len(" | default(none) }}")]
        else:
            found[path] = f"{one.value[3:-3]} @ {one.confidence}"
    return found


@pytest.mark.parametrize(("source", "target"), TABLE)
def test_exactly_this_is_suggested(source: str, target: str) -> None:
    lines = [line for line in TABLE[source, target].splitlines() if line]
    expected = {path: value for path, _, value in (line.partition(" <- ") for line in lines)}
    assert offered(source, target) == expected


NEVER = [
    # A number is given by the series of Fatture in Cloud, the kind by whoever builds the flow.
    ("perfex invoice", COMPOSE, ("number", "numeration", "type", "currency", "subject")),
    ("order", CREATE, ("number", "numeration", "type", "date", "subject", "payments_list")),
    ("order", COMPOSE, ("date", "payment.due_date", "payment.paid", "items_list.stock")),
    ("order", CREATE, ("items_list.gross_price", "items_list.id", "items_list.stock")),
    # A total to check against is only the same document's, in the other app.
    ("perfex payment", COMPOSE, ("expected_total",)),
    ("order", COMPOSE, ("expected_total",)),
    ("client", COMPOSE, ("notes", "e_invoice")),
    # What is sold is nobody's customer.
    ("product", COMPOSE, ("entity.name", "entity.code")),
    ("perfex customer", COMPOSE, ("currency", "language", "entity.id", "entity.code")),
    ("client or supplier", COMPOSE, ("entity.id", "notes")),
    ("supplier order", COMPOSE, ("entity.name", "entity.id", "items_list")),
    ("perfex lead", CREATE, ("notes", "entity.notes", "entity.type")),
]


@pytest.mark.parametrize(("source", "target", "paths"), NEVER)
def test_what_would_be_a_guess_is_left_out(
    source: str, target: str, paths: tuple[str, ...]
) -> None:
    assert set(offered(source, target)).isdisjoint(paths)


def test_the_customer_of_an_invoice_is_read_by_its_id() -> None:
    found = offered("perfex invoice", "perfex_crm.get_customer")
    assert found == {"customer_id": "trigger.resource.clientid @ 0.95"}


@pytest.mark.parametrize("source", ["perfex invoice and customer", "order", "client"])
def test_what_is_suggested_gives_values_that_fit(source: str) -> None:
    data = {"steps": [], **SOURCES[source]}
    context = context_for(CATALOG, data, 9)
    node = CATALOG.operation(COMPOSE)
    found = suggest(CATALOG, node, places_seen(CATALOG, data, 9, context))
    needed = {one.path for one in CATALOG.fields(node) if one.required}
    first = [one.path in needed for one in found]
    assert first == sorted(first, reverse=True), "what must be filled comes first"
    mapping = {one.path: one.value for one in found}
    mapping |= {"company_id": 1, "data.type": "invoice", "data.date": "2026-03-04"}
    if source == "client":
        mapping["data.items_list"] = [{"name": "x", "net_price": 1}]
    told = preview(CATALOG, node, mapping, context)
    assert [one for one in told["issues"] if one.get("severity", "error") == "error"] == []


def test_a_pasted_record_that_no_schema_knows_is_still_matched_by_name() -> None:
    record = {"vat": "IT12345678903", "company": "Rossi", "note": "x", "date": "2026-03-04"}
    found = suggest(CATALOG, CATALOG.operation(COMPOSE), places_in("trigger", {"resource": record}))
    assert {one.path for one in found} == {"data.entity.vat_number", "data.entity.name"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "customer",
            {"entity.vat_number": "vat", "entity.name": "ragione", "entity.email": "email"},
        ),
        ("supplier", {}),
        ("product", {}),
    ],
)
def test_a_plugins_schema_says_what_its_records_are(
    tmp_path: Path, kind: str, expected: dict[str, str]
) -> None:
    text = {"type": "string"}
    properties = {"vat": text, "email": text, "ragione": {**text, "x-means": "name"}}
    written = {"type": "object", "x-kind": kind, "properties": properties}
    (tmp_path / "bottega").mkdir()
    (tmp_path / "bottega" / "anagrafica.json").write_text(json.dumps(written))
    schemas, ref = SchemaStore([tmp_path]), schema("bottega/anagrafica", "resource")
    places = places_of("trigger", schemas.fields(ref), "bottega", "", schemas.told(ref))
    found = {
        one.path.removeprefix("data."): one.value.split(".")[-1].removesuffix(" }}")
        for one in suggest(CATALOG, CATALOG.operation(COMPOSE), places)
    }
    assert found == expected


def test_what_a_search_found_is_chosen_by_its_id() -> None:
    catalog = the_catalog()
    data = {
        "trigger": {"node": "perfex_crm.enriched_event", "with": {"resource": "invoices"}},
        "steps": [{"id": "find_client", "node": "fatture_in_cloud.find_client"}],
    }
    node = catalog.operation("fatture_in_cloud.create_issued_document")
    found = {one.path: one for one in suggest(catalog, node, places_seen(catalog, data, 1, {}))}
    assert found["data.entity.id"].value == "{{ steps.find_client.id }}"


def test_a_schema_says_what_only_the_same_document_can_fill(tmp_path: Path) -> None:
    (tmp_path / "bottega").mkdir()
    text = """{"type": "object", "title": "Invoice", "x-kind": "document", "properties": {
      "theirs": {"type": "number", "title": "Theirs", "x-means": "amount", "x-same-document": true},
      "ours": {"type": "number", "title": "Ours", "x-means": "amount"}
    }}"""
    (tmp_path / "bottega" / "invoice.json").write_text(text, "utf-8")
    needed = ("data.theirs", "data.ours")
    node = Action(
        app="perfex_crm",
        key="copy_invoice",
        noun="Invoice",
        label="Copy Invoice",
        description="Copies it.",
        inputs=(schema("bottega/invoice", "data", require=needed),),
        request=Request(method="POST", path="/copies", wrap=("data",)),
    )

    class Plugin:
        @hookimpl
        def register_nodes(self, register: Any) -> None:
            register(node)

        @hookimpl
        def register_schemas(self, register: Any) -> None:
            register(tmp_path)

    catalog = load_catalog(build_plugins([Plugin()]))

    def filled(app: str) -> set[str]:
        place = Place("trigger.amount", "number", app=app, kind="document")
        return {one.path for one in suggest(catalog, catalog.operation(node.name), [place])}

    assert filled("fatture_in_cloud") == {"data.theirs", "data.ours"}
    assert filled("perfex_crm") == {"data.ours"}
