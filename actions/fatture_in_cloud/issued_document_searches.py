"""Issued documents of Fatture in Cloud: read one, list many, preview totals, see the choices."""

from __future__ import annotations

from typing import Any

from connector import Caller, Request, Search, finding, schema
from connector.apps.fatture_in_cloud.invoices import listing
from connector.apps.fatture_in_cloud.invoices.kinds import READING, by_type

_DOCS = "https://developers.fattureincloud.it/api-reference"


async def _totals(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    path = f"/c/{finding.number(caller, inputs, 'company_id')}/issued_documents"
    if inputs.get("document_id") not in (None, ""):
        path += f"/{finding.number(caller, inputs, 'document_id')}"
    answer = await caller.request("POST", f"{path}/totals", body={"data": inputs.get("data") or {}})
    return dict((answer or {}).get("data") or {})


get_issued_document = Search(
    app="fatture_in_cloud",
    key="get_issued_document",
    noun="Issued document",
    label="Get Issued Document",
    description="Reads one document by its id, with all its lines and payments.",
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/document_choice")),
    request=Request(
        method="GET",
        path="/c/{company_id}/issued_documents/{document_id}",
        query={"fieldset": "detailed"},
    ),
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    scopes=READING,
    summary="{{ output.type }} {{ output.number }}",
    operations=("getIssuedDocument",),
)

list_issued_documents = Search(
    app="fatture_in_cloud",
    key="list_issued_documents",
    noun="Issued document",
    label="List Issued Documents",
    description=(
        "Gives documents of one type by customer, number, dates, amounts, payment or e-invoice "
        "status: all, the first, or exactly one."
    ),
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/list_issued_documents")),
    output=schema("fatture_in_cloud/issued_document_search"),
    run=listing.find,
    scopes=READING,
    scopes_by=by_type("type", "r"),
    summary="{{ output.count }} found",
    operations=("listIssuedDocuments",),
)

preview_document_totals = Search(
    app="fatture_in_cloud",
    key="preview_document_totals",
    noun="Totals",
    label="Preview Document Totals",
    description=(
        "Lets Fatture in Cloud work out the totals of a document that is not issued yet, or of one "
        "with these changes. Nothing is written."
    ),
    docs_url=_DOCS,
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/totals_choice"),
        schema("fatture_in_cloud/issued_document", "data"),
    ),
    output=schema("fatture_in_cloud/issued_document_totals"),
    run=_totals,
    scopes=READING,
    scopes_by=by_type("data.type", "r"),
    summary="{{ output.amount_due }} to be paid",
    operations=("getNewIssuedDocumentTotals", "getExistingIssuedDocumentTotals"),
)

get_issued_document_info = Search(
    app="fatture_in_cloud",
    key="get_issued_document_info",
    noun="Choices",
    label="Get Issued Document Choices",
    description=(
        "Gives what can be chosen for a type of document: series, VAT types, payment methods and "
        "accounts, currencies, languages, templates."
    ),
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/issued_document_kind")),
    request=Request(
        method="GET", path="/c/{company_id}/issued_documents/info", query={"type": "{type}"}
    ),
    result="data",
    output=schema("fatture_in_cloud/issued_document_info"),
    scopes=READING,
    scopes_by=by_type("type", "r"),
    summary="{{ output.vat_types_list | length }} VAT types",
    operations=("getIssuedDocumentPreCreateInfo",),
)
