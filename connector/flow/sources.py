"""Do the places that expressions read exist? Told from the schemas, as far as they know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from connector.expressions import Expression
from connector.mapping import shape as shapes
from connector.mapping.findings import Findings, Located
from connector.mapping.shape import Shape
from connector.model import Field
from connector.paths import did_you_mean, join, split

_DEFAULT: Final = r"\s*\|\s*default\b"
_LONE_PATH: Final = re.compile(r"\s*\{\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}\}\s*")
_FIXED: Final = {
    "flow": ("key", "version"),
    "run": ("id", "created_at"),
}
SKIPPED_KEY: Final = "skipped"


class Sources:
    """What is known of the data that a flow reads: its trigger's, and its steps'."""

    def __init__(
        self, found: Findings, trigger: Iterable[Field], steps: Mapping[str, bool]
    ) -> None:
        """`steps` are the ids in their order, and whether each is switched on."""
        self._found = found
        self._order = tuple(steps)
        self._off = frozenset(name for name, enabled in steps.items() if not enabled)
        self._trees: dict[str, Shape | None] = {"trigger": _tree(trigger)}
        for root, keys in _FIXED.items():
            self._trees[root] = _tree(Field(path=key, label=key) for key in keys)

    def add_step(self, name: str, output: Iterable[Field]) -> None:
        """What an earlier step gives."""
        self._trees[f"steps.{name}"] = _tree(output)

    def check(self, one: Located, step: str | None) -> None:
        """Report what an expression reads in vain; `step` is the step it stands in."""
        for reference in one.expression.references:
            keys = split(reference)
            offset = one.expression.source.find(reference)
            at = (one.where, offset if offset >= 0 else None)
            if keys[0] == "steps" and step is not None:
                if self._is_earlier(keys, step, at) and self._is_on(one, keys, at):
                    self._look(f"steps.{keys[1]}", keys[2:], at, reference)
            elif keys[0] in one.loops:
                self._look_in_row(one, keys, at, reference)
            elif keys[0] in self._trees:
                self._look(keys[0], keys[1:], at, reference)

    # --- steps ----------------------------------------------------------------------------------

    def _is_earlier(self, keys: tuple[str, ...], step: str, at: tuple[str, int | None]) -> bool:
        if len(keys) < 2:
            return False
        name = keys[1]
        earlier = self._order[: self._order.index(step)] if step in self._order else self._order
        if name in earlier:
            return len(keys) < 3 or keys[2] != SKIPPED_KEY
        if name == step:
            message, remedy = f"Step {name!r} reads its own result.", ""
        elif name in self._order:
            message = f"Step {name!r} comes later."
            remedy = "Only results of earlier steps can be read: change the order of the steps."
        else:
            message, remedy = f"There is no step {name!r}.", did_you_mean(name, earlier)
        where, offset = at
        self._found.add(message, where=where, remedy=remedy, offset=offset)
        return False

    def _is_on(self, one: Located, keys: tuple[str, ...], at: tuple[str, int | None]) -> bool:
        """A step that is switched off gives nothing: whoever reads it must say what else."""
        name = keys[1]
        if name not in self._off:
            return True
        where, offset = at
        if not _is_guarded(one.expression, join(keys), name):
            self._found.add(
                f"Step {name!r} is switched off: it gives nothing that could be read.",
                where=where,
                remedy=f"Switch {name!r} on, or say what to take instead: | default(…).",
                offset=offset,
            )
        return False

    # --- fields ---------------------------------------------------------------------------------

    def _look_in_row(
        self, one: Located, keys: tuple[str, ...], at: tuple[str, int | None], reference: str
    ) -> None:
        """The rows of a loop are known when they come straight from a known list."""
        path = _lone_path(one.loops[keys[0]])
        if path is None:
            return
        source = split(path)
        if source[0] in one.loops:
            outer = _lone_path(one.loops[source[0]])
            if outer is None:
                return
            source = (*split(outer), "0", *source[1:])
        full = (*source, "0", *keys[1:])
        if full[0] == "steps" and len(full) > 1:
            self._look(f"steps.{full[1]}", full[2:], at, reference)
        elif full[0] in self._trees:
            self._look(full[0], full[1:], at, reference)

    def _look(
        self, root: str, keys: tuple[str, ...], at: tuple[str, int | None], reference: str
    ) -> None:
        place = self._trees.get(root)
        if place is None:
            return
        in_list = False
        for key in keys:
            if place.is_open and not place.children:
                return
            if in_list:
                if not key.isdecimal():
                    self._warn_of_list(place, at, reference)
                    return
                in_list = False
                continue
            child = place.children.get(key)
            if child is None:
                self._warn(place, key, at, reference)
                return
            place, in_list = child, child.is_list

    def _warn(self, place: Shape, key: str, at: tuple[str, int | None], reference: str) -> None:
        where, offset = at
        what = f"{place.path!r}" if place.keys else "it"
        self._found.add(
            f"{reference!r} is not known: the schema has no {key!r} in {what}."
            if place.keys
            else f"{reference!r} is not known: the schema has no {key!r}.",
            where=where,
            remedy=did_you_mean(key, place.children)
            or "If it exists all the same, and may be absent, add | default(…).",
            severity="warning",
            offset=offset,
        )

    def _warn_of_list(self, place: Shape, at: tuple[str, int | None], reference: str) -> None:
        where, offset = at
        self._found.add(
            f"{reference!r} reads into {join(place.keys)!r}, which is a list.",
            where=where,
            remedy="Take one row, as in [0], go through all with for_each, or use | map.",
            severity="warning",
            offset=offset,
        )


def _tree(fields: Iterable[Field]) -> Shape | None:
    """The tree of these fields; None when nothing is known of them."""
    tree = shapes.build(fields)
    return tree if tree.children else None


def _lone_path(expression: Expression) -> str | None:
    match = _LONE_PATH.fullmatch(expression.source)
    return match[1] if match else None


def _is_guarded(expression: Expression, reference: str, step: str) -> bool:
    """Whether an expression says what holds without this value: by `default` or `skipped`."""
    if join(("steps", step, SKIPPED_KEY)) in expression.references:
        return True
    found = [
        re.match(_DEFAULT, expression.source[place.end() :])
        for place in re.finditer(rf"{re.escape(reference)}(?![A-Za-z0-9_.])", expression.source)
    ]
    return bool(found) and all(found)
