"""Issued documents: required parts, numbering, amounts and payments (facts §5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.sandbox.clock import today
from connector.sandbox.fic.fields import demand, percentages
from connector.sandbox.fic.problem import Problem, required, rule_broken
from connector.sandbox.fic.rules import (
    MISMATCH,
    Record,
    Write,
    attachment,
    check_payments,
    next_due,
    number_rows,
)
from connector.sandbox.fic.totals import HUNDRED, cents, number, payments_sum, totals

PERCENTAGES = (
    "rivalsa",
    "cassa",
    "cassa_taxable",
    "cassa2",
    "cassa2_taxable",
    "global_cassa_taxable",
    "withholding_tax",
    "withholding_tax_taxable",
    "other_withholding_tax",
)
PAID_TYPES = frozenset(
    {
        "invoice",
        "receipt",
        "credit_note",
        "proforma",
        "self_own_invoice",
        "self_supplier_invoice",
    }
)
"""Types that must say how they are paid; for the others payments are optional."""
FROM_SUPPLIERS = frozenset({"supplier_order", "self_supplier_invoice"})


def issued(write: Write) -> None:
    """Everything the vendor checks and computes before it stores an issued document."""
    record, sent = write.record, write.sent
    if write.before is not None and write.before.get("locked"):
        _only_payments(write)
    _check_parts(write)
    check_payments(write)
    attachment(write)
    if write.faults:
        raise _invalid(write)
    if record.get("date") is None:
        record["date"] = today(write.call.state.clock())
    record["year"] = int(record["date"][:4])
    record["numeration"] = record.get("numeration") or ""
    _fill_prices(record)
    figures = totals(record)
    _settle_payments(write, figures)
    _number(write)
    for name in ("amount_net", "amount_vat", "amount_gross", "amount_rivalsa", "amount_cassa"):
        record[name] = figures[name]
    record["amount_cassa2"] = figures["amount_cassa2"]
    record["amount_withholding_tax"] = figures["amount_withholding_tax"]
    record["amount_other_withholding_tax"] = figures["amount_other_withholding_tax"]
    number_rows(write, "items_list", 50)
    number_rows(write, "payments_list", 76)
    record["next_due_date"] = next_due(record.get("payments_list") or [])
    if "e_invoice" in sent and write.before is None:
        record["ei_status"] = "not_sent" if record["e_invoice"] else None


def _invalid(write: Write) -> Problem:
    return Problem(422, "Invalid request.", validation=write.faults)


def _only_payments(write: Write) -> None:
    changed = [
        name
        for name, value in write.record.items()
        if name in write.sent and name != "payments_list" and value != (write.before or {})[name]
    ]
    if changed:
        raise rule_broken("Il documento è bloccato e non può essere modificato.")


def _check_parts(write: Write) -> None:
    record = write.record
    percentages(record, "data", PERCENTAGES, write.faults)
    entity = record.get("entity")
    if isinstance(entity, Mapping):
        demand(entity, "data.entity", ("name",), write.faults)
        _check_entity_id(write, entity)
    language = write.sent.get("language")
    if isinstance(language, Mapping):
        demand(language, "data.language", ("code", "name"), write.faults)
    for index, row in enumerate(record.get("items_list") or ()):
        if (row.get("vat") or {}).get("id") is None:
            place = f"data.items_list.{index}.vat.id"
            write.faults.setdefault(place, [required(place)])


def _check_entity_id(write: Write, entity: Mapping[str, Any]) -> None:
    if entity.get("id") is None:
        return
    kind = "suppliers" if write.record.get("type") in FROM_SUPPLIERS else "clients"
    if write.call.company.tables[kind].get(entity["id"]) is None:
        write.fault("data.entity.id", "The selected data.entity.id is invalid.")


def _fill_prices(record: Record) -> None:
    for row in record.get("items_list") or ():
        rate = 1 + number(row["vat"].get("value")) / HUNDRED
        if record.get("use_gross_prices"):
            row["net_price"] = (number(row.get("gross_price")) / rate).quantize(Decimal("1e-5"))
        else:
            row["gross_price"] = (number(row.get("net_price")) * rate).quantize(Decimal("1e-5"))


def _settle_payments(write: Write, figures: dict[str, Any]) -> None:
    record = write.record
    payments = record.get("payments_list") or []
    options = write.call.body.get("options") or {}
    due = figures["amount_due"]
    if payments and isinstance(options, Mapping) and options.get("fix_payments"):
        others = payments_sum({"payments_list": payments[:-1]})
        payments[-1]["amount"] = due - others
    paid = payments_sum(record)
    figures["payments_sum"] = paid
    if not payments and record.get("type") not in PAID_TYPES:
        return
    if cents(paid) != due:
        raise rule_broken(MISMATCH, totals=figures)


def series(call_records: Any, record: Mapping[str, Any]) -> list[Record]:
    """The other documents that share this one's numbering: type, suffix and year."""
    return [
        other
        for other in call_records
        if other["type"] == record["type"]
        and other["numeration"] == record["numeration"]
        and other["year"] == record["year"]
        and other["id"] != record.get("id")
    ]


def _number(write: Write) -> None:
    record = write.record
    others = series(write.call.company.tables["issued_documents"], record)
    if record.get("number") is None:
        record["number"] = 1 + max((other["number"] for other in others), default=0)
    if any(other["number"] == record["number"] for other in others):
        raise Problem(
            409,
            f"Il numero {record['number']}{record['numeration']} è già stato utilizzato.",
            code="CONFLICT",
        )
    latest = max((other["date"] for other in others), default="")
    if write.before is None and record["date"] < latest:
        raise Problem(
            409,
            f"Esiste già un documento con data successiva ({latest}) nella stessa numerazione.",
            code="CONFLICT",
        )
