"""From the lines of a mapping to operations: every line is checked against the fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from connector.demands import Demand
from connector.errors import Issue
from connector.mapping.demanded import covers, is_filled, report_unmet
from connector.mapping.entries import FOR_EACH, Entry, unfold
from connector.mapping.findings import Findings
from connector.mapping.fitting import (
    READ_ONLY,
    REMOVE,
    UNKNOWN_CHOICE,
    Fitter,
    LeafFitter,
    Needs,
    fitter_for,
)
from connector.mapping.lists import ListCompiler
from connector.mapping.ops import Broken, Dropped, Fixed, Op, Plan, Put, Source, Spot
from connector.mapping.report import names_of
from connector.mapping.shape import Shape, needs
from connector.mapping.sources import Constant, Scope, Template, read_source
from connector.mapping.targets import Target, spot_of
from connector.mapping.work import Spent, Work
from connector.model import Field
from connector.paths import ABSENT, did_you_mean, join, split

_MANY: Final = 10
"""Unknown fields whose near names are looked for: it takes milliseconds each."""


class Compiler:
    """Compiles one mapping; what it finds on the way is in `found`."""

    def __init__(
        self,
        found: Findings,
        tree: Shape,
        demands: Iterable[Demand] = (),
        finders: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.found = found
        self._finders = finders
        self._tree, self._demands = tree, tuple(demands)
        self._unknowns = 0
        self._lists = ListCompiler(self)

    def plan(self, shape: Shape, entries: list[Entry], scope: Scope, where: str) -> Plan:
        """The operations that build one object, or one row of a list, of this shape."""
        groups: dict[tuple[str, ...], list[tuple[Entry, Target]]] = {}
        for entry in unfold(entries, shape, self.found):
            target = self.resolve(shape, entry)
            if target is not None:
                key = entry.keys[: target.depth] if target.shape.is_list else entry.keys
                groups.setdefault(key, []).append((entry, target))
        ops: list[Op] = []
        for lines in groups.values():
            entry, target = lines[0]
            if target.shape.is_list:
                ops += self._lists.compile(lines, scope)
            else:
                ops.append(self._place(shape, entry, target, scope))
        mapped = [entry for lines in groups.values() for entry, _ in lines]
        return Plan(tuple(ops), self.needs(shape, mapped, where), where)

    # --- finding the place --------------------------------------------------------------------

    def resolve(self, root: Shape, entry: Entry) -> Target | None:
        """Where a line leads, up to the first list on its way; None (reported) if nowhere."""
        place = root
        for depth, key in enumerate(entry.keys):
            child = place.children.get(key)
            if child is None:
                if place.is_open and not place.children:
                    return Target(place, len(entry.keys), entry.keys[depth:])
                self._unknown(root, entry)
                return None
            place = child
            if place.is_list:
                return Target(place, depth + 1, entry.keys[depth + 1 :])
        return Target(place, len(entry.keys))

    def _unknown(self, root: Shape, entry: Entry) -> None:
        path = join(entry.keys)
        self._unknowns += 1
        near = ""
        if self._unknowns <= _MANY:
            depth = len(root.keys)
            near = did_you_mean(
                path,
                (
                    join(leaf.keys[depth:])
                    for leaf in root.leaves()
                    if leaf.field is not None and not leaf.field.read_only
                ),
            )
        self.found.add(
            f"There is no field {path!r}.",
            where=entry.where,
            field=join([*root.keys, *entry.keys]),
            remedy=near,
            key=True,
        )

    # --- fields and objects -------------------------------------------------------------------

    def _place(self, root: Shape, entry: Entry, target: Target, scope: Scope) -> Op:
        spot = spot_of(entry, entry.keys)
        shape = target.shape
        if shape.field is not None and shape.field.read_only and not shape.children:
            return self.read_only(shape, entry, spot)
        if target.rest:
            inside = Field(path=shape.path, label="", type="any")
            shape = Shape((*root.keys, *entry.keys), inside)
        if isinstance(entry.value, Mapping) and FOR_EACH in entry.value and not shape.is_open:
            issue = self.found.add(
                f"{FOR_EACH} makes rows, and {shape.path!r} is no list.",
                where=entry.where,
                field=shape.path,
                remedy="Map it without for_each.",
            )
            return Broken(spot, "any", issue)
        return self._valued(shape, entry, spot, scope)

    def read_only(self, shape: Shape, entry: Entry, spot: Spot) -> Op:
        """A line for a field that the app fills itself: warned of, and dropped."""
        self.found.add(
            READ_ONLY,
            where=entry.where,
            field=shape.path,
            remedy=REMOVE,
            severity="warning",
            key=True,
        )
        return Dropped(spot, fitter_for(shape))

    def _valued(self, shape: Shape, entry: Entry, spot: Spot, scope: Scope) -> Op:
        fitter = fitter_for(shape)
        source = self.source(entry, shape.path, scope)
        if isinstance(source, Issue):
            return Broken(spot, fitter.type, source)
        if isinstance(source, Constant):
            return self.fixed(shape, entry, spot, source.value)
        if isinstance(source, Template) and not shape.is_open:
            # A structure in a place for one value is wrong, whatever the expressions in it give.
            return self.fixed(shape, entry, spot, entry.value)
        return Put(spot, source, fitter)

    def source(self, entry: Entry, path: str, scope: Scope) -> Source | Issue:
        """The source of a line, or the issue that it has none."""
        before = len(self.found.issues)
        source = read_source(entry.value, scope, self.found, entry.where)
        if source is not None:
            return source
        issue = self.found.issues[before].model_copy(update={"field": path})
        self.found.issues[before] = issue
        return issue

    def fixed(self, shape: Shape, entry: Entry, spot: Spot, literal: Any) -> Op:
        """A literal, fitted now: its faults are found before anything runs."""
        fitter = fitter_for(shape)
        value, note, fault = self.attempt(fitter, literal, entry, shape.path)
        if fault is not None:
            return Broken(spot, fitter.type, fault)
        return Fixed(spot, fitter.type, value, note)

    def attempt(
        self, fitter: Fitter, literal: Any, entry: Entry, path: str
    ) -> tuple[Any, str, Issue | None]:
        """A literal fitted (None when it is left out), a note on it, and its first error."""
        work = Work(None, "")
        try:
            value = fitter.fit(work, literal, path, "", entry.where)
        except Spent as spent:
            value = ABSENT
            work.stop(spent)
        fault: Issue | None = None
        for issue in work.issues:
            kept = self.found.add(
                issue.message,
                where=entry.where,
                field=issue.field,
                remedy=issue.remedy,
                value_type=issue.value_type,
                severity=issue.severity,
            )
            if fault is None and issue.severity == "error":
                fault = kept
        note = next((one.note for one in work.report if one.state == "set"), "")
        self.found.names += names_of(work.report)
        if note == UNKNOWN_CHOICE and isinstance(fitter, LeafFitter):
            self.found.add(
                "This is not one of the choices that we know; it is sent all the same.",
                where=entry.where,
                field=path,
                remedy=did_you_mean(str(value), fitter.known or ()),
                severity="warning",
            )
        return (None if value is ABSENT else value), note, fault

    # --- what is missing ----------------------------------------------------------------------

    def needs(self, shape: Shape, lines: Iterable[Entry], where: str) -> Needs:
        """What an object or row must have; what no line can fill is reported now."""
        lines = list(lines)
        if not self._unknowns:
            # A field that is named wrongly may be the very one.
            report_unmet(self._demands, self._tree, shape, lines, self.found, where)
        mapped = [line.keys for line in lines if line.value == "" or is_filled(line)]
        depth = len(shape.keys)
        missing: dict[str, Issue] = {}
        for leaf in needs(shape):
            assert leaf.field is not None
            keys, chooser = leaf.keys[depth:], leaf.field.by_id
            if covers(mapped, keys):
                continue
            if chooser is not None and covers(mapped, split(chooser)[depth:]):
                continue
            optional = not leaf.field.required
            if optional and not covers(mapped, keys[:-1]):
                continue
            told = f"{leaf.path} must be mapped: it is required."
            if optional:
                around = join(leaf.keys[:-1])
                told = f"{leaf.path} must be mapped when {around} is: it is required."
            label, finder = leaf.field.label, self._finders.get(leaf.field.choices_from)
            remedy = f"Add a line for it ({label})."
            if finder:
                remedy = (
                    f"Add a line for it ({label}), or the step {finder} before it, which finds one."
                )
            missing[leaf.path] = self.found.add(
                told,
                where=where,
                field=leaf.path,
                remedy=remedy,
                key=True,
                lacks="value",
            )
        return Needs(shape, missing)
