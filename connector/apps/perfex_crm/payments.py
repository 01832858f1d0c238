"""Payments: one of a bank's transaction is entered once for an invoice, whatever happens."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from connector import finding
from connector.apps.perfex_crm.numbers import payment_modes
from connector.apps.perfex_crm.resources import PAYMENTS
from connector.errors import MappingError, Refused
from connector.model import Caller
from connector.paths import kind


async def new_payment(
    caller: Caller, inputs: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """A payment as it is sent: its mode by name. Raises MappingError for an amount of nothing."""
    if _amount(data.get("amount")) <= 0:
        raise MappingError(
            "A payment is more than 0.",
            field="data.amount",
            value_type=kind(data.get("amount")),
            remedy="Give money back with a credit note.",
        )
    (mode,) = await payment_modes(caller, [data.get("paymentmode")], "data.paymentmode")
    return {**data, "paymentmode": mode}


async def entered_before(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """The payment of this transaction on this invoice; empty when there is none.

    Raises Refused when it is there with another amount, or twice.
    """
    data = inputs.get("data") or {}
    if not data.get("transactionid"):
        return {}
    asked = {"transactionid": data["transactionid"], "invoiceid": data.get("invoiceid")}
    found = await PAYMENTS.find(caller, asked)
    if not found["found"]:
        return {}
    record = found["record"]
    if found["count"] > 1 or _amount(record.get("amount")) != _amount(data.get("amount")):
        raise Refused(
            f"The transaction {finding.plain(data['transactionid'])!r} is on invoice"
            f" {data.get('invoiceid')} already, as payment {found['id']} of {record.get('amount')}"
            f"{' and others' if found['count'] > 1 else ''}.",
            field="data.transactionid",
            remedy="Nothing was written. Correct the payment in Perfex, or the transaction id.",
            who="user",
        )
    return dict(record)


def _amount(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise MappingError("This must be a number.", field="data.amount", value_type=kind(value))
    return amount
