"""What a node needs of several fields together, looked for in the lines of a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from connector.demands import Demand
from connector.mapping.entries import Entry, is_row
from connector.mapping.findings import Findings
from connector.mapping.shape import Shape
from connector.paths import split

_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})


def is_filled(line: Entry) -> bool:
    """Whether a line maps anything at all; an empty row is a row."""
    if line.keys and is_row(line.keys[-1]):
        return True
    return not any(type(line.value) is type(one) and line.value == one for one in _NOTHING)


def covers(mapped: Iterable[tuple[str, ...]], keys: tuple[str, ...]) -> bool:
    """Whether a line fills this place: itself, as part of an object, or from below."""
    return any(one[: len(keys)] == keys[: len(one)] for one in mapped)


def report_unmet(
    demands: Iterable[Demand], tree: Shape, shape: Shape, lines: Sequence[Entry], found: Findings,
    where: str,
) -> None:  # fmt: skip
    """Report the demands on this object, or row of a list, that no line can meet."""
    depth = len(shape.keys)
    mapped = [line.keys for line in lines if is_filled(line)]
    for demand in demands:
        if _holder(tree, demand.one_of[0]) != shape.keys or not _counts(demand, depth, lines):
            continue
        if any(covers(mapped, split(one)[depth:]) for one in demand.one_of):
            continue
        found.add(
            demand.message,
            where=where,
            field=demand.one_of[0],
            remedy=demand.remedy,
            severity=demand.severity,
            key=True,
            lacks="one_of",
        )


def _holder(tree: Shape, path: str) -> tuple[str, ...]:
    """The keys of the innermost list around a place: its demand is asked of each row."""
    place, holder = tree, tree.keys
    for key in split(path)[:-1]:
        place = place.children[key]
        if place.is_list:
            holder = place.keys
    return holder


def _counts(demand: Demand, depth: int, lines: Iterable[Entry]) -> bool:
    if not demand.when:
        return True
    keys = split(demand.when)[depth:]
    if not demand.of:
        return covers([line.keys for line in lines if is_filled(line)], keys)
    return any(
        line.keys == keys and type(line.value) is type(one) and line.value == one
        for line in lines
        for one in demand.of
    )
