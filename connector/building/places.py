"""The values that a mapping may read: where they lie, and what kind of record they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from connector.building.contexts import steps_before, trigger_of
from connector.catalog import RESOURCE
from connector.fields.kinds import Told
from connector.model import AnyNode, Field, SchemaRef, schema
from connector.paths import join, split

if TYPE_CHECKING:
    from connector.catalog import Catalog

CUSTOMER, SUPPLIER, DOCUMENT, PURCHASE, LINE, PAYMENT, PRODUCT = (
    "customer", "supplier", "document", "purchase", "line", "payment", "product",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A value that a mapping may read: its whole path, its key and its type."""

    path: str
    type: str = "string"
    array: str | None = None
    depth: int = 0
    app: str = ""
    noun: str = ""
    """What the step or trigger gives, as its node calls it."""
    kind: str = ""
    """What it tells of: a customer, a document, a line of it …; empty where nobody knows."""
    means: str | None = None
    """What it stands for, where its name does not say so."""

    @property
    def key(self) -> str:
        """The last key of its path."""
        return split(self.path)[-1]


def places_of(
    root: str,
    fields: Iterable[Field],
    app: str = "",
    noun: str = "",
    told: Mapping[str, Told] = MappingProxyType({}),
) -> list[Place]:
    """The places that the fields of an output stand for, below a root such as `trigger`."""
    found = []
    for one in fields:
        says = told.get(one.path, Told())
        found.append(
            Place(
                f"{root}.{one.path}",
                one.type,
                f"{root}.{one.array}" if one.array else None,
                len(split(one.path)),
                app,
                noun.lower().replace(" ", "_"),
                says.kind,
                says.means,
            )
        )
    return found


def places_in(root: str, value: Any, depth: int = 0) -> list[Place]:
    """The same from a sample, where no schema tells."""
    if isinstance(value, Mapping) and depth < 6:
        found = []
        for key, inner in value.items():
            found += places_in(f"{root}.{join([str(key)])}", inner, depth + 1)
        return found
    kind = "any"
    if isinstance(value, bool):
        kind = "boolean"
    elif isinstance(value, str):
        kind = "string"
    elif value is not None and not isinstance(value, Mapping | list):
        kind = "number"
    return [Place(root, kind, root if isinstance(value, list) else None, depth)]


def places_seen(
    catalog: Catalog, data: Mapping[str, Any], upto: int, context: Mapping[str, Any]
) -> list[Place]:
    """What step number `upto` sees: what the schemas know, then what only the sample has."""
    known: list[Place] = []
    trigger, resource = trigger_of(catalog, data)
    if trigger is not None:
        record = trigger.outputs.get(resource or next(iter(trigger.outputs), ""))
        fields = catalog.output_fields(trigger, resource)
        told = catalog.schemas.told(schema(record.schema_name, RESOURCE)) if record else {}
        known += places_of("trigger", fields, trigger.app, "", told)
    for id_, node, enabled in steps_before(catalog, data, upto):
        if enabled:
            fields = catalog.output_fields(node)
            told = catalog.schemas.told(node.output) if node.output else {}
            known += places_of(f"steps.{id_}", fields, node.app, node.noun, told)
    paths = {one.path for one in known}
    lists = {one.array for one in known if one.array}
    sampled = [
        *places_in("trigger", context.get("trigger", {})),
        *places_in("steps", context.get("steps", {})),
    ]
    return known + [one for one in sampled if one.path not in paths and one.path not in lists]


def told_of(catalog: Catalog, node: AnyNode) -> dict[str, Told]:
    """What each input of a node tells of and stands for."""
    found: dict[str, Told] = {}
    for given in node.inputs:
        if isinstance(given, SchemaRef):
            found.update(catalog.schemas.told(given))
    return found
