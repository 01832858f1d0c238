"""JSON in and out without losing a cent: decimals are read and written digit by digit.

`msgspec` because the standard library cannot write a Decimal as a JSON number at all.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import msgspec


MOST_PLACES = 400
"""So many digits before or after the point: more than a float can tell, and than money needs."""


@cache
def _encoder() -> msgspec.json.Encoder:
    import msgspec

    return msgspec.json.Encoder(decimal_format="number")


@cache
def _decoder(number: Callable[[str], Decimal]) -> msgspec.json.Decoder[Any]:
    import msgspec

    return msgspec.json.Decoder(float_hook=number)


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON; Decimal becomes a number with exactly its digits."""
    return _encoder().encode(value)


def encode_text(value: Any) -> str:
    """The same as text, for a column or a page."""
    return _encoder().encode(value).decode()


def decode(text: bytes | str) -> Any:
    """Plain values with Decimal for every number that has a fraction. Raises ValueError."""
    return _decoded(text, decimal)


def decode_kept(text: bytes | str) -> Any:
    """What we stored ourselves: a row of an older release may hold what is refused today."""
    return _decoded(text, Decimal)


def decimal(text: str) -> Decimal:
    """A number from outside, digit by digit. Raises ValueError for one that no app means: ten
    characters such as 1E+1000000 would take a minute to become a whole number.
    """
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise ValueError("a number cannot be read") from None
    if len(text) < 40 and "e" not in text and "E" not in text:
        return number
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), abs(number.adjusted())) > MOST_PLACES:
        raise ValueError("a number is out of all proportion")
    return number


def _decoded(text: bytes | str, number: Callable[[str], Decimal]) -> Any:
    try:
        return _decoder(number).decode(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
