"""A flow as data: one trigger, an optional filter, ordered steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field as attribute
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field as Attribute

from connector.flow.document import Spot, Value, spot_at
from connector.model import Data, Json

Order = Literal["per_record", "none"]
Loops = Literal["ignore", "allow"]


@dataclass(slots=True)
class Places:
    """Where each part of a flow stands in the text it was read from.

    Two flows that say the same are equal wherever it stands, so all places are equal.
    """

    text: str = ""
    values: dict[str, Value] = attribute(default_factory=dict)
    keys: dict[str, Spot] = attribute(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places)

    def __hash__(self) -> int:
        return 0

    def locate(
        self, where: str, *, key: bool = False, offset: int | None = None
    ) -> tuple[int, int] | None:
        """Line and column of a value, its key, or a character in it; else of what it lies in."""
        while where not in self.values:
            where, dot, _ = where.rpartition(".")
            offset = None
            if not dot and where not in self.values:
                return None
        value = self.values[where]
        spot = self.keys.get(where, value.spot) if key else value.spot
        if offset is not None and not key:
            spot = self._inside(value, offset) or spot
        return spot.line, spot.column

    def _inside(self, value: Value, offset: int) -> Spot | None:
        """The place of a character of a text, when it stands there as it is."""
        if not isinstance(value.data, str):
            return None
        start = value.spot.index
        if self.text[start : start + 1] in ('"', "'"):
            start += 1
        if not self.text.startswith(value.data[: offset + 1], start):
            return None
        return spot_at(self.text, start + offset)


class FlowTrigger(Data):
    """What starts a flow: a trigger, the connection it listens to, and its settings."""

    node: str
    connection: str
    inputs: Mapping[str, Json] = {}
    """`with` in the document."""


class Step(Data):
    """One thing a flow does: an action or a search, on a connection, with a mapping."""

    id: str
    node: str
    connection: str
    when: str | None = None
    enabled: bool = True
    map: Mapping[str, Json] = {}
    business_key: str | None = None


class Flow(Data):
    """One flow document; `parse_flow` reads it, `as_yaml` writes it."""

    key: str
    """`flow` in the document."""
    name: str = ""
    description: str = ""
    trigger: FlowTrigger
    when: str | None = None
    order: Order = "per_record"
    loops: Loops = "ignore"
    """Whether it follows what its own writes led to."""
    steps: tuple[Step, ...]
    places: Places = Attribute(default_factory=Places, exclude=True, repr=False)

    def as_data(self) -> dict[str, Any]:
        """The document as plain data, with its own keys, in the order they are written."""
        trigger = {
            "node": self.trigger.node,
            "connection": self.trigger.connection,
            "with": dict(self.trigger.inputs),
        }
        steps = [
            {
                "id": step.id,
                "node": step.node,
                "connection": step.connection,
                "enabled": None if step.enabled else False,
                "when": step.when,
                "business_key": step.business_key,
                "map": dict(step.map),
            }
            for step in self.steps
        ]
        document = {
            "flow": self.key,
            "name": self.name,
            "description": self.description,
            "order": self.order if self.order != "per_record" else None,
            "loops": self.loops if self.loops != "ignore" else None,
            "trigger": _said(trigger),
            "when": self.when,
            "steps": [_said(step) for step in steps],
        }
        return _said(document)

    def as_yaml(self) -> str:
        """The document as YAML; `parse_flow` reads the same flow from it."""
        return write_yaml(self.as_data())


def _said(data: dict[str, Any]) -> dict[str, Any]:
    """Without what a document leaves out."""
    return {key: value for key, value in data.items() if value not in (None, "", {})}


def write_yaml(data: Any) -> str:
    """Plain data as our documents are written; `read_document` reads the same from it."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes expressions in double quotes, decimals as they are, and no aliases."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        # Double quotes write out what YAML would read as something else, as some line ends.
        quoted = "{{" in value or "{%" in value or not value.isprintable()
        style = '"' if quoted else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def decimal(dumper: Any, value: Decimal) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:float", format(value, "f"))

    Dumper.add_representer(str, text)
    Dumper.add_representer(Decimal, decimal)
    written: str = yaml.dump(data, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=10_000)
    return written
