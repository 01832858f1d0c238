"""Form bodies with PHP brackets: `groups_in[]=2&custom_fields[customers][3]=x`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_PART = re.compile(r"\[([^\[\]]*)\]")


def parse_form(body: bytes) -> dict[str, Any]:
    """The fields of a form body, nested as PHP would nest them."""
    return nest(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nested mappings; `[]` counts up from 0 as PHP does."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        match = _KEY.match(key)
        if match is None:
            continue
        parts = [match[1], *_PART.findall(match[2])]
        place = found
        for part in parts[:-1]:
            inner = place.setdefault(_index(place, part), {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[_index(place, parts[-1])] = value
    return found


def _index(place: dict[str, Any], part: str) -> str:
    if part:
        return part
    numbers = [int(key) for key in place if key.isdecimal()]
    return str(max(numbers, default=-1) + 1)


def values(field: Any) -> list[Any]:
    """A repeated field in order, from a form (`{"0": …}`) or from JSON (`[…]`)."""
    if isinstance(field, dict):
        return list(field.values())
    if isinstance(field, list):
        return list(field)
    return [] if field in (None, "") else [field]
