"""The filters that are always there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from connector.expressions.filter import Filter
from connector.expressions.filters import (
    dates,
    general,
    identifiers,
    lists,
    numbers,
    order,
    places,
    text,
)


@lru_cache(maxsize=1)
def builtin_filters() -> Mapping[str, Filter]:
    """All of them by name, made once."""
    made: dict[str, Filter] = {}

    def add(group: str, functions: Mapping[str, Any], *, budgeted: bool) -> None:
        for name, function in functions.items():
            made[name] = Filter.of(
                function,
                name,
                group=group,
                budgeted=budgeted,
                trusted=True,
                accepts_missing=name in ("default", "d"),
                takes=lists.TAKES.get(name),
                prepare=identifiers.PREPARE.get(name) or places.PREPARE.get(name),
            )

    add("any value", general.FILTERS, budgeted=True)
    add("text", text.FILTERS, budgeted=True)
    add("numbers", numbers.FILTERS, budgeted=True)
    add("dates", dates.FILTERS, budgeted=False)
    add("lists and objects", lists.FILTERS, budgeted=True)
    add("order and likeness", order.FILTERS, budgeted=True)
    add("Italian and European identifiers", identifiers.FILTERS, budgeted=False)
    add("countries and names", places.FILTERS, budgeted=False)
    return MappingProxyType(made)


def default_filters() -> dict[str, Filter]:
    """The built-in filters by name, as a new dict to add own ones to."""
    return dict(builtin_filters())
