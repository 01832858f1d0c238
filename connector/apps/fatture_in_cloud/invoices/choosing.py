"""VAT types, payment methods and accounts by what a person calls them, never by a guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector.apps.fatture_in_cloud.invoices.totals import decimal_of
from connector.errors import Issue
from connector.paths import did_you_mean

_RATE = re.compile(r"(\d{1,3}(?:[.,]\d+)?)\s*%?")
_NATURE = re.compile(r"N\d(\.\d)?", re.IGNORECASE)
MOST_SHOWN = 8


def plain(value: Any) -> str:
    """Text without capitals and doubled spaces."""
    return " ".join(str("" if value is None else value).split()).casefold()


def vat_type(
    types: Sequence[Mapping[str, Any]], asked: Any, id_: Any, at: str
) -> tuple[Mapping[str, Any] | None, Issue | None]:
    """The one VAT type with this id, else with this rate (22, 22%), Natura (N4) or name."""
    if id_ is not None:
        found = [one for one in types if str(one.get("id")) == str(id_)]
        if found and found[0].get("is_disabled"):
            return None, _issue(at, f"The VAT type {shown(found[0])} is switched off.",
                                "Choose another one.")  # fmt: skip
        return (found[0], None) if found else (None, _unknown(types, f"the id {id_}", at))
    text = str(asked).strip()
    usable = [one for one in types if not one.get("is_disabled")]
    rate = _RATE.fullmatch(text)
    if rate:
        wanted = Decimal(rate[1].replace(",", "."))
        found = [one for one in usable if decimal_of(one.get("value")) == wanted]
        # Of several with this rate, the ordinary one has no description of its own.
        bare = [one for one in found if one.get("default")] or [
            one for one in found if not plain(one.get("description"))
        ]
        found = bare if len(bare) == 1 else found
    elif _NATURE.fullmatch(text):
        found = [one for one in usable if plain(one.get("ei_type")) == plain(text)]
    else:
        found = [one for one in usable if plain(one.get("description")) == plain(text)]
    if len(found) == 1:
        return found[0], None
    if found:
        several = ", ".join(shown(one) for one in found[:MOST_SHOWN])
        return None, _issue(
            at,
            f"{text!r} may be several VAT types: {several}.",
            "Give the id of the right one in the field for ids, `vat_id`.",
        )
    return None, _unknown(usable, repr(text), at)


def shown(one: Mapping[str, Any]) -> str:
    """A VAT type as a person reads it."""
    words = f" · {one['description']}" if one.get("description") else ""
    return f"{one.get('id')} ({decimal_of(one.get('value')).normalize():f} %{words})"


def _unknown(types: Iterable[Mapping[str, Any]], what: str, at: str) -> Issue:
    known = ", ".join(shown(one) for one in list(types)[:MOST_SHOWN])
    return _issue(
        at, f"This company has no VAT type for {what}.", f"It has, with their ids: {known}."
    )


def by_name(
    rows: Sequence[Mapping[str, Any]], asked: Any, id_: Any, what: str, at: str
) -> tuple[Mapping[str, Any] | None, Issue | None]:
    """The one row with this id, else with this name."""
    if id_ is not None:
        found = [one for one in rows if str(one.get("id")) == str(id_)]
        text = str(id_)
    else:
        found = [one for one in rows if plain(one.get("name")) == plain(asked)]
        text = str(asked)
    if len(found) == 1:
        return found[0], None
    if found:
        ids = ", ".join(str(one.get("id")) for one in found[:MOST_SHOWN])
        return None, _issue(at, f"Several {what}s are called {text!r}.", f"Give the id: {ids}.")
    names = [str(one.get("name")) for one in rows]
    return None, _issue(at, f"This company has no {what} {text!r}.", did_you_mean(text, names))


def _issue(field: str, message: str, remedy: str) -> Issue:
    return Issue(field=field, message=message, remedy=remedy)
