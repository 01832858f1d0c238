"""Filters that put lists in order, and find what is equal in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.filters.lists import EMPTY, attributes, rows_of
from connector.expressions.limits import BYTES_A_STEP, ROWS_A_STEP, Budget
from connector.expressions.lookups import attribute_keys, attribute_of, required
from connector.expressions.values import Missing, Plain, is_number


def _sort_keys(
    rows: list[Plain], attribute: Plain, case_sensitive: Plain, budget: Budget
) -> list[Any]:
    """What the rows are ordered by: numbers or texts, never both."""
    found = attributes(rows, attribute, budget)
    if all(type(one) is str for one in found):
        size = sum(map(len, found))
        budget.step(size.bit_length() * size // BYTES_A_STEP // 4)
        if case_sensitive:
            return found
        budget.alloc(size * 4)
        return [one.lower() for one in found]
    for one in found:
        if not is_number(one):
            raise ExpressionError(
                "Only numbers among themselves, or texts among themselves, have an order.",
                value_type=paths.kind(one),
            )
    return found


def _sorted(
    rows: list[Plain],
    attribute: Plain,
    case_sensitive: Plain,
    budget: Budget,
    reverse: bool = False,
) -> list[tuple[Any, Plain]]:
    """The rows with what they are ordered by, in order."""
    order = _sort_keys(rows, attribute, case_sensitive, budget)
    budget.alloc(64 * len(rows))
    budget.step(len(rows) * len(rows).bit_length() // ROWS_A_STEP)
    return sorted(zip(order, rows, strict=True), key=lambda pair: pair[0], reverse=reverse)


def _sort(
    budget: Budget,
    value: Plain,
    reverse: Plain = False,
    case_sensitive: Plain = False,
    attribute: Plain = None,
) -> list[Plain]:
    """In order, numbers or texts; attribute names what to order by.

    {{ ['b', 'a'] | sort }} => ["a", "b"]
    """
    rows = rows_of(value, budget)
    return [row for _, row in _sorted(rows, attribute, case_sensitive, budget, bool(reverse))]


def _extreme(
    budget: Budget, value: Plain, case_sensitive: Plain, attribute: Plain, largest: bool
) -> Plain:
    rows = rows_of(value, budget)
    if not rows:
        return Missing(because=EMPTY)
    order = _sort_keys(rows, attribute, case_sensitive, budget)
    budget.step(len(rows) // ROWS_A_STEP)
    pick = max if largest else min
    return rows[pick(range(len(rows)), key=order.__getitem__)]


def _min(
    budget: Budget, value: Plain, case_sensitive: Plain = False, attribute: Plain = None
) -> Plain:
    """The smallest.

    {{ [3, 1, 2] | min }} => 1
    """
    return _extreme(budget, value, case_sensitive, attribute, False)


def _max(
    budget: Budget, value: Plain, case_sensitive: Plain = False, attribute: Plain = None
) -> Plain:
    """The largest.

    {{ [3, 1, 2] | max }} => 3
    """
    return _extreme(budget, value, case_sensitive, attribute, True)


def _identity(value: Plain, case_sensitive: Plain, budget: Budget) -> str:
    """A text that is the same for equal values: hashes of numbers can be made to collide."""
    if type(value) is str:
        budget.text(len(value) * 2, not value.isascii())
        return "t" + (value if case_sensitive else value.lower())
    if type(value) is int:
        return f"n{value}"
    if type(value) is Decimal:
        return "n" + (format(value.normalize(), "f") if value else "0")
    if value is None or type(value) is bool:
        return f"c{value}"
    raise ExpressionError(
        "Lists and objects cannot be told apart as a whole.",
        remedy="Name what to compare: attribute='…'.",
        value_type=paths.kind(value),
    )


def _unique(
    budget: Budget, value: Plain, case_sensitive: Plain = False, attribute: Plain = None
) -> list[Plain]:
    """Each only once, the first of each.

    {{ ['a', 'A', 'b'] | unique }} => ["a", "b"]
    """
    rows = rows_of(value, budget)
    budget.rows(len(rows))
    seen: set[str] = set()
    kept = []
    for row, one in zip(rows, attributes(rows, attribute, budget), strict=True):
        budget.step()
        mark = _identity(one, case_sensitive, budget)
        if mark not in seen:
            seen.add(mark)
            kept.append(row)
    return kept


def _groupby(
    budget: Budget,
    value: Plain,
    attribute: Plain,
    default: Plain = None,
    case_sensitive: Plain = False,
) -> list[Plain]:
    """Rows with the same value together, as objects with grouper and list.

    {{ [{'k': 1}, {'k': 1}] | groupby('k') }} => [{"grouper": 1, "list": [{"k": 1}, {"k": 1}]}]
    """
    rows, path = rows_of(value, budget), attribute_keys(attribute)
    budget.rows(len(rows))
    shown = []
    for row in rows:
        found = attribute_of(row, path, budget)
        shown.append(default if type(found) is Missing and default is not None else required(found))
    budget.rows(len(rows))
    pairs = [[one, row] for one, row in zip(shown, rows, strict=True)]
    groups: list[Plain] = []
    last: Any = None
    for key, (one, row) in _sorted(pairs, 0, case_sensitive, budget):
        budget.step()
        if not groups or key != last:
            budget.entries(2)
            groups.append({"grouper": one, "list": []})
            last = key
        groups[-1]["list"].append(row)
    return groups


FILTERS: Final = {
    "sort": _sort,
    "unique": _unique,
    "min": _min,
    "max": _max,
    "groupby": _groupby,
}
