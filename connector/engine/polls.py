"""Looking at lists again and again, where an app sends no events or may lose them without a word.

A record that is not known is new, one that looks otherwise was changed. What was found becomes an
event before it is noted as known: killed in between, the same event is found again and is there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from connector import finding
from connector.codec import encode_text
from connector.engine.book import Book
from connector.engine.sweeps import AGAIN_SECONDS, Place, SweepDoors
from connector.engine.waits import Clock
from connector.errors import ConnectorError, Missing, Throttled
from connector.model import App, Json, Poll
from connector.store.rows import HEALED, POLLED, EventRow, PolledRow

if TYPE_CHECKING:
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

LOOK_SECONDS = 5.0
"""How long to wait at least when an app has no room for us."""
EVERY_SECONDS = 300.0
"""How often a list is looked at."""
READY = ""
"""The row that says that the first look at a place has ended."""
MANY = 500
"""So many rows are noted in one commit."""


class Polls:
    """Looks at what the enabled flows follow, and accepts what is new."""

    def __init__(
        self,
        tenant: str,
        book: Book,
        doors: SweepDoors,
        store: Store,
        clock: Clock,
        hand_on: Callable[[EventRow], None],
        *,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._tenant = tenant
        self._book = book
        self._doors = doors
        self._store = store
        self._clock = clock
        self._hand_on = hand_on
        self._every = every
        self._not_before: dict[Place, float] = {}

    async def stop(self) -> None:
        """Nothing goes on beside the rounds."""

    async def round(self) -> float | None:
        """Look at what is due; gives when to come again, None when nothing is followed."""
        wanted = await self._wanted()
        due = [one for one in wanted if self._not_before.get(one, 0) <= self._clock()]
        for place in due:
            self._not_before[place] = self._clock() + self._every
            try:
                await self._look(place, *wanted[place])
            except Throttled as error:
                self._not_before[place] = self._clock() + max(error.retry_after, LOOK_SECONDS)
            except ConnectorError as error:
                logger.warning("polling %s: %s", place[2], error.message)
                self._not_before[place] = self._clock() + AGAIN_SECONDS
        if due or not wanted:
            await self._forget(set(wanted))
        return min((self._not_before[one] for one in wanted), default=None)

    async def _wanted(self) -> dict[Place, tuple[App, Poll]]:
        wanted: dict[Place, tuple[App, Poll]] = {}
        for flow in await self._book.active(self._tenant):
            app = await self._book.app(self._tenant, flow.connection_id)
            for resource in sorted(flow.resources):
                reader = app.readers.get(resource)
                if reader is not None and reader.poll is not None:
                    wanted[flow.connection_id, flow.account or "", resource] = (app, reader.poll)
        return wanted

    async def _forget(self, wanted: set[Place]) -> None:
        """What nobody follows: followed again later, it begins anew."""
        if self._book.problems(self._tenant):
            return
        for place in await self._store.polled_places():
            if place not in wanted:
                await self._store.drop_polled(place)
                self._not_before.pop(place, None)

    async def _look(self, place: Place, app: App, poll: Poll) -> None:
        rows = {item: digest_of(row) for item, row in (await self._list(place, poll)).items()}
        known = await self._store.polled(place)
        if READY not in known:
            # The first look tells nothing: what is there was there before.
            fresh = {item: PolledRow(digest, 0) for item, digest in rows.items()}
            await self._note(place, {**fresh, READY: PolledRow("", 0)})
            return
        prefix = await self._prefix(place)
        for item in sorted(rows, key=_in_order):
            before, digest = known.get(item), rows[item]
            if before is not None and before.digest == digest:
                continue
            after = PolledRow(digest, 0 if before is None else before.version + 1)
            operation = "create" if before is None else "update"
            await self._accept(place, app, item, operation, f"{prefix}{place[1]}", after.version)
            await self._store.save_polled(place, {item: after})

    async def _prefix(self, place: Place) -> str:
        """Where the app sends events as well, only those who know a change again may follow."""
        row = await self._book.connection(self._tenant, place[0])
        return HEALED if row.settings.get("webhooks") is True else POLLED

    async def _note(self, place: Place, rows: dict[str, PolledRow]) -> None:
        items = list(rows.items())
        for start in range(0, len(items), MANY):
            await self._store.save_polled(place, dict(items[start : start + MANY]))

    async def _list(self, place: Place, poll: Poll) -> dict[str, Json]:
        door = await self._doors.open(self._tenant, place[0], account=place[1], priority="sweep")
        try:
            told = await door.read(poll.request, {})
        except Missing:
            # An empty list is "no such record" to some.
            return {}
        rows = finding.rows_in(told, poll.result)
        return {finding.id_of(row, poll.key): row for row in rows}

    async def _accept(
        self, place: Place, app: App, item: str, operation: str, prefix: str, version: int
    ) -> None:
        connection_id, account, resource = place
        event = EventRow(
            tenant=self._tenant,
            connection_id=connection_id,
            delivery_id=f"{prefix}:{resource}:{item}:{operation}:{version}",
            type=f"{app.event_prefix}{resource}.{operation}",
            resource=resource,
            operation=operation,
            ids=(item,),
            received_at=self._clock(),
            account=account,
        )
        event_id = await self._store.accept(event)
        if event_id is not None:
            event.id = event_id
            self._hand_on(event)


def digest_of(row: Json) -> str:
    """What a record looks like, in few characters; in whatever order its fields come."""
    text = json.dumps(json.loads(encode_text(row)), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _in_order(item: str) -> tuple[int, str]:
    return (int(item) if item.isdecimal() else 0, item)
