"""The amounts of an issued document, in exact decimals, by the rules of facts §5.4.5.

Each line is rounded to cents before it is summed; VAT is worked out on the sum of each rate.
Rivalsa and cassa bear the rate of the first line. The vendor gives no more than words, so that
whoever writes a document compares with the totals that the vendor itself answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

ZERO = Decimal(0)
CENT = Decimal("0.01")
HUNDRED = Decimal(100)

COMPARED = {
    "amount_net": "net amount",
    "amount_rivalsa": "rivalsa",
    "amount_cassa": "cassa",
    "amount_cassa2": "second cassa",
    "amount_vat": "VAT",
    "amount_gross": "gross amount",
    "amount_withholding_tax": "withholding tax",
    "amount_other_withholding_tax": "other withholding tax",
    "amount_due": "amount to be paid",
}
"""The vendor's figures that ours must equal, and the words for them."""


def decimal_of(value: Any) -> Decimal:
    """A number of a document; nothing counts as zero."""
    if value is None or value == "":
        return ZERO
    return value if isinstance(value, Decimal) else Decimal(str(value))


def to_cents(value: Decimal) -> Decimal:
    """Two places, a half away from zero."""
    return value.quantize(CENT, ROUND_HALF_UP)


def percent_of(base: Decimal, percent: Any) -> Decimal:
    """So many per cent of an amount, in cents."""
    return to_cents(base * decimal_of(percent) / HUNDRED)


@dataclass(frozen=True, slots=True)
class Line:
    """One line in money: its net amount, and its VAT where the price held it already."""

    rate: Decimal
    net: Decimal
    vat: Decimal | None
    outside: bool
    """It belongs to no taxable base, as what was laid out for the customer."""
    counts: bool
    """Rivalsa, cassa and withholding are worked out on it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a document comes to; the names are the vendor's."""

    amount_net: Decimal
    amount_rivalsa: Decimal
    amount_cassa: Decimal
    amount_cassa2: Decimal
    amount_vat: Decimal
    amount_gross: Decimal
    amount_withholding_tax: Decimal
    amount_other_withholding_tax: Decimal
    amount_due: Decimal
    vat_list: Mapping[Decimal, tuple[Decimal, Decimal]]
    """Net amount and VAT of each rate."""

    def unlike(self, theirs: Mapping[str, Any]) -> list[str]:
        """Each figure in which the vendor's totals differ, as a phrase with both numbers."""
        told = []
        for name, words in COMPARED.items():
            if theirs.get(name) is None:
                continue
            ours, other = getattr(self, name), to_cents(decimal_of(theirs[name]))
            if ours != other:
                told.append(f"{words}: ours {ours}, theirs {other}")
        return told


def line_of(row: Mapping[str, Any], *, gross: bool) -> Line:
    """A row of `items_list`, whose VAT type says its rate in `vat.value`."""
    rate = decimal_of((row.get("vat") or {}).get("value"))
    price = decimal_of(row.get("gross_price" if gross else "net_price"))
    quantity = decimal_of(row.get("qty", 1))
    share = HUNDRED - decimal_of(row.get("discount"))
    amount = to_cents(price * quantity * share / HUNDRED)
    net, vat = amount, None
    if gross:
        net = to_cents(amount * HUNDRED / (HUNDRED + rate))
        vat = amount - net
    outside = bool(row.get("not_taxable"))
    return Line(
        rate, net, vat, outside, not outside and row.get("apply_withholding_taxes") is not False
    )


def totals_of(document: Mapping[str, Any]) -> Totals:
    """The totals of a document whose rows know their rates."""
    gross_prices = bool(document.get("use_gross_prices"))
    lines = [line_of(row, gross=gross_prices) for row in document.get("items_list") or ()]
    base = sum((line.net for line in lines if line.counts), ZERO)
    rivalsa = percent_of(base, document.get("rivalsa"))
    # What the pension funds and the withholding are worked out on holds the rivalsa already.
    raised = base + rivalsa
    cassa, cassa2 = (_fund(document, name, raised) for name in ("cassa", "cassa2"))
    vat_list = _by_rate(lines, rivalsa + cassa + cassa2)
    net = sum((line.net for line in lines if not line.outside), ZERO)
    outside = sum((line.net for line in lines if line.outside), ZERO)
    vat = sum((vat for _, vat in vat_list.values()), ZERO)
    gross = net + outside + rivalsa + cassa + cassa2 + vat
    withheld = percent_of(
        _part(raised, document.get("withholding_tax_taxable")), document.get("withholding_tax")
    )
    other = percent_of(
        _part(raised, document.get("other_withholding_tax_taxable")),
        document.get("other_withholding_tax"),
    )
    due = gross - withheld - other + decimal_of(document.get("amount_due_discount"))
    if not document.get("e_invoice"):
        # In an e-invoice the issuer bears the stamp.
        due += decimal_of(document.get("stamp_duty"))
    if document.get("use_split_payment"):
        due -= vat
    return Totals(
        amount_net=net,
        amount_rivalsa=rivalsa,
        amount_cassa=cassa,
        amount_cassa2=cassa2,
        amount_vat=vat,
        amount_gross=gross,
        amount_withholding_tax=withheld,
        amount_other_withholding_tax=other,
        amount_due=to_cents(due),
        vat_list=vat_list,
    )


def _part(base: Decimal, percent: Any) -> Decimal:
    return base if percent is None else percent_of(base, percent)


def _fund(document: Mapping[str, Any], name: str, base: Decimal) -> Decimal:
    """A pension fund: on a share of the amount, or on a fixed one where no share is given."""
    share, fixed = document.get(f"{name}_taxable"), document.get(f"amount_{name}_taxable")
    if share is None and fixed is not None:
        return percent_of(decimal_of(fixed), document.get(name))
    return percent_of(_part(base, share), document.get(name))


def _by_rate(lines: Iterable[Line], extra: Decimal) -> dict[Decimal, tuple[Decimal, Decimal]]:
    nets: dict[Decimal, Decimal] = {}
    vats: dict[Decimal, Decimal] = {}
    main: Decimal | None = None
    gross = False
    for line in lines:
        main = line.rate if main is None else main
        nets[line.rate] = nets.get(line.rate, ZERO) + line.net
        if line.vat is not None:
            gross = True
            vats[line.rate] = vats.get(line.rate, ZERO) + line.vat
    if extra:
        main = ZERO if main is None else main
        nets[main] = nets.get(main, ZERO) + extra
        if gross:
            vats[main] = vats.get(main, ZERO) + percent_of(extra, main)
    if gross:
        return {rate: (net, vats[rate]) for rate, net in nets.items()}
    return {rate: (net, percent_of(net, rate)) for rate, net in nets.items()}
