"""A document by e-mail: every flag the vendor demands, with its defaults where none is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices import changing
from connector.errors import Issue, MappingError
from connector.model import Caller, Prepared

MOST_BODY = 50 * 1024
_MAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")


async def defaults(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """What Fatture in Cloud proposes: recipient, senders, subject and text."""
    answer = await caller.request("GET", changing.path_of(caller, inputs, "/email"))
    return finding.record_in(answer)


async def compose(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """The whole e-mail. Raises MappingError with everything that is wrong with it."""
    given = {key: value for key, value in (inputs.get("data") or {}).items()
             if value not in (None, "")}  # fmt: skip
    usual = await defaults(caller, inputs)
    recipients = _recipients(given.get("recipient_email") or usual.get("recipient_email"))
    subject = str(given.get("subject") or usual.get("subject") or "")
    body = str(given.get("body") or usual.get("body") or "")
    issues = list(_faults(recipients, subject, body))
    include = {
        "document": given.get("include_document", True),
        "delivery_note": given.get("include_delivery_note", False),
        "attachment": given.get("include_attachment", False),
        "accompanying_invoice": given.get("include_accompanying_invoice", False),
    }
    issues += _not_there(include, usual)
    if issues:
        raise MappingError("This e-mail cannot be sent as it is.", issues=issues)
    data: dict[str, Any] = {
        "recipient_email": ",".join(recipients),
        "subject": subject,
        "body": body,
        "include": include,
        "attach_pdf": given.get("attach_pdf", True),
        "send_copy": given.get("send_copy", False),
    }
    data |= _sender(given, usual)
    return Prepared(inputs={**inputs, "data": data})


def _sender(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("sender_id") is not None:
        return {"sender_id": given["sender_id"]}
    if given.get("sender_email"):
        return {"sender_email": given["sender_email"]}
    # 0 is the vendor's own address, from which nobody can be answered.
    return {"sender_id": (usual.get("default_sender_email") or {}).get("id") or 0}


def _recipients(value: Any) -> list[str]:
    parts = re.split(r"[,;]", str(value or "")) if not isinstance(value, list) else map(str, value)
    return list(dict.fromkeys(one.strip() for one in parts if one.strip()))


def _faults(recipients: list[str], subject: str, body: str) -> list[Issue]:
    issues = []
    wrong = [one for one in recipients if not _MAIL.fullmatch(one)]
    if not recipients:
        issues.append(_issue("recipient_email", "The customer has no e-mail address.",
                             "Give one here, or add it to the customer."))  # fmt: skip
    elif wrong:
        issues.append(_issue("recipient_email", f"This is no e-mail address: {wrong[0]!r}.",
                             "Separate several by commas."))  # fmt: skip
    if not subject.strip():
        issues.append(_issue("subject", "The e-mail has no subject.", "Give one."))
    if not body.strip():
        issues.append(_issue("body", "The e-mail has no text.", "Give one."))
    size = len(body.encode())
    if size > MOST_BODY:
        issues.append(_issue("body", f"The text has {size} bytes; {MOST_BODY} are allowed.",
                             "Shorten it."))  # fmt: skip
    return issues


def _not_there(include: Mapping[str, Any], usual: Mapping[str, Any]) -> list[Issue]:
    return [
        _issue(f"include_{name}", f"The document has no {name.replace('_', ' ')} to send.",
               "Leave it out.")
        for name, wanted in include.items()
        if wanted and usual.get(f"{name}_exists") is False
    ]  # fmt: skip


def _issue(name: str, message: str, remedy: str) -> Issue:
    return Issue(field=f"data.{name}", message=message, remedy=remedy)
