"""The amounts of an issued document (facts §5.4.5), in exact decimals.

The documentation gives the rules in words only; where it is silent we took the plain reading:
lines are rounded to cents before they are summed, and rivalsa and cassa bear the VAT rate of the
document's first line.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")
HUNDRED = Decimal(100)


def number(value: Any) -> Decimal:
    """A stored amount as a Decimal, nothing as zero."""
    return Decimal(0) if value is None else Decimal(value)


def cents(value: Decimal) -> Decimal:
    """Rounded to two places, halves away from zero."""
    return value.quantize(CENT, ROUND_HALF_UP)


def _share(base: Decimal, percent: Any) -> Decimal:
    return cents(base * number(percent) / HUNDRED)


class _Lines:
    """Sums over the lines: by VAT rate, of those outside the base, of those with withholding."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.by_rate: dict[Decimal, list[Decimal]] = {}
        self.base = Decimal(0)
        self.outside = Decimal(0)
        self.main_rate = Decimal(0)
        gross = bool(document.get("use_gross_prices"))
        for index, line in enumerate(document.get("items_list") or ()):
            self._add(line, index == 0, gross)

    def _add(self, line: Mapping[str, Any], first: bool, gross: bool) -> None:
        rate = number((line.get("vat") or {}).get("value"))
        if first:
            self.main_rate = rate
        price = number(line.get("gross_price" if gross else "net_price"))
        kept = 1 - number(line.get("discount")) / HUNDRED
        amount = cents(number(line.get("qty")) * price * kept)
        net = cents(amount / (1 + rate / HUNDRED)) if gross else amount
        if line.get("not_taxable"):
            self.outside += net
        elif line.get("apply_withholding_taxes") is not False:
            self.base += net
        slot = self.by_rate.setdefault(rate, [Decimal(0), Decimal(0)])
        slot[0] += net
        slot[1] += amount - net if gross else Decimal(0)

    def vat(self, gross: bool, extra: Decimal) -> dict[str, dict[str, Decimal]]:
        """Net and VAT by rate; `extra` (rivalsa, cassa) is taxed with the first line."""
        if extra:
            slot = self.by_rate.setdefault(self.main_rate, [Decimal(0), Decimal(0)])
            slot[0] += extra
            slot[1] += _share(extra, self.main_rate) if gross else Decimal(0)
        return {
            format(rate.normalize(), "f"): {
                "amount_net": net,
                "amount_vat": vat if gross else _share(net, rate),
            }
            for rate, (net, vat) in self.by_rate.items()
        }


def _cassa(document: Mapping[str, Any], name: str, base: Decimal) -> Decimal:
    fixed = document.get(f"amount_{name}_taxable")
    share = document.get(f"{name}_taxable")
    if share is None and fixed is not None:
        base = number(fixed)
    elif share is not None:
        base = _share(base, share)
    return _share(base, document.get(name))


def _withheld(document: Mapping[str, Any], name: str, base: Decimal) -> tuple[Decimal, Decimal]:
    share = document.get(f"{name}_taxable")
    taxable = base if share is None else _share(base, share)
    return taxable, _share(taxable, document.get(name))


def totals(document: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that `…/totals` answers and that a payments mismatch reports."""
    lines = _Lines(document)
    gross_prices = bool(document.get("use_gross_prices"))
    everything = sum((slot[0] for slot in lines.by_rate.values()), Decimal(0))
    net = everything - lines.outside
    rivalsa = _share(lines.base, document.get("rivalsa"))
    cassa = _cassa(document, "cassa", lines.base + rivalsa)
    cassa2 = _cassa(document, "cassa2", lines.base + rivalsa)
    vat_list = lines.vat(gross_prices, rivalsa + cassa + cassa2)
    vat = sum((entry["amount_vat"] for entry in vat_list.values()), Decimal(0))
    taxable = net + rivalsa + cassa + cassa2
    gross = taxable + lines.outside + vat
    base1, withheld = _withheld(document, "withholding_tax", lines.base + rivalsa)
    base2, withheld2 = _withheld(document, "other_withholding_tax", lines.base + rivalsa)
    stamp = number(document.get("stamp_duty"))
    due = gross - withheld - withheld2 + number(document.get("amount_due_discount"))
    due += Decimal(0) if document.get("e_invoice") else stamp
    due -= vat if document.get("use_split_payment") else Decimal(0)
    return {
        "amount_net": net,
        "amount_rivalsa": rivalsa,
        "amount_net_with_rivalsa": net + rivalsa,
        "amount_cassa": cassa,
        "amount_cassa2": cassa2,
        "taxable_amount": taxable,
        "not_taxable_amount": lines.outside,
        "amount_vat": vat,
        "amount_gross": gross,
        "taxable_amount_withholding_tax": base1,
        "amount_withholding_tax": withheld,
        "taxable_amount_other_withholding_tax": base2,
        "amount_other_withholding_tax": withheld2,
        "stamp_duty": stamp,
        "amount_due": cents(due),
        "is_enasarco_maximal_exceeded": False,
        "payments_sum": payments_sum(document),
        "vat_list": vat_list,
    }


def payments_sum(document: Mapping[str, Any]) -> Decimal:
    """What the payments add up to."""
    payments = document.get("payments_list") or ()
    return sum((number(payment.get("amount")) for payment in payments), Decimal(0))
