"""By what a written record is recognised: its mark, its natural key, and what was there before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from connector import paths
from connector.model import Action

Find = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Runs a Search of the same app by key; gives {found, count, id, record, records}."""


def natural_of(action: Action, inputs: dict[str, Any]) -> str:
    """The first natural key that has a value, as one text; empty where the record has none."""
    for place in action.identity.natural_key:
        value = _given(inputs, place)
        if value is not None:
            return f"{place}={''.join(str(value).split()).casefold()}"
    return ""


def strong_criteria_of(action: Action, inputs: dict[str, Any]) -> dict[str, Any]:
    """The search for the record with this natural key, and for no other."""
    identity = action.identity
    strong = next((one for one in identity.natural_key if _given(inputs, one) is not None), None)
    return {
        name: value
        for name, place in identity.by.items()
        if (place == strong or place not in _keys(action))
        and (value := _given(inputs, place)) is not None
    }


def criteria_of(action: Action, inputs: dict[str, Any]) -> dict[str, Any]:
    """The search for a write that may have arrived, by all that is known of it."""
    return {
        name: value
        for name, place in action.identity.by.items()
        if (value := _given(inputs, place)) is not None
    }


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


def _keys(action: Action) -> set[str]:
    """The inputs that describe the record; the others say where to look (the company)."""
    return {place for place in action.identity.by.values() if place.startswith("data.")}


def _given(inputs: dict[str, Any], place: str) -> Any:
    value = paths.get(inputs, place)
    return None if value is paths.ABSENT or value == "" else value
