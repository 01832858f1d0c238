"""JSON in and out without losing a cent: decimals are read and written digit by digit.

`msgspec` because the standard library cannot write a Decimal as a JSON number at all.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import msgspec


@cache
def _encoder() -> msgspec.json.Encoder:
    import msgspec

    return msgspec.json.Encoder(decimal_format="number")


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    import msgspec

    return msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON; Decimal becomes a number with exactly its digits."""
    return _encoder().encode(value)


def encode_text(value: Any) -> str:
    """The same as text, for a column or a page."""
    return _encoder().encode(value).decode()


def decode(text: bytes | str) -> Any:
    """Plain values with Decimal for every number that has a fraction. Raises ValueError."""
    try:
        return _decoder().decode(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
