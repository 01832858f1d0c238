"""The one sentence for a value that does not fit."""

from __future__ import annotations

from typing import Any

from connector.errors import MappingError
from connector.paths import kind


class Ambiguous(MappingError):
    """A text that can mean two numbers; `typed` says what to write, where a person wrote it."""

    typed: str = ""


def misfit(wanted: str, value: Any, remedy: str) -> MappingError:
    """The error that a value is not what a field takes."""
    given = kind(value)
    article = {"text": "a text", "list": "a list", "object": "an object", "number": "a number"}
    return MappingError(
        f"This field takes {wanted}, not {article.get(given, given)}."
        if given != "text" or wanted == "text"
        else f"This text is not {wanted}.",
        value_type=given,
        remedy=remedy,
    )
