"""One value of a list, the words for it, and finding the one that somebody means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector import paths
from connector.errors import ConnectorError, MappingError
from connector.expressions import evaluate
from connector.model import ChoiceSource
from connector.paths import did_you_mean

MOST_SHOWN = 5
_RATE = re.compile(r"\d+\.\d+(?=%)")


@dataclass(frozen=True, slots=True)
class Option:
    """A value that may be chosen, and its names: the label first."""

    value: Any
    label: str
    names: tuple[str, ...] = ()

    def matches(self, text: str) -> bool:
        """Whether a person who types this text may look for it."""
        wanted = plain(text)
        return any(wanted in plain(one) for one in (str(self.value), self.label, *self.names))


def plain(text: str) -> str:
    """A name as people compare them: without capitals and spaces; `22,00 %` is `22%`."""
    bare = "".join(text.split()).casefold().replace(",", ".")
    # Only of rates: to a code every digit matters.
    return _RATE.sub(lambda found: found[0].rstrip("0").rstrip("."), bare)


def options_of(source: ChoiceSource, rows: Iterable[Any]) -> list[Option]:
    """The options in the rows of a list; rows without a value or words are left out."""
    found: dict[str, Option] = {}
    for row in rows:
        if source.unless and isinstance(row, Mapping) and paths.get(row, source.unless) is True:
            continue
        value = paths.get(row, source.value) if source.value else row
        if value is None or value is paths.ABSENT:
            continue
        label = _words(source.label, row) if source.value else str(row)
        names = tuple(filter(None, (_words(one, row) for one in source.also)))
        if label or names:
            found.setdefault(str(value), Option(value, label or names[0], names))
    return list(found.values())


def _words(expression: str, row: Any) -> str:
    try:
        return str(evaluate(expression, {"row": row})).strip()
    except ConnectorError:
        # A row that lacks what names it can still be found by its other names.
        return ""


def pick(
    title: str, options: Sequence[Option], text: str, field: str, *, people: bool = False
) -> Option:
    """The one option that is named so: exactly, else apart from capitals and spaces.

    Raises MappingError when none is, or several are; of `people` it tells ids and no names.
    """
    wanted = plain(text)
    tries = (
        [one for one in options if str(one.value) == text],
        [one for one in options if text in (one.label, *one.names)],
        [one for one in options if wanted in (plain(one.label), *map(plain, one.names))],
    )
    for found in tries:
        if len(found) == 1:
            return found[0]
        if found:
            listed = "; ".join(
                f"id {one.value}" if people else f"{one.label} (id {one.value})"
                for one in found[:MOST_SHOWN]
            )
            more = f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
            shown = "This text" if people else repr(text)
            raise MappingError(
                f"{shown} is the name of {len(found)} of the {title}: {listed}{more}.",
                field=field,
                value_type="text",
                remedy="Give the id of the one that is meant.",
            )
    if people:
        raise MappingError(
            f"None of the {title} has this text as its name or code.",
            field=field,
            value_type="text",
            remedy="Check that it is written as there, or give the id.",
        )
    names = dict.fromkeys(one for option in options for one in (option.label, *option.names))
    near = did_you_mean(text, names)
    raise MappingError(
        f"None of the {title} is named {text!r}.",
        field=field,
        value_type="text",
        remedy=near or _listed(options) or f"The app has no {title} that can be used.",
    )


def _listed(options: Sequence[Option]) -> str:
    if not options:
        return ""
    shown = ", ".join(repr(one.label) for one in options[:MOST_SHOWN])
    more = " …" if len(options) > MOST_SHOWN else ""
    return f"There {'is' if len(options) == 1 else 'are'} {shown}{more}."
