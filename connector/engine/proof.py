"""By what a written record is recognised: its mark, its natural key, and what was there before."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connector import paths
from connector.model import Action

SKEW_SECONDS = 300
"""How wrong a foreign clock may be; many tell whole seconds only."""
ANY_ZONE_SECONDS = 14 * 3600
"""Many apps tell the time of their own place, and do not say which."""

MOST_KEY = 200
"""A longer key (the text of an item) is kept as its digest."""

Find = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Runs a Search of the same app by key; gives {found, count, id, record, records}."""


def naturals_of(action: Action, inputs: dict[str, Any]) -> list[str]:
    """Every natural key that has a value, each as one text, the strongest first."""
    found = []
    for key in action.identity.natural_key:
        values = [_given(inputs, place) for place in key.split("+")]
        if None not in values:
            text = "+".join("".join(str(one).split()).casefold() for one in values)
            found.append(f"{key}={short(text)}")
    return found


def short(text: str, most: int = MOST_KEY) -> str:
    """A text of any length in the form in which PostgreSQL, too, keeps it in an index."""
    if len(text) <= most:
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def kin_of(action: Action) -> list[str]:
    """The full names of all actions that make this kind of record, sorted."""
    return sorted({action.name, *(f"{action.app}.{one}" for one in action.identity.same_as)})


def elsewhere(action: Action, inputs: dict[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether another write was of another place (company): its record is not ours."""
    identity = action.identity
    places = [one for one in identity.by.values() if not one.startswith("data.")]
    return any(
        one not in identity.natural_key and _given(inputs, one) != _given(dict(other), one)
        for one in places
        if _given(dict(other), one) is not None
    )


def natural_of(action: Action, inputs: dict[str, Any]) -> str:
    """The first natural key that has a value, as one text; empty where the record has none."""
    return next(iter(naturals_of(action, inputs)), "")


def strong_criteria_of(action: Action, inputs: dict[str, Any]) -> dict[str, Any]:
    """The search for the record with this natural key, and for no other."""
    identity = action.identity
    strong = next((one.split("+") for one in identity.natural_key if _whole(inputs, one)), [])
    return {
        name: value
        for name, place in identity.by.items()
        if (place in strong or place not in _keys(action))
        and (value := _given(inputs, place)) is not None
    }


def criteria_of(action: Action, inputs: dict[str, Any], marker: str = "") -> dict[str, Any]:
    """The search for a write that may have arrived, by its mark or else all that is known of it.

    By the mark alone: people change the text around it, and older flows wrote another one.
    """
    identity = action.identity
    return {
        name: marker if marker and place == identity.marker else value
        for name, place in identity.by.items()
        if (value := _given(inputs, place)) is not None
    }


def alike_of(action: Action, inputs: dict[str, Any]) -> dict[str, Any]:
    """The search for what looks like a write, whatever its mark; empty when too little is known."""
    places = action.identity.alike.items()
    known = {name: value for name, place in places if (value := _given(inputs, place)) is not None}
    # The company alone, or the type, would bring everything there is.
    return (
        known if any(place.startswith("data.") for name, place in places if name in known) else {}
    )


def by_mark(action: Action) -> bool:
    """Whether the search is asked for our mark."""
    return (
        action.identity.marker is not None and action.identity.marker in action.identity.by.values()
    )


def carries(action: Action, record: Any, marker: str) -> bool:
    """Whether a record has our mark, wherever in the text it stands by now."""
    place = action.identity.marker
    return place is not None and marker in str(paths.get(record, _in_record(place)))


def made_since(action: Action, record: Any, moment: float | None) -> bool:
    """Whether a record may have been made after a moment; yes when it does not say when."""
    text = str(paths.get(record, action.identity.made_at))
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return True
    at = (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()
    return moment is None or at >= moment - (SKEW_SECONDS if made.tzinfo else ANY_ZONE_SECONDS)


def unlike(action: Action, inputs: dict[str, Any], marker: str, record: Any, remote_id: str) -> str:
    """Why a record cannot be the one that this write made; empty when nothing speaks against it."""
    identity = action.identity
    if str(paths.get(record, identity.own_id)) != remote_id:
        return "the app shows another record for it"
    if identity.marker:
        where = _in_record(identity.marker)
        return "" if carries(action, record, marker) else f"its {where} lacks the mark {marker}"
    strong = next((one for one in identity.natural_key if _whole(inputs, one)), "")
    for place in strong.split("+") if strong else ():
        shown = paths.get(record, _in_record(place))
        if shown is not paths.ABSENT and not same(_given(inputs, place), shown):
            return f"its {_in_record(place)} is another one"
    return ""


def not_shown(wanted: Any, record: Any) -> list[str]:
    """The fields that a record shows otherwise than they were written."""
    if not isinstance(wanted, Mapping) or not isinstance(record, Mapping):
        return []
    return [
        name
        for name, value in wanted.items()
        if name in record
        and not isinstance(value, Mapping | list)
        and not same(value, record[name])
    ]


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: apps give numbers as text, and nothing as empty text."""
    if isinstance(one, str) and isinstance(other, str):
        # Texts of digits are no numbers: 00184 is a postcode, and 184 is none.
        return _text(one) == _text(other)
    numbers = _number(one), _number(other)
    return numbers[0] == numbers[1] if None not in numbers else _text(one) == _text(other)


def _text(value: Any) -> str:
    if value is None or value is paths.ABSENT:
        return ""
    return "".join(html.unescape(str(value)).split()).casefold()


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(int(value)) if isinstance(value, bool) else Decimal(_text(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def ids_of(found: dict[str, Any]) -> list[str]:
    """The ids of all that a Search found, lowest first."""
    return [str(one) for one in found.get("ids", ())]


def found_id(found: dict[str, Any], remote_id: str) -> Any:
    """The id as the Search gave it: a number stays a number."""
    return next(one for one in found["ids"] if str(one) == remote_id)


def record_of(found: dict[str, Any], remote_id: str) -> Any:
    """The record with this id among what a Search found."""
    for one, record in zip(found.get("ids", ()), found.get("records", ()), strict=False):
        if str(one) == remote_id:
            return record
    return None


def _in_record(place: str) -> str:
    return place.removeprefix("data.")


def _keys(action: Action) -> set[str]:
    """The inputs that describe the record; the others say where to look (the company)."""
    return {place for place in action.identity.by.values() if place.startswith("data.")}


def _whole(inputs: dict[str, Any], key: str) -> bool:
    """Whether every part of a natural key has a value."""
    return all(_given(inputs, place) is not None for place in key.split("+"))


def _given(inputs: dict[str, Any], place: str) -> Any:
    value = paths.get(inputs, place)
    return None if value is paths.ABSENT or value == "" else value
