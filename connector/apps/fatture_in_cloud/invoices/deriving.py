"""New documents made of others: a quote becomes an invoice, delivery notes become one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices import required
from connector.apps.fatture_in_cloud.invoices.compose import MUST_BE_PAID
from connector.apps.fatture_in_cloud.invoices.totals import decimal_of, to_cents, totals_of
from connector.errors import MappingError
from connector.model import Caller, Prepared

_OF_THE_SERVER = frozenset(
    {
        "id", "number", "year", "created_at", "updated_at", "url", "dn_url", "ai_url",
        "attachment_url", "attachment_token", "ei_status", "locked", "next_due_date", "seen_date",
    }
)  # fmt: skip
_CHOSEN_AMOUNTS = ("amount_due_discount", "amount_cassa_taxable", "amount_cassa2_taxable")
_BY_ID = ("payment_method", "template", "delivery_note_template", "acc_inv_template")
_MARK = re.compile(r"\s*#[A-Z2-7]{12}")
_ADJUSTED = ("date", "subject", "visible_subject", "notes", "numeration", "number")


async def transform(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """What is sent to make another type of document of one that exists."""
    company = finding.number(caller, inputs, "company_id")
    given = inputs.get("data") or {}
    query = {
        "original_document_id": str(finding.number(caller, inputs, "document_id")),
        "new_type": str(given.get("type") or ""),
        "e_invoice": "1" if given.get("e_invoice") else "0",
        "transform_keep_copy": "1" if inputs.get("keep_copy", True) else "0",
    }
    path = f"/c/{company}/issued_documents/transform"
    return _derived(await caller.request("GET", path, query=query), inputs, given)


async def join(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """What is sent to make one document of several."""
    company = finding.number(caller, inputs, "company_id")
    given, ids = inputs.get("data") or {}, inputs.get("document_ids") or []
    ids = ids if isinstance(ids, list | tuple) else [ids]
    texts = list(dict.fromkeys(str(one).strip() for one in ids))
    if not texts or not all(one.isascii() and one.isdecimal() for one in texts):
        raise MappingError(
            "The documents to join are not given by their ids.",
            field="document_ids",
            value_type="list",
            remedy="Give a list of whole numbers.",
        )
    query = {
        "ids": ",".join(texts),
        "group": "1" if inputs.get("group") else "0",
        "type": str(inputs.get("join_type") or "delivery_notes"),
    }
    path = f"/c/{company}/issued_documents/join"
    return _derived(await caller.request("GET", path, query=query), inputs, given)


def _derived(answer: Any, inputs: dict[str, Any], given: Mapping[str, Any]) -> Prepared:
    proposal = finding.record_in(answer)
    options = {key: value for key, value in dict((answer or {}).get("options") or {}).items()
               if value is not None}  # fmt: skip
    data = {name: _clean(name, value) for name, value in proposal.items() if _is_ours(name, value)}
    data |= {name: given[name] for name in _ADJUSTED if given.get(name) not in (None, "")}
    if _MARK.fullmatch(str(given.get("subject") or "")):
        # No subject was given but our mark: the old one stays, without the mark of its document.
        kept = _MARK.sub("", str(proposal.get("subject") or "")).strip()
        data["subject"] = f"{kept} {given['subject']}".strip()
    data |= {"type": given.get("type") or proposal.get("type")}
    data["e_invoice"] = bool(given.get("e_invoice"))
    if data["e_invoice"]:
        means = {**(proposal.get("ei_data") or {}), **(given.get("ei_data") or {})}
        data["ei_data"] = {key: value for key, value in means.items() if value not in (None, "")}
        full = {**data, "items_list": proposal.get("items_list") or ()}
        faults = required.faults_of(full, without_cig=bool(inputs.get("without_cig")))
        if faults:
            raise MappingError("This document cannot be an e-invoice as it is.", issues=faults)
    _pay(data, proposal, given, options)
    return Prepared(inputs={**inputs, "data": data, "options": options})


def _is_ours(name: str, value: Any) -> bool:
    computed = name.startswith("amount_") and name not in _CHOSEN_AMOUNTS
    return value is not None and name not in _OF_THE_SERVER and not computed


def _clean(name: str, value: Any) -> Any:
    """As it may be sent: rows without their old ids, settings by their id."""
    if name in ("items_list", "payments_list") and isinstance(value, list):
        return [_row(row) for row in value]
    if name in _BY_ID and isinstance(value, Mapping):
        return {"id": value.get("id")}
    if isinstance(value, Mapping):
        return {key: inner for key, inner in value.items() if inner is not None}
    return value


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    sent = {key: _clean(key, value) for key, value in row.items()
            if value is not None and key != "id"}  # fmt: skip
    for key in ("vat", "payment_account"):
        if isinstance(sent.get(key), Mapping):
            sent[key] = {"id": sent[key].get("id")}
    return sent


def _pay(
    data: dict[str, Any],
    proposal: Mapping[str, Any],
    given: Mapping[str, Any],
    options: dict[str, Any],
) -> None:
    """One open payment where the old document has none that fit; the vendor sets its amount."""
    due = totals_of({**data, "items_list": proposal.get("items_list") or ()}).amount_due
    rows = data.get("payments_list") or []
    fits = sum((decimal_of(row.get("amount")) for row in rows), decimal_of(0)) == due
    if data["type"] not in MUST_BE_PAID:
        if not fits:
            data["payments_list"] = []
        return
    day = given.get("due_date") or data.get("date") or proposal.get("date")
    if not fits or given.get("due_date"):
        row = {"due_date": str(day), "amount": to_cents(due), "status": "not_paid"}
        data["payments_list"] = [row] if due else []
        options["fix_payments"] = True
