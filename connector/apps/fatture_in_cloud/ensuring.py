"""Find or create, find and change: one record for one natural key, whoever comes first.

The engine lets one write at a time go for a record (by its natural keys), and tells the id of one
that another write has just made: a list that lags does not show it yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connector import finding, updating
from connector.apps.fatture_in_cloud.filters import Criterion, compiled, fits
from connector.errors import Refused
from connector.model import MADE, Caller, Prepared, Preparing, Request
from connector.rendering import fill_path

Keys = Mapping[str, finding.Same]
"""The natural keys, the strongest first, and when two values of one mean the same."""
WHEN_THERE = "when_there"


def ensuring(path: str, id_input: str, keys: Keys, noun: str) -> Preparing:
    """The `prepare` of an ensure node: makes the record, changes it, or uses it as it is."""
    change = Request(method="PUT", path=f"{path}/{{{id_input}}}", wrap=("data",))

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
        record = await _there(caller, inputs, path, keys, noun)
        if record is None:
            return Prepared(inputs=inputs)
        if inputs.get(WHEN_THERE) != "update":
            return Prepared(inputs=inputs, record=record, enough=True)
        ready = updating.prepared({**inputs, id_input: record["id"]}, record)
        return replace(ready, request=change, enough=not ready.differs)

    return prepare


def address(caller: Caller, path: str, inputs: Mapping[str, Any]) -> str:
    """A filled path. Raises MappingError when the company is no number, or something lacks."""
    if "{company_id}" in path:
        finding.number(caller, inputs, "company_id")
    return fill_path(path, caller.connection, inputs)


async def _there(
    caller: Caller, inputs: dict[str, Any], path: str, keys: Keys, noun: str
) -> dict[str, Any] | None:
    at = address(caller, path, inputs)
    made = inputs.get(MADE)
    if made:
        answer = await caller.request("GET", f"{at}/{int(made)}", query={"fieldset": "detailed"})
        return finding.record_in(answer)
    data = inputs.get("data") or {}
    given = {name: data[name] for name in keys if str(data.get(name) or "").strip()}
    for name in given:
        found = [
            one
            for one in await _matching(caller, at, name, given[name])
            if not _another(one, name, given, keys)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(str(one["id"]) for one in found[:5])
            raise Refused(
                f"{len(found)} {noun}s have this {name.replace('_', ' ')}: {ids}.",
                field=f"data.{name}",
                value_type="text",
                remedy="Nothing was written. Keep one of them, and replay the run.",
                who="user",
            )
    return None


async def _matching(caller: Caller, at: str, name: str, value: Any) -> list[dict[str, Any]]:
    known, asked = {name: Criterion(name, "=")}, {name: value}
    query = {"q": compiled(known, asked), "fieldset": "detailed", "per_page": "100"}
    rows = [row async for row in finding.pages(caller, at, query)]
    by_id = {row["id"]: dict(row) for row in rows if fits(known, asked, row)}
    return list(by_id.values())


def _another(record: Mapping[str, Any], by: str, given: Mapping[str, Any], keys: Keys) -> bool:
    """Whether a stronger key says that this is somebody else, who shares a weaker one."""
    for name, same in keys.items():
        if name == by:
            return False
        shown = record.get(name)
        if name in given and shown not in (None, "") and same(shown) != same(given[name]):
            return True
    return False
