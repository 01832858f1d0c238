"""The fields of a node as a tree: which objects and lists there are, and what lies in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field as attribute
from typing import Any, Protocol

from connector.model import Field
from connector.paths import join, split


class Validator(Protocol):
    """The part of a JSON Schema validator that is needed here."""

    def iter_errors(self, instance: Any) -> Iterator[Any]:
        """Every way in which a value does not fit."""
        ...


@dataclass(slots=True)
class Shape:
    """One place of the tree: a field, an object, or a list of either."""

    keys: tuple[str, ...] = ()
    field: Field | None = None
    is_list: bool = False
    children: dict[str, Shape] = attribute(default_factory=dict)
    inner_need: bool = False
    """Its object may be left out, but not this part of it."""

    @property
    def path(self) -> str:
        """The dotted path from the root, without row numbers."""
        return join(self.keys)

    @property
    def is_open(self) -> bool:
        """Whether any key may stand below it: a free-form field."""
        return self.field is not None and self.field.type in ("object", "any")

    @property
    def takes_objects(self) -> bool:
        """Whether it is an object, or a list of objects, with known keys."""
        return bool(self.children)

    @property
    def words(self) -> str:
        """What it is, in a user's words."""
        if self.is_list:
            return "a list"
        return "an object" if self.takes_objects else "a field"

    def leaves(self) -> Iterator[Shape]:
        """Every field at or below this place, in the order of the schema."""
        if self.field is not None and not self.children:
            yield self
        for child in self.children.values():
            yield from child.leaves()

    def own_leaves(self) -> Iterator[Shape]:
        """The fields below this object that do not lie in a list of it."""
        for child in self.children.values():
            if child.children and not child.is_list:
                yield from child.own_leaves()
            elif child.field is not None:
                yield child


def build(fields: Iterable[Field]) -> Shape:
    """The tree of these fields."""
    fields = tuple(fields)
    lists = {one.array for one in fields if one.array is not None}
    root = Shape()
    for one in fields:
        place = root
        for key in split(one.path):
            keys = (*place.keys, key)
            child = place.children.get(key)
            if child is None:
                child = place.children[key] = Shape(keys, is_list=join(keys) in lists)
            place = child
        place.field = one
    return root


def needs(scope: Shape) -> tuple[Shape, ...]:
    """The fields that must be set where an object of this shape is sent.

    Those with an `inner_need` only when the object they lie in is sent, too.
    """
    return tuple(
        leaf
        for leaf in scope.own_leaves()
        if leaf.field is not None
        and (leaf.field.required or leaf.inner_need)
        and not leaf.field.read_only
    )


def mark_inner_needs(tree: Shape, schemas: Iterable[tuple[str, Validator]]) -> None:
    """Learn from the schemas, each with its prefix, what optional objects cannot do without.

    One empty skeleton with every object in it is validated: each complaint about a missing
    property is a need.
    """
    for prefix, validator in schemas:
        root = tree
        for key in split(prefix) if prefix else ():
            root = root.children[key]
        for error in validator.iter_errors(_skeleton(root)):
            if error.validator == "required":
                _mark(root, error)


def _skeleton(shape: Shape) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, child in shape.children.items():
        if child.children:
            inner = _skeleton(child)
            made[key] = [inner] if child.is_list else inner
    return made


def _mark(root: Shape, error: Any) -> None:
    place = root
    for key in error.absolute_path:
        if isinstance(key, str):
            place = place.children[key]
    for key in error.validator_value:
        child = place.children.get(key)
        if child is not None and not child.children:
            child.inner_need = True
