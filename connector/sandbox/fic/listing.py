"""Lists: filter, sort, page and projection (facts §3.3–3.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cmp_to_key
from math import ceil
from typing import Any

from connector.sandbox.fic.call import Call
from connector.sandbox.fic.problem import Faults, Problem, invalid
from connector.sandbox.fic.query import FilterError, compile_filter
from connector.sandbox.fic.resources import Resource

Record = Mapping[str, Any]
DEFAULT_PER_PAGE, LEAST, MOST = 50, 5, 100
FIELDSETS = ("basic", "detailed", "fic_view")
_BROKEN = ({"items_list"}, {"payments_list"}, {"items_list", "payments_list"})
"""Asking for nothing but these makes the vendor answer 500 (facts §8)."""


def listing(call: Call, resource: Resource, records: list[dict[str, Any]]) -> dict[str, Any]:
    """The paginated envelope around the records this call asks for."""
    page, per_page = _paging(call.query)
    show = _projection(call, resource, listed=True)
    kept = ordered(call, resource, _filtered(call, resource, records))
    start, last = (page - 1) * per_page, max(1, ceil(len(kept) / per_page))
    rows = [show(record) for record in kept[start : start + per_page]]
    return {
        "current_page": page,
        "data": rows,
        "first_page_url": "page=1",
        "from": start + 1 if rows else None,
        "last_page": last,
        "last_page_url": f"page={last}",
        "next_page_url": f"page={page + 1}" if page < last else None,
        "path": call.request.url.path,
        "per_page": per_page,
        "prev_page_url": f"page={page - 1}" if page > 1 else None,
        "to": start + len(rows) if rows else None,
        "total": len(kept),
    }


def one(call: Call, resource: Resource, record: Record) -> dict[str, Any]:
    """One record as this call asks to see it."""
    return _projection(call, resource, listed=False)(record)


def _paging(query: Mapping[str, str]) -> tuple[int, int]:
    faults: Faults = {}
    page = _whole(query.get("page", "1"), "page", 1, None, faults)
    text = query.get("per_page", str(DEFAULT_PER_PAGE))
    per_page = _whole(text, "per_page", LEAST, MOST, faults)
    if faults:
        raise invalid(faults)
    return page, per_page


def _whole(text: str, name: str, least: int, most: int | None, faults: Faults) -> int:
    label = name.replace("_", " ")
    if not text.isdecimal():
        faults[name] = [f"The {label} must be an integer."]
        return 1
    value = int(text)
    if value < least:
        faults[name] = [f"The {label} must be at least {least}."]
    if most is not None and value > most:
        faults[name] = [f"The {label} may not be greater than {most}."]
    return max(value, 1)


def _filtered(call: Call, resource: Resource, records: list[dict[str, Any]]) -> list[Any]:
    text = call.query.get("q", "")
    if not text.strip():
        return records
    try:
        test = compile_filter(text, resource.columns)
    except FilterError as error:
        status = call.state.config.bad_filter_status
        if status == 422:
            raise invalid({"q": [f"The q filter is invalid: {error}."]}) from error
        raise Problem(status, f"The q filter is invalid: {error}.") from error
    return [record for record in records if test(record)]


def ordered(call: Call, resource: Resource, records: list[Any]) -> list[Any]:
    """Sorted by the `sort` parameter; a column that is not listed is a 422."""
    wanted = [part.strip() for part in call.query.get("sort", "").split(",") if part.strip()]
    found = list(records)
    for part in reversed(wanted):
        column = part.removeprefix("-")
        if column not in resource.sort:
            raise invalid({"sort": [f"The column {column} cannot be used for sorting."]})
        found.sort(key=_sort_key(column), reverse=part.startswith("-"))
    return found


def _sort_key(column: str) -> Any:
    def read(record: Record) -> Any:
        value: Any = record
        for key in column.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return cmp_to_key(lambda left, right: _order(read(left), read(right)))


def _order(left: Any, right: Any) -> int:
    """Nothing first, numbers by value, text without regard to case."""
    if left is None or right is None:
        return (left is not None) - (right is not None)
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal):
        return (left > right) - (left < right)
    one_, other = str(left).casefold(), str(right).casefold()
    return (one_ > other) - (one_ < other)


def _projection(
    call: Call, resource: Resource, *, listed: bool
) -> Callable[[Record], dict[str, Any]]:
    fields = [name.strip() for name in call.query.get("fields", "").split(",") if name.strip()]
    fieldset = call.query.get("fieldset", "")
    if fields and fieldset:
        raise invalid({"fieldset": ["The fields and fieldset parameters cannot be combined."]})
    if set(fields) in _BROKEN:
        raise Problem(500, "An unexpected error occurred. Contact support for more information.")
    if fieldset and fieldset not in FIELDSETS:
        raise invalid({"fieldset": ["The selected fieldset is invalid."]})
    slim = fieldset == "basic" or (not fieldset and (listed or call.state.config.slim_gets))
    hidden = {"attachment_token"} | (set(resource.detail) if slim else set())

    def show(record: Record) -> dict[str, Any]:
        if fields:
            return {name: record.get(name) for name in ("id", *fields) if name in record}
        return {name: value for name, value in record.items() if name not in hidden}

    return show
