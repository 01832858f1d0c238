"""The coercer of a field: one function for its type, then its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from connector.errors import MappingError
from connector.model import Field
from connector.values.limits import checks
from connector.values.misfit import misfit
from connector.values.numbers import decimal_text, exact, integer, number, plain
from connector.values.times import date_text, datetime_text

Coercer = Callable[[Any], Any]

MAX_DEPTH: Final = 40
"""Deepest nesting of a free-form object."""
YES: Final = ("true", "yes", "sì", "si", "vero", "1")
NO: Final = ("false", "no", "falso", "0")


def coerce(value: Any, field: Field) -> Any:
    """The value as this field wants it; for a field that repeats, one of its values.

    Raises MappingError. None is no value: callers leave the field out.
    """
    return coercer(field)(value)


def coercer(field: Field) -> Coercer:
    """The function that makes values fit this field, made once and used for every value."""
    basic = _basic(field)
    further = checks(field)
    if not further:
        return basic

    def strict(value: Any) -> Any:
        fitted = basic(value)
        for check in further:
            fitted = check(fitted)
        return fitted

    return strict


def is_blank(value: Any) -> bool:
    """Whether a text holds nothing but white space."""
    return isinstance(value, str) and not value.strip()


def _basic(field: Field) -> Coercer:
    if field.type == "string":
        return decimal_text if field.format == "decimal" else _text
    return {
        "integer": integer,
        "number": number,
        "boolean": _boolean,
        "date": date_text,
        "datetime": datetime_text,
        "object": _object,
        "any": _any,
    }[field.type]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isascii() and "\x00" not in value else _clean(value)
    if isinstance(value, bool):
        raise misfit("text", value, "Write the word you mean: {{ 'Sì' if … else 'No' }}.")
    if isinstance(value, int | float | Decimal):
        return plain(exact(value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        raise misfit("text", value, "Choose one key of the object, such as `.name`.")
    raise misfit("text", value, "Join the list into one text: {{ … | join(', ') }}.")


def _clean(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MappingError(
            "The text holds half a character (a lone surrogate).",
            value_type="text",
            remedy="Repair it where it comes from.",
        ) from None
    if "\x00" in value:
        raise MappingError(
            "The text holds a zero character, which databases refuse.",
            value_type="text",
            remedy="Repair it where it comes from.",
        )
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in YES:
            return True
        if word in NO:
            return False
    elif isinstance(value, int | Decimal) and value in (0, 1):
        return bool(value)
    raise misfit(
        "yes or no",
        value,
        f"Yes is one of {', '.join(YES)}; no is one of {', '.join(NO)}. "
        "Or compare: {{ … == 'paid' }}.",
    )


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _from_json(value)
    if not isinstance(value, Mapping):
        raise misfit("an object", value, "Choose an object, or a text that holds one as JSON.")
    fitted = _any(value)
    assert isinstance(fitted, dict)
    return fitted


def _from_json(text: str) -> Any:
    import json

    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise misfit("an object", text, "The text is not valid JSON: check it.") from None


def _any(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float | Decimal):
        return number(value)
    if depth >= MAX_DEPTH:
        raise misfit(f"an object at most {MAX_DEPTH} levels deep", value, "Choose a part of it.")
    if isinstance(value, Mapping):
        return {_text(key): _any(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_any(item, depth + 1) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    raise misfit("plain data", value, "Use text, numbers, yes/no, lists and objects only.")
