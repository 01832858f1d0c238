"""Where a line of a mapping leads."""

from __future__ import annotations

from dataclasses import dataclass

from connector.mapping.entries import Entry
from connector.mapping.ops import Spot
from connector.mapping.shape import Shape
from connector.mapping.sources import text_of
from connector.paths import join


@dataclass(frozen=True, slots=True)
class Target:
    """A place of the tree, how many keys led there, and the keys that are left."""

    shape: Shape
    depth: int
    rest: tuple[str, ...] = ()


def spot_of(entry: Entry, keys: tuple[str, ...]) -> Spot:
    """Where a line writes, these keys below its object."""
    return Spot(keys[:-1], keys[-1], join(keys), text_of(entry.value), entry.where)
