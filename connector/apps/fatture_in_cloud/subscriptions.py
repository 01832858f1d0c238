"""One shared subscription for each company. Source: facts on Fatture in Cloud §2.1, §2.2, §2.6.

The vendor keeps each event type once per application and company, and drops a second request for
it with a mere warning. So all flows of a company share one subscription, and we compare what we
got with what we asked for.
"""

from __future__ import annotations

from typing import Any

from connector.apps.answers import plain
from connector.apps.fatture_in_cloud.resources import (
    KNOWN,
    PREFIX,
    SELF_INVOICE_FAMILIES,
    SELF_INVOICES,
    expand,
)
from connector.errors import MappingError
from connector.model import Caller, Hook, Json
from connector.paths import did_you_mean

METHOD = "header"
MAPPING = "binary"


async def subscribe(caller: Caller, hook: Hook, events: tuple[str, ...]) -> Json:
    """Adopt or create the hook's subscription so that it holds at least these events.

    Gives `{id, sink, verified, types, missing, warnings, elsewhere}`: types are events without
    the vendor's prefix, `missing` those that could not be had, `elsewhere` maps the missing ones
    to the id of another subscription of ours that holds them.
    """
    wanted = _wanted(events)
    place = f"/c/{_company(hook)}/subscriptions"
    present = _rows(await caller.request("GET", place))
    ours = [row for row in present if row.get("sink") == hook.url]
    others = [row for row in present if row.get("sink") != hook.url]
    beside = _union(ours[1:])
    warnings: list[str] = []
    if not ours:
        row, warnings = await _create(caller, place, hook, wanted)
    else:
        row = ours[0]
        more = tuple(event for event in wanted if event not in _union(ours))
        if more:
            row, warnings = await _extend(caller, place, row, more)
    got = list(dict.fromkeys([*_types(row), *beside]))
    older = _older_names(wanted, got)
    if older:
        row, told = await _extend(caller, place, row, older)
        warnings += told
        got = list(dict.fromkeys([*_types(row), *beside]))
    if ours and not row.get("verified"):
        # A new sink is challenged by itself; one that failed its challenge must be asked again.
        await _ask_again(caller, place, row)
    return _record(hook, row, got, wanted, warnings, others)


def _wanted(events: tuple[str, ...]) -> tuple[str, ...]:
    wanted = expand(events)
    for event in wanted:
        if event not in KNOWN:
            raise MappingError(
                f"Fatture in Cloud has no event {event[:80]!r}.",
                field="events",
                value_type="text",
                remedy=did_you_mean(event, KNOWN),
            )
    return wanted


def _company(hook: Hook) -> str:
    if not (hook.account.isascii() and hook.account.isdecimal()):
        raise MappingError(
            "The hook names no company.",
            field="company_id",
            value_type="text",
            remedy="Choose the company of this connection: its id is a whole number.",
        )
    return hook.account


async def _create(
    caller: Caller, place: str, hook: Hook, wanted: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    data = {
        "sink": hook.url,
        "types": [PREFIX + event for event in wanted],
        "verification_method": METHOD,
        "config": {"mapping": MAPPING},
    }
    return _told(await caller.request("POST", place, body={"data": data}))


async def _extend(
    caller: Caller, place: str, row: dict[str, Any], more: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    """Replace the list of types by its union with `more`; the sink stays, so does its verdict."""
    types = list(dict.fromkeys([*_types(row), *more]))
    body = {"data": {"types": [PREFIX + event for event in types]}}
    changed, warnings = _told(await caller.request("PUT", f"{place}/{_id(row)}", body=body))
    return {**row, **changed}, warnings


async def _ask_again(caller: Caller, place: str, row: dict[str, Any]) -> None:
    body = {"data": {"id": _id(row), "verification_method": METHOD}}
    await caller.request("POST", f"{place}/{_id(row)}/verify", body=body)


def _older_names(wanted: tuple[str, ...], got: list[str]) -> tuple[str, ...]:
    """The older names of the wanted events that were not given under their new ones."""
    missing = {one.rpartition(".")[2] for one in wanted if one not in got and _is_self(one)}
    names = (f"{SELF_INVOICES}.{operation}" for operation in sorted(missing))
    return tuple(name for name in names if name not in got)


def _is_self(event: str) -> bool:
    return event.rpartition(".")[0] in SELF_INVOICE_FAMILIES


def _record(
    hook: Hook,
    row: dict[str, Any],
    got: list[str],
    wanted: tuple[str, ...],
    warnings: list[str],
    others: list[dict[str, Any]],
) -> dict[str, Any]:
    missing = [event for event in wanted if event not in got and not _covered(event, got)]
    elsewhere = {
        event: _id(other) for other in others for event in _types(other) if event in missing
    }
    return {
        "id": _id(row),
        "sink": hook.url,
        "verified": bool(row.get("verified")),
        "types": got,
        "missing": missing,
        "warnings": warnings,
        "elsewhere": elsewhere,
    }


def _covered(event: str, got: list[str]) -> bool:
    return _is_self(event) and f"{SELF_INVOICES}.{event.rpartition('.')[2]}" in got


def _told(answer: Json) -> tuple[dict[str, Any], list[str]]:
    data = answer.get("data") if isinstance(answer, dict) else None
    found = answer.get("warnings") if isinstance(answer, dict) else None
    warnings = found if isinstance(found, list) else [found] if found else []
    return (data if isinstance(data, dict) else {}), [plain(one) for one in warnings]


def _rows(answer: Json) -> list[dict[str, Any]]:
    data = answer.get("data") if isinstance(answer, dict) else None
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _types(row: dict[str, Any]) -> list[str]:
    found = row.get("types")
    if not isinstance(found, list):
        return []
    return [str(one).removeprefix(PREFIX) for one in found]


def _union(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(event for row in rows for event in _types(row)))


def _id(row: dict[str, Any]) -> str:
    return str(row.get("id", ""))
