"""Updates that do no harm: only what was set is sent, and what others wrote is kept.

An update names the fields it sets. Where the app would replace a list or an object whole, the
record is read first, and the rows and fields that were not set go along as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector import finding, paths
from connector.errors import Conflict, MappingError, Refused
from connector.model import Caller, Field, Json, Prepared, Preparing
from connector.rendering import fill_path

CLEAR, REPLACE, SINCE = "clear", "replace_lists", "unchanged_since"

INPUTS = (
    Field(
        path=CLEAR,
        label="Fields to empty",
        list=True,
        array=CLEAR,
        example="notes",
        help="Names of fields that become empty, such as notes. What is not set stays as it is.",
        group="How to change it",
    ),
    Field(
        path=REPLACE,
        label="Replace lists",
        type="boolean",
        default=False,
        help=(
            "Yes: a list that is given replaces the old one. No: its rows are added, and those "
            "with an id change the row of that id."
        ),
        group="How to change it",
    ),
    Field(
        path=SINCE,
        label="Only if unchanged since",
        help="The date of change (updated_at) that you saw. A record changed since is left alone.",
        group="How to change it",
    ),
)
"""What every update takes beside the record's own fields."""


def keeping(
    path: str,
    *,
    body: str = "data",
    query: Mapping[str, str] | None = None,
    always_read: bool = False,
) -> Preparing:
    """What an update's `prepare` is; `path` reads the record, `body` is the input that is sent.

    The record is read only where the update depends on it: for lists, objects, fields to empty.
    """

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
        given = inputs.get(body) or {}
        if not given and not inputs.get(CLEAR):
            raise MappingError(
                "Nothing is given to change.",
                field=body,
                value_type="nothing",
                remedy="Map at least one field, or name one to empty.",
            )
        if not always_read and not _depends(given, inputs):
            return Prepared(inputs=inputs)
        at = fill_path(path, caller.connection, inputs)
        answer = await caller.request("GET", at, query=query)
        record = finding.record_in(answer)
        return prepared(inputs, record, body=body)

    return prepare


def prepared(inputs: dict[str, Any], record: dict[str, Any], *, body: str = "data") -> Prepared:
    """An update of a record that was read. Raises MappingError, Refused or Conflict."""
    state = str(record.get("updated_at") or "")
    wanted_state = inputs.get(SINCE)
    if wanted_state and str(wanted_state).replace("T", " ") != state.replace("T", " "):
        raise Conflict(
            f"This record was changed meanwhile: at {state or 'an unknown time'}.",
            field=SINCE,
            remedy="Nothing was written. Look at it, and replay the run.",
            who="user",
        )
    given = dict(inputs.get(body) or {})
    sent = merged(given, record, replace_lists=bool(inputs.get(REPLACE)), at=body)
    for name in _cleared(inputs.get(CLEAR), given, record, body):
        sent[name] = None
    return Prepared(
        inputs={**inputs, body: sent},
        record=record,
        state=state,
        differs=tuple(differences(sent, record)),
    )


def merged(
    given: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    replace_lists: bool = False,
    at: str = "",
) -> dict[str, Any]:
    """The fields that are given, with all that their lists and objects held before."""
    sent: dict[str, Any] = {}
    for name, value in given.items():
        before, place = record.get(name), f"{at}.{name}" if at else name
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            sent[name] = _object(value, before)
        elif _is_rows(value) and isinstance(before, list) and not replace_lists:
            sent[name] = _rows(value, before, place)
        else:
            sent[name] = value
    return sent


def differences(sent: Mapping[str, Any], record: Mapping[str, Any], at: str = "") -> list[str]:
    """The fields that a record shows otherwise than they are sent; what it does not show is one."""
    found = []
    for name, value in sent.items():
        place = f"{at}.{name}" if at else name
        if not _shows(record.get(name), value):
            found.append(place)
    return found


def _shows(shown: Json, wanted: Json) -> bool:
    if wanted in (None, "", [], {}) or shown in (None, "", [], {}):
        return (wanted in (None, "", [], {})) and (shown in (None, "", [], {}))
    if isinstance(wanted, Mapping):
        return isinstance(shown, Mapping) and not differences(wanted, shown)
    if isinstance(wanted, list):
        if not isinstance(shown, list) or len(shown) != len(wanted):
            return False
        return all(_shows(one, other) for one, other in zip(shown, wanted, strict=True))
    if isinstance(wanted, bool) or isinstance(shown, bool):
        return bool(wanted == shown)
    return bool(wanted == shown) or str(wanted) == str(shown)


def _depends(given: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
    if inputs.get(CLEAR) or inputs.get(SINCE):
        return True
    for value in given.values():
        if _is_rows(value) and not inputs.get(REPLACE):
            return True
        # An object chosen by its id alone needs nothing of the old one.
        if isinstance(value, Mapping) and set(value) != {"id"}:
            return True
    return False


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)


def _object(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    if "id" in given and given["id"] != before.get("id"):
        # Another one is chosen: nothing of the old one belongs to it.
        return dict(given)
    kept = {name: value for name, value in _kept(before).items() if value is not None}
    inner = {
        name: _object(value, before[name])
        if isinstance(value, Mapping) and isinstance(before.get(name), Mapping)
        else value
        for name, value in given.items()
    }
    return {**kept, **inner}


def _rows(given: list[Mapping[str, Any]], before: list[Any], at: str) -> list[dict[str, Any]]:
    """The old rows in their order, those with a given id changed, and the new ones behind them."""
    rows = {row["id"]: row for row in before if isinstance(row, Mapping) and row.get("id")}
    changes: dict[Any, Mapping[str, Any]] = {}
    fresh = []
    for index, row in enumerate(given):
        number = row.get("id")
        if number is None:
            fresh.append(dict(row))
        elif number not in rows or number in changes:
            twice = number in changes
            raise Refused(
                f"Row {number} is given twice." if twice else f"There is no row {number}.",
                field=f"{at}.{index}.id",
                value_type=paths.kind(number),
                remedy="" if twice else paths.did_you_mean(str(number), map(str, rows)),
                who="user",
            )
        else:
            changes[number] = row
    kept = [
        _object(changes[row["id"]], row) if row.get("id") in changes else _kept(row)
        for row in before
        if isinstance(row, Mapping)
    ]
    return [*kept, *fresh]


def _kept(before: Mapping[str, Any]) -> dict[str, Any]:
    """What was read, as it is sent back: an object that has an id is chosen by it."""
    sent: dict[str, Any] = {}
    for name, value in before.items():
        if isinstance(value, Mapping) and value.get("id") is not None:
            sent[name] = {"id": value["id"]}
        else:
            sent[name] = value
    return sent


def _cleared(
    asked: Any, given: Mapping[str, Any], record: Mapping[str, Any], body: str
) -> list[str]:
    names = []
    for path in asked if isinstance(asked, list | tuple) else [asked] if asked else []:
        name = str(path).strip().removeprefix(f"{body}.")
        if not name:
            continue
        head = name.partition(".")[0]
        if name not in record:
            inner = head in record and head != name
            raise MappingError(
                f"{head!r} can only be emptied whole." if inner
                else f"The record has no field {name!r} that could be emptied.",
                field=CLEAR,
                value_type="text",
                remedy=f"Name {head!r}." if inner else paths.did_you_mean(name, record),
            )  # fmt: skip
        if name in given:
            raise MappingError(
                f"{name!r} is both set and emptied.",
                field=CLEAR,
                value_type="text",
                remedy="Do one of the two.",
            )
        if name in ("id", "created_at", "updated_at"):
            raise MappingError(f"{name!r} cannot be emptied.", field=CLEAR, value_type="text")
        names.append(name)
    return names
