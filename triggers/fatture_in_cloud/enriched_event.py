"""Something happened in Fatture in Cloud, with the record it happened to."""

from __future__ import annotations

from connector import SchemaRef, Trigger, schema

_ISSUED = (
    "invoices",
    "quotes",
    "proformas",
    "receipts",
    "delivery_notes",
    "credit_notes",
    "orders",
    "work_reports",
    "supplier_orders",
    "self_own_invoices",
    "self_supplier_invoices",
    "all",
)

_RECORDS: dict[str, SchemaRef] = {
    "entities.clients": schema("fatture_in_cloud/client"),
    "entities.suppliers": schema("fatture_in_cloud/supplier"),
    # A client has all that a supplier has, and more.
    "entities.all": schema("fatture_in_cloud/client_or_supplier"),
    "products": schema("fatture_in_cloud/product"),
    **{
        f"issued_documents.{family}": schema("fatture_in_cloud/issued_document")
        for family in _ISSUED
    },
    "issued_documents.supplier_orders": schema("fatture_in_cloud/document_to_supplier"),
    "issued_documents.self_supplier_invoices": schema("fatture_in_cloud/document_to_supplier"),
    "issued_documents.e_invoices": schema("fatture_in_cloud/e_invoice_status"),
    "received_documents": schema("fatture_in_cloud/received_document"),
    # These ids are of documents that nobody has registered yet.
    "received_documents.e_invoices": schema("fatture_in_cloud/pending_received_document"),
    "receipts": schema("fatture_in_cloud/receipt"),
    "taxes": schema("fatture_in_cloud/f24"),
    "archive_documents": schema("fatture_in_cloud/archive_document"),
    "cashbook": schema("fatture_in_cloud/cashbook_entry"),
}

enriched_event = Trigger(
    app="fatture_in_cloud",
    key="enriched_event",
    noun="Event",
    label="Receive Enriched Event",
    description=(
        "Starts at once when something happens in Fatture in Cloud, and reads the record first. "
        "An event about many records starts the flow once for each."
    ),
    docs_url="https://developers.fattureincloud.it/docs/webhooks/",
    inputs=(schema("fatture_in_cloud/event_choice"),),
    output=schema("fatture_in_cloud/event"),
    outputs=_RECORDS,
)
