"""A quick yes to a value that fits its schema, as nearly all do.

JSON Schema's validator finds every fault and its place, but takes milliseconds for an invoice that
has none. Here a schema becomes small functions that say yes or "ask the validator": a no decides
nothing, so whatever is unusual (a keyword, a class, a reference that runs in circles) may be one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

Check = Callable[[Any], bool]
"""True: it fits for sure."""
Conforms = Callable[[object, str], bool]
"""Whether a text is of a format, as the validator tells."""

_SAYS_NOTHING: Final = frozenset(
    {"$schema", "$defs", "$comment", "title", "description", "default", "examples", "deprecated"}
    | {"readOnly", "writeOnly"}
)
_READ: Final = frozenset(
    {"$ref", "allOf", "type", "enum", "properties", "required", "additionalProperties", "items"}
    | {"minItems", "maxItems", "minLength", "maxLength", "format", "minimum", "maximum"}
)
_CLASSES: Final[Mapping[type, tuple[str, ...]]] = {
    type(None): ("null",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    Decimal: ("number",),
    str: ("string",),
    dict: ("object",),
    list: ("array",),
}


def _every(checks: Sequence[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    first, *rest = checks or (_yes,)
    if not rest:
        return first
    if len(rest) == 1:
        second = rest[0]
        return lambda value: first(value) and second(value)
    return lambda value: first(value) and all(check(value) for check in rest)


class QuickChecks:
    """Compiles the schemas of these documents (by name) when they are first asked for."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]], conforms: Conforms) -> None:
        self._documents = documents
        self._conforms = conforms
        self._made: dict[tuple[str, str], Check] = {}

    def check(self, name: str, pointer: str = "") -> Check:
        """The check of one document, or of one place in it."""
        place = (name, pointer)
        made = self._made.get(place)
        if made is None:
            # What leads back here while it is being made gets this no.
            self._made[place] = _ask
            made = self._made[place] = self._compile(name, self._find(name, pointer))
        return made

    def _find(self, name: str, pointer: str) -> Any:
        found: Any = self._documents.get(name)
        for key in pointer.split("/")[1:]:
            key = key.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def _compile(self, name: str, schema: Any) -> Check:
        if schema is True:
            return _yes
        if not isinstance(schema, Mapping):
            return _ask
        words = {word for word in schema if not word.startswith("x-")} - _SAYS_NOTHING
        if words - _READ or not isinstance(schema.get("properties", {}), Mapping):
            return _ask
        checks = [self._own(name, schema)] if words - {"$ref", "allOf"} else []
        if "$ref" in schema:
            checks.append(self._referred(name, schema["$ref"]))
        parts = schema.get("allOf", ())
        if not isinstance(parts, Sequence):
            return _ask
        checks += [self._compile(name, one) for one in parts]
        return _every(checks)

    def _referred(self, name: str, reference: Any) -> Check:
        if not isinstance(reference, str):
            return _ask
        file, _, pointer = reference.partition("#")
        if file:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), file))
            name = path.removesuffix(".json")
        return self.check(name, unquote(pointer))

    def _own(self, name: str, schema: Mapping[str, Any]) -> Check:
        """What the schema itself says, by the class of the value: others are asked about."""
        types = schema.get("type")
        allowed = (types,) if isinstance(types, str) else types
        makers: dict[type, Callable[[], Check]] = {
            str: lambda: self._text(schema),
            int: lambda: _number(schema),
            float: lambda: _number(schema),
            Decimal: lambda: _number(schema),
            dict: lambda: self._object(name, schema),
            list: lambda: self._list(name, schema),
        }
        checks = {
            one: makers.get(one, lambda: _yes)()
            for one, names in _CLASSES.items()
            if allowed is None or any(word in allowed for word in names)
        }
        if "enum" in schema:
            checks = _choices(schema["enum"], checks)
        return lambda value: checks.get(type(value), _ask)(value)

    def _text(self, schema: Mapping[str, Any]) -> Check:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        form, conforms = schema.get("format"), self._conforms
        if form is None and most is None and not least:
            return _yes
        return lambda text: (
            len(text) >= least
            and (most is None or len(text) <= most)
            and (form is None or conforms(text, form))
        )

    def _object(self, name: str, schema: Mapping[str, Any]) -> Check:
        checks = {
            key: self._compile(name, inner) for key, inner in schema.get("properties", {}).items()
        }
        required = tuple(schema.get("required", ()))
        rest = _yes if schema.get("additionalProperties", True) is True else _ask

        return lambda value: (
            all(key in value for key in required)
            and all(checks.get(key, rest)(inner) for key, inner in value.items())
        )

    def _list(self, name: str, schema: Mapping[str, Any]) -> Check:
        row = self._compile(name, schema.get("items", True))
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        return lambda rows: (
            len(rows) >= least and (most is None or len(rows) <= most) and all(map(row, rows))
        )


def _number(schema: Mapping[str, Any]) -> Check:
    least, most = schema.get("minimum"), schema.get("maximum")

    def fits(value: int | float | Decimal) -> bool:
        # A value that is no number compares with nothing.
        if not (isinstance(value, int) or Decimal(value).is_finite()):
            return False
        return (least is None or value >= least) and (most is None or value <= most)

    return fits


def _choices(values: Any, checks: Mapping[type, Check]) -> dict[type, Check]:
    """Only texts and nothing: that 1, 1.0 and true are or are not the same is left to others."""
    texts = frozenset(one for one in values if isinstance(one, str))
    found: dict[type, Check] = {}
    text = checks.get(str)
    if text is not None:
        found[str] = texts.__contains__ if text is _yes else lambda it: it in texts and text(it)
    if None in values and type(None) in checks:
        found[type(None)] = _yes
    return found


def _yes(value: Any) -> bool:
    return True


def _ask(value: Any) -> bool:
    return False
