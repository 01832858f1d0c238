"""Received documents (expenses) of Fatture in Cloud, and those that wait in the tax system."""

from __future__ import annotations

from typing import Any

from connector import Action, Demand, Identity, Request, Search, fatture, schema

_SCOPES = ("received_documents:a", "stock:a")

_DOCUMENT = fatture.Resource(
    noun="Received document",
    plural="Received documents",
    key="received_document",
    path="/c/{company_id}/received_documents",
    schema="received_document",
    read=("received_documents:r", "stock:r"),
    write=_SCOPES,
    title="{{ output.id }} of {{ output.entity.name }}",
)
_PENDING = fatture.Resource(
    noun="Pending document",
    plural="Pending documents",
    key="pending_document",
    path="/c/{company_id}/received_documents/pending",
    schema="pending_received_document",
    read=("received_documents:r",),
    title="{{ output.id }} of {{ output.supplier_name }}",
)
_IDENTITY = Identity(
    record_id="data.id",
    read=Request(
        method="GET", path="/c/{company_id}/received_documents/{id}", query={"fieldset": "detailed"}
    ),
    # An expense that is written twice is deducted twice.
    when_unsure="park",
)
_TOTALS: dict[str, Any] = {
    "noun": "Received document",
    "docs_url": fatture.DOCS,
    "result": "data",
    "output": schema("fatture_in_cloud/received_document_totals"),
    # The app wants the right to write even for its arithmetic.
    "scopes": _SCOPES,
    "summary": "{{ output.amount_due }} due",
}

get_received_document = _DOCUMENT.get("getReceivedDocument")
list_received_documents = _DOCUMENT.list(
    "listReceivedDocuments",
    fatture.criteria(
        entity_name="entity.name =",
        entity_name_contains="entity.name contains",
        invoice_number="invoice_number =",
        category="category =",
        description_contains="description contains",
        date_from="date >=",
        date_to="date <=",
        due_from="next_due_date >=",
        due_to="next_due_date <=",
        amount_gross_from="amount_gross >=",
        amount_gross_to="amount_gross <=",
        updated_from="updated_at >=",
        updated_to="updated_at <=",
    ),
    query={"type": "{type}"},
    what="Lists received documents of one type that meet all criteria given.",
)
_PAYMENTS = Demand(
    one_of=("data.payments_list",),
    message="Without payments this document is refused, unless nothing is to be paid.",
    remedy="Fill the payments: together they must come to the gross amount, paid or not.",
    severity="warning",
)
create_received_document = _DOCUMENT.create(
    "createReceivedDocument",
    require=("data.type", "data.entity.name"),
    identity=_IDENTITY,
    demands=(_PAYMENTS,),
)
update_received_document = _DOCUMENT.update("modifyReceivedDocument", "getReceivedDocument")
delete_received_document = _DOCUMENT.delete(
    "deleteReceivedDocument", what="by moving it to the bin"
)

get_pending_document = _PENDING.get("getPendingReceivedDocument")
list_pending_documents = _PENDING.list(
    "listPendingReceivedDocuments",
    {},
    query={"type": "{type}", "fieldset": "detailed"},
    what="Lists the documents that arrived and are not registered yet, of one source.",
)
register_pending_document = Action(
    app=fatture.APP,
    key="register_pending_document",
    noun="Received document",
    label="Register Pending Document",
    description=(
        "Makes an expense of a document that arrived from the tax system, by e-mail or by upload. "
        "Give at least who it is from and payments that come to its gross amount."
    ),
    docs_url=fatture.DOCS,
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/received_document_register"),
        schema(
            "fatture_in_cloud/received_document",
            "data",
            require=("data.type", "data.entity.name"),
        ),
    ),
    request=Request(
        method="POST", path="/c/{company_id}/received_documents", wrap=("data", "pending_id")
    ),
    demands=(_PAYMENTS,),
    result="data",
    output=schema("fatture_in_cloud/received_document"),
    identity=_IDENTITY.model_copy(update={"natural_key": ("pending_id",)}),
    scopes=_SCOPES,
    summary="Received document {{ output.id }} registered",
    operations=("createReceivedDocument",),
)
preview_received_document_totals = Search(
    app=fatture.APP,
    key="preview_received_document_totals",
    label="Preview Received Document Totals",
    description="Computes the totals of a received document; nothing is stored.",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/received_document", "data", require=("data.type",)),
    ),
    request=Request(
        method="POST", path="/c/{company_id}/received_documents/totals", wrap=("data",)
    ),
    operations=("getNewReceivedDocumentTotals",),
    **_TOTALS,
)
preview_changed_received_document_totals = Search(
    app=fatture.APP,
    key="preview_changed_received_document_totals",
    label="Preview Changed Received Document Totals",
    description="Computes the totals of a received document with changes; nothing is stored.",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/received_document_choice"),
        schema("fatture_in_cloud/received_document", "data"),
    ),
    request=Request(
        method="POST",
        path="/c/{company_id}/received_documents/{received_document_id}/totals",
        wrap=("data",),
    ),
    operations=("getExistingReceivedDocumentTotals",),
    **_TOTALS,
)
