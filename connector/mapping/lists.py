"""Compiling what is mapped to a list: `for_each`, rows one by one, columns, or a whole list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from connector.errors import Issue
from connector.mapping.entries import FOR_EACH, Entry, is_row, read_entries
from connector.mapping.fitting import Needs, fitter_for, row_fitter
from connector.mapping.ops import (
    Broken,
    Column,
    Fixed,
    ForEach,
    Indexed,
    Op,
    Parallel,
    Put,
    Row,
    Single,
    Spot,
)
from connector.mapping.shape import Shape
from connector.mapping.sources import Constant, Scope, read_expression
from connector.mapping.targets import Target, spot_of
from connector.paths import did_you_mean, kind

if TYPE_CHECKING:
    from connector.mapping.compiler import Compiler

MAX_LOOPS: Final = 2
ALIAS: Final = "item"
INDEX: Final = "index"
_LOOP_KEYS: Final = (FOR_EACH, "as", "map")
_WAYS: Final = {
    "whole": "as a whole",
    "rows": "row by row",
    "columns": "column by column",
}

Line = tuple[Entry, Target]


class ListCompiler:
    """The part of the compiler that knows about lists."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._found = compiler.found

    def compile(self, lines: Sequence[Line], scope: Scope) -> list[Op]:
        """The operations for all lines that lead to, or into, one list."""
        entry, target = lines[0]
        shape = target.shape
        spot = spot_of(entry, entry.keys[: target.depth])
        if shape.field is not None and shape.field.read_only and not shape.children:
            return [self._compiler.read_only(shape, entry, spot)]
        ways = {id(one): _way(one[1]) for one in lines}
        if len(set(ways.values())) > 1:
            other = next(one for one in lines if ways[id(one)] != ways[id(lines[0])])
            issue = self._mixed(shape, lines[0], other, ways)
            return [Broken(spot, "list", issue)]
        way = ways[id(lines[0])]
        if way == "whole":
            return [self._whole(shape, entry, spot, scope)]
        if way == "rows":
            return [self._rows(shape, lines, spot, scope)]
        return self._columns(shape, lines, spot, scope)

    def _mixed(self, shape: Shape, one: Line, other: Line, ways: Mapping[int, str]) -> Issue:
        first, second = _WAYS[ways[id(one)]], _WAYS[ways[id(other)]]
        return self._found.add(
            f"{shape.path} is mapped {first} and {second}.",
            where=other[0].where,
            field=shape.path,
            remedy="Use one way for the whole list.",
            key=True,
        )

    # --- as a whole -----------------------------------------------------------------------------

    def _whole(self, shape: Shape, entry: Entry, spot: Spot, scope: Scope) -> Op:
        value = entry.value
        if isinstance(value, Mapping):
            return self._for_each(shape, entry, spot, scope)
        if value == []:
            return Fixed(spot, "list", [], "")
        source = self._compiler.source(entry, shape.path, scope)
        if isinstance(source, Issue):
            return Broken(spot, "list", source)
        if isinstance(source, Constant):
            return self._compiler.fixed(shape, entry, spot, source.value)
        return Put(spot, source, fitter_for(shape))

    def _for_each(self, shape: Shape, entry: Entry, spot: Spot, scope: Scope) -> Op:
        value = entry.value
        issue = self._loop_issue(shape, entry, scope)
        if issue is not None:
            return Broken(spot, "list", issue)
        where = f"{entry.where}.{FOR_EACH}"
        before = len(self._found.issues)
        rows = read_expression(value[FOR_EACH], scope, self._found, where)
        if rows is None:
            return Broken(spot, "list", self._found.issues[before])
        if rows.is_literal:
            issue = self._found.add(
                f"{FOR_EACH} needs an expression that gives a list.",
                where=where,
                field=shape.path,
                remedy="Put it in braces: {{ trigger.resource.items_list }}.",
            )
            return Broken(spot, "list", issue)
        alias = value.get("as", ALIAS)
        place = f"{entry.where}.map"
        inner = scope.inner(alias, rows)
        row = self._row(shape, value["map"], place, inner)
        loop = Spot(spot.parents, spot.last, spot.path, value[FOR_EACH], where)
        return ForEach(loop, rows, alias, row)

    def _loop_issue(self, shape: Shape, entry: Entry, scope: Scope) -> Issue | None:
        """What is wrong with the shape of a `for_each`, if anything is."""
        value = entry.value
        if FOR_EACH not in value:
            return self._found.add(
                "This is a list, and what is mapped to it is one object.",
                where=entry.where,
                field=shape.path,
                remedy="Write its rows as a list (each begins with `- `), or one for_each with "
                "the `map` of a row.",
            )
        unknown = next((key for key in value if key not in _LOOP_KEYS), None)
        if unknown is not None:
            return self._found.add(
                f"A for_each has no key {str(unknown)!r}.",
                where=f"{entry.where}.{unknown}",
                field=shape.path,
                remedy=did_you_mean(str(unknown), _LOOP_KEYS),
                key=True,
            )
        message = _loop_fault(value, scope)
        if message is None:
            return None
        key, text, remedy = message
        return self._found.add(
            text,
            where=f"{entry.where}.{key}" if key in value else entry.where,
            field=shape.path,
            remedy=remedy,
        )

    def _row(self, shape: Shape, value: Any, where: str, scope: Scope) -> Row:
        """One row: an object by its fields, or a value by one expression."""
        if isinstance(value, Mapping) and shape.children:
            entries = read_entries(value, self._found, where)
            return self._compiler.plan(shape, entries, scope, where)
        return self._single(shape, Entry((), value, where), scope)

    def _single(self, shape: Shape, entry: Entry, scope: Scope) -> Row:
        source = self._compiler.source(entry, shape.path, scope)
        fitter = row_fitter(shape)
        if isinstance(source, Issue):
            source = Constant(None)
        elif isinstance(source, Constant):
            _, _, fault = self._compiler.attempt(fitter, source.value, entry, shape.path)
            if fault is not None:
                source = Constant(None)
        needs = Needs(shape) if shape.children else None
        return Single(source, fitter, needs, str(entry.value), entry.where)

    # --- row by row -----------------------------------------------------------------------------

    def _rows(self, shape: Shape, lines: Sequence[Line], spot: Spot, scope: Scope) -> Op:
        numbered: dict[int, list[Entry]] = {}
        for entry, target in lines:
            inner = entry.inside(target.depth + 1)
            numbered.setdefault(int(target.rest[0]), []).append(inner)
        missing = next((n for n in range(len(numbered)) if n not in numbered), None)
        if missing is not None:
            entry = numbered[max(numbered)][0]
            issue = self._found.add(
                f"{shape.path} has a row {max(numbered)}, but no row {missing}.",
                where=entry.where,
                field=shape.path,
                remedy="Number the rows from 0, without gaps.",
                key=True,
            )
            return Broken(spot, "list", issue)
        rows: list[Row] = []
        for index in range(len(numbered)):
            entries = numbered[index]
            if not entries[0].keys:
                # A row with nothing in it still lacks what every row must have.
                value = entries[0].value
                given = {} if value is None and shape.children else value
                rows.append(self._row(shape, given, entries[0].where, scope))
            else:
                where = entries[0].where
                rows.append(self._compiler.plan(shape, entries, scope, where))
        return Indexed(spot, tuple(rows))

    # --- column by column -----------------------------------------------------------------------

    def _columns(self, shape: Shape, lines: Sequence[Line], spot: Spot, scope: Scope) -> list[Op]:
        columns: list[Column] = []
        others: list[Op] = []
        for entry, target in lines:
            inner = entry.inside(target.depth)
            made = self._column(shape, inner, spot, scope)
            if isinstance(made, Column):
                columns.append(made)
            elif made is not None:
                others.append(made)
        inside = [entry.inside(target.depth) for entry, target in lines]
        needs = self._compiler.needs(shape, inside, spot.where)
        if columns:
            others.insert(0, Parallel(spot, tuple(columns), needs))
        return others

    def _column(self, shape: Shape, entry: Entry, outer: Spot, scope: Scope) -> Column | Op | None:
        target = self._compiler.resolve(shape, entry)
        if target is None:
            return None
        place = target.shape
        spot = spot_of(entry, entry.keys)
        path = f"{outer.path}.{spot.path}"
        whole = Spot(outer.parents, outer.last, path, spot.text, entry.where)
        if place.is_list:
            issue = self._found.add(
                f"{place.path} is a list inside a list.",
                where=entry.where,
                field=place.path,
                remedy=f"Write for_each under {shape.path}.",
                key=True,
            )
            return Broken(whole, "list", issue)
        if place.field is not None and place.field.read_only and not place.children:
            return self._compiler.read_only(place, entry, whole)
        fitter = fitter_for(place)
        source = self._compiler.source(entry, place.path, scope)
        if isinstance(source, Issue):
            return Broken(whole, fitter.type, source)
        if isinstance(source, Constant):
            values = source.value if kind(source.value) == "list" else [source.value]
            for value in values:
                _, _, fault = self._compiler.attempt(fitter, value, entry, place.path)
                if fault is not None:
                    return Broken(whole, fitter.type, fault)
        return Column(spot, source, fitter)


def _way(target: Target) -> str:
    if not target.rest:
        return "whole"
    return "rows" if is_row(target.rest[0]) else "columns"


def _loop_fault(value: Mapping[str, Any], scope: Scope) -> tuple[str, str, str] | None:
    """The faulty key of a `for_each`, what is wrong, and the remedy."""
    if not isinstance(value[FOR_EACH], str):
        return FOR_EACH, f"{FOR_EACH} needs an expression in braces.", "Write {{ … }}."
    if not isinstance(value.get("map"), Mapping | str):
        return "map", "A for_each needs `map`, the fields of one row.", "Add map: below it."
    if len(scope.loops) >= MAX_LOOPS:
        return FOR_EACH, f"At most {MAX_LOOPS} for_each fit into each other.", "Take one out."
    alias = value.get("as", ALIAS)
    if not isinstance(alias, str) or not alias.isidentifier() or alias.startswith("_"):
        return "as", "`as` is a name of letters, digits and underscores.", "Write as: line."
    if alias == INDEX or alias in scope.names:
        return "as", f"{alias!r} has a meaning here already.", "Give the row another name by `as`."
    return None
