"""Dotted paths: reading, writing and naming places in plain data.

A path is keys and list indexes joined by dots: `data.items_list.0.name`. A key that itself holds a
dot is written with a backslash before it: `a\\.b`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

MAX_NEAREST = 3
LONGEST_INDEX = 18
_SPLIT = re.compile(r"(?<!\\)\.")


class _Absent:
    """The value of a place that does not exist (None is a value)."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()


@lru_cache(maxsize=4096)
def split(path: str) -> tuple[str, ...]:
    """The keys of a path, outermost first."""
    return tuple(part.replace("\\.", ".") for part in _SPLIT.split(path))


def join(keys: Iterable[str | int]) -> str:
    """The path that `split` takes apart into these keys."""
    return ".".join(str(key).replace(".", "\\.") for key in keys)


def get(data: Any, path: str) -> Any:
    """The value at a path, or ABSENT; looks up mapping keys and list indexes, never attributes."""
    value = data
    for key in split(path):
        if isinstance(value, Mapping):
            if key not in value:
                return ABSENT
            value = value[key]
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            if not _is_index(key) or int(key) >= len(value):
                return ABSENT
            value = value[int(key)]
        else:
            return ABSENT
    return value


def put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path, making the objects on the way.

    A decimal key below a list sets or appends that row; a gap in a list is a ValueError.
    """
    keys = split(path)
    place: Any = data
    for position, key in enumerate(keys[:-1]):
        fresh: Any = [] if keys[position + 1].isdecimal() else {}
        place = _child(place, key, fresh)
    _assign(place, keys[-1], value)


def _child(place: Any, key: str, fresh: Any) -> Any:
    if isinstance(place, list):
        index = _index(place, key)
        if index == len(place):
            place.append(fresh)
        return place[index]
    return place.setdefault(key, fresh)


def _assign(place: Any, key: str, value: Any) -> None:
    if isinstance(place, list):
        index = _index(place, key)
        if index == len(place):
            place.append(value)
        else:
            place[index] = value
    else:
        place[key] = value


def _is_index(key: str) -> bool:
    """Whether a key can be the place in a list; more digits than that only cost time."""
    return len(key) <= LONGEST_INDEX and key.isdecimal()


def _index(rows: list[Any], key: str) -> int:
    if not _is_index(key) or int(key) > len(rows):
        raise ValueError(f"row {key} cannot be set: the list has {len(rows)} rows so far")
    return int(key)


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three known names that look most like this one, best first."""
    candidates = list(known)
    found = difflib.get_close_matches(name, candidates, n=MAX_NEAREST, cutoff=0.6)
    if not found:
        tail = split(name)[-1]
        found = [one for one in candidates if split(one)[-1] == tail][:MAX_NEAREST]
    return tuple(found)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known names, or lists a few when none is near."""
    names = list(known)
    near = nearest(name, names)
    if near:
        return f"Did you mean {' or '.join(repr(one) for one in near)}?"
    if not names:
        return ""
    shown = ", ".join(repr(one) for one in sorted(names)[:8])
    more = "" if len(names) <= 8 else f" and {len(names) - 8} more"
    return f"Known: {shown}{more}."


def kind(value: Any) -> str:
    """The type of a value in a user's words: text, number, yes/no, list, object, nothing."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes/no"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, Sequence):
        return "list"
    return "number"
