"""Form bodies as PHP reads them: nested values in brackets, `groups_in[]=2&names[0][first]=Ada`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

from connector.errors import MappingError
from connector.paths import kind

MAX_DEPTH = 16


def encode_form(data: Mapping[str, Any]) -> bytes:
    """A form body with the keys in their order; empty lists and None are left out, as PHP does.

    Booleans become 1 and 0. Raises MappingError for what a form cannot say.
    """
    pairs = (pair for key, value in data.items() for pair in _pairs(str(key), value, 1))
    return "&".join(f"{quote_plus(key)}={quote_plus(text)}" for key, text in pairs).encode("ascii")


def _pairs(key: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        raise MappingError(
            f"The value is nested deeper than {MAX_DEPTH}.", field=key, value_type=kind(value)
        )
    if value is None:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _pairs(f"{key}[{name}]", inner, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        simple = not any(isinstance(one, Mapping | list | tuple) for one in value)
        for index, inner in enumerate(value):
            # Rows keep their number, or PHP would take each field for a row of its own.
            place = "" if simple else str(index)
            yield from _pairs(f"{key}[{place}]", inner, depth + 1)
    else:
        yield key, text_of(value, key)


def text_of(value: Any, field: str) -> str:
    """A single value as text, exactly; raises MappingError when it has no such form."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f") if abs(value.adjusted()) < 40 else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.isascii():
        return value
    if isinstance(value, str):
        return _encodable(value, field)
    raise MappingError(
        "This value cannot be sent as text.",
        field=field,
        value_type=kind(value),
        remedy="Give text, a number or yes/no.",
    )


def _encodable(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MappingError(
            "The text holds half of a character (a lone surrogate).",
            field=field,
            value_type="text",
            remedy="Correct the text where it comes from.",
        ) from None
    return text
