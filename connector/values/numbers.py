"""Numbers, from any form in which they can mean one number only."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from connector.errors import MappingError
from connector.paths import kind
from connector.values.misfit import Ambiguous, misfit

MAX_DIGITS: Final = 40
"""Longest number, in digits; more is a mistake, or an attack on memory (`1e999999999`)."""
_MAX_BITS: Final = 140
_WHOLE: Final = "1234"
"""What is shown as an example where only whole numbers fit."""

_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_ITALIAN = re.compile(r"[+-]?[0-9]+,[0-9]+")
_ITALIAN_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}((\.[0-9]{3})+,[0-9]+|(\.[0-9]{3}){2,})")
_AMBIGUOUS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
_ENGLISH_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+\.[0-9]+|[+-]?[0-9]+(,[0-9]{3}){2,}")


def exact(value: Any, example: str = "1234.56 or 1.234,56") -> Decimal:
    """A number or a text as an exact number, whatever its Italian or plain form.

    Raises MappingError for what is no number, and for text that can mean two numbers.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise misfit("a number", value, "Choose a number.")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise _too_long(value)  # before it is written out, which takes its time
    number = _from_text(value, example) if isinstance(value, str) else Decimal(str(value))
    if not number.is_finite():
        raise MappingError(
            "This is not a finite number (NaN or Infinity).",
            value_type="number",
            remedy="Check the calculation that gives it, a division for instance.",
        )
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if number.adjusted() >= MAX_DIGITS or exponent < -MAX_DIGITS:
        raise _too_long(value)
    return number


def _too_long(value: Any) -> MappingError:
    return MappingError(
        f"This number has more than {MAX_DIGITS} digits.",
        value_type=kind(value),
        remedy="Check where it comes from.",
    )


def plain(number: Decimal) -> str:
    """A number in digits with a decimal point: never an exponent, trailing zeros kept."""
    return format(number, "f")


def decimal_text(value: Any) -> str:
    """A number as text, for fields that keep decimals as text. Raises MappingError."""
    return plain(exact(value))


def integer(value: Any) -> int:
    """A whole number. Raises MappingError."""
    if type(value) is int and -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
        return value
    if isinstance(value, bool):
        raise misfit("a whole number", value, "Write {{ 1 if … else 0 }}.")
    number = exact(value, _WHOLE)
    if number != number.to_integral_value():
        raise MappingError(
            "This number is not whole.",
            value_type=kind(value),
            remedy="Round it, if that is what you mean: {{ … | round }}.",
        )
    return int(number)


def number(value: Any) -> Decimal | int:
    """A number; whole ones may stay int. Raises MappingError."""
    if type(value) is int and -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
        return value
    if isinstance(value, bool):
        raise misfit("a number", value, "Write {{ 1 if … else 0 }}.")
    number = exact(value)
    whole = isinstance(value, str) and number.as_tuple().exponent == 0
    return int(number) if whole else number


def _from_text(value: str, example: str) -> Decimal:
    text = value.strip()
    if len(text) > 2 * MAX_DIGITS:
        raise misfit("a number", value, "The text is too long for a number.")
    if _AMBIGUOUS.fullmatch(text):
        digits, point = text.replace(".", "").replace(",", ""), text.replace(",", ".")
        whole, part = point.split(".")
        error = Ambiguous(
            f"The text {text!r} can mean {digits} or {whole}.{part}.",
            value_type="text",
            remedy=f"Say which: {{{{ … | parse_it_number }}}} for {digits}, "
            f"{{{{ … | decimal }}}} for {point}."
            if "." in text
            else f"Say which: {{{{ … | parse_it_number }}}} for {point}, "
            f"{{{{ … | replace(',', '') }}}} for {digits}.",
        )
        if example == _WHOLE:
            error.typed = f"Write {digits}: this field takes whole numbers only."
        else:
            # With one more zero it can only be the part of a whole.
            error.typed = f"Write {digits} or, with a zero at the end, {whole}.{part}0."
        raise error
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    if _ITALIAN.fullmatch(text) or _ITALIAN_GROUPS.fullmatch(text):
        return Decimal(text.replace(".", "").replace(",", "."))
    if _ENGLISH_GROUPS.fullmatch(text):
        remedy = "Remove the English commas: {{ … | replace(',', '') }}."
    else:
        remedy = f"Write it as {example}, without currency signs or words."
    raise misfit("a number", value, remedy)
