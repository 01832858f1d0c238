"""What Perfex does of its own accord with contacts, invoices and payments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.sandbox.clock import stamp, today
from connector.sandbox.perfex.forms import values
from connector.sandbox.perfex.gate import Visit
from connector.sandbox.perfex.replies import invalid, no_data, said
from connector.sandbox.perfex.state import PerfexState, Row

UNPAID, PAID, PARTLY = "1", "2", "3"
FLAGS = (
    "is_primary", "invoice_emails", "estimate_emails", "credit_note_emails", "contract_emails",
    "task_emails", "project_emails", "ticket_emails",
)  # fmt: skip

LINE = {"description": "", "long_description": "", "qty": "1", "rate": "0.00", "unit": ""}


def text(value: Any) -> str | None:
    """A value as PHP hands it out: numbers as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def decimal(value: Any) -> Decimal:
    """A number in text, 0 when it is none."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)


def _contact(visit: Visit, row: Row) -> None:
    """E-mail addresses are unique; without the opt-out the CRM writes to the person."""
    state = visit.state
    row["userid"] = text(visit.fields.get("customer_id"))
    if row["userid"] not in state.tables["customers"].rows:
        raise said(404, "Contact add fail.")
    if any(one["email"] == row["email"] for one in state.tables["contacts"].rows.values()):
        sentence = "The Email field must contain a unique value."
        raise invalid({"email": sentence}, modern=state.modern)
    _flags(visit, row)
    if not visit.fields.get("donotsendwelcomeemail"):
        state.mails.append({"to": str(row["email"]), "subject": "Welcome aboard"})
    if visit.fields.get("send_set_password_email"):
        state.mails.append({"to": str(row["email"]), "subject": "Set your password"})


def _flags(visit: Visit, row: Row) -> None:
    """A mark counts when it is sent at all, with 0 as well; what is not sent is taken away."""
    row |= {name: "1" if name in visit.fields else "0" for name in FLAGS}
    if row["is_primary"] == "1":
        for other in visit.state.tables["contacts"].rows.values():
            if other is not row and other["userid"] == row["userid"]:
                other["is_primary"] = "0"


def send_invoice(visit: Visit) -> Any:
    """POST /invoices/{id}/send: a mail to the primary contact, each time anew."""
    invoice = visit.state.tables["invoices"].rows.get(visit.part("id"))
    if invoice is None:
        raise no_data()
    to = [
        one["email"]
        for one in visit.state.tables["contacts"].rows.values()
        if one["userid"] == invoice["clientid"] and one["is_primary"] == "1"
    ]
    if not to:
        raise said(404, "Invoice could not be sent: the customer has no primary contact")
    visit.state.mails.append({"to": to[0], "subject": f"Invoice {invoice['number']}"})
    visit.state.ledger.write("send", "invoices", {"number": invoice["number"]})
    return {"status": True, "message": "Invoice sent successfully."}


def lines_of(given: Any) -> list[Row]:
    """The lines of an invoice as they are read back."""
    return [
        LINE
        | {
            name: text(value) if not isinstance(value, dict | list) else values(value)
            for name, value in line.items()
        }
        for line in values(given)
        if isinstance(line, Mapping)
    ]


def _invoice(visit: Visit, row: Row) -> None:
    """A number is used once; the lines are kept as they came."""
    table = visit.state.tables["invoices"]
    if any(one["number"] == row["number"] for one in table.rows.values()):
        raise said(409, "The Invoice number is already in use")
    if row["clientid"] not in visit.state.tables["customers"].rows:
        raise said(404, "Invoice add fail.")
    row["items"] = lines_of(visit.fields.get("newitems") or visit.fields.get("items"))
    tax = decimal(row["total"]) - decimal(row["subtotal"])
    row |= {"status": UNPAID, "total_tax": format(tax, "f")}
    row["hash"] = visit.state.random.randbytes(16).hex()


def _payment(visit: Visit, row: Row) -> None:
    if row["invoiceid"] not in visit.state.tables["invoices"].rows:
        raise said(404, "Payment add fail.")
    row["date"] = row["date"] or today(visit.state.clock())
    row["daterecorded"] = stamp(visit.state.clock())


def settle_invoice(state: PerfexState, invoice_id: str) -> None:
    """The state of an invoice follows from its payments."""
    invoice = state.tables["invoices"].rows.get(invoice_id)
    if invoice is None:
        return
    paid = sum(
        (
            decimal(payment["amount"])
            for payment in state.tables["payments"].rows.values()
            if payment["invoiceid"] == invoice_id
        ),
        Decimal(0),
    )
    open_ = PARTLY if paid else UNPAID
    invoice["status"] = PAID if paid >= decimal(invoice["total"]) else open_


Rule = Callable[[Visit, Row], None]
RULES: Mapping[str, Rule] = {"contacts": _contact, "invoices": _invoice, "payments": _payment}
CHANGES: Mapping[str, Rule] = {"contacts": _flags}
"""The same for a change."""
