"""JSON with exact decimals, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def loads(body: bytes) -> Any:
    """The JSON of a body; raises ValueError."""
    return json.loads(body, parse_float=Decimal, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def dumps(value: Any) -> bytes:
    """Compact JSON as PHP writes it: only ASCII, decimals without trailing zeros."""
    return _text(value).encode()


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(key))}:{_text(inner)}" for key, inner in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(inner) for inner in value) + "]"
    return json.dumps(value)


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("JSON has no infinity")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
