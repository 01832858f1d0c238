"""The lists of apps, read through the guarded door and kept in memory for some minutes.

Nothing of them is stored: rows of clients are personal data, and every process may ask again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from connector import paths
from connector.choosing.options import Option, options_of, pick
from connector.errors import (
    ApiError,
    Forbidden,
    Invalid,
    MappingError,
    Missing,
    NotConnected,
    NotSent,
    Throttled,
    Unclear,
)
from connector.model import App, Caller, ChoiceSource, Json, Request
from connector.paths import did_you_mean
from connector.rendering import needs_of

MOST_LISTS = 500
MOST_OPTIONS = 2_000
FRESH_ON_MISS_SECONDS = 30
"""A name that is not in a list this old is looked for in a new one: somebody may have added it."""


class Reader(Caller, Protocol):
    """A Caller that also reads a declared Request."""

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Json: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """The options of one list as they were at a moment."""

    title: str
    options: tuple[Option, ...]
    read_at: float = 0
    note: str = ""
    """Why it may be out of date or not whole."""
    whole: bool = True
    """Whether every row was read: a name in a part of a list may be a name in the rest as well."""


Key = tuple[str, str, str, str, str]


class Chooser:
    """Lists what can be chosen, and finds what a name stands for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, Listing] = OrderedDict()
        self._reading: dict[Key, asyncio.Task[Listing]] = {}

    def forget(self, connection_id: str) -> None:
        """Drop what was read through a connection."""
        for key in [one for one in self._kept if one[1] == connection_id]:
            del self._kept[key]

    async def listing(
        self,
        app: App,
        source_key: str,
        reader: Reader,
        inputs: Mapping[str, Any],
        search: str = "",
        *,
        newer_than: float = 0,
    ) -> Listing:
        """The options of a list; of a long one, those that the app finds for `search`.

        What was read lately is given again, and what was read before is given with a note when the
        app cannot be asked now. Raises MappingError when an input is missing, and ApiError.
        """
        source = source_of(app, source_key)
        if source.fixed:
            fixed = tuple(Option(one.value, one.label, (str(one.value),)) for one in source.fixed)
            return Listing(source.title, _searched(fixed, search))
        asked = search.strip() if source.searched else ""
        if source.searched and not asked:
            return Listing(source.title, (), self._clock(), "Type what to look for.")
        key = self._key(app, source_key, source, reader, inputs, asked)
        kept = self._kept.get(key)
        known_from = max(self._clock() - source.seconds, newer_than)
        if kept is None or kept.read_at < known_from:
            kept = await self._renewed(key, kept, source, reader, dict(inputs), asked)
        if source.searched:
            return kept
        return replace(kept, options=_searched(kept.options, search))

    async def named(
        self,
        app: App,
        source_key: str,
        reader: Reader,
        inputs: Mapping[str, Any],
        text: str,
        field: str,
    ) -> Option:
        """The option that `text` names. Raises MappingError for `field`, and ApiError."""
        source = source_of(app, source_key)
        asked = text if source.searched else ""
        listing = await self.listing(app, source_key, reader, inputs, asked)
        try:
            return _picked(source, listing, text, field)
        except MappingError:
            if not listing.read_at or self._clock() - listing.read_at < FRESH_ON_MISS_SECONDS:
                raise
        now = self._clock()
        listing = await self.listing(app, source_key, reader, inputs, asked, newer_than=now)
        return _picked(source, listing, text, field)

    def _key(
        self,
        app: App,
        source_key: str,
        source: ChoiceSource,
        reader: Reader,
        inputs: Mapping[str, Any],
        asked: str,
    ) -> Key:
        connection = reader.connection
        given = {name: _input(inputs, connection.settings, name) for name in needs_of(source)}
        missing = [name for name, value in given.items() if value in (None, "", paths.ABSENT)]
        if missing:
            raise MappingError(
                f"The {source.title} can be listed only when {missing[0]} is known.",
                field=missing[0],
                value_type="nothing",
                remedy="Give it a fixed value, or set it on the connection.",
            )
        told = repr(sorted((name, str(value)) for name, value in given.items()))
        return (connection.tenant, connection.id, f"{app.key}/{source_key}", told, asked)

    async def _renewed(
        self,
        key: Key,
        kept: Listing | None,
        source: ChoiceSource,
        reader: Reader,
        inputs: dict[str, Any],
        asked: str,
    ) -> Listing:
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._read(source, reader, inputs, asked))
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        try:
            listing = await asyncio.shield(reading)
        except (NotSent, Throttled, Unclear, NotConnected) as error:
            if kept is None:
                raise
            return replace(kept, note=f"As it was before: {error.message}")
        self._kept[key] = listing
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_LISTS:
            self._kept.popitem(last=False)
        return listing

    async def _read(
        self, source: ChoiceSource, reader: Reader, inputs: dict[str, Any], asked: str
    ) -> Listing:
        now = self._clock()
        try:
            rows = await _rows(source, reader, {**inputs, "search": asked})
        except Forbidden as error:
            needed = f" It needs {' and '.join(source.scopes)}." if source.scopes else ""
            raise Forbidden(
                f"The connection may not read the {source.title}.{needed}",
                status=error.status,
                remedy="Connect again and grant it, or give the id instead of a name.",
                who="connection_owner",
            ) from error
        except Missing as error:
            raise Missing(
                f"The {source.title} cannot be listed: {error.message}",
                status=error.status,
                remedy="Check what says which list is meant, such as the company.",
            ) from error
        except Invalid as error:
            raise Invalid(
                f"The {source.title} cannot be listed: {error.message}",
                status=error.status,
                issues=error.issues,
            ) from error
        options = options_of(source, rows)
        whole = len(rows) < MOST_OPTIONS
        note = "" if whole else f"Only the first {MOST_OPTIONS} are shown."
        return Listing(source.title, tuple(options[:MOST_OPTIONS]), now, note, whole)


def _picked(source: ChoiceSource, listing: Listing, text: str, field: str) -> Option:
    if listing.whole:
        return pick(listing.title, listing.options, text, field, people=source.searched)
    raise MappingError(
        f"More than {MOST_OPTIONS} {listing.title} are found for this text: one cannot be told.",
        field=field,
        value_type="text",
        remedy="Give the id of the one that is meant.",
    )


async def _rows(source: ChoiceSource, reader: Reader, inputs: dict[str, Any]) -> Sequence[Any]:
    if source.read is not None:
        return await source.read(reader, inputs)
    if source.request is None:
        return ()
    if source.search_filter is not None:
        inputs = {**inputs, "search": source.search_filter(inputs["search"])}
    found: list[Any] = []
    page = 1
    while len(found) < MOST_OPTIONS:
        answer = await reader.read(source.request, {**inputs, "page": page})
        rows = paths.get(answer, source.result) if source.result else answer
        if not isinstance(rows, list):
            raise ApiError(f"The {source.title} are not in the form that we know.", who="developer")
        found += rows
        if not source.page_size or len(rows) < source.page_size:
            break
        page += 1
    return found


def source_of(app: App, key: str) -> ChoiceSource:
    """A list of an app by key. Raises MappingError with the nearest keys."""
    if key not in app.choices:
        raise MappingError(
            f"{app.title} has no list {key!r} to choose from.",
            remedy=did_you_mean(key, app.choices),
            who="developer",
        )
    return app.choices[key]


def _input(inputs: Mapping[str, Any], settings: Mapping[str, Any], name: str) -> Any:
    value = paths.get(inputs, name)
    return settings.get(name) if value in (None, "", paths.ABSENT) else value


def _searched(options: tuple[Option, ...], search: str) -> tuple[Option, ...]:
    return tuple(one for one in options if one.matches(search)) if search.strip() else options
