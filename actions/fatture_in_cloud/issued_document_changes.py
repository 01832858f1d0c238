"""Issued documents of Fatture in Cloud that exist: change, delete, pay."""

from __future__ import annotations

from connector import Action, Identity, Request, schema, updating
from connector.apps.fatture_in_cloud.invoices import changing
from connector.apps.fatture_in_cloud.invoices.kinds import WRITING

_DOCS = "https://developers.fattureincloud.it/api-reference"
_PATH = "/c/{company_id}/issued_documents/{document_id}"
_CHOICE = (schema("fatture_in_cloud/company"), schema("fatture_in_cloud/document_choice"))
# Two at a time would each send the rows that it has read, and the second undo the first.
_ONE_AT_A_TIME = (
    "update_issued_document",
    "delete_issued_document",
    "register_payment",
    "cancel_payment",
)
# Each reads the document first and says what of it differs, so that a doubt is settled by looking.
_STATE = Identity(
    record_id="data.id",
    natural_key=("document_id",),
    same_as=_ONE_AT_A_TIME,
    when_unsure="repeat",
)

update_issued_document = Action(
    app="fatture_in_cloud",
    key="update_issued_document",
    noun="Issued document",
    label="Update Issued Document",
    description=(
        "Changes the given fields of a document and leaves the others as they are; lines and "
        "payments are changed by their id. An e-invoice that was sent is left alone."
    ),
    docs_url=_DOCS,
    inputs=(
        *_CHOICE,
        schema("fatture_in_cloud/issued_document", "data"),
        schema("fatture_in_cloud/issued_document_options", "options"),
        *updating.INPUTS,
    ),
    request=Request(method="PUT", path=_PATH, wrap=("data", "options")),
    prepare=changing.update,
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    identity=_STATE,
    scopes=WRITING,
    summary="{{ output.type }} {{ output.number }} changed",
    operations=("modifyIssuedDocument", "getIssuedDocument"),
)

delete_issued_document = Action(
    app="fatture_in_cloud",
    key="delete_issued_document",
    noun="Issued document",
    label="Delete Issued Document",
    description=(
        "Moves a document to the bin, from where it can be taken back. An e-invoice that was sent "
        "is left alone."
    ),
    docs_url=_DOCS,
    inputs=_CHOICE,
    request=Request(method="DELETE", path=_PATH),
    prepare=changing.delete,
    output=schema("fatture_in_cloud/deleted"),
    removes="document_id",
    destructive=True,
    identity=Identity(
        record_id="",
        natural_key=("document_id",),
        same_as=_ONE_AT_A_TIME,
        when_unsure="repeat",
    ),
    scopes=WRITING,
    summary=(
        "Document {{ output.id }} "
        "{{ 'was gone already' if output.already_gone else 'moved to the bin' }}"
    ),
    operations=("deleteIssuedDocument",),
)

register_payment = Action(
    app="fatture_in_cloud",
    key="register_payment",
    noun="Payment",
    label="Register Payment",
    description=(
        "Marks a document as paid: all that is open, one instalment, or an amount that came in. "
        "What was registered before stays."
    ),
    docs_url=_DOCS,
    inputs=(*_CHOICE, schema("fatture_in_cloud/payment_registration", "data")),
    request=Request(method="PUT", path=_PATH, wrap=("data",)),
    prepare=changing.pay,
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    identity=_STATE,
    scopes=WRITING,
    summary="Payment of {{ output.type }} {{ output.number }} registered",
    operations=("modifyIssuedDocument",),
)

cancel_payment = Action(
    app="fatture_in_cloud",
    key="cancel_payment",
    noun="Payment",
    label="Cancel Payment",
    description="Marks a document, or one of its instalments, as not paid.",
    docs_url=_DOCS,
    inputs=(*_CHOICE, schema("fatture_in_cloud/payment_choice", "data")),
    request=Request(method="PUT", path=_PATH, wrap=("data",)),
    prepare=changing.unpay,
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    identity=_STATE,
    scopes=WRITING,
    summary="{{ output.type }} {{ output.number }} is not paid",
    operations=("modifyIssuedDocument",),
)
