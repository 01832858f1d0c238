"""E-invoices of Fatture in Cloud: check one, send one to SDI, find one that was sent.

Sending cannot be taken back, so it is a write of its own. Its proof is the document's `ei_status`.
"""

from __future__ import annotations

import re
from typing import Any

from connector import (
    Action,
    Caller,
    Identity,
    Missing,
    NotSent,
    Refused,
    Request,
    Search,
    finding,
    schema,
)

_DOCS = "https://developers.fattureincloud.it/api-reference"
_MARK = re.compile(r"#[A-Z2-7]{12}")
_PER_PAGE = "100"  # the most that the list gives
_FAMILIES = ("invoices", "credit_notes", "self_invoices")

# "missing" is in neither: nobody says what it means. Nor is what the vendor may add one day.
_ON_ITS_WAY = frozenset(
    {
        "attempt",
        "pending",
        "sent",
        "processing",
        "accepted",
        "not_delivered",
        "no_response",
        "manual_accepted",
    }
)
_CAME_BACK = frozenset({"discarded", "rejected", "error", "manual_rejected"})
_SENDABLE = "not_sent"


def _path(caller: Caller, inputs: dict[str, Any], rest: str = "") -> str:
    company = finding.number(caller, inputs, "company_id")
    return f"/c/{company}/issued_documents{rest}"


async def _document(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    number = finding.number(caller, inputs, "document_id")
    query = {"fieldset": "detailed"}
    answer = await caller.request("GET", _path(caller, inputs, f"/{number}"), query=query)
    return finding.record_in(answer)


async def _find_sent(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    try:
        document = await _document(caller, inputs)
    except Missing:
        return finding.found([])
    sent = document.get("ei_status") in _ON_ITS_WAY | _CAME_BACK
    return finding.found([document] if sent else [])


async def _verify(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    number = finding.number(caller, inputs, "document_id")
    path = _path(caller, inputs, f"/{number}/e_invoice/xml_verify")
    return dict((await caller.request("GET", path)).get("data") or {})


async def _check(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """Nothing when this very document, and no second one, may go; the document when it went."""
    document = await _document(caller, inputs)
    status = document.get("ei_status")
    if not document.get("e_invoice"):
        raise Refused(
            "This document is no e-invoice, so it was not sent.",
            field="document_id",
            remedy="Set data.e_invoice when it is issued.",
        )
    if status in _ON_ITS_WAY:
        return document
    if status != _SENDABLE:
        raise Refused(
            f"This document was not sent: the status of its e-invoice is {status!r}.",
            field="document_id",
            remedy="Only a person sends it again: correct it and send it in Fatture in Cloud.",
        )
    await _prove_single(caller, inputs, document)
    await _verify(caller, inputs)
    return {}


async def _prove_single(caller: Caller, inputs: dict[str, Any], document: dict[str, Any]) -> None:
    """The document is the only one with its mark and the only one with its number."""
    wanted = [document["id"]]
    mark = _MARK.search(str(document.get("subject") or ""))
    same = {name: document.get(name) for name in ("number", "numeration", "year")}
    by_number = await _list(caller, inputs, document, f"number = {same['number']}")
    alike = [one for one in by_number if all(one.get(key) == same[key] for key in same)]
    searches = [("number", alike)]
    if mark is not None:
        rows = await _list(caller, inputs, document, f"any_subject contains '{mark[0]}'")
        marked = [one for one in rows if mark[0] in str(one.get("subject"))]
        searches.append(("mark", marked))
    for what, rows in searches:
        ids = sorted({one["id"] for one in rows})
        if not ids:
            raise NotSent(
                "The list does not show this document yet, so it was not sent.",
                remedy="It is tried again by itself.",
            )
        if ids != wanted:
            told = ", ".join(str(one) for one in ids[:5])
            raise Refused(
                f"It was not sent: its {what} belongs to more than one document ({told}).",
                field="document_id",
                remedy="Look at them in Fatture in Cloud, and delete what is one too many.",
            )


async def _list(
    caller: Caller, inputs: dict[str, Any], document: dict[str, Any], q: str
) -> list[dict[str, Any]]:
    query = {"type": str(document["type"]), "q": q, "fieldset": "detailed", "per_page": _PER_PAGE}
    return [row async for row in finding.pages(caller, _path(caller, inputs), query)]


find_sent_e_invoice = Search(
    app="fatture_in_cloud",
    key="find_sent_e_invoice",
    noun="E-invoice",
    label="Find Sent E-Invoice",
    description="Gives a document if it was sent to SDI, whatever became of it there.",
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/e_invoice_choice")),
    output=schema("fatture_in_cloud/issued_document_search"),
    run=_find_sent,
    scopes=tuple(f"issued_documents.{family}:r" for family in _FAMILIES),
    summary="{{ output.record.ei_status if output.found else 'not sent' }}",
)

verify_e_invoice = Search(
    app="fatture_in_cloud",
    key="verify_e_invoice",
    noun="E-invoice",
    label="Verify E-Invoice",
    description="Checks whether a document can be sent to SDI as it is; it sends nothing.",
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/e_invoice_choice")),
    output=schema("fatture_in_cloud/e_invoice_verified"),
    run=_verify,
    scopes=tuple(f"issued_documents.{family}:r" for family in _FAMILIES),
    summary="{{ 'can be sent' if output.success else 'cannot be sent' }}",
    operations=("verifyEInvoiceXml",),
)

send_e_invoice = Action(
    app="fatture_in_cloud",
    key="send_e_invoice",
    noun="E-invoice",
    label="Send E-Invoice",
    description=(
        "Sends an issued document to SDI, for good. Before that it is read: it must be an "
        "e-invoice that was never sent, the only one with its number, and without faults."
    ),
    docs_url=_DOCS,
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/e_invoice_choice"),
        schema("fatture_in_cloud/e_invoice_send", "data"),
    ),
    request=Request(
        method="POST",
        path="/c/{company_id}/issued_documents/{document_id}/e_invoice/send",
        wrap=("data",),
    ),
    result="data",
    output=schema("fatture_in_cloud/issued_document"),
    identity=Identity(
        # The answer names no document, so that its status must prove it.
        record_id="data.id",
        natural_key=("document_id",),
        find="find_sent_e_invoice",
        by={"company_id": "company_id", "document_id": "document_id"},
        read=Request(
            method="GET",
            path="/c/{company_id}/issued_documents/{document_id}",
            query={"fieldset": "detailed"},
        ),
        when_unsure="park",
    ),
    check=_check,
    destructive=True,
    scopes=tuple(f"issued_documents.{family}:a" for family in _FAMILIES),
    summary="E-invoice of document {{ input.document_id }} sent",
)
