"""Typed criteria for issued documents: what the list can filter by, and the rest looked at here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices.reading import PER_PAGE, quoted
from connector.apps.fatture_in_cloud.invoices.totals import decimal_of
from connector.errors import MappingError, Refused
from connector.model import Caller

USUAL_LIMIT = 100
_COLUMNS = {
    "customer_id": "entity.id = {}",
    "customer_name": "entity.name contains {}",
    "customer_vat_number": "entity.vat_number = {}",
    "number": "number = {}",
    "numeration": "numeration = {}",
    "subject": "any_subject contains {}",
    "date_from": "date >= {}",
    "date_to": "date <= {}",
    "due_from": "next_due_date >= {}",
    "due_to": "next_due_date <= {}",
    "amount_from": "amount_gross >= {}",
    "amount_to": "amount_gross <= {}",
    "changed_since": "updated_at >= {}",
}
_NUMBERS = ("customer_id", "number", "amount_from", "amount_to")


def filter_of(inputs: Mapping[str, Any]) -> str:
    """The list filter for everything given that the list can filter by."""
    parts = []
    for name, form in _COLUMNS.items():
        value = inputs.get(name)
        if value in (None, ""):
            continue
        text = f"{decimal_of(value):f}" if name in _NUMBERS else quoted(str(value).strip())
        parts.append(form.format(text))
    if inputs.get("payment") == "overdue":
        parts.append(f"next_due_date < {quoted(_day(inputs))}")
    elif inputs.get("payment") in ("unpaid", "partly_paid"):
        parts.append("next_due_date is not null")
    return " and ".join(parts)


async def find(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """Documents in the order asked for, up to the limit. Raises Refused unless there is exactly
    one where one is asked for.
    """
    company = finding.number(caller, inputs, "company_id")
    which = inputs.get("which") or "all"
    limit = {"first": 1, "exactly_one": 2}.get(which) or int(inputs.get("limit") or USUAL_LIMIT)
    query = {"type": str(inputs["type"]), "fieldset": "detailed", "per_page": PER_PAGE}
    query["sort"] = str(inputs.get("sort") or "-date")
    q = filter_of(inputs)
    if q:
        query["q"] = q
    records: dict[int, dict[str, Any]] = {}
    async for row in _fitting(caller, f"/c/{company}/issued_documents", query, inputs):
        records[finding.whole(row.get("id"))] = dict(row)
        if len(records) >= limit:
            break
    if which == "exactly_one" and len(records) != 1:
        raise _not_one(list(records))
    ids = list(records)
    first = records[ids[0]] if ids else None
    return {
        "found": bool(ids),
        "count": len(ids),
        "id": ids[0] if ids else None,
        "ids": ids,
        "record": first,
        "records": list(records.values()),
    }


async def _fitting(
    caller: Caller, path: str, query: Mapping[str, str], inputs: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    status, payment = inputs.get("e_invoice_status"), inputs.get("payment")
    async for row in finding.pages(caller, path, query):
        if status and row.get("ei_status") != status:
            continue
        if payment and not _is_so(row, str(payment), str(inputs.get("overdue_on") or "")):
            continue
        yield row


def _is_so(row: Mapping[str, Any], payment: str, day: str) -> bool:
    rows = row.get("payments_list") or ()
    paid = [one for one in rows if one.get("status") == "paid"]
    unpaid = [one for one in rows if one.get("status") == "not_paid"]
    if payment == "overdue":
        return any(str(one.get("due_date") or "9999") < day for one in unpaid)
    if payment == "paid":
        return bool(paid) and not unpaid
    if payment == "partly_paid":
        return bool(paid) and bool(unpaid)
    return bool(unpaid) and not paid


def _day(inputs: Mapping[str, Any]) -> str:
    day = str(inputs.get("overdue_on") or "")
    if not day:
        raise MappingError(
            "It is not said on which day something counts as overdue.",
            field="overdue_on",
            value_type="nothing",
            remedy="Give the day, as in {{ now() | date }} of the flow.",
        )
    return day


def _not_one(ids: list[int]) -> Refused:
    several = ", ".join(str(one) for one in ids)
    return Refused(
        f"Exactly one document is wanted, but {'none fits' if not ids else 'several fit'}"
        f"{f' ({several} …)' if ids else ''}.",
        field="which",
        remedy="Narrow the criteria, or take the first.",
        who="user",
    )
