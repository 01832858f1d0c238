"""The business rules of each resource, run on a record that is about to be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.sandbox.clock import today
from connector.sandbox.fic.call import Call
from connector.sandbox.fic.fields import demand, percentages
from connector.sandbox.fic.problem import Faults, Problem, required, rule_broken
from connector.sandbox.fic.totals import HUNDRED, cents, number

Record = dict[str, Any]
MISMATCH = "Il totale dei pagamenti non corrisponde al totale da pagare."


@dataclass
class Write:
    """One write in the making: `sent` as it came, `record` as it will be, `before` as it was."""

    call: Call
    sent: Mapping[str, Any]
    record: Record
    before: Record | None
    faults: Faults

    def fault(self, path: str, sentence: str) -> None:
        """Note one wrong field."""
        self.faults.setdefault(path, []).append(sentence)


Rule = Callable[[Write], None]


def client(write: Write) -> None:
    """Clashing codes are a 409 on create; which keys clash is our guess (facts §5.1)."""
    percentages(write.record, "data", ("default_discount",), write.faults)
    if write.faults or write.before is not None:
        return
    if not write.call.state.config.refuse_duplicate_clients:
        return
    for other in write.call.company.tables["clients"]:
        for key in ("code", "vat_number", "tax_code"):
            value = write.record.get(key)
            if value and value == other.get(key):
                raise Problem(409, f"A client with the same {key} already exists.", code="CONFLICT")


def product(write: Write) -> None:
    """The other price follows from the VAT; the stock from its initial value."""
    record = write.record
    rate = 1 + number((record.get("default_vat") or {}).get("value")) / HUNDRED
    if record.get("use_gross_price"):
        record["net_price"] = (number(record.get("gross_price")) / rate).quantize(Decimal("1e-5"))
    else:
        record["gross_price"] = cents(number(record.get("net_price")) * rate)
    if write.before is None and record.get("in_stock"):
        record["stock_current"] = record.get("stock_initial")


def f24(write: Write) -> None:
    """Only the attachment needs care."""
    attachment(write)


def archive(write: Write) -> None:
    """Only the attachment needs care; an entry without a file is let through."""
    attachment(write)


def cashbook(write: Write) -> None:
    """A manual entry moves money one way, on an account of that side."""
    record = write.record
    if record.get("kind") != "cashbook":
        return
    if record.get("type") is None:
        write.fault("data.type", required("data.type"))
        return
    demand(record, "data", (f"amount_{record['type']}",), write.faults)


def method(write: Write) -> None:
    """At most five lines of details."""
    details = write.record.get("details")
    if isinstance(details, list) and len(details) > 5:
        write.fault("data.details", "The data.details may not have more than 5 items.")


def vat_type(write: Write) -> None:
    """A percentage; built-in types stay as they are."""
    percentages(write.record, "data", ("value",), write.faults)
    if write.before is not None and not write.before.get("editable"):
        raise Problem(403, "This VAT type cannot be changed.", code="NO_PERMISSION")


def receipt(write: Write) -> None:
    """Amounts from the lines, a number per type, series and year."""
    record = write.record
    gross_prices = bool(record.get("use_gross_prices"))
    net = gross = Decimal(0)
    for index, row in enumerate(record.get("items_list") or ()):
        if row.get("vat") is None:
            write.fault(
                f"data.items_list.{index}.vat.id", required(f"data.items_list.{index}.vat.id")
            )
            continue
        rate = 1 + number(row["vat"].get("value")) / HUNDRED
        if gross_prices:
            row["amount_net"] = cents(number(row.get("amount_gross")) / rate)
        else:
            row["amount_gross"] = cents(number(row.get("amount_net")) * rate)
        row["amount_vat"] = number(row["amount_gross"]) - number(row["amount_net"])
        net += number(row["amount_net"])
        gross += number(row["amount_gross"])
    record |= {"amount_net": net, "amount_gross": gross, "amount_vat": gross - net}
    number_rows(write, "items_list", 887)
    if record.get("number") is None and record.get("date"):
        record["number"] = 1 + max(
            (other["number"] or 0 for other in _same_register(write)), default=0
        )


def _same_register(write: Write) -> list[Record]:
    record = write.record
    return [
        other
        for other in write.call.company.tables["receipts"]
        if other["type"] == record["type"]
        and other["numeration"] == record["numeration"]
        and other["date"][:4] == record["date"][:4]
    ]


def received(write: Write) -> None:
    """Payments cover the gross amount, even of a plain expense."""
    record = write.record
    entity = record.get("entity") or {}
    demand(entity, "data.entity", ("name",), write.faults)
    percentages(record, "data", ("tax_deductibility", "vat_deductibility"), write.faults)
    if record.get("date") is None:
        record["date"] = today(write.call.state.clock())
    record["currency"] = record.get("currency") or {"id": "EUR", "exchange_rate": "1.00000"}
    gross = number(record.get("amount_net")) + number(record.get("amount_vat"))
    record["amount_gross"] = gross
    withheld = number(record.get("amount_withholding_tax"))
    withheld += number(record.get("amount_other_withholding_tax"))
    due = gross - withheld
    payments = record.get("payments_list") or []
    paid = sum((number(payment.get("amount")) for payment in payments), Decimal(0))
    check_payments(write)
    attachment(write)
    if write.faults:
        return
    if cents(paid) != cents(due):
        totals = {"amount_gross": gross, "amount_due": due, "payments_sum": paid}
        raise rule_broken(MISMATCH, totals=totals)
    number_rows(write, "payments_list", 7_780)
    number_rows(write, "items_list", 911)
    record["next_due_date"] = next_due(payments)
    record["is_detailed"] = bool(record.get("items_list"))


def check_payments(write: Write) -> None:
    """A payment marked paid needs an existing account; each needs a due date."""
    for index, payment in enumerate(write.record.get("payments_list") or ()):
        place = f"data.payments_list.{index}"
        demand(payment, place, ("due_date",), write.faults)
        if payment.get("status") not in ("not_paid", "paid", "reversed"):
            write.fault(f"{place}.status", f"The selected {place}.status is invalid.")
        if payment.get("status") == "paid" and not (payment.get("payment_account") or {}).get("id"):
            need = f"{place}.payment_account.id"
            write.fault(need, required(need))


def next_due(payments: list[Record]) -> str | None:
    """The first due date that is not paid yet."""
    dates = [
        payment["due_date"]
        for payment in payments
        if payment.get("status") != "paid" and payment.get("due_date")
    ]
    return min(dates, default=None)


def attachment(write: Write) -> None:
    """Bind an uploaded file: its token works once."""
    token = write.sent.get("attachment_token")
    if token is None:
        return
    if token not in write.call.company.attachments:
        write.fault(
            "data.attachment_token", "The selected data.attachment_token is invalid or expired."
        )


def number_rows(write: Write, name: str, first_id: int) -> None:
    """Rows keep the ids they were sent with when they had them before; others get new ones."""
    before = (write.before or {}).get(name) or []
    known = {row["id"] for row in before}
    rows = write.record.get(name) or []
    used = known | {row["id"] for row in rows if row.get("id") is not None}
    fresh = max([first_id, *used]) + 1
    for row in rows:
        if row.get("id") not in known:
            row["id"] = fresh
            fresh += 1
