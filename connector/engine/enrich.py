"""Reading the records behind an event's ids: in few calls, and each id on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from connector import paths
from connector.errors import ApiError, Invalid, Missing, Refused, Unauthorized
from connector.model import Reader, Request

SIDE_BY_SIDE = 4


class Asker(Protocol):
    """Sends one declared request; gives its JSON, raises ApiError."""

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one id: `deferred` carries the passing fault that stands in the way."""

    enrichment: Literal["ok", "gone", "denied", "deferred"]
    resource: Any = None
    cause: ApiError | None = None


async def enrich(
    asker: Asker,
    reader: Reader,
    ids: Iterable[str],
    inputs: Mapping[str, Any],
    id_filter: Callable[[tuple[str, ...]], str] | None,
) -> dict[str, Found]:
    """Read every id once; one bad id never fails its siblings and nothing is raised."""
    wanted = tuple(dict.fromkeys(ids))
    found: dict[str, Found] = {}
    if reader.batch is not None and id_filter is not None and len(wanted) > 1:
        chunks = [
            wanted[start : start + reader.batch_size]
            for start in range(0, len(wanted), reader.batch_size)
        ]
        for chunk in chunks:
            found.update(await _batch(asker, reader, chunk, inputs, id_filter))
    rest = [one for one in wanted if one not in found]
    gate = asyncio.Semaphore(SIDE_BY_SIDE)

    async def single(one: str) -> None:
        async with gate:
            found[one] = await _single(asker, reader, one, inputs)

    await asyncio.gather(*(single(one) for one in rest))
    return found


async def _batch(
    asker: Asker,
    reader: Reader,
    ids: Sequence[str],
    inputs: Mapping[str, Any],
    id_filter: Callable[[tuple[str, ...]], str],
) -> dict[str, Found]:
    """The ids that the list gave; those it did not give are asked for singly afterwards."""
    if reader.batch is None:
        return {}
    try:
        told = await asker.read(reader.batch, {**inputs, "q": id_filter(tuple(ids))})
    except Invalid:
        # The list does not take this filter after all: fall back to single reads.
        return {}
    except ApiError as error:
        return {one: _refused(error) for one in ids}
    rows = paths.get(told, reader.result)
    if not isinstance(rows, list):
        return {}
    wanted = set(ids)
    return {
        str(row["id"]): Found("ok", row)
        for row in rows
        if isinstance(row, dict) and str(row.get("id")) in wanted
    }


async def _single(asker: Asker, reader: Reader, one: str, inputs: Mapping[str, Any]) -> Found:
    try:
        told = await asker.read(reader.get, {**inputs, "id": one})
    except ApiError as error:
        return _refused(error)
    record = paths.get(told, reader.result)
    return Found("gone") if record in (paths.ABSENT, None) else Found("ok", record)


def _refused(error: ApiError) -> Found:
    if isinstance(error, Missing):
        return Found("gone")
    if isinstance(error, Refused) and not isinstance(error, Unauthorized):
        return Found("denied", cause=error)
    return Found("deferred", cause=error)
