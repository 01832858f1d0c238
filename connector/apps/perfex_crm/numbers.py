"""Names that people give where Perfex wants numbers: custom fields, payment modes, taxes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from connector import finding
from connector.errors import MappingError, Missing
from connector.model import Caller
from connector.paths import did_you_mean, kind

_NUMBER_IN = re.compile(r"\[(\d+)\]\Z")


async def custom_fields(
    caller: Caller, resource: str, given: Mapping[str, Any], at: str
) -> dict[str, Any]:
    """Values of custom fields by their number, however they were named. Raises MappingError."""
    if all(str(key).isdecimal() for key in given):
        return dict(given)
    known = _labels(await _listed(caller, f"/custom_fields/{resource}"))
    return {_one(key, known, f"{at}.{key}", "custom field"): value for key, value in given.items()}


async def payment_modes(caller: Caller, given: Iterable[Any], at: str) -> list[str]:
    """Payment modes by number, however they were named; without any, all there are."""
    names = [str(one).strip() for one in given if one not in (None, "")]
    if names and all(one.isdecimal() for one in names):
        return names
    rows = await _listed(caller, "/common/payment_mode")
    known = _labels(rows)
    if not names:
        return list(dict.fromkeys(number for numbers in known.values() for number in numbers))
    return [_one(one, known, at, "payment mode") for one in names]


async def taxes(caller: Caller, given: Iterable[Any], at: str) -> dict[str, str]:
    """Each tax as the CRM writes it, `Name|22.00`, by how it was given. Raises MappingError."""
    names = list(dict.fromkeys(str(one).strip() for one in given if one not in (None, "")))
    written = {one: _written(one) for one in names if "|" in one}
    if len(written) == len(names):
        return written
    rows = await _listed(caller, "/common/tax_data")
    for one in names:
        if one not in written:
            written[one] = _tax(one, rows, at)
    return written


def rate_of(tax: str, at: str = "") -> Decimal:
    """The rate in `Name|22.00`. Raises MappingError."""
    try:
        rate = Decimal(tax.rpartition("|")[2].strip())
    except InvalidOperation:
        rate = Decimal("NaN")
    if not rate.is_finite():
        raise MappingError(
            "A tax is written as its name and its rate, IVA|22.00.",
            field=at or None,
            value_type="text",
            remedy="Give the name of a tax in the CRM, or its rate as in 22%.",
        )
    return rate


def _written(tax: str) -> str:
    name = tax.rpartition("|")[0].strip()
    return f"{name}|{rate_of(tax):.2f}"


def _tax(given: str, rows: list[dict[str, Any]], at: str) -> str:
    number = _rate(given)
    fits = [
        row
        for row in rows
        if (number is not None and _rate(row.get("taxrate")) == number)
        or finding.plain(row.get("name")) == finding.plain(given)
    ]
    written = dict.fromkeys(f"{row['name']}|{Decimal(str(row['taxrate'])):.2f}" for row in fits)
    if len(written) == 1:
        return next(iter(written))
    known = [f"{row.get('name')}|{row.get('taxrate')}" for row in rows]
    raise MappingError(
        f"The CRM has {len(written) or 'no'} taxes like this one.",
        field=at,
        value_type=kind(given),
        remedy=f"Give name and rate as in the CRM: {', '.join(known[:6])}.",
    )


def _rate(value: Any) -> Decimal | None:
    text = str(value if value is not None else "").strip().removesuffix("%").strip()
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


async def _listed(caller: Caller, path: str) -> list[dict[str, Any]]:
    try:
        answer = await caller.request("GET", path)
    except Missing:
        return []
    rows = answer.get("data", answer) if isinstance(answer, dict) else answer
    return finding.rows_in(list(rows.values()) if isinstance(rows, dict) else rows, "")


def _labels(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The numbers behind each name; a number is a name of itself."""
    known: dict[str, list[str]] = {}
    for row in rows:
        number = row.get("id") or row.get("custom_field_id")
        inside = _NUMBER_IN.search(str(row.get("field_name") or ""))
        number = str(number or (inside[1] if inside else ""))
        if not number:
            continue
        for name in {number, *(str(row.get(one) or "") for one in ("name", "label", "slug"))}:
            if name and number not in known.setdefault(finding.plain(name), []):
                known[finding.plain(name)].append(number)
    return known


def _one(name: Any, known: Mapping[str, list[str]], at: str, what: str) -> str:
    numbers = known.get(finding.plain(name), [])
    if len(numbers) == 1:
        return numbers[0]
    if numbers:
        raise MappingError(
            f"{len(numbers)} {what}s of the CRM have this name: {', '.join(numbers)}.",
            field=at,
            value_type=kind(name),
            remedy="Give the number of the one that is meant.",
        )
    names = [one for one in known if not one.isdecimal()]
    near = did_you_mean(finding.plain(name), names)
    raise MappingError(
        f"The CRM has no {what} of this name.",
        field=at,
        value_type=kind(name),
        remedy=near or f"It has: {', '.join(names[:8]) or 'none'}.",
    )
