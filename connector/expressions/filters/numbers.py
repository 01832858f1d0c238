"""Filters on numbers, Italian forms included. Half a cent is always rounded away from zero."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    InvalidOperation,
)
from typing import Any, Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.filter import need_int, need_number, need_text
from connector.expressions.limits import MAX_DIGITS, Budget
from connector.expressions.values import (
    EXACT,
    Plain,
    decimal_text,
    fit_decimal,
    fit_int,
    text_of,
)

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_ITALIAN: Final = re.compile(r"[+-]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?")
_LONGEST: Final = 2 * MAX_DIGITS
_WAYS: Final = {"common": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}
_ROUNDING: Final = Context(prec=3 * MAX_DIGITS, traps=[InvalidOperation])


def to_decimal(value: Plain) -> Decimal:
    """A number, or text that is one in plain form (`1234.56`), as Decimal."""
    if type(value) is Decimal:
        return value
    if type(value) is int:
        return Decimal(value)
    if type(value) is str:
        text = value.strip() if len(value) <= _LONGEST else ""
        if _NUMBER.fullmatch(text):
            return fit_decimal(Decimal(text))
        raise ExpressionError(
            "The text is not a number such as 1234.56.",
            remedy="For the Italian form 1.234,56 use | parse_it_number.",
            value_type="text",
        )
    raise ExpressionError(
        f"A number is needed, but the value is {paths.kind(value)}.", value_type=paths.kind(value)
    )


def rounded(value: Decimal, places: int, way: str = ROUND_HALF_UP) -> Decimal:
    """The number with so many decimals; below zero they count to the left of the point."""
    unit = Decimal((0, (1,), -places))
    result = value.quantize(unit, rounding=way, context=_ROUNDING)
    if places < 0:
        result = result.quantize(Decimal(1), context=_ROUNDING)
    return fit_decimal(result)


class _None:
    """Tells an absent default from one that is nothing."""


_NO_DEFAULT: Final[Any] = _None()


def _or_default(work: Callable[[], Plain], default: Plain) -> Plain:
    if default is _NO_DEFAULT:
        return work()
    try:
        return work()
    except ExpressionError:
        return default


def _int(budget: Budget, value: Plain, default: Plain = _NO_DEFAULT) -> Plain:
    """A whole number; decimals are cut off. The default stands in for what is no number.

    {{ '12.7' | int }} => 12
    """
    if type(value) is bool:
        return int(value)
    return _or_default(lambda: fit_int(int(to_decimal(value))), default)


def _decimal(budget: Budget, value: Plain, default: Plain = _NO_DEFAULT) -> Plain:
    """A number with decimals, from a number or a text such as 1234.56.

    {{ '12.70' | decimal }} => 12.70
    """
    return _or_default(lambda: to_decimal(value), default)


def _abs(budget: Budget, value: Plain) -> Plain:
    """Without its sign.

    {{ -4 | abs }} => 4
    """
    number = need_number(value)
    return abs(number) if type(number) is int else EXACT.abs(Decimal(number))


def _round(budget: Budget, value: Plain, precision: Plain = 0, method: Plain = "common") -> Plain:
    """Rounded to decimals; halves go away from zero. The method is 'common', 'ceil' or 'floor'.

    {{ 2.675 | round(2) }} => 2.68
    """
    number = need_number(value)
    places = need_int(precision, "precision", -MAX_DIGITS, MAX_DIGITS)
    way = _WAYS.get(method) if type(method) is str else None
    if way is None:
        raise ExpressionError("The method of round is 'common', 'ceil' or 'floor'.")
    if type(number) is int and places == 0:
        return number
    return rounded(Decimal(number), places, way)


def _money(budget: Budget, value: Plain) -> Plain:
    """Rounded to cents; half a cent goes away from zero.

    {{ 10.005 | money }} => 10.01
    """
    return rounded(to_decimal(value), 2)


def _it_number(budget: Budget, value: Plain, decimals: Plain = 2, grouping: Plain = True) -> str:
    """A number in Italian form, as text; decimals=none keeps as many as there are.

    {{ 1234.5 | it_number }} => "1.234,50"
    """
    number = to_decimal(value)
    if decimals is not None:
        number = rounded(number, need_int(decimals, "decimals", 0, MAX_DIGITS))
    whole, _, fraction = decimal_text(number).partition(".")
    sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    if grouping:
        whole = f"{int(whole):,}".replace(",", ".")
    return f"{sign}{whole},{fraction}" if fraction else f"{sign}{whole}"


def _parse_it_number(budget: Budget, value: Plain) -> Decimal:
    """A number from text in Italian form; anything else is an error.

    {{ '1.234,56' | parse_it_number }} => 1234.56
    """
    if type(value) in (int, Decimal):
        return to_decimal(value)
    text = need_text(value).strip() if len(text_of(value)) <= _LONGEST else ""
    if not _ITALIAN.fullmatch(text):
        raise ExpressionError(
            "The text is not a number in Italian form, such as 1.234,56.",
            remedy="For the plain form 1234.56 use | decimal.",
            value_type="text",
        )
    return fit_decimal(Decimal(text.replace(".", "").replace(",", ".")))


FILTERS: Final = {
    "int": _int,
    "decimal": _decimal,
    "float": _decimal,
    "abs": _abs,
    "round": _round,
    "money": _money,
    "it_number": _it_number,
    "parse_it_number": _parse_it_number,
}
