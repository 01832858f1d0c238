"""Making a value fit the field it goes to: strictly, exactly, or with an error that says why not.

Nothing is guessed. `1.234,56` is a number, `1.234` is not: it can mean two things. Money stays
exact: text and floats become `Decimal` by their digits. Errors name the field, the type of the
value and the remedy; they never repeat the value, which may be private, unless it is only digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from connector.errors import MappingError
from connector.model import Field
from connector.paths import kind

Coercer = Callable[[Any], Any]

MAX_DIGITS: Final = 40
"""Longest number, in digits; more is a mistake, or an attack on memory (`1e999999999`)."""
_MAX_BITS: Final = 140
MAX_DEPTH: Final = 40
"""Deepest nesting of a free-form object."""
YES: Final = ("true", "yes", "sì", "si", "vero", "1")
NO: Final = ("false", "no", "falso", "0")

_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_ITALIAN = re.compile(r"[+-]?[0-9]+,[0-9]+")
_ITALIAN_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}((\.[0-9]{3})+,[0-9]+|(\.[0-9]{3}){2,})")
_AMBIGUOUS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
_ENGLISH_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+\.[0-9]+|[+-]?[0-9]+(,[0-9]{3}){2,}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ITALIAN_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_ITALIAN_TIME = re.compile(r"([0-9]{1,2}/[0-9]{1,2}/[0-9]{4}) ([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)")
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")


def coerce(value: Any, field: Field) -> Any:
    """The value as this field wants it; for a field that repeats, one of its values.

    Raises MappingError. None is no value: callers leave the field out.
    """
    return coercer(field)(value)


def coercer(field: Field) -> Coercer:
    """The function that makes values fit this field, made once and used for every value."""
    basic = _basic(field)
    checks = _checks(field)
    if not checks:
        return basic

    def strict(value: Any) -> Any:
        fitted = basic(value)
        for check in checks:
            fitted = check(fitted)
        return fitted

    return strict


def is_blank(value: Any) -> bool:
    """Whether a text holds nothing but white space."""
    return isinstance(value, str) and not value.strip()


def exact(value: Any) -> Decimal:
    """A number or a text as an exact number, whatever its Italian or plain form.

    Raises MappingError for what is no number, and for text that can mean two numbers.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise _misfit("a number", value, "Choose a number.")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise _too_long(value)  # before it is written out, which takes its time
    number = _from_text(value) if isinstance(value, str) else Decimal(str(value))
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


# --- by type ----------------------------------------------------------------------------------


def _basic(field: Field) -> Coercer:
    if field.type == "string":
        return _decimal_text if field.format == "decimal" else _text
    return {
        "integer": _integer,
        "number": _number,
        "boolean": _boolean,
        "date": _date,
        "datetime": _datetime,
        "object": _object,
        "any": _any,
    }[field.type]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isascii() and "\x00" not in value else _clean(value)
    if isinstance(value, bool):
        raise _misfit("text", value, "Write the word you mean: {{ 'Sì' if … else 'No' }}.")
    if isinstance(value, int | float | Decimal):
        return plain(exact(value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        raise _misfit("text", value, "Choose one key of the object, such as `.name`.")
    raise _misfit("text", value, "Join the list into one text: {{ … | join(', ') }}.")


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


def _decimal_text(value: Any) -> str:
    return plain(exact(value))


def _integer(value: Any) -> int:
    if type(value) is int and -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
        return value
    if isinstance(value, bool):
        raise _misfit("a whole number", value, "Write {{ 1 if … else 0 }}.")
    number = exact(value)
    if number != number.to_integral_value():
        raise MappingError(
            "This number is not whole.",
            value_type=kind(value),
            remedy="Round it, if that is what you mean: {{ … | round }}.",
        )
    return int(number)


def _number(value: Any) -> Decimal | int:
    if type(value) is int and -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
        return value
    if isinstance(value, bool):
        raise _misfit("a number", value, "Write {{ 1 if … else 0 }}.")
    number = exact(value)
    whole = isinstance(value, str) and number.as_tuple().exponent == 0
    return int(number) if whole else number


def _from_text(value: str) -> Decimal:
    text = value.strip()
    if len(text) > 2 * MAX_DIGITS:
        raise _misfit("a number", value, "The text is too long for a number.")
    if _AMBIGUOUS.fullmatch(text):
        digits, point = text.replace(".", "").replace(",", ""), text.replace(",", ".")
        raise MappingError(
            f"The text {text!r} can mean {digits} or {point}.",
            value_type="text",
            remedy=f"Say which: {{{{ … | parse_it_number }}}} for {digits}, "
            f"{{{{ … | decimal }}}} for {point}."
            if "." in text
            else f"Say which: {{{{ … | parse_it_number }}}} for {point}, "
            f"{{{{ … | replace(',', '') }}}} for {digits}.",
        )
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    if _ITALIAN.fullmatch(text) or _ITALIAN_GROUPS.fullmatch(text):
        return Decimal(text.replace(".", "").replace(",", "."))
    if _ENGLISH_GROUPS.fullmatch(text):
        remedy = "Remove the English commas: {{ … | replace(',', '') }}."
    else:
        remedy = "Write it as 1234.56 or 1.234,56, without currency signs or words."
    raise _misfit("a number", value, remedy)


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
    raise _misfit(
        "yes or no",
        value,
        f"Yes is one of {', '.join(YES)}; no is one of {', '.join(NO)}. "
        "Or compare: {{ … == 'paid' }}.",
    )


def _date(value: Any) -> str:
    if isinstance(value, datetime):
        raise _with_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise _misfit("a date", value, "Choose a date such as 2026-12-31 or 31/12/2026.")
    text = value.strip()
    day = _day(text)
    if day is None:
        if _ISO_TIME.fullmatch(text) or _ITALIAN_TIME.fullmatch(text):
            raise _with_time(value)
        raise _misfit("a date", value, "Write it as 2026-12-31 or 31/12/2026, and check the day.")
    return day.isoformat()


def _with_time(value: Any) -> MappingError:
    return _misfit(
        "a date without a time",
        value,
        "Take the day: {{ … | local_time | date }} where the time has a zone, else {{ … | date }}.",
    )


def _day(text: str) -> date | None:
    try:
        if _ISO_DATE.fullmatch(text):
            return date.fromisoformat(text)
        italian = _ITALIAN_DATE.fullmatch(text)
        if italian:
            return date(int(italian[3]), int(italian[2]), int(italian[1]))
    except ValueError:
        return None
    return None


def _datetime(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        text = value.strip()
        italian = _ITALIAN_TIME.fullmatch(text)
        if italian:
            day = _day(italian[1])
            text = f"{day.isoformat()}T{italian[2]}" if day else ""
        if _ISO_TIME.fullmatch(text):
            try:
                return datetime.fromisoformat(text).isoformat()
            except ValueError:
                pass
        if _day(text):
            raise _misfit("a date with a time", value, "Add one: {{ … ~ 'T00:00:00' }}.")
    raise _misfit("a date with a time", value, "Write it as 2026-12-31T09:30:00+01:00.")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _from_json(value)
    if not isinstance(value, Mapping):
        raise _misfit("an object", value, "Choose an object, or a text that holds one as JSON.")
    fitted = _any(value)
    assert isinstance(fitted, dict)
    return fitted


def _from_json(text: str) -> Any:
    import json

    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise _misfit("an object", text, "The text is not valid JSON: check it.") from None


def _any(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if depth >= MAX_DEPTH:
        raise _misfit(f"an object at most {MAX_DEPTH} levels deep", value, "Choose a part of it.")
    if isinstance(value, Mapping):
        return {_text(key): _any(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_any(item, depth + 1) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    raise _misfit("plain data", value, "Use text, numbers, yes/no, lists and objects only.")


# --- limits -----------------------------------------------------------------------------------


def _checks(field: Field) -> tuple[Coercer, ...]:
    checks: list[Coercer] = []
    if field.choices:
        checks.append(_chooser(field))
    if field.type == "string":
        if field.max_length is not None:
            checks.append(_shorter(field.max_length))
        if field.format in ("email", "idn-email"):
            checks.append(_matching(_EMAIL, "an e-mail address", "Write one address: a@b.it."))
        if field.format in ("uri", "iri", "url"):
            checks.append(_matching(_URI, "a web address", "Write it in full: https://…"))
    if field.minimum is not None or field.maximum is not None:
        checks.append(_between(field.minimum, field.maximum))
    return tuple(checks)


def _chooser(field: Field) -> Coercer:
    """Finds the choice by its value, else, whatever the case, by its value or its label."""
    values = {str(choice.value): choice.value for choice in field.choices}
    folded: dict[str, Any] = {}
    for name, value in [
        *((str(choice.value), choice.value) for choice in field.choices),
        *((choice.label, choice.value) for choice in field.choices),
    ]:
        folded.setdefault(name.strip().casefold(), value)
    allowed = ", ".join(
        f"{choice.value} ({choice.label})" if choice.label else f"{choice.value}"
        for choice in field.choices[:12]
    )
    more = len(field.choices) - 12
    remedy = f"Choose one of: {allowed}{f' and {more} more' if more > 0 else ''}."

    def choose(value: Any) -> Any:
        text = str(value)
        if text in values:
            return values[text]
        key = text.strip().casefold()
        if key and key in folded:
            return folded[key]
        if field.open_choices:
            return value
        raise _misfit("one of its choices", value, remedy)

    return choose


def _shorter(limit: int) -> Coercer:
    def check(value: Any) -> Any:
        if isinstance(value, str) and len(value) > limit:
            raise MappingError(
                f"The text has {len(value)} characters; at most {limit} fit.",
                value_type="text",
                remedy=f"Shorten it: {{{{ (…)[:{limit}] }}}}.",
            )
        return value

    return check


def _matching(pattern: re.Pattern[str], what: str, remedy: str) -> Coercer:
    def check(value: Any) -> Any:
        if value and not pattern.fullmatch(value):
            raise _misfit(what, value, remedy)
        return value

    return check


def _between(minimum: float | None, maximum: float | None) -> Coercer:
    def check(value: Any) -> Any:
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            return value
        if minimum is not None and value < minimum:
            limit = f"at least {_limit(minimum)}"
        elif maximum is not None and value > maximum:
            limit = f"at most {_limit(maximum)}"
        else:
            return value
        raise MappingError(
            f"The number must be {limit}.", value_type="number", remedy="Check the value."
        )

    return check


def _limit(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _misfit(wanted: str, value: Any, remedy: str) -> MappingError:
    given = kind(value)
    article = {"text": "a text", "list": "a list", "object": "an object", "number": "a number"}
    return MappingError(
        f"This field takes {wanted}, not {article.get(given, given)}."
        if given != "text" or wanted == "text"
        else f"This text is not {wanted}.",
        value_type=given,
        remedy=remedy,
    )
