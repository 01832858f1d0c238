"""Plain values: what may enter an evaluation, be compared, become text, and leave again.

Inside there are only None, bool, int, Decimal, str, list and dict, of exactly these types. Foreign
data is copied on the way in, so that no object with methods or secrets is ever within reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from itertools import islice
from typing import Any, Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.limits import (
    BYTES_A_STEP,
    MAX_BITS,
    MAX_DIGITS,
    MAX_LEVELS,
    MAX_OUTPUT,
    MAX_TEXT,
    Budget,
    show,
)

_SHOWN_KEYS: Final = 100  # looking for near names costs time: data may hold thousands
_SHOWN_LENGTH: Final = 60
SURE_TEXT: Final = MAX_TEXT // 4  # so many characters fit, whatever they are

EXACT: Final = Context(
    prec=MAX_DIGITS,
    Emax=MAX_DIGITS,
    Emin=-MAX_DIGITS,
    traps=[Inexact, InvalidOperation, Overflow],
)
"""Decimal arithmetic in which nothing is rounded: what does not fit raises."""

Plain = Any
"""None, bool, int, Decimal, str, list or dict, all the way down."""

Copies = dict[int, tuple[Any, Plain]]
"""Containers by id: the original and its copy."""


def clip(name: object) -> str:
    """A key as an error may show it: data can hold endless ones."""
    text = str(name)
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


class Missing:
    """A place that does not exist; it never leaves the evaluator.

    Only `default`, `is defined` and further lookups accept it; everything else raises `error`.
    """

    __slots__ = ("because", "keys", "offset", "place")

    def __init__(
        self,
        keys: tuple[object, ...] = (),
        place: Any = None,
        offset: int | None = None,
        because: str = "",
    ) -> None:
        self.keys = keys
        """The path up to and including the first key that is absent; below a value that has no
        name it begins with the empty text."""
        self.place = place
        """The value that lacks the key."""
        self.offset = offset
        self.because = because

    def error(self) -> ExpressionError:
        """What to tell a person who relied on this place."""
        optional = "If it may be absent, say so with | default(…)."
        if self.because:
            return ExpressionError(self.because, remedy=optional, offset=self.offset)
        near = self._near()
        return ExpressionError(
            self._sentence(),
            remedy=f"{near} {optional}".strip(),
            field=paths.join(clip(key) for key in self.keys) if self.keys[0] != "" else None,
            value_type=_kind(self.place) if len(self.keys) > 1 else None,
            offset=self.offset,
        )

    def _sentence(self) -> str:
        key = clip(self.keys[-1])
        if len(self.keys) == 1:
            return f"There is nothing called '{key}' here."
        parent = paths.join(clip(part) for part in self.keys[:-1]).lstrip(".") or "the value"
        if isinstance(self.place, Mapping):
            return f"There is no '{key}' in {parent}."
        if isinstance(self.place, list | tuple):
            rows = len(self.place)
            return f"There is no '{key}' in {parent}, which is a list of {show(rows)} rows."
        return f"There is no '{key}' in {parent}, which is {_kind(self.place)}."

    def _near(self) -> str:
        if self.keys == ("now",):
            return "The time of the run is written now()."
        if not isinstance(self.place, Mapping):
            return ""
        known = [
            key
            for key in islice(self.place, _SHOWN_KEYS)
            if isinstance(key, str) and len(key) <= _SHOWN_LENGTH
        ]
        return paths.did_you_mean(paths.join([clip(self.keys[-1])]), known)


def _kind(value: Any) -> str:
    if value is None or type(value) in (bool, int, float, Decimal, str):
        return paths.kind(value)
    if isinstance(value, Mapping | list | tuple):
        return paths.kind(value)
    return clip(type(value).__name__)


# --- in -------------------------------------------------------------------------------------------


def fit_text(value: str) -> str:
    """The text itself, when it is not longer than 256 KiB of UTF-8."""
    if len(value) > SURE_TEXT and text_size(value) > MAX_TEXT:
        raise ExpressionError(
            f"A text is longer than {MAX_TEXT // 1024} KiB.",
            remedy="Expressions are not for the contents of files.",
            value_type="text",
        )
    return value


def text_size(value: str) -> int:
    """The bytes of a text in UTF-8; of one that is too long anyway, the characters."""
    if value.isascii() or len(value) > MAX_TEXT:
        return len(value)
    return len(value.encode("utf-8", "surrogatepass"))


def fit_int(value: int) -> int:
    """The number itself, when it is not longer than 256 bits."""
    if value.bit_length() > MAX_BITS:
        raise ExpressionError(f"A whole number is longer than {MAX_BITS} bits.")
    return value


def fit_decimal(value: Decimal) -> Decimal:
    """The number itself, when it is finite and has at most 100 digits."""
    if not value.is_finite():
        raise ExpressionError("NaN and Infinity are not numbers that can be used.")
    try:
        return EXACT.plus(value)
    except DecimalException:
        raise ExpressionError(f"A number has more than {MAX_DIGITS} digits.") from None


def _float_in(value: float) -> Decimal:
    return fit_decimal(Decimal(repr(value)))


_SCALARS: Final[dict[type, Any]] = {
    str: fit_text,
    int: fit_int,
    Decimal: fit_decimal,
    float: _float_in,
}


def plain(value: Any, budget: Budget, copies: Copies | None = None, level: int = 0) -> Plain:
    """The value as plain data; lists and objects are copied, anything else is refused.

    `copies` remembers containers that were copied before, by the id of the original; it keeps the
    original too, because the id of a dead object may be given to another.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    check = _SCALARS.get(kind)
    if check is not None:
        return check(value)
    if isinstance(value, Mapping | list | tuple):
        return _container_in(value, budget, {} if copies is None else copies, level)
    raise ExpressionError(
        f"A value of the type {clip(kind.__name__)} cannot be used in an expression.",
        remedy="Only texts, numbers, yes/no, nothing, lists and objects can.",
        value_type=clip(kind.__name__),
        who="developer",
    )


def _container_in(value: Any, budget: Budget, copies: Copies, level: int) -> Plain:
    known = copies.get(id(value))
    if known is not None:
        return known[1]
    if level >= MAX_LEVELS:
        raise _too_deep()
    budget.step(1 + len(value) // 8)
    made: Any
    if isinstance(value, Mapping):
        budget.entries(len(value))
        made = {}
        for key in value:
            if type(key) is not str and type(key) is not int:
                raise ExpressionError(
                    "An object has a key that is neither text nor a whole number.",
                    value_type=clip(type(key).__name__),
                    who="developer",
                )
            made[plain(key, budget)] = plain(value[key], budget, copies, level + 1)
    else:
        budget.rows(len(value))
        made = [plain(item, budget, copies, level + 1) for item in value]
    copies[id(value)] = (value, made)
    return made


def _too_deep() -> ExpressionError:
    return ExpressionError(f"Lists and objects lie more than {MAX_LEVELS} levels deep.")


# --- out ------------------------------------------------------------------------------------------


class Output:
    """Adds up what leaves an evaluation, so that it stays below 256 KiB of UTF-8."""

    __slots__ = ("budget", "size")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.size = 0

    def add(self, size: int) -> None:
        """Count so many bytes."""
        self.size += size
        if self.size > MAX_OUTPUT:
            raise ExpressionError(
                f"The result is larger than {MAX_OUTPUT // 1024} KiB.",
                remedy="Pick the part that is needed.",
            )

    def add_text(self, text: str) -> None:
        """Count a text."""
        self.add(text_size(text))

    def release(self, value: Plain, level: int = 0) -> Plain:
        """An independent copy of a value: rows that are shared inside are shared no more."""
        kind = type(value)
        if kind is str:
            self.add_text(value)
            return value
        if kind is not list and kind is not dict:
            self.add(len(str(value)) if kind is not Decimal else len(decimal_text(value)))
            return value
        if level >= MAX_LEVELS:
            raise _too_deep()
        self.budget.step(1 + len(value) // 8)
        self.add(2 + 2 * len(value))
        if kind is list:
            return [self.release(item, level + 1) for item in value]
        return {
            self.release(key, level + 1): self.release(item, level + 1)
            for key, item in value.items()
        }


# --- text, size and sameness ----------------------------------------------------------------------


def decimal_text(value: Decimal) -> str:
    """A decimal without an exponent and without a negative zero: `0.10`, `1200`."""
    return format(abs(value) if value.is_zero() else value, "f")


def text_of(value: Plain) -> str:
    """A value as part of a text; nothing is the empty text, lists and objects are refused."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return] # its type was just looked at
    if value is None:
        return ""
    if kind is Decimal:
        return decimal_text(value)
    if kind is list:
        raise ExpressionError(
            "A list cannot be part of a text.",
            remedy="Use | join(', ') or | tojson.",
            value_type="list",
        )
    if kind is dict:
        raise ExpressionError(
            "An object cannot be part of a text.",
            remedy="Pick one of its fields, or use | tojson.",
            value_type="object",
        )
    return str(value)


def is_number(value: Plain) -> bool:
    """Whether it is an int or a Decimal; yes/no is not a number."""
    return type(value) is int or type(value) is Decimal


def same(left: Plain, right: Plain, budget: Budget, level: int = 0) -> bool:
    """Whether two values are equal; numbers by their amount, lists and objects row by row."""
    kind, other = type(left), type(right)
    if kind is str and other is str:
        if len(left) != len(right):
            return False
        if len(left) >= BYTES_A_STEP:
            budget.scan(len(left))
        return bool(left == right)
    if kind is list and other is list:
        return _same_lists(left, right, budget, level)
    if kind is dict and other is dict:
        return _same_objects(left, right, budget, level)
    if kind in _COMPARABLE and other in _COMPARABLE:
        return bool(left == right)
    return left is None and right is None


_COMPARABLE: Final = frozenset({bool, int, Decimal})


def _same_lists(left: Any, right: Any, budget: Budget, level: int) -> bool:
    budget.step()
    if level >= MAX_LEVELS:
        raise _too_deep()
    if len(left) != len(right):
        return False
    for one, two in zip(left, right, strict=True):
        budget.step()
        if not same(one, two, budget, level + 1):
            return False
    return True


def _same_objects(left: Any, right: Any, budget: Budget, level: int) -> bool:
    budget.step()
    if level >= MAX_LEVELS:
        raise _too_deep()
    if len(left) != len(right):
        return False
    for key, one in left.items():
        budget.step()
        if key not in right or not same(one, right[key], budget, level + 1):
            return False
    return True
