"""Reading places in data: mapping keys and list indexes, never attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.frames import Closure, Frame, located
from connector.expressions.limits import Budget
from connector.expressions.syntax import is_private, private_name
from connector.expressions.values import SURE_TEXT, Missing, Plain, clip, plain

Key = str | int
SURE_INT: Final = 10**18  # well below 256 bits
_LONGEST_INDEX: Final = 9  # digits
_LONGEST_PATH: Final = 200


def child(place: Any, key: Key) -> Any:
    """The value under one key, or ABSENT; a list also takes its index as text, as in paths."""
    if isinstance(place, Mapping):
        if key in place:
            return place[key]
        if type(key) is int and str(key) in place:
            return place[str(key)]
        return paths.ABSENT
    if isinstance(place, list | tuple):
        if type(key) is str:
            if not (len(key) <= _LONGEST_INDEX and key.isascii() and key.isdecimal()):
                return paths.ABSENT
            key = int(key)
        assert type(key) is int
        return place[key] if -len(place) <= key < len(place) else paths.ABSENT
    if type(place) is str and type(key) is int and -len(place) <= key < len(place):
        return place[key]
    return paths.ABSENT


def key_of(value: Plain) -> Key:
    """A worked-out key, when it may be used as one."""
    if type(value) is str:
        if is_private(value):
            raise private_name(value)
        return value
    if type(value) is int:
        return value
    raise ExpressionError("A key must be text or a whole number.", value_type=paths.kind(value))


def from_context(keys: tuple[Key, ...], offset: int, strict: bool) -> Closure:
    """Read a place of the context by keys that are known beforehand: the most frequent closure."""
    path = paths.join(keys)

    def read(frame: Frame) -> Any:
        budget = frame.budget
        budget.left -= 1
        if budget.left < 0:
            budget.refill()
        place: Any = frame.context
        for key in keys:
            if type(place) is dict and key in place:
                place = place[key]
                continue
            place = child(place, key)
            if place is paths.ABSENT:
                missing = _first_absent(frame.context, keys, offset)
                if strict:
                    raise missing.error()
                return missing
        try:
            return plain(place, budget, frame.copies)
        except ExpressionError as error:
            raise located(error, offset, path) from None

    return read


def at_once(context: Any, keys: tuple[Key, ...]) -> Any:
    """The small value at a place of ordinary dicts, or ABSENT when more care is needed.

    Most expressions of a mapping are one path to one text: they need neither frame nor budget.
    """
    place = context
    for key in keys:
        if type(place) is not dict:
            return paths.ABSENT
        place = place.get(key, paths.ABSENT)
    kind = type(place)
    if kind is str:
        return place if len(place) <= SURE_TEXT else paths.ABSENT
    if place is None or kind is bool or (kind is int and -SURE_INT < place < SURE_INT):
        return place
    return paths.ABSENT


def _first_absent(place: Any, keys: tuple[Key, ...], offset: int) -> Missing:
    """Walk once more to tell where the path ends."""
    for depth, key in enumerate(keys):
        found = child(place, key)
        if found is paths.ABSENT:
            return Missing(keys[: depth + 1], place, offset)
        place = found
    raise AssertionError("data changed while it was read")


def from_anywhere(
    start: Closure | None,
    steps: Sequence[Key | Closure],
    label: tuple[Key, ...],
    offset: int,
    strict: bool,
) -> Closure:
    """Read a place below a value, or below the context, by keys that may be worked out.

    `label` is what the start is called in errors; the empty text when it has no name.
    """

    def read(frame: Frame) -> Any:
        frame.budget.step(1 + len(steps))
        place = frame.context if start is None else start(frame)
        seen = label
        for step in steps:
            if type(place) is Missing:
                break
            key = step if isinstance(step, str | int) else _worked_out(step, frame, offset)
            seen = (*seen, key)
            found = child(place, key)
            place = Missing(seen, place, offset) if found is paths.ABSENT else found
        if type(place) is Missing:
            if strict:
                raise place.error()
            return place
        try:
            return plain(place, frame.budget, frame.copies) if start is None else place
        except ExpressionError as error:
            raise located(error, offset, paths.join(clip(key) for key in seen)) from None

    return read


def _worked_out(step: Closure, frame: Frame, offset: int) -> Key:
    value = step(frame)
    try:
        return key_of(value)
    except ExpressionError as error:
        raise located(error, offset) from None


# --- attributes that filters take ----------------------------------------------------------------


def attribute_keys(path: Plain) -> tuple[Key, ...]:
    """The keys of an `attribute=` argument: a dotted path or an index."""
    if type(path) is int:
        return (path,)
    if type(path) is not str or len(path) > _LONGEST_PATH:
        raise ExpressionError(
            f"An attribute must be a path of at most {_LONGEST_PATH} characters.",
            value_type=paths.kind(path),
        )
    keys = paths.split(path)
    for key in keys:
        key_of(key)
    return keys


def attribute_of(row: Plain, keys: tuple[Key, ...], budget: Budget) -> Plain | Missing:
    """What lies at a path of a row, or Missing."""
    budget.step()
    place = row
    for depth, key in enumerate(keys):
        found = child(place, key)
        if found is paths.ABSENT:
            return Missing(("", *keys[: depth + 1]), place)
        place = found
    return place


def required(value: Plain | Missing) -> Plain:
    """The value, which must exist."""
    if type(value) is Missing:
        raise value.error()
    return value
