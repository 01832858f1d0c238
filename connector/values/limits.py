"""What a field asks beyond its type: choices, length, bounds, and the look of some texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from connector.errors import MappingError
from connector.model import Field
from connector.values.misfit import misfit

Check = Callable[[Any], Any]
"""Takes a value of the right type and gives it as it is to be sent. Raises MappingError."""

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")


def checks(field: Field) -> tuple[Check, ...]:
    """What a value must stand after it has the right type, in order."""
    found: list[Check] = []
    if field.choices:
        found.append(_chooser(field))
    if field.type == "string":
        if field.max_length is not None:
            found.append(_shorter(field.max_length))
        if field.format in ("email", "idn-email"):
            found.append(_matching(_EMAIL, "an e-mail address", "Write one address: a@b.it."))
        if field.format in ("uri", "iri", "url"):
            found.append(_matching(_URI, "a web address", "Write it in full: https://…"))
    if field.minimum is not None or field.maximum is not None:
        found.append(_between(field.minimum, field.maximum))
    return tuple(found)


def _chooser(field: Field) -> Check:
    """Finds the choice by its value, else, whatever the case, by its value or its label."""
    values = {str(choice.value): choice.value for choice in field.choices}
    folded: dict[str, Any] = {}
    for name, value in [
        *((str(choice.value), choice.value) for choice in field.choices),
        *((choice.label, choice.value) for choice in field.choices),
    ]:
        folded.setdefault(name.strip().casefold(), value)
    allowed = ", ".join(
        f"{choice.value} ({choice.label})"
        if choice.label not in ("", str(choice.value))
        else f"{choice.value}"
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
        raise misfit("one of its choices", value, remedy)

    return choose


def _shorter(limit: int) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, str) and len(value) > limit:
            raise MappingError(
                f"The text has {len(value)} characters; at most {limit} fit.",
                value_type="text",
                remedy=f"Shorten it: {{{{ (…)[:{limit}] }}}}.",
            )
        return value

    return check


def _matching(pattern: re.Pattern[str], what: str, remedy: str) -> Check:
    def check(value: Any) -> Any:
        if value and not pattern.fullmatch(value):
            raise misfit(what, value, remedy)
        return value

    return check


def _between(minimum: float | None, maximum: float | None) -> Check:
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
