"""A document of Fatture in Cloud was sent by e-mail."""

from __future__ import annotations

from connector import Derive, DerivedTrigger, schema

document_sent_by_email = DerivedTrigger(
    app="fatture_in_cloud",
    key="document_sent_by_email",
    noun="Document",
    label="Document Sent by E-mail",
    description="Starts each time that a document is sent by e-mail.",
    docs_url="https://developers.fattureincloud.it/docs/webhooks/",
    inputs=(schema("fatture_in_cloud/watched_documents"),),
    output=schema("fatture_in_cloud/event"),
    outputs={
        f"issued_documents.{family}": schema("fatture_in_cloud/issued_document")
        for family in (
            "all",
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
        )
    },
    derive=Derive(
        resources=("issued_documents.all",),
        operations=("email_sent",),
        when="{{ true }}",
    ),
)
