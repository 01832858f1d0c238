"""Issued documents of Fatture in Cloud made of others, and sent by e-mail."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, schema
from connector.apps.fatture_in_cloud.invoices import deriving, mailing
from connector.apps.fatture_in_cloud.invoices.kinds import READING, WRITING

_DOCS = "https://developers.fattureincloud.it/api-reference"
_COMPANY = schema("fatture_in_cloud/company")
_DERIVED = schema("fatture_in_cloud/derived_document", "data", require=("data.type", "data.date"))
_OPTIONS = schema("fatture_in_cloud/derived_options", "options")
_CREATE = Request(method="POST", path="/c/{company_id}/issued_documents", wrap=("data", "options"))
# As with every document that is issued: never sent a second time by a machine.
_ISSUED = Identity(
    record_id="data.id",
    marker="data.subject",
    find="find_issued_document",
    by={"company_id": "company_id", "type": "data.type", "subject": "data.subject"},
    alike={"company_id": "company_id", "type": "data.type", "date": "data.date"},
    read=Request(
        method="GET",
        path="/c/{company_id}/issued_documents/{id}",
        query={"fieldset": "detailed"},
    ),
    when_unsure="park",
)

transform_issued_document = Action(
    app="fatture_in_cloud",
    key="transform_issued_document",
    noun="Issued document",
    label="Transform Issued Document",
    description=(
        "Makes another type of document of one that exists, as an invoice of a quote, with its "
        "customer and lines. The old one is kept unless you say otherwise."
    ),
    docs_url=_DOCS,
    inputs=(_COMPANY, schema("fatture_in_cloud/transform_choice"), _DERIVED, _OPTIONS),
    request=_CREATE,
    prepare=deriving.transform,
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    identity=_ISSUED,
    scopes=WRITING,
    summary="{{ output.type }} {{ output.number }} made of document {{ input.document_id }}",
    operations=("transformIssuedDocument", "createIssuedDocument"),
)

join_issued_documents = Action(
    app="fatture_in_cloud",
    key="join_issued_documents",
    noun="Issued document",
    label="Join Issued Documents",
    description=(
        "Makes one document of several, as an invoice of delivery notes, with the lines of all."
    ),
    docs_url=_DOCS,
    inputs=(_COMPANY, schema("fatture_in_cloud/join_choice"), _DERIVED, _OPTIONS),
    request=_CREATE,
    prepare=deriving.join,
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    identity=_ISSUED,
    scopes=WRITING,
    summary=(
        "{{ output.type }} {{ output.number }} made of {{ input.document_ids | length }} documents"
    ),
    operations=("joinIssuedDocuments", "createIssuedDocument"),
)

email_issued_document = Action(
    app="fatture_in_cloud",
    key="email_issued_document",
    noun="E-mail",
    label="Email Issued Document",
    description=(
        "Sends a document by e-mail, with its PDF. Recipient, subject and text are those of "
        "Fatture in Cloud unless you give others."
    ),
    docs_url=_DOCS,
    inputs=(
        _COMPANY,
        schema("fatture_in_cloud/document_choice"),
        schema("fatture_in_cloud/document_email", "data"),
    ),
    request=Request(
        method="POST",
        path="/c/{company_id}/issued_documents/{document_id}/email",
        wrap=("data",),
    ),
    prepare=mailing.compose,
    output=schema("fatture_in_cloud/done"),
    # It answers nothing and bears no mark. What the list of sent e-mails does not prove waits for a
    # person: an e-mail twice is worse than one late.
    identity=Identity(
        record_id="",
        find="list_emails",
        by={
            "company_id": "company_id",
            "to_email": "data.recipient_email",
            "subject_contains": "data.subject",
        },
        witness={"to_email": "data.recipient_email", "subject": "data.subject"},
        made_at="sent_date",
        # As is usual there, the zone is not told: UTC, or Italian time in winter or summer.
        clock_hours=(0, 1, 2),
        when_unsure="park",
    ),
    scopes=READING,
    summary="Document {{ input.document_id }} sent by e-mail",
    operations=("scheduleEmail", "getEmailData"),
)

get_email_defaults = Search(
    app="fatture_in_cloud",
    key="get_email_defaults",
    noun="E-mail",
    label="Get E-Mail Defaults",
    description="Reads what Fatture in Cloud proposes for an e-mail with this document.",
    docs_url=_DOCS,
    inputs=(_COMPANY, schema("fatture_in_cloud/document_choice")),
    output=schema("fatture_in_cloud/email_defaults"),
    run=mailing.defaults,
    scopes=READING,
    summary="{{ output.subject }}",
    operations=("getEmailData",),
)
