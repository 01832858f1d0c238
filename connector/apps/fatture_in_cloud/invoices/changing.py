"""Changes of documents that exist: updates, deletions, payments. Each reads the document first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector import finding, updating
from connector.apps.fatture_in_cloud.invoices import choosing, states
from connector.apps.fatture_in_cloud.invoices.totals import ZERO, decimal_of, to_cents
from connector.errors import MappingError, Missing, Refused
from connector.model import Caller, Prepared

DETAILED = {"fieldset": "detailed"}


def path_of(caller: Caller, inputs: Mapping[str, Any], rest: str = "") -> str:
    """The path of the document in `document_id`, and what follows it."""
    company = finding.number(caller, inputs, "company_id")
    document = finding.number(caller, inputs, "document_id")
    return f"/c/{company}/issued_documents/{document}{rest}"


async def document_of(caller: Caller, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The document in `document_id`, with all its rows."""
    answer = await caller.request("GET", path_of(caller, inputs), query=DETAILED)
    return finding.record_in(answer)


async def update(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """Only what was set is sent; rows are changed by their id. Raises Refused for what is sent."""
    given = inputs.get("data") or {}
    cleared = {str(one).removeprefix("data.") for one in _listed(inputs.get(updating.CLEAR))}
    if not given and not cleared:
        raise MappingError(
            "Nothing is given to change.",
            field="data",
            value_type="nothing",
            remedy="Map at least one field, or name one to empty.",
        )
    record = await document_of(caller, inputs)
    if not set(given) | cleared <= states.ALWAYS_OPEN:
        states.must_be_open(record, "changed")
    if given.get("type") not in (None, record.get("type")):
        raise Refused(
            f"The {states.name_of(record)} cannot become another type of document.",
            field="data.type",
            remedy="Leave the type empty; to make another document of it, transform it.",
            who="user",
        )
    return updating.prepared(inputs, record)


async def delete(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """Raises Refused for an e-invoice that was sent: it is a legal document."""
    try:
        record = await document_of(caller, inputs)
    except Missing:
        return Prepared(inputs=inputs)
    states.must_be_open(record, "deleted")
    return Prepared(inputs=inputs)


async def pay(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """Registers what came in: all that is open, one instalment, or an amount."""
    record, asked = await document_of(caller, inputs), inputs.get("data") or {}
    rows = [dict(row) for row in record.get("payments_list") or ()]
    account = await _account(caller, inputs, asked, record)
    chosen = _open_rows(rows, asked)
    if not chosen:
        if asked.get("amount") is not None or not rows:
            raise Refused(
                f"The {states.name_of(record)} has nothing left to be paid.",
                field="document_id",
                remedy="Look whether the payment belongs to another document.",
                who="user",
            )
        return _as_it_is(inputs, record)
    paid = {
        "status": "paid",
        "paid_date": str(asked.get("paid_date") or ""),
        "payment_account": account,
    }
    _pay_rows(rows, chosen, asked.get("amount"), paid)
    return _with_payments(inputs, record, rows)


async def unpay(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """Takes back the registration of one instalment, or of all of them."""
    record, asked = await document_of(caller, inputs), inputs.get("data") or {}
    rows = [dict(row) for row in record.get("payments_list") or ()]
    chosen = [row for row in rows if row.get("status") == "paid" and _is_meant(row, asked)]
    if not chosen:
        if asked.get("id") is not None and not any(row.get("id") == asked["id"] for row in rows):
            raise _no_such_row(asked["id"], rows)
        return _as_it_is(inputs, record)
    for row in chosen:
        row |= {"status": "not_paid", "paid_date": None}
    return _with_payments(inputs, record, rows)


def _as_it_is(inputs: dict[str, Any], record: dict[str, Any]) -> Prepared:
    return Prepared(inputs=inputs, record=record, state=_state(record), enough=True)


def _with_payments(
    inputs: dict[str, Any], record: dict[str, Any], rows: list[dict[str, Any]]
) -> Prepared:
    sent = {"payments_list": [_row_as_sent(row) for row in rows]}
    return Prepared(
        inputs={**inputs, "data": sent},
        record=record,
        state=_state(record),
        differs=tuple(updating.differences(sent, record)),
    )


def _state(record: Mapping[str, Any]) -> str:
    """Dates of change are in whole seconds; what is paid tells two writes of one apart."""
    rows = record.get("payments_list") or ()
    paid = ", ".join(
        f"{row.get('id')} {to_cents(decimal_of(row.get('amount')))} {row.get('status')}"
        for row in rows
    )
    return f"{record.get('updated_at')} ({paid})"


def _row_as_sent(row: Mapping[str, Any]) -> dict[str, Any]:
    sent = {key: value for key, value in row.items() if value is not None or key == "paid_date"}
    terms = row.get("payment_terms")
    if terms:
        sent["payment_terms"] = {name: terms[name] for name in ("days", "type") if name in terms}
    account = row.get("payment_account")
    if account:
        sent["payment_account"] = {"id": account["id"]}
    return sent


def _is_meant(row: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return asked.get("id") is None or str(row.get("id")) == str(asked["id"])


def _open_rows(rows: Sequence[dict[str, Any]], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is not paid yet, the earliest first."""
    if asked.get("id") is not None and not any(_is_meant(row, asked) for row in rows):
        raise _no_such_row(asked["id"], rows)
    found = [row for row in rows if row.get("status") == "not_paid" and _is_meant(row, asked)]
    return sorted(found, key=lambda row: str(row.get("due_date") or ""))


def _no_such_row(id_: Any, rows: Sequence[Mapping[str, Any]]) -> Refused:
    known = ", ".join(str(row.get("id")) for row in rows)
    return Refused(
        f"This document has no instalment {id_}.",
        field="data.id",
        remedy=f"It has {known or 'none'}.",
        who="user",
    )


def _pay_rows(
    rows: list[dict[str, Any]], chosen: list[dict[str, Any]], amount: Any, paid: dict[str, Any]
) -> None:
    if amount is None:
        for row in chosen:
            row |= paid
        return
    left, due = to_cents(decimal_of(amount)), sum((_amount(row) for row in chosen), ZERO)
    if not ZERO < left <= due:
        raise Refused(
            f"{left} cannot be registered: {due} is open.",
            field="data.amount",
            remedy="Check the amount, or whether part of it belongs to another document.",
            who="user",
        )
    for row in chosen:
        part = min(left, _amount(row))
        if part == 0:
            return
        left -= part
        rest = _amount(row) - part
        if rest:
            # What is still open keeps its due date, in a row of its own.
            at = rows.index(row) + 1
            rows.insert(at, {key: row[key] for key in row if key != "id"} | {"amount": rest})
        row |= {**paid, "amount": part}


def _amount(row: Mapping[str, Any]) -> Decimal:
    return to_cents(decimal_of(row.get("amount")))


async def _account(
    caller: Caller, inputs: Mapping[str, Any], asked: Mapping[str, Any], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Where the money came in: as it is said, else as the document or its method has it."""
    id_, name = asked.get("account_id"), asked.get("account")
    if id_ is not None or name:
        company = finding.number(caller, inputs, "company_id")
        answer = await caller.request("GET", f"/c/{company}/info/payment_accounts")
        place = "account_id" if id_ is not None else "account"
        found, issue = choosing.by_name(
            finding.rows_in(answer), name, id_, "payment account", f"data.{place}"
        )
        if issue is not None:
            raise MappingError(
                issue.message, field=issue.field, value_type="text", remedy=issue.remedy
            )
        return {"id": (found or {})["id"]}
    usual = [row.get("payment_account") for row in record.get("payments_list") or ()]
    usual.append((record.get("payment_method") or {}).get("default_payment_account"))
    for one in usual:
        if one and one.get("id") is not None:
            return {"id": one["id"]}
    raise MappingError(
        "It is not said on which account the money came in.",
        field="data.account",
        value_type="nothing",
        remedy="Choose a payment account, or give the payment method one in the settings.",
    )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value] if value else []
