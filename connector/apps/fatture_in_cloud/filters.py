"""The filter language `q` of Fatture in Cloud's lists. Source: facts on Fatture in Cloud §3.5.

A criterion becomes one condition, all of them joined by `and`. What the app's list lets through is
compared once more here, since its text comparisons are its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from connector import finding, paths

Operator = Literal["=", "contains", "starts with", ">=", "<="]

MOMENTS = ("created_at", "updated_at")
_NOT_SHOWN = ("any_subject", "entity.city", "entity.province")
"""Columns of the filter that a record does not have under this name."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition: a column of the list, and how a value is compared with it."""

    column: str
    operator: Operator


def criteria(**named: str) -> dict[str, Criterion]:
    """Criteria by the inputs that feed them: `criteria(name_contains="name contains")`."""
    found = {}
    for name, text in named.items():
        column, _, operator = text.partition(" ")
        found[name] = Criterion(column, operator or "=")  # type: ignore[arg-type]
    return found


def literal(value: Any) -> str | None:
    """A value as the language writes it; None for a number that it cannot write (below zero)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value))
        return None if number.is_signed() and number else format(abs(number), "f")
    # Only a quote means something inside quotes; a backslash is itself.
    return "'" + str(value).replace("'", "''") + "'"


def compiled(known: Mapping[str, Criterion], inputs: Mapping[str, Any]) -> str:
    """The filter for all criteria that are given; empty when there is none."""
    parts = []
    for criterion, value in _given(known, inputs):
        texts = [literal(one) for one in _spellings(criterion, value)]
        written = [f"{criterion.column} {criterion.operator} {text}" for text in texts if text]
        if written:
            parts.append(written)
    if len(parts) == 1:
        return " or ".join(parts[0])
    # "and" binds tighter than "or".
    groups = [f"({' or '.join(one)})" if len(one) > 1 else one[0] for one in parts]
    return " and ".join(groups)


def fits(
    known: Mapping[str, Criterion], inputs: Mapping[str, Any], record: Mapping[str, Any]
) -> bool:
    """Whether a record meets all criteria that are given; what it does not show is believed."""
    return all(_meets(criterion, value, record) for criterion, value in _given(known, inputs))


def _given(
    known: Mapping[str, Criterion], inputs: Mapping[str, Any]
) -> Iterable[tuple[Criterion, Any]]:
    for name, criterion in known.items():
        value = inputs.get(name)
        if isinstance(value, str):
            value = value.strip()
        if value not in (None, ""):
            yield criterion, _whole_day(criterion, value)


def _whole_day(criterion: Criterion, value: Any) -> Any:
    """Until a day means until its end, where the column tells the time of day."""
    if criterion.column in MOMENTS and isinstance(value, str):
        value = value.replace("T", " ")
        if criterion.operator == "<=" and len(value) == len("2026-01-01"):
            return f"{value} 23:59:59"
    return value


def _spellings(criterion: Criterion, value: Any) -> list[Any]:
    """How the list may hold a text that is compared whole."""
    if criterion.operator != "=" or not isinstance(value, str):
        return [value]
    name = criterion.column.rpartition(".")[2]
    if name == "vat_number":
        number = finding.vat(value).upper()
        more = [number, f"IT{number}"] if number.isdecimal() else [number]
        return list(dict.fromkeys([value, *more]))
    if name in ("code", "tax_code", "email", "certified_email"):
        return list(dict.fromkeys([value, value.upper(), value.lower()]))
    return [value]


def _meets(criterion: Criterion, value: Any, record: Mapping[str, Any]) -> bool:
    if criterion.column in _NOT_SHOWN:
        return True
    shown = paths.get(record, criterion.column)
    if shown is paths.ABSENT:
        return True
    operator = criterion.operator
    if operator in (">=", "<="):
        return shown is not None and _in_order(value, shown, operator)
    if isinstance(value, bool):
        return bool(shown) is value
    if operator == "contains":
        return finding.plain(value) in finding.plain(shown)
    if operator == "starts with":
        return finding.plain(shown).startswith(finding.plain(value))
    if isinstance(value, int | float | Decimal):
        return shown is not None and Decimal(str(shown)) == Decimal(str(value))
    same = finding.vat if criterion.column.endswith("vat_number") else finding.plain
    return same(shown) == same(value)


def _in_order(value: Any, shown: Any, operator: Operator) -> bool:
    if isinstance(value, int | float | Decimal):
        left, right = Decimal(str(shown)), Decimal(str(value))
        return left >= right if operator == ">=" else left <= right
    texts = str(shown), str(value)
    return texts[0] >= texts[1] if operator == ">=" else texts[0] <= texts[1]
