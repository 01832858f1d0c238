"""Issued documents of Fatture in Cloud (invoices, quotes …): create one, find one."""

from __future__ import annotations

import re
from typing import Any

from connector import Action, Caller, Demand, Identity, Request, Search, finding, schema
from connector.apps.fatture_in_cloud.invoices.kinds import READING, WRITING, by_type

_MARK = re.compile(r"#[a-z2-7]{12}$")
_TEXTS = {"subject": "any_subject contains", "entity_name": "entity.name =", "date": "date ="}
_PAYABLE = (
    "invoice",
    "receipt",
    "credit_note",
    "proforma",
    "self_own_invoice",
    "self_supplier_invoice",
)
_PER_PAGE = "100"  # the most that the list gives; below 5 it refuses


def _filter(caller: Caller, inputs: dict[str, Any]) -> str:
    """The list filter in the app's own language: a quote is doubled, a number stands bare."""
    key, _ = finding.strongest(inputs, ("subject", "number", "entity_name", "date"))
    if key == "number":
        return f"number = {finding.number(caller, inputs, key)}"
    names = ("entity_name", "date") if key == "entity_name" else (key,)
    given = {
        name: str(inputs[name]).strip().replace("'", "''") for name in names if inputs.get(name)
    }
    return " and ".join(f"{_TEXTS[name]} '{text}'" for name, text in given.items())


async def _find(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    given = ("subject", "number", "numeration", "year", "entity_name", "date")
    wanted = {key: finding.plain(inputs[key]) for key in given if inputs.get(key) is not None}
    query = {
        "type": str(inputs["type"]),
        "q": _filter(caller, inputs),
        "fieldset": "detailed",
        "per_page": _PER_PAGE,
    }
    path = f"/c/{finding.number(caller, inputs, 'company_id')}/issued_documents"
    rows = [row async for row in finding.pages(caller, path, query)]
    return finding.found(
        row for row in rows if all(_fits(row, key, value) for key, value in wanted.items())
    )


def _fits(row: dict[str, Any], key: str, value: str) -> bool:
    entity = row.get("entity") or {}
    text = finding.plain(entity.get("name") if key == "entity_name" else row.get(key))
    # Our mark alone finds its document, whatever the subject around it has become since.
    return text == value or (key == "subject" and bool(_MARK.match(value)) and value in text)


find_issued_document = Search(
    app="fatture_in_cloud",
    key="find_issued_document",
    noun="Issued document",
    label="Find Issued Document",
    description=(
        "Finds documents of one type by their whole subject, by their number, or by whom they "
        "are for."
    ),
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/find_issued_document")),
    demands=finding.needs_one("subject", "number", "entity_name", "date"),
    output=schema("fatture_in_cloud/issued_document_search"),
    run=_find,
    scopes=READING,
    scopes_by=by_type("type", "r"),
    summary="{{ output.count }} found",
    operations=("listIssuedDocuments",),
)

create_issued_document = Action(
    app="fatture_in_cloud",
    key="create_issued_document",
    noun="Issued document",
    label="Create Issued Document",
    description=(
        "Issues an invoice, quote, order or another document. It does not send it: neither by "
        "e-mail nor to SDI."
    ),
    docs_url="https://developers.fattureincloud.it/docs/guides/invoice-creation/",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema(
            "fatture_in_cloud/issued_document", "data", require=("data.type", "data.entity.name")
        ),
        schema("fatture_in_cloud/issued_document_options", "options"),
    ),
    request=Request(
        method="POST", path="/c/{company_id}/issued_documents", wrap=("data", "options")
    ),
    demands=(
        Demand(
            one_of=("data.items_list",),
            message="The document has no lines.",
            remedy="Fill at least one: a name, a quantity, a price and a VAT type.",
            severity="warning",
        ),
        Demand(
            one_of=("data.items_list.name", "data.items_list.product_id"),
            message="A line does not say what it is for: an e-invoice is refused without it.",
            remedy="Fill its name: nothing is copied from a product.",
            severity="warning",
        ),
        Demand(
            one_of=("data.items_list.net_price", "data.items_list.gross_price"),
            message="A line has no price: nothing is copied from a product.",
            remedy="Fill its price, with or without VAT as the document has it.",
            severity="warning",
        ),
        Demand(
            one_of=("data.payments_list",),
            when="data.type",
            of=_PAYABLE,
            message="Without payments this document is refused, unless nothing is to be paid.",
            remedy="Fill the payments: amount and due date. Compose Invoice works them out.",
            severity="warning",
        ),
        Demand(
            one_of=("data.payments_list.payment_account.id",),
            when="data.payments_list.status",
            of=("paid",),
            message="What is paid needs the account on which the money came in.",
            remedy="Choose a payment account.",
        ),
        Demand(
            one_of=("data.payment_method.id", "data.payment_method.name"),
            when="data.payment_method",
            message="It is not said which payment method is meant.",
            remedy="Choose it, or fill its name.",
        ),
    ),
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    identity=Identity(
        record_id="data.id",
        marker="data.subject",
        find="find_issued_document",
        # The subject ends in our mark, which no other document has.
        by={"company_id": "company_id", "type": "data.type", "subject": "data.subject"},
        alike={
            "company_id": "company_id",
            "type": "data.type",
            "entity_name": "data.entity.name",
            "date": "data.date",
        },
        read=Request(
            method="GET",
            path="/c/{company_id}/issued_documents/{id}",
            query={"fieldset": "detailed"},
        ),
        # A legal document is never sent a second time by a machine.
        when_unsure="park",
    ),
    scopes=WRITING,
    scopes_by=by_type("data.type", "a"),
    summary="{{ output.type }} {{ output.number }} to {{ input.data.entity.name }}",
)
