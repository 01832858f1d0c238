"""Reading the records behind an event's ids: in few calls, and each id on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Any, Literal, Protocol

from connector import finding, paths
from connector.errors import (
    ApiError,
    ConnectorError,
    Forbidden,
    Missing,
    NotConnected,
    NotSent,
    Refused,
    StoreError,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import Reader, Request

SIDE_BY_SIDE = 4
IN_ALL_WAYS = (NotSent, Throttled, Unauthorized, NotConnected)
"""Faults that the next id would meet as well."""


class Asker(Protocol):
    """Sends one declared request; gives its JSON, raises ApiError."""

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one id: `deferred` carries the passing fault that stands in the way."""

    enrichment: Literal["ok", "gone", "denied", "deferred"]
    resource: Any = None
    cause: ConnectorError | None = None
    updated_at: str = ""
    """When the app says the record was changed, in its own words; empty when it does not say."""


async def enrich(
    asker: Asker,
    reader: Reader,
    ids: Iterable[str],
    inputs: Mapping[str, Any],
    id_filter: Callable[[tuple[str, ...]], str] | None,
    apart: Collection[str] = (),
) -> dict[str, Found]:
    """Read every id once; one bad id never fails its siblings and nothing of ours is raised.

    Those in `apart` are read singly: a list that keeps failing may fail because of one of them.
    """
    wanted = tuple(dict.fromkeys(ids))
    together = [one for one in wanted if one not in apart]
    found: dict[str, Found] = {}
    if reader.batch is not None and id_filter is not None and len(together) > 1:
        for start in range(0, len(together), reader.batch_size):
            chunk = together[start : start + reader.batch_size]
            found.update(await _batch(asker, reader, reader.batch, chunk, inputs, id_filter))
    rest = [one for one in wanted if one not in found]
    found.update(await _singles(asker, reader, rest, inputs))
    for one in wanted:
        found[one] = await _more(asker, reader, one, found[one], inputs)
    return found


async def _batch(
    asker: Asker,
    reader: Reader,
    request: Request,
    ids: Sequence[str],
    inputs: Mapping[str, Any],
    id_filter: Callable[[tuple[str, ...]], str],
) -> dict[str, Found]:
    """The ids that the list gave; those it did not give are asked for singly afterwards."""
    found: dict[str, Found] = {}
    try:
        picked = id_filter(tuple(ids))
        for each in turns(reader.batch_each):
            told = await asker.read(request, {**inputs, **each, "q": picked})
            found.update(_rows(told, reader, ids))
            if len(found) == len(ids):
                break
    except ConnectorError as error:
        refused = _refused(error)
        if refused.enrichment == "deferred" or isinstance(error, Forbidden):
            return {one: found.get(one) or refused for one in ids}
        # The list does not take this filter after all: single reads tell which id is at fault.
    return found


def turns(each: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, str]]:
    """The inputs of each request that one batch takes: one empty turn when nothing varies."""
    for values in product(*each.values()):
        yield dict(zip(each, values, strict=True))


def _rows(told: Any, reader: Reader, ids: Sequence[str]) -> dict[str, Found]:
    rows = paths.get(told, reader.result) if reader.result else told
    if not isinstance(rows, list):
        return {}
    wanted = set(ids)
    return {
        str(row["id"]): _read(reader, row)
        for row in rows
        if isinstance(row, dict) and str(row.get("id")) in wanted
    }


async def _singles(
    asker: Asker, reader: Reader, ids: Sequence[str], inputs: Mapping[str, Any]
) -> dict[str, Found]:
    found: dict[str, Found] = {}
    gate = asyncio.Semaphore(SIDE_BY_SIDE)
    stopped: list[Found] = []

    async def single(one: str) -> None:
        async with gate:
            found[one] = stopped[0] if stopped else await _single(asker, reader, one, inputs)
            if isinstance(found[one].cause, IN_ALL_WAYS):
                stopped.append(found[one])

    await asyncio.gather(*(single(one) for one in ids))
    return found


async def _single(asker: Asker, reader: Reader, one: str, inputs: Mapping[str, Any]) -> Found:
    try:
        told = await asker.read(reader.get, {**inputs, "id": one})
    except ConnectorError as error:
        return _refused(error)
    if reader.result and paths.get(told, reader.result) is None:
        return Found("gone")
    try:
        record = finding.record_in(told, reader.result)
    except Unclear as error:
        return _refused(error)
    if reader.poll is not None and not {reader.poll.key, "id"} & record.keys():
        # Without an id it is a message, and no record of a flow's.
        return _refused(finding.strange(told))
    return _read(reader, record)


async def _more(
    asker: Asker, reader: Reader, one: str, found: Found, inputs: Mapping[str, Any]
) -> Found:
    """The record with what must be read apart; nothing there where the app has none of it."""
    if found.enrichment != "ok" or not reader.more or not isinstance(found.resource, Mapping):
        return found
    record = dict(found.resource)
    if reader.more_when is not None:
        place, values = reader.more_when
        if paths.get(record, place) not in values:
            return replace(found, resource={**record, **dict.fromkeys(reader.more)})
    for name, request in reader.more.items():
        try:
            told = await asker.read(request, {**inputs, "id": one})
            more = paths.get(told, reader.result) if reader.result else told
            if more is paths.ABSENT:
                raise finding.strange(told)
        except ConnectorError as error:
            refused = _refused(error)
            if refused.enrichment == "deferred":
                return refused
            more = None
        record[name] = more
    return replace(found, resource=record)


def _read(reader: Reader, record: Any) -> Found:
    told = paths.get(record, reader.updated_at) if reader.updated_at else None
    return Found("ok", record, updated_at=told if isinstance(told, str) else "")


def is_older(one: str, other: str) -> bool:
    """Whether the first moment lies before the second; no, when they cannot be compared."""
    try:
        return datetime.fromisoformat(one) < datetime.fromisoformat(other)
    except (ValueError, TypeError):
        # Not known, no date, or only one of them tells its zone.
        return False


def _refused(error: ConnectorError) -> Found:
    if isinstance(error, Missing):
        return Found("gone")
    if isinstance(error, Refused) and not isinstance(error, Unauthorized):
        return Found("denied", cause=error)
    if isinstance(error, ApiError | NotConnected | StoreError):
        return Found("deferred", cause=error)
    return Found("denied", cause=error)
