"""The operators of expressions, on plain values.

Decimal sums and products are exact; a quotient is a Decimal of 28 digits. `//` and `%` round down
for whole numbers and decimals alike, so that `7 % 3` and `7.0 % 3` agree for negatives too.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.limits import MAX_DIGITS, Budget
from connector.expressions.values import (
    EXACT,
    Plain,
    fit_decimal,
    fit_int,
    fit_text,
    is_number,
    same,
)

_QUOTIENT: Final = Context(
    prec=28,
    Emax=MAX_DIGITS,
    Emin=-MAX_DIGITS,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)

Operator = Callable[[Plain, Plain, Budget], Plain]


def _numbers(sign: str, left: Plain, right: Plain) -> None:
    if is_number(left) and is_number(right):
        return
    kinds = f"{paths.kind(left)} and {paths.kind(right)}"
    if isinstance(left, str) or isinstance(right, str):
        remedy = "Make numbers of texts with | decimal or | parse_it_number; join texts with ~."
    else:
        remedy = "Give it two numbers; | default(0, true) stands in for nothing."
    wrong = right if is_number(left) else left
    raise ExpressionError(
        f"'{sign}' cannot work on {kinds}.", remedy=remedy, value_type=paths.kind(wrong)
    )


def _exact(work: Callable[[Any, Any], Decimal], left: Plain, right: Plain) -> Decimal:
    try:
        return work(left, right)
    except DecimalException:
        raise ExpressionError(f"The result has more than {MAX_DIGITS} digits.") from None


def add(left: Plain, right: Plain, budget: Budget) -> Plain:
    """Add numbers, or put texts or lists one after the other."""
    if type(left) is int and type(right) is int:
        return fit_int(left + right)
    if type(left) is str and type(right) is str:
        budget.text(len(left) + len(right), not (left.isascii() and right.isascii()))
        return fit_text(left + right)
    if type(left) is list and type(right) is list:
        budget.rows(len(left) + len(right))
        return left + right
    _numbers("+", left, right)
    return _exact(EXACT.add, left, right)


def subtract(left: Plain, right: Plain, budget: Budget) -> Plain:
    """Subtract numbers."""
    if type(left) is int and type(right) is int:
        return fit_int(left - right)
    _numbers("-", left, right)
    return _exact(EXACT.subtract, left, right)


def multiply(left: Plain, right: Plain, budget: Budget) -> Plain:
    """Multiply numbers, or repeat a text or a list a whole number of times."""
    if type(left) is int and type(right) is int:
        return fit_int(left * right)
    if type(left) is int and type(right) in (str, list):
        left, right = right, left
    if type(right) is int:
        times = max(right, 0)
        if type(left) is str:
            budget.text(len(left) * times, not left.isascii())
            return fit_text(left * times)
        if type(left) is list:
            budget.rows(len(left) * times)
            return left * times
    _numbers("*", left, right)
    return _exact(EXACT.multiply, left, right)


def divide(left: Plain, right: Plain, budget: Budget) -> Plain:
    """Divide numbers; the result is a Decimal even when it is whole."""
    _numbers("/", left, right)
    return fit_decimal(_exact(_QUOTIENT.divide, left, _divisor(right)))


def floor_divide(left: Plain, right: Plain, budget: Budget) -> Plain:
    """Divide and round down."""
    _numbers("//", left, right)
    _divisor(right)
    if type(left) is int and type(right) is int:
        return fit_int(left // right)
    return _exact(lambda one, two: _floored(one, two)[0], left, right)


def modulo(left: Plain, right: Plain, budget: Budget) -> Plain:
    """What remains after dividing and rounding down; it has the sign of the divisor."""
    if type(left) is str:
        raise ExpressionError(
            "'%' does not fill in texts here.",
            remedy="Write 'pattern' | format(…).",
            value_type="text",
        )
    _numbers("%", left, right)
    _divisor(right)
    if type(left) is int and type(right) is int:
        return fit_int(left % right)
    return _exact(lambda one, two: _floored(one, two)[1], left, right)


def _floored(left: Decimal, right: Decimal) -> tuple[Decimal, Decimal]:
    quotient, rest = EXACT.divmod(left, right)
    if rest and (rest < 0) != (right < 0):
        return EXACT.subtract(quotient, Decimal(1)), EXACT.add(rest, right)
    return quotient, rest


def _divisor(value: Plain) -> Plain:
    if not value:
        raise ExpressionError(
            "A number cannot be divided by zero.", remedy="Check it first with {% if … %}."
        )
    return value


def negative(value: Plain) -> Plain:
    """The number with the other sign."""
    if type(value) is int:
        return -value
    if type(value) is Decimal:
        return EXACT.minus(value)
    raise ExpressionError(f"'-' cannot work on {paths.kind(value)}.", value_type=paths.kind(value))


def positive(value: Plain) -> Plain:
    """The number itself."""
    if is_number(value):
        return value
    raise ExpressionError(f"'+' cannot work on {paths.kind(value)}.", value_type=paths.kind(value))


# --- comparing ------------------------------------------------------------------------------------


def _ordered(left: Plain, right: Plain, budget: Budget) -> None:
    if type(left) is str and type(right) is str:
        budget.scan(min(len(left), len(right)))
    elif not (is_number(left) and is_number(right)):
        raise ExpressionError(
            f"{paths.kind(left)} and {paths.kind(right)} have no order.".capitalize(),
            remedy="Compare numbers with numbers and texts with texts.",
            value_type=paths.kind(right if is_number(left) else left),
        )


def less(left: Plain, right: Plain, budget: Budget) -> bool:
    """Whether the left one is smaller."""
    _ordered(left, right, budget)
    return bool(left < right)


def less_or_same(left: Plain, right: Plain, budget: Budget) -> bool:
    """Whether the left one is smaller or equal."""
    _ordered(left, right, budget)
    return bool(left <= right)


def contains(row: Plain, place: Plain, budget: Budget) -> bool:
    """Whether a list holds a row, an object a key, or a text a part."""
    if type(place) is str and type(row) is str:
        budget.scan(len(place) + len(row))
        return row in place
    if type(place) is list:
        for item in place:
            budget.step()
            if same(row, item, budget):
                return True
        return False
    if type(place) is dict and type(row) in (str, int):
        return row in place
    raise ExpressionError(
        f"'in' cannot look for {paths.kind(row)} in {paths.kind(place)}.",
        value_type=paths.kind(place),
    )


MATH: Final[dict[str, Operator]] = {
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "FloorDiv": floor_divide,
    "Mod": modulo,
}
COMPARE: Final[dict[str, Operator]] = {
    "eq": same,
    "ne": lambda left, right, budget: not same(left, right, budget),
    "lt": less,
    "lteq": less_or_same,
    "gt": lambda left, right, budget: less(right, left, budget),
    "gteq": lambda left, right, budget: less_or_same(right, left, budget),
    "in": contains,
    "notin": lambda left, right, budget: not contains(left, right, budget),
}
