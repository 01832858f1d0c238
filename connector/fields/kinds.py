"""What the values of a schema tell of: `x-kind`, `x-means`, `x-same-document`, `x-varies`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.fields.files import Place, SchemaFiles
from connector.paths import join


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one place of a schema."""

    kind: str = ""
    """What it tells of: a customer, a document, a line of it …; empty where nobody knows."""
    means: str | None = None
    """What it stands for, where its name does not say so; empty: nothing that we know."""
    same_document: bool = False
    """Only the same document in another app can say it, such as a total to compare with."""
    varies: bool = False
    """It chooses or tells of one record: that it is the same in every run is seldom meant."""


def told_of(files: SchemaFiles, name: str) -> Mapping[str, Told]:
    """Every path of a schema with what is said of it; what lies in an object has its kind."""
    found: dict[str, Told] = {}
    root = files.open([files.root(name)], frozenset({(name, "")}))
    _walk(files, root, "", "", found)
    return found


def _walk(files: SchemaFiles, place: Place, path: str, kind: str, found: dict[str, Told]) -> None:
    kind = place.keys.get("x-kind", kind)
    found[path] = Told(
        kind,
        place.keys.get("x-means"),
        same_document=place.keys.get("x-same-document", False),
        varies=place.keys.get("x-varies", False),
    )
    if place.items:
        rows = files.open(place.items, place.trail)
        kind = rows.keys.get("x-kind", kind)
        place = rows
    for key, sources in place.properties.items():
        below = f"{path}.{join([key])}" if path else join([key])
        _walk(files, files.open(sources, place.trail), below, kind, found)
