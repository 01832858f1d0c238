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
        f"issued_documents.{family}": schema(f"fatture_in_cloud/{kind}")
        for family, kind in (
            ("all", "issued_document"),
            ("invoices", "issued_document"),
            ("quotes", "issued_document"),
            ("proformas", "issued_document"),
            ("receipts", "issued_document"),
            ("delivery_notes", "issued_document"),
            ("credit_notes", "issued_document"),
            ("orders", "issued_document"),
            ("work_reports", "issued_document"),
            ("supplier_orders", "document_to_supplier"),
            ("self_own_invoices", "issued_document"),
            ("self_supplier_invoices", "document_to_supplier"),
        )
    },
    derive=Derive(
        resources=("issued_documents.all",),
        operations=("email_sent",),
        when="{{ true }}",
    ),
)
