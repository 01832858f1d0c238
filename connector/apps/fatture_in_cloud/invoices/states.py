"""How far an e-invoice has come, and what may still be done to its document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.errors import Refused

ON_ITS_WAY = frozenset(
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
"""SDI has it, or may have it: what it says is final."""
CAME_BACK = frozenset({"discarded", "rejected", "error", "manual_rejected"})
WORDS: Mapping[str, str] = {
    "attempt": "it is being sent to SDI",
    "pending": "it waits to be sent to SDI",
    "sent": "it was sent to SDI",
    "processing": "SDI is checking it",
    "accepted": "SDI has accepted it",
    "not_delivered": "it is validly issued, though SDI could not deliver it",
    "no_response": "it is validly issued, and the public body has not answered",
    "manual_accepted": "somebody has marked it as accepted",
    "discarded": "SDI has discarded it",
    "rejected": "the public body has rejected it",
    "error": "it could not be sent",
    "manual_rejected": "somebody has marked it as rejected",
    "not_sent": "it was not sent yet",
    "missing": "Fatture in Cloud does not know what became of it",
}
ALWAYS_OPEN = frozenset({"payments_list", "is_marked"})
"""What may be changed even in a document that is locked."""


def name_of(document: Mapping[str, Any]) -> str:
    """A document as a bookkeeper names it: invoice 42/A of 2026-03-04."""
    kind = str(document.get("type") or "document").replace("_", " ")
    number = f"{document.get('number') or '?'}{document.get('numeration') or ''}"
    return f"{kind} {number} of {document.get('date')}"


def must_be_open(document: Mapping[str, Any], what: str, *, field: str = "document_id") -> None:
    """Raise Refused when this document may not be touched any more."""
    status = str(document.get("ei_status") or "")
    if status in ON_ITS_WAY:
        raise Refused(
            f"The {name_of(document)} is an e-invoice, and {WORDS[status]}: it can no longer be "
            f"{what}.",
            field=field,
            remedy="Issue a credit note for it, and a new invoice if one is needed.",
            who="user",
        )
    if document.get("locked"):
        raise Refused(
            f"The {name_of(document)} is locked in Fatture in Cloud: it cannot be {what}.",
            field=field,
            remedy="Unlock it there if that is right, and replay the run.",
            who="user",
        )
