"""What can be done to issued documents beyond writing them, and uploads (facts §4.1–4.3)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response

from connector.sandbox.fic.call import Call, missing, single
from connector.sandbox.fic.crud import allow, event_of, found
from connector.sandbox.fic.fields import blank, clean
from connector.sandbox.fic.problem import Faults, answer, invalid, required
from connector.sandbox.fic.resources import resources
from connector.sandbox.fic.rules import Record
from connector.sandbox.fic.scopes import ISSUED
from connector.sandbox.fic.totals import totals as compute

MOST_MAIL = 50 * 1024
JOINED = {
    "delivery_notes": "delivery_note",
    "orders": "order",
    "quotes": "quote",
    "work_reports": "work_report",
}
"""The type of document that each kind of joining takes."""
_ATTACHABLE = {
    "issued_documents": "",
    "received_documents": "received_documents:a",
    "taxes": "taxes:a",
    "archive": "archive:a",
}


def totals(call: Call) -> Response:
    """Compute only: for a new document, or an existing one with the body on top."""
    resource = resources()["issued_documents"]
    before = found(call, resource) if "id" in call.path else blank(resource.fields)
    faults: Faults = {}
    sent = clean(resource.fields, call.data(), "data", faults, call.company)
    if faults:
        raise invalid(faults)
    return answer({"data": compute(copy.deepcopy(before) | sent)})


def readable(call: Call) -> Record:
    """The document in the path, if the token may read its kind."""
    record = found(call, resources()["issued_documents"])
    allow(call, resources()["issued_documents"], "r", record["type"])
    return record


def email_data(call: Call) -> Response:
    """Defaults for an e-mail."""
    record = readable(call)
    number = f"{record['number']}{record['numeration']}"
    return single(
        {
            "recipient_email": record["entity"].get("email"),
            "default_sender_email": {"id": 0, "email": "noreply@sandbox.example"},
            "sender_emails_list": [{"id": 0, "email": "noreply@sandbox.example"}],
            "cc_email": "",
            "subject": f"{record['type']} {number}",
            "body": "{{allegati}}",
            "document_exists": True,
            "delivery_note_exists": False,
            "attachment_exists": False,
            "accompanying_invoice_exists": False,
            "default_attach_pdf": False,
        }
    )


def send_email(call: Call) -> Response:
    """Nothing is mailed; the `email_sent` notification is."""
    record, data = readable(call), call.data()
    faults: Faults = {}
    for name in ("recipient_email", "subject", "body", "include", "attach_pdf", "send_copy"):
        if name not in data:
            faults[f"data.{name}"] = [required(f"data.{name}")]
    if "sender_id" not in data and "sender_email" not in data:
        faults["data.sender_email"] = [required("data.sender_email")]
    include = data.get("include")
    for name in ("document", "delivery_note", "attachment", "accompanying_invoice"):
        if isinstance(include, dict) and name not in include:
            faults[f"data.include.{name}"] = [required(f"data.include.{name}")]
    if len(str(data.get("body", "")).encode()) > MOST_MAIL:
        faults["data.body"] = ["The data.body may not be greater than 51200 bytes."]
    if faults:
        raise invalid(faults)
    sent = {
        "id": 7_001 + len(call.company.emails),
        "errors_count": 0,
        "to_email": data["recipient_email"],
        "subject": data["subject"],
        "content": data["body"],
        "recipient_status": "unknown",
        "attachments": [],
    }
    call.company.emails.append((call.state.clock(), sent))
    event = f"{event_of(resources()['issued_documents'], record)}.email_sent"
    call.state.webhooks.emit(call.company.id, event, [record["id"]])
    return answer(None)


def transform(call: Call) -> Response:
    """Creates nothing: answers what to send to create the other type."""
    resource = resources()["issued_documents"]
    faults = {
        name: [required(name)]
        for name in ("original_document_id", "new_type")
        if not call.query.get(name)
    }
    if faults:
        raise invalid(faults)
    if call.query["new_type"] not in ISSUED:
        raise invalid({"new_type": ["The selected new_type is invalid."]})
    call.path = {**call.path, "id": call.query["original_document_id"]}
    made = copy.deepcopy(found(call, resource))
    allow(call, resource, "r", made["type"])
    made |= {"id": None, "number": None, "type": call.query["new_type"]}
    if "e_invoice" in call.query:
        made["e_invoice"] = call.query["e_invoice"] == "1"
    keep = call.query.get("transform_keep_copy") == "1"
    origin = [call.query["original_document_id"]]
    options: dict[str, Any] = {"create_from": origin, "transform": True, "keep_copy": keep}
    return answer({"data": made, "options": options})


def join(call: Call) -> Response:
    """Creates nothing: answers one invoice with the lines of all documents."""
    if not call.query.get("ids"):
        raise invalid({"ids": [required("ids")]})
    if call.query.get("type", "") not in JOINED:
        raise invalid({"type": ["The selected type is invalid."]})
    table, ids = call.company.tables["issued_documents"], call.query["ids"].split(",")
    parts = [copy.deepcopy(table.get(one)) for one in ids]
    if not all(parts):
        raise missing()
    joined = [part for part in parts if part]
    for part in joined:
        allow(call, resources()["issued_documents"], "r", part["type"])
        if part["type"] != JOINED[call.query["type"]]:
            raise invalid({"ids": ["The selected ids are invalid."]})
    rows = [row for part in joined for row in part["items_list"] or ()]
    made = joined[0] | {"id": None, "number": None, "type": "invoice", "payments_list": []}
    made["items_list"] = rows
    options = {"create_from": ids, "transform": False, "join_type": call.query["type"]}
    return answer({"data": made, "options": options})


def upload(key: str) -> Callable[[Call], Any]:
    """Two steps: the token of this answer goes into a document's body."""

    async def handler(call: Call) -> Response:
        if _ATTACHABLE[key]:
            call.need(_ATTACHABLE[key])
        async with call.request.form() as form:
            name, given = str(form.get("filename", "")), form.get("attachment")
            content = await given.read() if isinstance(given, UploadFile) else None
        if content is None:
            raise invalid({"attachment": [required("attachment")]})
        token = call.state.tokens.secret()
        call.company.attachments[token] = (name, content)
        return answer({"data": {"attachment_token": token}})

    return handler


def detach(key: str) -> Callable[[Call], Response]:
    """Take a file off its document."""

    def handler(call: Call) -> Response:
        record = found(call, resources()[key])
        allow(call, resources()[key], "a", record.get("type"))
        call.company.tables[key].put(record | {"attachment_url": None})
        return answer(None)

    return handler
