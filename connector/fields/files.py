"""Schema files: finding them, following `$ref`, and folding a place with its references into one.

A name is the path below a root without its ending: `fatture_in_cloud/client`. References are by
relative path and may carry siblings, which win over what they point at (JSON Schema 2020-12).
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from connector.errors import SchemaError
from connector.paths import did_you_mean

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FOLDED = frozenset({"$ref", "allOf", "anyOf", "oneOf", "properties", "items", "required", "$defs"})

Trail = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Source:
    """One schema object as written, and where it stands."""

    name: str
    pointer: str
    raw: Mapping[str, Any]

    def fault(self, message: str, remedy: str = "") -> SchemaError:
        """The error that names this file and place."""
        return SchemaError(f"{self.name}.json#{self.pointer}: {message}", remedy=remedy)

    def child(self, *keys: str | int) -> Source:
        """The schema below these keys; `true` counts as a schema that allows anything."""
        raw: Any = self.raw
        for key in keys:
            raw = raw[key]
        pointer = self.pointer + "".join(f"/{_escape(str(key))}" for key in keys)
        if raw is True:
            raw = {}
        if not isinstance(raw, Mapping):
            raise Source(self.name, pointer, {}).fault("a schema must be an object here.")
        return Source(self.name, pointer, raw)


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a schema with all its references folded in; the outermost title wins."""

    source: Source
    keys: Mapping[str, Any]
    properties: Mapping[str, tuple[Source, ...]]
    items: tuple[Source, ...]
    required: frozenset[str]
    trail: Trail

    @property
    def types(self) -> tuple[str, ...]:
        """The types it may have besides null, in the order they are written."""
        given = self.keys.get("type", ())
        named = (given,) if isinstance(given, str) else tuple(given)
        return tuple(one for one in named if one != "null")


class SchemaFiles:
    """The schema files of several roots under one set of names; files are read when first used."""

    def __init__(self, roots: Iterable[Path] = ()) -> None:
        self.roots = tuple(roots)
        found: dict[str, Path] = {}
        for root in self.roots:
            for name, path in _discover(root):
                if name in found:
                    raise SchemaError(
                        f"{name}.json exists twice: in {found[name].parent} and {path.parent}.",
                        remedy="Rename one of them.",
                    )
                found[name] = path
        self._paths = found
        self._read: dict[str, Source] = {}
        self._opened: dict[tuple[tuple[tuple[str, str], ...], Trail], Place] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every schema, sorted."""
        return tuple(sorted(self._paths))

    def root(self, name: str) -> Source:
        """A whole file. Raises SchemaError when it is unknown or not a JSON object."""
        known = self._read.get(name)
        if known is None:
            known = self._read[name] = self._load(name)
        return known

    def _load(self, name: str) -> Source:
        path = self._paths.get(name)
        if path is None:
            raise SchemaError(
                f"There is no schema {name!r}.", remedy=did_you_mean(name, self._paths)
            )
        try:
            raw = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except ValueError as error:
            raise SchemaError(
                f"{name}.json cannot be read: {error}.", remedy="Mend the file."
            ) from error
        source = Source(name, "", raw if isinstance(raw, Mapping) else {})
        if not isinstance(raw, Mapping):
            raise source.fault("the file must hold one JSON object.")
        if raw.get("$schema", DIALECT) != DIALECT:
            raise source.fault(f"$schema must be {DIALECT}.")
        return source

    def open(self, sources: Iterable[Source], trail: Trail = frozenset()) -> Place:
        """Fold schemas that describe one place, the base first, into one."""
        given = tuple(sources)
        # A client lies in every document, and each is asked for what goes in and what comes out.
        at = (tuple((one.name, one.pointer) for one in given), trail)
        known = self._opened.get(at)
        if known is None:
            known = self._opened[at] = self._fold(given, trail)
        return known

    def _fold(self, sources: Iterable[Source], trail: Trail) -> Place:
        expanded: list[Source] = []
        for source in sources:
            more, trail = self._expand(source, trail)
            expanded += more
        keys: dict[str, Any] = {}
        properties: dict[str, tuple[Source, ...]] = {}
        items: tuple[Source, ...] = ()
        required: frozenset[str] = frozenset()
        for source in expanded:
            keys.update((key, value) for key, value in source.raw.items() if key not in _FOLDED)
            required |= frozenset(source.raw.get("required", ()))
            for key in _properties(source):
                properties[key] = (*properties.get(key, ()), source.child("properties", key))
            if "items" in source.raw:
                items = (*items, source.child("items"))
        return Place(expanded[-1], MappingProxyType(keys), properties, items, required, trail)

    def _expand(self, source: Source, trail: Trail) -> tuple[list[Source], Trail]:
        """A schema and all it refers to, the base first."""
        found: list[Source] = []
        if "$ref" in source.raw:
            target = self._target(source)
            at = (target.name, target.pointer)
            if at in trail:
                raise source.fault(
                    f"$ref {source.raw['$ref']!r} leads back to itself.",
                    remedy="Describe the inner object without its own kind.",
                )
            more, trail = self._expand(target, trail | {at})
            found += more
        for part in _parts(source):
            more, trail = self._expand(part, trail)
            found += more
        return [*found, source], trail

    def _target(self, source: Source) -> Source:
        reference = source.raw["$ref"]
        if not isinstance(reference, str):
            raise source.fault("$ref must be text.")
        file, _, pointer = reference.partition("#")
        name = source.name
        if file:
            folder = posixpath.dirname(source.name)
            name = posixpath.normpath(posixpath.join(folder, file)).removesuffix(".json")
            if name not in self._paths:
                raise source.fault(
                    f"$ref {reference!r} leads to no file.",
                    remedy=did_you_mean(name, self._paths),
                )
        return self._follow(source, reference, self.root(name), unquote(pointer))

    def _follow(self, source: Source, reference: str, target: Source, pointer: str) -> Source:
        if not pointer:
            return target
        keys = [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]
        try:
            return target.child(*keys)
        except (KeyError, TypeError):
            raise source.fault(f"$ref {reference!r} leads to no place in that file.") from None

    def documents(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every file for a validator: where more values may come, `enum` is left out."""
        for name in self.names:
            yield name, _without_open_choices(self.root(name).raw)


def _discover(root: Path) -> Iterator[tuple[str, Path]]:
    if not root.is_dir():
        raise SchemaError(f"There is no schema folder {root}.")
    for path in sorted(root.rglob("*.json")):
        yield path.relative_to(root).with_suffix("").as_posix(), path


def _properties(source: Source) -> Iterable[str]:
    properties = source.raw.get("properties", {})
    if not isinstance(properties, Mapping):
        raise source.fault("properties must be an object.")
    return properties


def _parts(source: Source) -> Iterator[Source]:
    """The schemas of `allOf`, and the one branch of `anyOf`/`oneOf` that is not null."""
    for index in range(len(source.raw.get("allOf", ()))):
        yield source.child("allOf", index)
    for key in ("anyOf", "oneOf"):
        branches = source.raw.get(key, ())
        real = [index for index, one in enumerate(branches) if one != {"type": "null"}]
        if len(real) == 1 and len(branches) > 1:
            yield source.child(key, real[0])


def _without_open_choices(value: Any) -> Any:
    if isinstance(value, Mapping):
        dropped = {"enum"} if value.get("x-choices-open") is True else set()
        return {key: _without_open_choices(one) for key, one in value.items() if key not in dropped}
    if isinstance(value, list):
        return [_without_open_choices(one) for one in value]
    return value


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
