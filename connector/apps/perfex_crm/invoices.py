"""Invoices as Perfex takes them: its totals must come from us, so they are computed exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from connector.apps.perfex_crm.numbers import payment_modes, rate_of, taxes
from connector.apps.perfex_crm.resources import CUSTOMERS
from connector.errors import MappingError
from connector.model import Caller
from connector.paths import kind

CENT = Decimal("0.01")
HUNDRED = Decimal(100)
PARTS = ("street", "city", "state", "zip", "country")


@dataclass(frozen=True, slots=True)
class Totals:
    """What an invoice comes to."""

    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal
    total_unrounded: Decimal
    """With the taxes rounded together and not each by itself: the CRM's screen shows this one."""


async def new_invoice(
    caller: Caller, inputs: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """An invoice as it is sent: taxes and payment modes by name, totals, the customer's address.

    Raises MappingError for totals that are not those of the lines.
    """
    sent = dict(data)
    sent["newitems"] = rows = await _lines(caller, data.get("newitems"))
    totals = totals_of(rows, data)
    sent["subtotal"] = _agreed(data.get("subtotal"), (totals.subtotal,), "subtotal")
    sums = (totals.total, totals.total_unrounded)
    sent["total"] = _agreed(data.get("total"), sums, "total")
    if totals.discount:
        sent["discount_total"] = f"{totals.discount:.2f}"
        sent.setdefault("discount_type", "before_tax")
    modes = data.get("allowed_payment_modes")
    modes = modes if isinstance(modes, list) else [modes]
    sent["allowed_payment_modes"] = await payment_modes(caller, modes, "data.allowed_payment_modes")
    if not data.get("billing_street"):
        sent = {**await _address(caller, data), **sent}
    return sent


async def _lines(caller: Caller, given: Any) -> list[dict[str, Any]]:
    rows = [dict(row) for row in given or [] if isinstance(row, Mapping)]
    if not rows:
        raise MappingError(
            "An invoice needs at least one line.",
            field="data.newitems",
            value_type="nothing",
            remedy="Map data.newitems.description, qty and rate.",
        )
    named = [one for row in rows for one in _names(row)]
    written = await taxes(caller, named, "data.newitems.taxname")
    for place, row in enumerate(rows, start=1):
        row.setdefault("order", place)
        row["taxname"] = [written[one] for one in _names(row)]
    return rows


def _names(row: Mapping[str, Any]) -> list[str]:
    given = row.get("taxname")
    listed = given if isinstance(given, list) else [given]
    return [str(one).strip() for one in listed if one not in (None, "")]


def totals_of(rows: list[dict[str, Any]], data: Mapping[str, Any]) -> Totals:
    """The sums of the lines, rounded as on paper: half a cent goes up."""
    by_tax: dict[str, Decimal] = {}
    subtotal = Decimal(0)
    for place, row in enumerate(rows):
        at = f"data.newitems.{place}"
        amount = _cents(_number(row.get("qty"), f"{at}.qty") * _number(row.get("rate"), at))
        subtotal += amount
        for tax in row["taxname"]:
            by_tax[tax] = by_tax.get(tax, Decimal(0)) + amount * rate_of(tax) / HUNDRED
    percent = _number(data.get("discount_percent") or 0, "data.discount_percent")
    after = data.get("discount_type") == "after_tax"
    whole = sum(by_tax.values(), Decimal(0))
    base = subtotal + (_rounded(by_tax, Decimal(1)) if after else 0)
    discount = _cents(base * percent / HUNDRED)
    given = data.get("discount_total")
    if given not in (None, "") and not percent:
        discount = _number(given, "data.discount_total")
    kept = Decimal(1)
    if not after and discount and subtotal:
        kept = 1 - (percent / HUNDRED if percent else discount / subtotal)
    tax = _rounded(by_tax, kept)
    rest = subtotal - discount + _number(data.get("adjustment") or 0, "data.adjustment")
    return Totals(subtotal, discount, tax, _cents(rest + tax), _cents(rest + whole * kept))


def _rounded(by_tax: Mapping[str, Decimal], kept: Decimal) -> Decimal:
    return sum((_cents(one * kept) for one in by_tax.values()), Decimal(0))


def _agreed(given: Any, computed: tuple[Decimal, ...], name: str) -> str:
    """The sum to send. Raises MappingError when another one was given."""
    if given in (None, ""):
        return f"{computed[0]:.2f}"
    wanted = _number(given, f"data.{name}")
    if wanted not in computed:
        raise MappingError(
            f"The lines come to a {name} of {computed[0]:.2f}, not {wanted}.",
            field=f"data.{name}",
            value_type=kind(given),
            remedy=f"Leave {name} out, or mend quantities, prices and taxes.",
        )
    return f"{wanted:.2f}"


async def _address(caller: Caller, data: Mapping[str, Any]) -> dict[str, Any]:
    """The customer's own billing address, else its address."""
    number = data.get("clientid")
    customer = await CUSTOMERS.get(caller, {"customer_id": number})
    found = {f"billing_{part}": customer.get(f"billing_{part}") for part in PARTS}
    if not found["billing_street"]:
        own = {"street": "address"}
        found = {f"billing_{part}": customer.get(own.get(part, part)) for part in PARTS}
    if not found["billing_street"]:
        raise MappingError(
            f"Customer {number} has no address in the CRM, and an invoice needs one.",
            field="data.billing_street",
            value_type="nothing",
            remedy="Map data.billing_street, or enter the customer's address.",
        )
    return {name: value for name, value in found.items() if value not in (None, "", "0")}


def _number(value: Any, at: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise MappingError("This must be a number.", field=at, value_type=kind(value))
    return number


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)
