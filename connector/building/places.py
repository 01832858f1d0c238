"""The values that a mapping may read: where they lie, and what kind of record they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connector.building.contexts import steps_before, trigger_of
from connector.model import AnyNode, Field, SchemaRef
from connector.paths import join, split

if TYPE_CHECKING:
    from connector.catalog import Catalog

CUSTOMER, SUPPLIER, DOCUMENT, PURCHASE, LINE = (
    "customer", "supplier", "document", "purchase", "line",
)  # fmt: skip
_KINDS: Final[Mapping[str, str]] = {
    "client": CUSTOMER,
    "customer": CUSTOMER,
    "lead": CUSTOMER,
    "supplier": SUPPLIER,
    "issued_document": DOCUMENT,
    "compose_document": DOCUMENT,
    "invoice": DOCUMENT,
    "received_document": PURCHASE,
    "payment": "payment",
    "product": "product",
}
"""What a schema describes; a schema that is not here may be anything."""
_TO_SUPPLIERS: Final = (
    "issued_documents.supplier_orders",
    "issued_documents.self_supplier_invoices",
)
"""Issued documents whose other party is a supplier, or may be one."""
_ROWS: Final = ("items_list", "items", "newitems")
_HOLD: Final = ("resource", "record", "records")
_MEANS: Final[Mapping[tuple[str, str], str]] = {
    # An invoice is for the company that somebody belongs to, not for its contact.
    ("lead", "name"): "",
    ("lead", "title"): "",
    # What a line of Perfex is called; its own text is the long one.
    ("invoice", "items.description"): "name",
    ("invoice", "items.long_description"): "description",
    ("invoice", "newitems.description"): "name",
    ("invoice", "newitems.long_description"): "description",
}
"""What a name stands for in one schema, where that differs from what it says; empty: nothing."""


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
    schema: str = "",
    resource: str = "",
) -> list[Place]:
    """The places that the fields of an output stand for, below a root such as `trigger`."""
    found = []
    for one in fields:
        keys = split(one.path)
        inside = keys[0] in _HOLD
        known = inside or root != "trigger"
        found.append(
            Place(
                f"{root}.{one.path}",
                one.type,
                f"{root}.{one.array}" if one.array else None,
                len(keys),
                app,
                noun.lower().replace(" ", "_"),
                kind_of(schema, keys[1:] if inside else keys, resource) if known else "",
                _MEANS.get((schema, join(keys[1:] if inside else keys))),
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
        known += places_of(
            "trigger", fields, trigger.app, "", _name(record or trigger.output), resource or ""
        )
    for id_, node, enabled in steps_before(catalog, data, upto):
        if enabled:
            fields = catalog.output_fields(node)
            schema = _name(node.output).removesuffix("_search")
            known += places_of(f"steps.{id_}", fields, node.app, node.noun, schema)
    paths = {one.path for one in known}
    lists = {one.array for one in known if one.array}
    sampled = [
        *places_in("trigger", context.get("trigger", {})),
        *places_in("steps", context.get("steps", {})),
    ]
    return known + [one for one in sampled if one.path not in paths and one.path not in lists]


def kinds_of(catalog: Catalog, node: AnyNode) -> dict[str, str]:
    """What each input of a node tells of."""
    found = {}
    for given in node.inputs:
        if isinstance(given, SchemaRef):
            for field in catalog.schemas.fields(given):
                inner = field.path.removeprefix(f"{given.prefix}.") if given.prefix else field.path
                found[field.path] = kind_of(_name(given), split(inner))
    return found


def kind_of(schema: str, keys: Sequence[str], resource: str = "") -> str:
    """What a place below a record of this schema tells of."""
    kind = _KINDS.get(schema, "")
    if resource == "entities.all":
        # It may be a supplier, too.
        return ""
    if any(key in _ROWS for key in keys[:-1]):
        if resource in _TO_SUPPLIERS:
            return PURCHASE
        return {DOCUMENT: LINE, PURCHASE: PURCHASE}.get(kind, "")
    if keys[0] == "entity" and len(keys) > 1:
        other = kind == PURCHASE or resource in _TO_SUPPLIERS
        return SUPPLIER if other else CUSTOMER if kind == DOCUMENT else ""
    return kind


def _name(ref: SchemaRef | None) -> str:
    return ref.schema_name.rsplit("/", 1)[-1] if ref is not None else ""
