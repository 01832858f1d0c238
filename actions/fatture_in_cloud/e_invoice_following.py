"""E-invoices of Fatture in Cloud on their way: a dry run before, what became of them after."""

from __future__ import annotations

from connector import Request, Search, schema
from connector.apps.fatture_in_cloud.invoices import following
from connector.apps.fatture_in_cloud.invoices.kinds import ELECTRONIC

_DOCS = "https://developers.fattureincloud.it/api-reference"
_INPUTS = (schema("fatture_in_cloud/company"), schema("fatture_in_cloud/e_invoice_choice"))

preview_e_invoice_sending = Search(
    app="fatture_in_cloud",
    key="preview_e_invoice_sending",
    noun="E-invoice",
    label="Preview E-Invoice Sending",
    description=(
        "Lets Fatture in Cloud check an e-invoice as if it were sent (a dry run): nothing leaves "
        "for SDI."
    ),
    docs_url=_DOCS,
    inputs=_INPUTS,
    output=schema("fatture_in_cloud/e_invoice_preview"),
    run=following.dry_run,
    # The vendor asks for the right to write, although nothing is written.
    scopes=tuple(f"issued_documents.{family}:a" for family in ELECTRONIC),
    summary="{{ 'can be sent' if output.can_be_sent else 'cannot be sent' }}",
    operations=("sendEInvoice",),
)

get_e_invoice_status = Search(
    app="fatture_in_cloud",
    key="get_e_invoice_status",
    noun="E-invoice",
    label="Get E-Invoice Status",
    description=(
        "Tells what became of an e-invoice, why it came back, and until when it may be corrected "
        "and sent again."
    ),
    docs_url=_DOCS,
    inputs=_INPUTS,
    output=schema("fatture_in_cloud/e_invoice_followed"),
    run=following.follow,
    scopes=tuple(f"issued_documents.{family}:r" for family in ELECTRONIC),
    summary="{{ output.message }}",
    operations=("getEInvoiceRejectionReason",),
)

get_e_invoice_rejection = Search(
    app="fatture_in_cloud",
    key="get_e_invoice_rejection",
    noun="E-invoice",
    label="Get E-Invoice Rejection",
    description="Reads why SDI or a public body refused an e-invoice.",
    docs_url=_DOCS,
    inputs=_INPUTS,
    request=Request(
        method="GET",
        path="/c/{company_id}/issued_documents/{document_id}/e_invoice/error_reason",
    ),
    result="data",
    output=schema("fatture_in_cloud/e_invoice_rejection"),
    scopes=tuple(f"issued_documents.{family}:r" for family in ELECTRONIC),
    summary="{{ output.code }}: {{ output.reason }}",
    operations=("getEInvoiceRejectionReason",),
)
