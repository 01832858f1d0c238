"""One shared subscription for each company. Source: facts on Fatture in Cloud §2.1, §2.2, §2.6.

The vendor keeps each event type once per application and company, and drops a second request for
it with a mere warning. So all flows of a company share one subscription, and we compare what we
got with what we asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from connector import finding
from connector.apps.answers import plain
from connector.apps.fatture_in_cloud.resources import (
    KNOWN,
    PREFIX,
    SELF_INVOICE_FAMILIES,
    SELF_INVOICES,
    expand,
    operations,
)
from connector.errors import Forbidden, MappingError, Refused, Unauthorized
from connector.model import Caller, Hook, Json
from connector.paths import did_you_mean

METHOD = "header"
MAPPING = "binary"
CHALLENGES = 5
"""After so many that failed the vendor gives a subscription up for good."""

_EVENT = re.compile(r"[a-z_]+(?:\.[a-z_]+){1,3}")

Row = dict[str, Any]
Told = tuple[Row, list[str]]
"""A subscription and the vendor's warnings about it."""


async def subscribe(caller: Caller, hook: Hook, events: tuple[str, ...]) -> Json:
    """Adopt, move or create the hook's subscription so that it holds at least these events.

    Gives `{id, sink, verified, types, found, missing, warnings, elsewhere, challenges}`: types are
    events without the vendor's prefix, `found` those that were there before we asked, `missing`
    those that could not be had, `elsewhere` maps the missing ones to the id of another subscription
    of ours that holds them. An event that cannot exist is missing, and the others are had all the
    same.
    """
    asked = expand(events)
    wanted = [event for event in asked if _possible(event)]
    warnings = [_impossible(event) for event in asked if event not in wanted]
    place = f"/c/{_company(hook)}/subscriptions"
    present = _rows(await caller.request("GET", place))
    others = [row for row in present if not _is_ours(row, hook)]
    ours = [await _moved(caller, place, row, hook) for row in present if _is_ours(row, hook)]
    row, beside = (ours[0], _union(ours[1:])) if ours else ({}, [])
    found = _union(ours)
    if row and _given_up(hook, row):
        await caller.request("DELETE", f"{place}/{_id(row)}")
        wanted, row = list(dict.fromkeys([*wanted, *_types(row)])), {}
    fresh = row not in present
    for lacking in (_new_names, _older_names):
        more = lacking(wanted, [*_types(row), *beside])
        if more:
            row, told = await _ask(caller, place, hook, row, more)
            warnings += told
    if row and not fresh and not row.get("verified"):
        # A new sink is challenged by itself; one that failed its challenge must be asked again.
        warnings += await _ask_again(caller, place, row)
    got = list(dict.fromkeys([*_types(row), *beside]))
    challenges = 1 if fresh else _challenges(hook, row) + 1
    record = _record(hook, row, got, asked, warnings, others, challenges)
    return {**record, "found": found}


async def unsubscribe(caller: Caller, hook: Hook) -> int:
    """Delete the subscriptions that lead to this hook; tells how many there were."""
    place = f"/c/{_company(hook)}/subscriptions"
    ours = [row for row in _rows(await caller.request("GET", place)) if _is_ours(row, hook)]
    for row in ours:
        await caller.request("DELETE", f"{place}/{_id(row)}")
    return len(ours)


def _possible(event: str) -> bool:
    """Whether it makes sense to ask for an event: the vendor may know more of them than we do."""
    if event in KNOWN:
        return True
    resource, _, operation = event.rpartition(".")
    known = operations()
    foreign = any(operation in one for one in known.values()) and resource in known
    return _EVENT.fullmatch(event) is not None and not foreign


def _impossible(event: str) -> str:
    near = did_you_mean(event, KNOWN)
    return f"Fatture in Cloud has no event {event[:80]!r}. {near}".strip()


def _is_ours(row: Row, hook: Hook) -> bool:
    """Whether it leads to this hook, at our present address or at an earlier one."""
    sink = str(row.get("sink", ""))
    # Nobody else knows the id: it is random, and long.
    return sink == hook.url or urlsplit(sink).path.endswith(f"/hooks/{hook.id}")


def _given_up(hook: Hook, row: Row) -> bool:
    return not row.get("verified") and _challenges(hook, row) >= CHALLENGES


def _challenges(hook: Hook, row: Row) -> int:
    """How many challenges of this subscription at this address have failed so far."""
    before = hook.subscription if isinstance(hook.subscription, dict) else {}
    same = (before.get("id"), before.get("sink")) == (_id(row), hook.url)
    return int(before.get("challenges") or 1) if same else 1


def _company(hook: Hook) -> str:
    if not (hook.account.isascii() and hook.account.isdecimal()):
        raise MappingError(
            "The hook names no company.",
            field="company_id",
            value_type="text",
            remedy="Choose the company of this connection: its id is a whole number.",
        )
    return hook.account


async def _ask(caller: Caller, place: str, hook: Hook, row: Row, more: Sequence[str]) -> Told:
    """Create the subscription or extend it; a family that is not allowed stops no other one."""
    try:
        return await _ask_once(caller, place, hook, row, more)
    except Forbidden as error:
        refused = error
    families: dict[str, list[str]] = {}
    for event in more:
        families.setdefault(event.rpartition(".")[0], []).append(event)
    if len(families) == 1:
        raise refused
    warnings: list[str] = []
    for family in families.values():
        try:
            row, told = await _ask_once(caller, place, hook, row, family)
        except Forbidden as error:
            warnings.append(f"{', '.join(family)}: {error.message}")
        else:
            warnings += told
    if not row:
        raise refused
    return row, warnings


async def _ask_once(caller: Caller, place: str, hook: Hook, row: Row, more: Sequence[str]) -> Told:
    if row:
        return await _extend(caller, place, row, more)
    return await _create(caller, place, hook, more)


async def _create(caller: Caller, place: str, hook: Hook, wanted: Sequence[str]) -> Told:
    data = {
        "sink": hook.url,
        "types": [PREFIX + event for event in wanted],
        "verification_method": METHOD,
        "config": {"mapping": MAPPING},
    }
    return _told(await caller.request("POST", place, body={"data": data}))


async def _moved(caller: Caller, place: str, row: Row, hook: Hook) -> Row:
    """The subscription at our present address: the vendor challenges a new one by itself."""
    if row.get("sink") == hook.url:
        return row
    body = {"data": {"sink": hook.url, "verification_method": METHOD}}
    changed, _ = _told(await caller.request("PUT", f"{place}/{_id(row)}", body=body))
    return {**row, "verified": False, **changed, "sink": hook.url}


async def _extend(caller: Caller, place: str, row: Row, more: Sequence[str]) -> Told:
    """Replace the list of types by its union with `more`; the sink stays, so does its verdict."""
    types = list(dict.fromkeys([*_types(row), *more]))
    body = {"data": {"types": [PREFIX + event for event in types]}}
    changed, warnings = _told(await caller.request("PUT", f"{place}/{_id(row)}", body=body))
    return {**row, **changed}, warnings


async def _ask_again(caller: Caller, place: str, row: Row) -> list[str]:
    body = {"data": {"id": _id(row), "verification_method": METHOD}}
    try:
        await caller.request("POST", f"{place}/{_id(row)}/verify", body=body)
    except Unauthorized:
        raise
    except Refused as error:
        # Too early, most likely: one every ten minutes. What we have is not worse for it.
        return [error.message]
    return []


def _new_names(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
    """The wanted events that are not there yet."""
    return [one for one in wanted if one not in got and not _covered(one, got)]


def _older_names(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
    """The older names of the wanted events that were not given under their new ones."""
    missing = {one.rpartition(".")[2] for one in wanted if one not in got and _is_self(one)}
    names = (f"{SELF_INVOICES}.{operation}" for operation in sorted(missing))
    return [name for name in names if name not in got]


def _is_self(event: str) -> bool:
    return event.rpartition(".")[0] in SELF_INVOICE_FAMILIES


def _record(
    hook: Hook,
    row: Row,
    got: list[str],
    asked: Sequence[str],
    warnings: list[str],
    others: list[Row],
    challenges: int,
) -> Row:
    missing = [event for event in asked if event not in got and not _covered(event, got)]
    elsewhere = {
        event: _id(other) for other in others for event in _types(other) if event in missing
    }
    return {
        "id": _id(row),
        "sink": hook.url,
        "verified": bool(row.get("verified")),
        "challenges": 0 if row.get("verified") else challenges,
        "types": got,
        "missing": missing,
        "warnings": warnings,
        "elsewhere": elsewhere,
    }


def _covered(event: str, got: Sequence[str]) -> bool:
    return _is_self(event) and f"{SELF_INVOICES}.{event.rpartition('.')[2]}" in got


def _told(answer: Json) -> Told:
    data = answer.get("data") if isinstance(answer, dict) else None
    found = answer.get("warnings") if isinstance(answer, dict) else None
    warnings = found if isinstance(found, list) else [found] if found else []
    return (data if isinstance(data, dict) else {}), [plain(one) for one in warnings]


def _rows(answer: Json) -> list[Row]:
    # What is no list proves no subscription lost: another one would tell everything twice.
    return finding.rows_in(answer)


def _types(row: Row) -> list[str]:
    found = row.get("types")
    if not isinstance(found, list):
        return []
    return [str(one).removeprefix(PREFIX) for one in found]


def _union(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(event for row in rows for event in _types(row)))


def _id(row: Row) -> str:
    return str(row.get("id", ""))
