"""From schema files to fields: what a node takes and gives, as a flat list in file order.

Beside the standard words these are read: `x-labels` (words for choices), `x-choices-open` (more
values may come), `x-by-id` on an object (its id alone chooses it), `x-choices` (the app's list that
a value, or the id of such an object, is chosen from) and `x-output-only` (answered, never sent).
What a value tells of and stands for (`x-kind`, `x-means`, `x-same-document`) is `kinds.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import ValidationError

from connector.errors import Issue, SchemaError
from connector.fields.files import Place, SchemaFiles, Source
from connector.fields.kinds import Told, told_of
from connector.fields.quick import QuickChecks
from connector.model import Choice, Field, FieldType, SchemaRef
from connector.paths import did_you_mean, join, kind

_BASE = "https://schemas.invalid/"
_TYPES: Mapping[str, FieldType] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "object": "object",
}
_DATES: Mapping[str, FieldType] = {"date": "date", "date-time": "datetime"}
_MADE_UP: Mapping[FieldType, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "date": "2026-03-04",
    "datetime": "2026-03-04T09:15:02+01:00",
    "object": {},
    "any": "text",
}


_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "yes or no",
    "array": "a list",
    "object": "an object",
}


class Validator(Protocol):
    """The part of a JSON Schema validator that we use."""

    def iter_errors(self, instance: Any) -> Iterator[Any]:
        """Every way in which a value does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class _Around:
    """What a leaf inherits from the objects it lies in."""

    output: bool
    path: str = ""
    group: str = ""
    array: str | None = None
    by_id: str | None = None
    choices_from: str = ""
    required: bool = True
    read_only: bool = False
    write_only: bool = False

    def below(self, key: str) -> str:
        """The path of a key in this object."""
        return f"{self.path}.{join([key])}" if self.path else join([key])


class SchemaStore:
    """Every schema file of some roots, as fields, samples and validators; answers are cached."""

    def __init__(self, roots: Iterable[Path] = ()) -> None:
        self._files = SchemaFiles(roots)
        self._fields: dict[tuple[SchemaRef, bool], tuple[Field, ...]] = {}
        self._told: dict[str, Mapping[str, Told]] = {}
        self._validators: dict[str, Validator] = {}
        self._quick: QuickChecks | None = None

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders it was made from, in order."""
        return self._files.roots

    @property
    def names(self) -> tuple[str, ...]:
        """Every schema by name, sorted."""
        return self._files.names

    def schema(self, name: str) -> Mapping[str, Any]:
        """A schema file as written; raises SchemaError when there is none."""
        return self._files.root(name).raw

    def fields(self, ref: SchemaRef, *, output: bool = False) -> tuple[Field, ...]:
        """The leaves of a schema, depth first in file order.

        An output has no write-only field and no required one; an input has no output-only one.
        Raises SchemaError with the file and place of the fault.
        """
        key = (ref, output)
        known = self._fields.get(key)
        if known is None:
            known = self._fields[key] = self._flatten(ref, output)
        return known

    def told(self, ref: SchemaRef) -> Mapping[str, Told]:
        """What each path of a schema tells of and stands for, below the prefix."""
        name = ref.schema_name
        known = self._told.get(name)
        if known is None:
            known = self._told[name] = told_of(self._files, name)
        if not ref.prefix:
            return known
        return {f"{ref.prefix}.{path}" if path else ref.prefix: one for path, one in known.items()}

    def sample(self, ref: SchemaRef, *, output: bool = True) -> Any:
        """A made-up record from the examples in a schema; `prefix` does not matter here."""
        root = self._root(ref.schema_name)
        return self._sample(root, output)

    def validator(self, name: str) -> Validator:
        """A JSON Schema validator for a file; it follows references and never the network."""
        known = self._validators.get(name)
        if known is None:
            known = self._validators[name] = self._build_validator(name)
        return known

    def issues(self, ref: SchemaRef, value: Any) -> tuple[Issue, ...]:
        """Every way in which a value breaks a schema, by dotted path below the prefix."""
        if self._quick is None:
            self._quick = self._build_quick()
        if self._quick.check(ref.schema_name)(value):
            return ()
        found: dict[Issue, None] = {}
        for error in self.validator(ref.schema_name).iter_errors(value):
            found.update(dict.fromkeys(_issues(ref.prefix, error)))
        return tuple(found)

    # --- flattening ---------------------------------------------------------------------------

    def _root(self, name: str) -> Place:
        return self._files.open([self._files.root(name)], frozenset({(name, "")}))

    def _flatten(self, ref: SchemaRef, output: bool) -> tuple[Field, ...]:
        root = self._root(ref.schema_name)
        if not ref.prefix and not _is_object(root):
            raise root.source.fault(
                "only an object can be used without a prefix.", remedy="Name a prefix in schema()."
            )
        if root.keys.get("x-by-id"):
            # The record itself is not "chosen by id": only where another one refers to it.
            own = {k: v for k, v in root.keys.items() if k not in ("x-by-id", "x-choices")}
            root = replace(root, keys=own)
        around = _Around(output=output, path=ref.prefix)
        return _require(ref, tuple(self._walk(root, around)), output)

    def _walk(self, place: Place, around: _Around) -> Iterator[Field]:
        keys = place.keys
        if keys.get("x-output-only") and not around.output:
            return
        if keys.get("readOnly") is True or keys.get("writeOnly") is True:
            around = replace(
                around,
                read_only=around.read_only or keys.get("readOnly") is True,
                write_only=around.write_only or keys.get("writeOnly") is True,
            )
        if around.write_only and around.output:
            return
        if place.items or place.types == ("array",):
            yield from self._walk_array(place, around)
        elif place.properties:
            yield from self._walk_object(place, around)
        else:
            yield _leaf(place, place, around)

    def _walk_array(self, place: Place, around: _Around) -> Iterator[Field]:
        item = self._files.open(place.items or [_nothing(place)], place.trail)
        around = replace(around, array=around.path)
        if not item.properties or item.items:
            yield _leaf(place, item, around)
            return
        # Within a row, "required" speaks of every row there is, however optional the list.
        around = replace(around, required=True)
        title = place.keys.get("title") or item.keys.get("title") or ""
        keys = {**item.keys, "title": title}
        yield from self._walk_object(replace(item, keys=keys), around)

    def _walk_object(self, place: Place, around: _Around) -> Iterator[Field]:
        group = place.keys.get("title", "")
        chooser = place.keys.get("x-by-id")
        if chooser is not None and chooser not in place.properties:
            raise place.source.fault(f"x-by-id names {chooser!r}, which is not a property.")
        for key, sources in place.properties.items():
            by_id = around.by_id
            if chooser is not None and key != chooser:
                by_id = around.below(chooser)
            child = self._files.open(sources, place.trail)
            inside = replace(
                around,
                path=around.below(key),
                group=group,
                by_id=by_id,
                choices_from=place.keys.get("x-choices", "") if key == (chooser or "id") else "",
                required=around.required and key in place.required,
            )
            yield from self._walk(child, inside)

    # --- samples and validation ---------------------------------------------------------------

    def _sample(self, place: Place, output: bool) -> Any:
        examples = place.keys.get("examples")
        if examples:
            return examples[0]
        if place.items:
            return [self._sample(self._files.open(place.items, place.trail), output)]
        if not place.properties:
            return _made_up(place)
        hidden = "writeOnly" if output else "readOnly"
        made: dict[str, Any] = {}
        for key, sources in place.properties.items():
            child = self._files.open(sources, place.trail)
            if child.keys.get(hidden) or (child.keys.get("x-output-only") and not output):
                continue
            made[key] = self._sample(child, output)
        return made

    def _build_quick(self) -> QuickChecks:
        from jsonschema import Draft202012Validator

        return QuickChecks(
            dict(self._files.documents()), Draft202012Validator.FORMAT_CHECKER.conforms
        )

    def _build_validator(self, name: str) -> Validator:
        from jsonschema import Draft202012Validator
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012

        self._files.root(name)
        resources = (
            (f"{_BASE}{one}.json", DRAFT202012.create_resource(document))
            for one, document in self._files.documents()
        )
        registry: Registry[Any] = Registry().with_resources(resources)
        return Draft202012Validator(
            {"$ref": f"{_BASE}{name}.json"},
            registry=registry,
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )


def _issues(prefix: str, error: Any) -> Iterator[Issue]:
    """A validator's finding in our words; the value itself stays out, it may be personal."""
    path = [*([prefix] if prefix else ()), *(str(key) for key in error.absolute_path)]
    limit = error.validator_value
    if error.validator == "required":
        for key in limit:
            if key not in error.instance:
                yield Issue(message="is missing.", field=".".join([*path, key]))
        return
    says = {
        "type": f"must be {_either(limit, _WORDS)}.",
        "enum": f"must be {_either(limit)}.",
        "format": f"is not a valid {limit}.",
        "maxLength": f"is longer than {limit} characters.",
        "minimum": f"must be at least {limit}.",
        "maximum": f"must be at most {limit}.",
        "minItems": f"has too few rows: at least {limit}.",
        "maxItems": f"has too many rows: at most {limit}.",
    }
    name = ".".join(path)
    mends = {
        "minItems": f"Add at least {_rows(limit)} to {name}.",
        "maxItems": f"Leave at most {_rows(limit)} in {name}.",
    }
    yield Issue(
        message=says.get(error.validator, f"breaks the rule {error.validator!r} of its schema."),
        field=name or None,
        remedy=mends.get(error.validator, "") if name else "",
        value_type=kind(error.instance),
    )


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count} rows"


def _either(values: Any, words: Mapping[str, str] = MappingProxyType({})) -> str:
    listed = list(values) if isinstance(values, list | tuple) else [values]
    return " or ".join(words.get(str(one), str(one)) for one in listed if one not in (None, "null"))


def _is_object(place: Place) -> bool:
    return bool(place.properties) or place.types == ("object",)


def _nothing(place: Place) -> Source:
    """The schema of rows that nobody described."""
    return Source(place.source.name, f"{place.source.pointer}/items", {})


def _leaf(place: Place, value: Place, around: _Around) -> Field:
    """A field; `value` is the place that says its type (the rows of a list, else the same)."""
    keys = {**value.keys, **place.keys} if value is not place else place.keys
    label = keys.get("title") or _label_of(around.path)
    try:
        return Field(
            path=around.path,
            label=label,
            type=_type(value),
            required=around.required and not around.output,
            read_only=around.read_only,
            write_only=around.write_only,
            list=around.array is not None,
            array=around.array,
            choices=_choices(value),
            open_choices=value.keys.get("x-choices-open") is True,
            format=None if value.keys.get("format") in _DATES else value.keys.get("format"),
            max_length=value.keys.get("maxLength"),
            minimum=value.keys.get("minimum"),
            maximum=value.keys.get("maximum"),
            default=keys.get("default"),
            example=next(iter(keys.get("examples", ())), None),
            help=keys.get("description", ""),
            group=around.group,
            by_id=around.by_id,
            choices_from="" if around.output else around.choices_from or keys.get("x-choices", ""),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise place.source.fault(f"{first['loc'][0]}: {first['msg']}.") from None


def _type(place: Place) -> FieldType:
    """The first type that is not null; a date is told from other text by its format."""
    if not place.types:
        return "object" if place.properties else "any"
    first = place.types[0]
    if first == "string":
        return _DATES.get(place.keys.get("format", ""), "string")
    return _TYPES.get(first, "any")


def _choices(place: Place) -> tuple[Choice, ...]:
    labels = place.keys.get("x-labels", {})
    return tuple(
        Choice(value=value, label=labels.get(str(value), str(value)))
        for value in place.keys.get("enum", ())
        if value is not None
    )


def _label_of(path: str) -> str:
    """Words for a field that has no title: its last key."""
    return path.rsplit(".", 1)[-1].replace("_", " ").capitalize()


def _made_up(place: Place) -> Any:
    """A value for a leaf without an example: nothing, where the schema allows that."""
    if place.keys.get("default") is not None:
        return place.keys["default"]
    if "null" in place.keys.get("type", ()):
        return None
    choices = _choices(place)
    if choices:
        return choices[0].value
    return [] if place.types == ("array",) else _MADE_UP[_type(place)]


def _require(ref: SchemaRef, fields: tuple[Field, ...], output: bool) -> tuple[Field, ...]:
    known = {field.path for field in fields}
    for path in ref.require:
        if path not in known:
            raise SchemaError(
                f"{path!r} is required of {ref.schema_name}, which has no such field.",
                field=path,
                remedy=did_you_mean(path, known),
            )
    if output or not ref.require:
        return fields
    wanted = set(ref.require)
    return tuple(
        field.model_copy(update={"required": True}) if field.path in wanted else field
        for field in fields
    )
