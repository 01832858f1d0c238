"""What became of an e-invoice, in words, with the days that are left after a rejection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices import changing, states
from connector.errors import ApiError, Refused
from connector.model import Caller

DAYS_TO_CORRECT = 5
"""SDI takes a discarded invoice again, with its number and date, within so many days."""
NO_REASON: tuple[Any, ...] = ({"data": {}}, {"data": []}, {"data": None})


async def follow(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """The status of an e-invoice, why it came back, and until when it may be sent again."""
    document = await changing.document_of(caller, inputs)
    status = str(document.get("ei_status") or "")
    if not document.get("e_invoice"):
        raise Refused(
            f"The {states.name_of(document)} is no e-invoice.",
            field="document_id",
            remedy="Choose another document.",
            who="user",
        )
    reason: Mapping[str, Any] = {}
    if status in states.CAME_BACK:
        reason = await _reason(caller, inputs)
    until = _until(status, str(reason.get("date") or document.get("updated_at") or ""))
    return {
        "id": document.get("id"),
        "number": document.get("number"),
        "ei_status": status,
        "is_final": status in states.ON_ITS_WAY and status not in ("attempt", "pending", "sent",
                                                                   "processing"),
        "came_back": status in states.CAME_BACK,
        "reason": reason.get("reason"),
        "solution": reason.get("solution"),
        "code": reason.get("code"),
        "resend_until": until,
        "message": _told(document, status, reason, until),
    }  # fmt: skip


async def _reason(caller: Caller, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    path = changing.path_of(caller, inputs, "/e_invoice/error_reason")
    try:
        answer = await caller.request("GET", path)
    except Refused:
        # Some statuses have no reason; the status itself is what counts.
        return {}
    except ApiError:
        raise
    return {} if answer in NO_REASON else finding.record_in(answer)


def _until(status: str, moment: str) -> str | None:
    if status != "discarded":
        return None
    try:
        day = date.fromisoformat(moment[:10])
    except ValueError:
        return None
    return (day + timedelta(days=DAYS_TO_CORRECT)).isoformat()


def _told(
    document: Mapping[str, Any], status: str, reason: Mapping[str, Any], until: str | None
) -> str:
    words = states.WORDS.get(status, f"its status is {status!r}")
    text = f"The {states.name_of(document)}: {words}."
    if reason.get("reason"):
        code = f" ({reason['code']})" if reason.get("code") else ""
        text += f" {str(reason['reason']).rstrip('.')}{code}."
    if status == "discarded":
        by = f" by {until}" if until else f" within {DAYS_TO_CORRECT} days"
        text += f" Correct it and send it again{by}, with the same number and date."
    elif status == "rejected":
        text += " It is issued all the same: correct it with a credit note and a new invoice."
    return text


async def dry_run(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """Let the vendor check an e-invoice as if it were sent. Nothing leaves for SDI."""
    document = await changing.document_of(caller, inputs)
    states.must_be_open(document, "sent")
    path = changing.path_of(caller, inputs, "/e_invoice/send")
    answer = await caller.request("POST", path, body={"options": {"dry_run": True}})
    told = dict((answer or {}).get("data") or {})
    after = await changing.document_of(caller, inputs)
    return {
        "id": document.get("id"),
        "can_be_sent": True,
        "name": told.get("name"),
        "ei_status": after.get("ei_status"),
    }
