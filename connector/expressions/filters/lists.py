"""Filters on lists and objects."""

from __future__ import annotations

from typing import Any, Final, Literal

from connector import paths
from connector.errors import ExpressionError
from connector.expressions import arithmetic
from connector.expressions.filter import Filter, need_int, need_list, need_number
from connector.expressions.limits import MAX_ROWS, Budget
from connector.expressions.lookups import attribute_keys, attribute_of, required
from connector.expressions.values import Missing, Plain

EMPTY: Final = "The list is empty."


def rows_of(value: Plain, budget: Budget) -> list[Plain]:
    """The rows of a list, or the keys of an object."""
    if type(value) is dict:
        budget.rows(len(value))
        return list(value)
    return need_list(value)


def _characters(value: Plain, budget: Budget) -> list[Plain]:
    if type(value) is str:
        budget.rows(len(value))
        return list(value)
    return rows_of(value, budget)


# --- parts ----------------------------------------------------------------------------------------


def _first(budget: Budget, value: Plain) -> Plain:
    """The first row, or the first character.

    {{ [3, 4] | first }} => 3
    """
    if type(value) is str:
        return value[:1] or Missing(because="The text is empty.")
    rows = rows_of(value, budget)
    return rows[0] if rows else Missing(because=EMPTY)


def _last(budget: Budget, value: Plain) -> Plain:
    """The last row, or the last character.

    {{ [3, 4] | last }} => 4
    """
    if type(value) is str:
        return value[-1:] or Missing(because="The text is empty.")
    rows = rows_of(value, budget)
    return rows[-1] if rows else Missing(because=EMPTY)


def _length(budget: Budget, value: Plain) -> int:
    """How many rows, entries or characters there are.

    {{ [3, 4] | length }} => 2
    """
    if type(value) in (str, list, dict):
        return len(value)
    raise ExpressionError(
        f"{paths.kind(value)} has no length.".capitalize(), value_type=paths.kind(value)
    )


def _list(budget: Budget, value: Plain) -> list[Plain]:
    """As a list: the characters of a text, the keys of an object.

    {{ 'ab' | list }} => ["a", "b"]
    """
    return _characters(value, budget)


def _reverse(budget: Budget, value: Plain) -> Plain:
    """From the last to the first.

    {{ [1, 2] | reverse }} => [2, 1]
    """
    if type(value) is str:
        budget.text(len(value), not value.isascii())
        return value[::-1]
    rows = rows_of(value, budget)
    budget.rows(len(rows))
    return rows[::-1]


def _object(value: Plain) -> dict[Any, Plain]:
    if type(value) is dict:
        return value
    raise ExpressionError(
        f"The value must be an object, but it is {paths.kind(value)}.",
        value_type=paths.kind(value),
    )


def items(budget: Budget, value: Plain) -> list[Plain]:
    """The entries of an object as pairs of key and value.

    {{ {'a': 1} | items }} => [["a", 1]]
    """
    entries = _object(value)
    budget.rows(3 * len(entries))
    return [[key, one] for key, one in entries.items()]


def keys(budget: Budget, value: Plain) -> list[Plain]:
    """The keys of an object.

    {{ {'a': 1} | keys }} => ["a"]
    """
    budget.rows(len(_object(value)))
    return list(value)


def values(budget: Budget, value: Plain) -> list[Plain]:
    """The values of an object.

    {{ {'a': 1} | values }} => [1]
    """
    budget.rows(len(_object(value)))
    return list(value.values())


def _batch(budget: Budget, value: Plain, linecount: Plain, fill_with: Plain = None) -> list[Plain]:
    """Lists of so many rows each.

    {{ [1, 2, 3] | batch(2) }} => [[1, 2], [3]]
    """
    rows, size = rows_of(value, budget), need_int(linecount, "count", 1, MAX_ROWS)
    budget.rows(2 * len(rows) if fill_with is None else len(rows) + size)
    budget.rows(len(rows) // size + 1)
    made = [rows[start : start + size] for start in range(0, len(rows), size)]
    if made and fill_with is not None:
        made[-1] += [fill_with] * (size - len(made[-1]))
    return made


def _slice(budget: Budget, value: Plain, slices: Plain, fill_with: Plain = None) -> list[Plain]:
    """So many lists, of nearly the same length.

    {{ [1, 2, 3] | slice(2) }} => [[1, 2], [3]]
    """
    rows, count = rows_of(value, budget), need_int(slices, "count", 1, MAX_ROWS)
    budget.rows(count)
    budget.rows(len(rows) + count)
    budget.alloc(count * 64)
    each, longer = divmod(len(rows), count)
    made: list[Plain] = []
    start = 0
    for number in range(count):
        end = start + each + (number < longer)
        part = rows[start:end]
        if fill_with is not None and number >= longer:
            part.append(fill_with)
        made.append(part)
        start = end
    return made


def attributes(rows: list[Plain], attribute: Plain, budget: Budget) -> list[Plain]:
    """What lies at the attribute of every row; the rows themselves without one."""
    if attribute is None:
        return rows
    path = attribute_keys(attribute)
    budget.rows(len(rows))
    return [required(attribute_of(row, path, budget)) for row in rows]


# --- row by row -----------------------------------------------------------------------------------


def _map(budget: Budget, value: Plain, *args: Any, **options: Plain) -> list[Plain]:
    """One thing of every row (attribute='…'), or every row through a filter.

    {{ [{'n': 'a'}, {'n': 'b'}] | map(attribute='n') }} => ["a", "b"]
    """
    rows = rows_of(value, budget)
    budget.rows(len(rows))
    if args:
        use: Filter = args[0]
        made = []
        for row in rows:
            budget.step()
            made.append(required(use(budget, row, *args[1:], **options)))
        return made
    if "attribute" not in options or set(options) - {"attribute", "default"}:
        raise ExpressionError("map needs the name of a filter, or attribute='…'.")
    path = attribute_keys(options["attribute"])
    found = [attribute_of(row, path, budget) for row in rows]
    if "default" in options:
        return [options["default"] if type(one) is Missing else one for one in found]
    return [required(one) for one in found]


def _chosen(budget: Budget, rows: list[Plain], shown: list[Any], args: Any, wanted: bool) -> Plain:
    budget.rows(len(rows))
    kept = []
    check: Filter | None = args[0] if args else None
    for row, one in zip(rows, shown, strict=True):
        budget.step()
        if check is None:
            holds = bool(required(one))
        else:
            seen = one if check.accepts_missing else required(one)
            holds = bool(check(budget, seen, *args[1:]))
        if holds is wanted:
            kept.append(row)
    return kept


def _select(budget: Budget, value: Plain, *args: Any) -> Plain:
    """The rows that pass a test.

    {{ [1, 2, 3] | select('odd') }} => [1, 3]
    """
    rows = rows_of(value, budget)
    return _chosen(budget, rows, rows, args, True)


def _reject(budget: Budget, value: Plain, *args: Any) -> Plain:
    """The rows that fail a test.

    {{ [1, 2, 3] | reject('odd') }} => [2]
    """
    rows = rows_of(value, budget)
    return _chosen(budget, rows, rows, args, False)


def _by_attribute(budget: Budget, value: Plain, path: Plain, args: Any, wanted: bool) -> Plain:
    rows, steps = rows_of(value, budget), attribute_keys(path)
    budget.rows(len(rows))
    shown = [attribute_of(row, steps, budget) for row in rows]
    return _chosen(budget, rows, shown, args, wanted)


def _selectattr(budget: Budget, value: Plain, attribute: Plain, *args: Any) -> Plain:
    """The rows of which one thing passes a test.

    {{ [{'q': 2}, {'q': 3}] | selectattr('q', 'gt', 2) }} => [{"q": 3}]
    """
    return _by_attribute(budget, value, attribute, args, True)


def _rejectattr(budget: Budget, value: Plain, attribute: Plain, *args: Any) -> Plain:
    """The rows of which one thing fails a test.

    {{ [{'q': 2}, {'q': 3}] | rejectattr('q', 'gt', 2) }} => [{"q": 2}]
    """
    return _by_attribute(budget, value, attribute, args, False)


def _sum(budget: Budget, value: Plain, attribute: Plain = None, start: Plain = 0) -> Plain:
    """All together; attribute names what to add.

    {{ [{'q': 2}, {'q': 3}] | sum(attribute='q') }} => 5
    """
    total: Plain = need_number(start, "start")
    for one in attributes(rows_of(value, budget), attribute, budget):
        budget.step()
        total = arithmetic.add(total, need_number(one, "row"), budget)
    return total


FILTERS: Final = {
    "first": _first,
    "last": _last,
    "length": _length,
    "count": _length,
    "list": _list,
    "reverse": _reverse,
    "sum": _sum,
    "map": _map,
    "select": _select,
    "reject": _reject,
    "selectattr": _selectattr,
    "rejectattr": _rejectattr,
    "batch": _batch,
    "slice": _slice,
    "items": items,
    "keys": keys,
    "values": values,
}
TAKES: Final[dict[str, tuple[Literal["filter", "test"], int]]] = {
    "map": ("filter", 0),
    "select": ("test", 0),
    "reject": ("test", 0),
    "selectattr": ("test", 1),
    "rejectattr": ("test", 1),
}
