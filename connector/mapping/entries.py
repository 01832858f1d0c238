"""The lines of a mapping before they are compiled: split, checked for overlaps, unfolded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from connector.mapping.findings import Findings
from connector.mapping.shape import Shape
from connector.paths import join, split

FOR_EACH = "for_each"
MAX_LINES = 1_000
_ROW = re.compile(r"0|[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: the keys of its target below the present object, and what is mapped to it."""

    keys: tuple[str, ...]
    value: Any
    where: str

    def inside(self, depth: int) -> Entry:
        """The same line, seen from an object some keys further down."""
        return Entry(self.keys[depth:], self.value, self.where)


def read_entries(
    mapping: Mapping[Any, Any], found: Findings, where: str, prefix: tuple[str, ...] = ()
) -> list[Entry]:
    """The lines of a mapping; those that overlap an earlier one are reported and left out."""
    entries: list[Entry] = []
    taken: dict[tuple[str, ...], str] = {}
    if len(mapping) > MAX_LINES:
        found.add(
            f"This mapping has {len(mapping)} lines; at most {MAX_LINES} fit.",
            where=where,
            remedy="Use for_each for lists.",
            key=True,
        )
    for name, value in islice(mapping.items(), MAX_LINES):
        place = f"{where}.{name}" if where else str(name)
        if not isinstance(name, str) or not name or "" in split(name):
            found.add(
                f"{str(name)!r} is no field path.",
                where=place,
                remedy="A path is keys joined by dots, such as data.name.",
                key=True,
            )
            continue
        keys = (*prefix, *split(name))
        other = _overlap(keys, taken)
        if other is not None:
            found.add(
                f"{name!r} overlaps {other!r}, which is mapped too.",
                where=place,
                field=join(keys),
                remedy="Keep one of the two.",
                key=True,
            )
            continue
        taken[keys] = name
        entries.append(Entry(keys, value, place))
    return entries


def _overlap(keys: tuple[str, ...], taken: Mapping[tuple[str, ...], str]) -> str | None:
    for length in range(1, len(keys) + 1):
        if keys[:length] in taken:
            return taken[keys[:length]]
    return next((name for one, name in taken.items() if one[: len(keys)] == keys), None)


def unfold(entries: Iterable[Entry], scope: Shape, found: Findings) -> list[Entry]:
    """Literal objects and lists written out in full become one line for each part."""
    flat: list[Entry] = []
    for entry in entries:
        shape = _shape_at(scope, entry.keys)
        value = entry.value
        if shape is None or not value or _is_loop(value):
            flat.append(entry)
        elif isinstance(value, Mapping) and shape[0].children and not shape[1]:
            flat += unfold(read_entries(value, found, entry.where, entry.keys), scope, found)
        elif isinstance(value, list) and shape[1]:
            rows = [
                Entry((*entry.keys, str(index)), row, f"{entry.where}.{index}")
                for index, row in enumerate(value)
            ]
            flat += unfold(rows, scope, found)
        else:
            flat.append(entry)
    return flat


def _is_loop(value: Any) -> bool:
    return isinstance(value, Mapping) and FOR_EACH in value


def _shape_at(scope: Shape, keys: tuple[str, ...]) -> tuple[Shape, bool] | None:
    """The place these keys lead to, and whether they lead to a list (and not to a row of it)."""
    place = scope
    as_list = False
    for key in keys:
        if as_list and is_row(key):
            as_list = False
            continue
        child = place.children.get(key)
        if child is None:
            return None
        place, as_list = child, child.is_list
    return place, as_list


def is_row(key: str) -> bool:
    """Whether a key is a row number: 0, 1, 2 …"""
    return _ROW.fullmatch(key) is not None
