"""A node as a form: its fields in groups, with short words, and what a form hides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from connector.building.words import NONE, Words, words_of
from connector.model import Action, AnyNode, Field, SchemaRef, Trigger
from connector.paths import join, split
from connector.rendering import needs_of

if TYPE_CHECKING:
    from connector.catalog import Catalog


_RECORDS: Final = ("resource", "record", "records")
"""Where an event and a search hold the records that they are about."""


def form(catalog: Catalog, node: AnyNode, language: str = "en") -> dict[str, Any]:
    """The sections and fields of a node's inputs.

    A field is `required`, `common` or neither; `array` names the list whose rows it belongs to,
    `by_id` the id that already chooses what it describes, `needs` what must be known before its
    list can be shown, `account` that it is the connection's own, `finder` the Search that finds
    what it chooses. Read-only ones are left out.
    """
    words = _words(catalog, node.app)
    label, description = words.node(node.key, node.label, node.description, language)
    fields: list[dict[str, Any]] = []
    sections: dict[str, str] = {}
    arrays: dict[str, str] = {}
    at = 1 if language == "it" else 0
    for schema, prefix, field in _inputs(catalog, node):
        if field.read_only:
            continue
        inner = field.path.removeprefix(f"{prefix}.") if prefix else field.path
        section = words.section(schema, inner)
        made = _field(words, schema, inner, field, section, language)
        if source := catalog.app(node.app).choices.get(field.choices_from):
            made["needs"] = [one for one in needs_of(source) if one != field.path]
            if source.found_by and isinstance(node, Action):
                made["finder"] = f"{node.app}.{source.found_by}"
        if field.path == catalog.app(node.app).account_input:
            made["account"] = True
        fields.append(made)
        for one in words.all_sections(schema):
            if one.key == section:
                sections.setdefault(section, one.labels[at])
        if field.array is not None and field.array != field.path:
            short = field.array.removeprefix(f"{prefix}.") if prefix else field.array
            plain = short.rsplit(".", 1)[-1].replace("_", " ").capitalize()
            arrays.setdefault(field.array, words.label(schema, short, plain, language))
    order = _order(words, catalog, node)
    return {
        "node": node.name,
        "kind": node.kind,
        "label": label,
        "description": description,
        "sections": [
            {"key": key, "label": sections[key]}
            for key in sorted(sections, key=lambda one: (one == "other", order.get(one, 0)))
        ],
        "arrays": [{"path": path, "label": name} for path, name in arrays.items()],
        "fields": fields,
    }


def node_cards(catalog: Catalog, language: str = "en") -> list[dict[str, Any]]:
    """Every node as one line to choose from."""
    cards = []
    for node in catalog.nodes.values():
        label, description = node_words(catalog, node, language)
        often = _words(catalog, node.app).often
        cards.append(
            {
                "name": node.name,
                "app": node.app,
                "app_title": catalog.app(node.app).title,
                "kind": node.kind,
                "label": label,
                "description": description,
                "also": node.label,
                # Its place among those that most people look for; 0 for all others.
                "often": often.index(node.key) + 1 if node.key in often else 0,
            }
        )
    return cards


def node_words(catalog: Catalog, node: AnyNode, language: str) -> tuple[str, str]:
    """A node's name and its one line, in a language."""
    words = _words(catalog, node.app)
    return words.node(node.key, node.label, node.description, language)


def labels(catalog: Catalog, node: AnyNode, language: str) -> dict[str, str]:
    """The word for each input of a node, by its path; read-only ones too."""
    words = _words(catalog, node.app)
    return {
        field.path: words.label(
            schema,
            field.path.removeprefix(f"{prefix}.") if prefix else field.path,
            field.label,
            language,
        )
        for schema, prefix, field in _inputs(catalog, node)
    }


def node_label(catalog: Catalog, node: AnyNode, language: str) -> str:
    """A node's name."""
    words = _words(catalog, node.app)
    return words.node(node.key, node.label, node.description, language)[0]


def output_labels(
    catalog: Catalog, node: AnyNode, language: str, resource: str | None = None
) -> dict[str, str]:
    """The word for each place in what a node gives, by its path."""
    words = _words(catalog, node.app)
    schema = _name(node.output)
    record = schema.removesuffix("_search")
    if isinstance(node, Trigger) and node.outputs:
        record = _name(node.outputs.get(resource or next(iter(node.outputs))))
    found = {}
    for field in catalog.output_fields(node, resource):
        head, _, inner = field.path.partition(".")
        of, path = (record, inner) if inner and head in _RECORDS else (schema, field.path)
        found[field.path] = words.label(of, path, field.label, language)
    return found


def output_parts(
    catalog: Catalog, node: AnyNode, language: str, resource: str | None = None
) -> dict[str, str]:
    """The word for each object and list in what a node gives, but not for the record itself."""
    words = _words(catalog, node.app)
    found = {}
    for field in catalog.output_fields(node, resource):
        around = join(split(field.path)[:-1])
        if field.group and around not in ("", "resource", "record"):
            found[around] = words.text(field.group, language)
    return found


def _inputs(catalog: Catalog, node: AnyNode) -> Iterator[tuple[str, str, Field]]:
    for given in node.inputs:
        if isinstance(given, SchemaRef):
            schema = given.schema_name.rsplit("/", 1)[-1]
            for field in catalog.schemas.fields(given):
                yield schema, given.prefix, field
        else:
            yield "", "", given


def _name(ref: SchemaRef | None) -> str:
    return ref.schema_name.rsplit("/", 1)[-1] if ref is not None else ""


def _words(catalog: Catalog, app: str) -> Words:
    return words_of(app, catalog.schemas.roots) if app else NONE


def _order(words: Words, catalog: Catalog, node: AnyNode) -> dict[str, int]:
    order: dict[str, int] = {}
    for given in node.inputs:
        if isinstance(given, SchemaRef):
            for one in words.all_sections(given.schema_name.rsplit("/", 1)[-1]):
                order.setdefault(one.key, len(order))
    return order


def _field(
    words: Words, schema: str, inner: str, field: Field, section: str, language: str
) -> dict[str, Any]:
    listed = words.common.get(schema)
    made: dict[str, Any] = {
        "path": field.path,
        "label": words.label(schema, inner, field.label, language),
        "type": field.type,
        "section": section,
        # A small form needs no groups: without a list of common fields all are.
        "common": listed is None or not listed or inner in listed,
        "required": field.required,
    }
    other = "en" if language == "it" else "it"
    also = {words.label(schema, inner, field.label, other), field.label} - {made["label"]}
    if also:
        made["also"] = " ".join(sorted(also))
    optional = {
        "help": words.help(schema, inner, field.help, language),
        "array": field.array,
        "by_id": field.by_id,
        "format": field.format,
        "from": field.choices_from or None,
        "example": field.example,
    }
    made.update({key: value for key, value in optional.items() if value not in (None, "")})
    if field.choices:
        made["choices"] = [
            {"value": one.value, "label": words.choice(one.label, language)}
            for one in field.choices
        ]
    return made
