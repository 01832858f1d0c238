"""One node under test, with what the checks need to know beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector import paths
from connector.catalog import Catalog
from connector.model import AnyNode, Connection, SchemaRef, Trigger

ADDRESS = "https://app.example"


@dataclass(frozen=True, slots=True)
class Subject:
    """A node, its catalogue, and the folder with what was written down about its app."""

    node: AnyNode
    catalog: Catalog
    folder: Path
    no_scopes: Mapping[str, str]
    """Why a node needs no scope although its app has consents, by key."""

    @property
    def connection(self) -> Connection:
        """An account that exists only here."""
        return Connection(id="c1", app=self.node.app, name="Test", base_url=ADDRESS)

    @property
    def recording(self) -> Path:
        """Where its recorded exchange lies."""
        return self.folder / self.node.app / f"{self.node.key}.json"

    def refs(self) -> Iterator[SchemaRef]:
        """Every schema it names."""
        for given in self.node.inputs:
            if isinstance(given, SchemaRef):
                yield given
        if self.node.output is not None:
            yield self.node.output
        if isinstance(self.node, Trigger):
            yield from self.node.outputs.values()

    def inputs(self) -> dict[str, Any]:
        """Inputs made of the examples in its schemas."""
        made: dict[str, Any] = {}
        for given in self.node.inputs:
            if isinstance(given, SchemaRef):
                sample = self.catalog.schemas.sample(given, output=False)
                if given.prefix:
                    paths.put(made, given.prefix, sample)
                else:
                    made.update(sample)
            else:
                value = given.example
                if value is None and given.choices:
                    value = given.choices[0].value
                paths.put(made, given.path, _made_up(given.type) if value is None else value)
        return made


def _made_up(kind: str) -> Any:
    made: dict[str, Any] = {
        "integer": 7,
        "number": 7,
        "boolean": True,
        "date": "2026-03-04",
        "datetime": "2026-03-04T09:15:02+01:00",
        "object": {},
    }
    return made.get(kind, "text")
