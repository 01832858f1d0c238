"""The invoice that a person means: customer, lines and terms become a whole document."""

from __future__ import annotations

from connector import Action, Demand, Identity, Request, schema
from connector.apps.fatture_in_cloud.invoices.composing import composed
from connector.apps.fatture_in_cloud.invoices.kinds import WRITING, by_type

compose_invoice = Action(
    app="fatture_in_cloud",
    key="compose_invoice",
    noun="Issued document",
    label="Compose Invoice",
    description=(
        "Issues an invoice, or another document, from what a person knows: who the customer is, "
        "the lines, the terms. Customer and products are copied from Fatture in Cloud, VAT types "
        "found by rate or name, due dates and amounts worked out to the cent and compared with "
        "theirs, and what an e-invoice needs is checked. It does not send it: neither by e-mail "
        "nor to SDI."
    ),
    docs_url="https://developers.fattureincloud.it/docs/guides/invoice-creation/",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/compose_document", "data", require=("data.type",)),
        schema("fatture_in_cloud/issued_document_options", "options"),
    ),
    request=Request(
        method="POST", path="/c/{company_id}/issued_documents", wrap=("data", "options")
    ),
    prepare=composed,
    demands=(
        Demand(
            one_of=(
                "data.entity.name",
                "data.entity.id",
                "data.entity.code",
                "data.entity.vat_number",
                "data.entity.tax_code",
                "data.entity.email",
            ),
            message="It is not said whom this document is for.",
            remedy="Fill the customer's VAT number, tax code, code, e-mail or id, or the whole "
            "name. Where the event tells only an id of another app, add a step before this one that"
            " finds the customer there.",
        ),
        Demand(
            one_of=("data.items_list",),
            message="The document has no lines.",
            remedy="Fill at least one: make rows from a list, or give a name and a price.",
        ),
        Demand(
            one_of=(
                "data.items_list.net_price",
                "data.items_list.gross_price",
                "data.items_list.product_id",
                "data.items_list.product_code",
            ),
            message="A line has neither a price nor a product that has one.",
            remedy="Fill its price, or choose a product.",
        ),
        Demand(
            one_of=(
                "data.items_list.name",
                "data.items_list.product_id",
                "data.items_list.product_code",
            ),
            message="A line does not say what it is for: an e-invoice is refused without it.",
            remedy="Fill its name, or choose a product.",
            severity="warning",
        ),
        Demand(
            one_of=(
                "data.items_list.vat",
                "data.items_list.vat_id",
                "data.items_list.product_id",
                "data.items_list.product_code",
            ),
            message="A line does not say its VAT: the one of the customer is used, else the one "
            "of the company.",
            remedy="Fill the VAT of the lines as it is in the other app, or leave it so if theirs "
            "is right. The total of the other app (data.expected_total) shows a difference before "
            "anything is issued.",
            severity="warning",
        ),
        Demand(
            one_of=("data.payment.account", "data.payment.account_id"),
            when="data.payment.paid",
            of=(True,),
            message="What is paid needs the account on which the money came in.",
            remedy="Choose a payment account, unless the payment method has one in the settings.",
            severity="warning",
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
        # Whom it is for is often known only after reading, so that the date alone must do.
        alike={"company_id": "company_id", "type": "data.type", "date": "data.date"},
        read=Request(
            method="GET",
            path="/c/{company_id}/issued_documents/{id}",
            query={"fieldset": "detailed"},
        ),
        # A legal document is never sent a second time by a machine.
        when_unsure="park",
    ),
    scopes=(
        *WRITING,
        "entity.clients:r",
        "entity.suppliers:r",
        "products:r",
    ),
    scopes_by=by_type("data.type", "a"),
    summary="{{ output.type }} {{ output.number }} to {{ output.entity.name }}",
    operations=(
        "createIssuedDocument",
        "getNewIssuedDocumentTotals",
        "getIssuedDocumentPreCreateInfo",
    ),
)
