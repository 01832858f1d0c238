"""Beginning to watch for derived triggers, and the daily look for what time alone brings about.

A flow that is switched on must know where things stand, or it could not tell a new change from an
old state. Until that was read, its events wait; switched off and on again, it begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector import finding, paths
from connector.derived import Baseline, Daily
from connector.engine.book import Book
from connector.engine.deriving import DUE, Derived, dated
from connector.engine.enrich import turns
from connector.engine.events import ActiveFlow
from connector.engine.origins import place_of_states
from connector.engine.sweeps import AGAIN_SECONDS, SweepDoors
from connector.engine.waits import Clock
from connector.errors import ConnectorError, Missing, Throttled
from connector.model import App, Json, Reader
from connector.store.rows import LOOKED, EventRow, StateRow, WatchRow

if TYPE_CHECKING:
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

LOOK_SECONDS = 5.0
"""How long to wait at least when an app has no room for us."""
HOUR = 3_600.0
BEFORE_SECONDS = 10.0
"""A flow counts as switched on this much before it was noticed."""
READ_AGAIN = 3
"""How often a baseline is read again when records came or went meanwhile."""
DAY = 86_400.0
MOST_AT_ONCE = 50
"""So much can one record have to tell at one look; the rest is told the next day."""


class Watches:
    """Begins and ends what the flows of derived triggers watch."""

    def __init__(
        self,
        tenant: str,
        book: Book,
        doors: SweepDoors,
        store: Store,
        clock: Clock,
        hand_on: Callable[[EventRow], None],
        *,
        anew: bool = False,
    ) -> None:
        """`anew` forgets what was seen: after a restored backup it is older than what was done."""
        self._tenant = tenant
        self._book = book
        self._doors = doors
        self._store = store
        self._clock = clock
        self._hand_on = hand_on
        self._anew = anew
        self._not_before: dict[int, float] = {}

    async def stop(self) -> None:
        """Nothing goes on beside the rounds."""

    async def round(self) -> float | None:
        """Begin and end what flows watch, and look at what is due; gives when to come again."""
        flows = {
            one.row.id: one
            for one in await self._book.active(self._tenant)
            if one.derived is not None and one.derived.remembers
        }
        rows = await self._store.watches()
        for flow_id, row in list(rows.items()):
            flow = flows.get(flow_id)
            if flow is None and self._book.problems(self._tenant):
                # It may be the one that cannot run for the moment.
                continue
            if self._anew or flow is None or row.subject != _subject(flow):
                await self._store.drop_watch(flow_id)
                del rows[flow_id]
        self._anew = False
        for flow_id, flow in flows.items():
            if self._not_before.get(flow_id, 0) <= self._clock():
                await self._guarded(flow, rows.get(flow_id))
        moments = [self._again_at(one) for one in flows.values()]
        return min((one for one in moments if one is not None), default=None)

    def _again_at(self, flow: ActiveFlow) -> float | None:
        """After a fault soon; else when the day's look is due, if it looks daily."""
        assert flow.derived is not None
        now, daily = self._clock(), flow.derived.derive.daily
        not_before = self._not_before.get(flow.row.id, 0)
        if not_before > now:
            return not_before
        if daily is None:
            return None
        hours = (daily.hour - flow.derived.hour(now)) % 24 or 24
        # Of a long way one hour less: the clocks may be changed on it.
        return now - now % HOUR + HOUR * (hours - 1 if hours > 2 else hours)

    async def _guarded(self, flow: ActiveFlow, row: WatchRow | None) -> None:
        assert flow.derived is not None
        try:
            if row is None:
                since = float(int(self._clock() - BEFORE_SECONDS))
                row = WatchRow(flow.row.id, _subject(flow), since)
                await self._store.save_watch(row)
            if row.ready_at is None:
                row = await self._begin(flow, flow.derived, row)
            if flow.derived.derive.daily is not None:
                await self._look(flow, flow.derived, row)
        except Throttled as error:
            # Nothing is held meanwhile: writes and reads have the quota to themselves.
            self._not_before[flow.row.id] = self._clock() + max(error.retry_after, LOOK_SECONDS)
        except ConnectorError as error:
            logger.warning("derived trigger of %s: %s", flow.row.key, error.message)
            self._not_before[flow.row.id] = self._clock() + AGAIN_SECONDS

    # --- the beginning ------------------------------------------------------------------------

    async def _begin(self, flow: ActiveFlow, derived: Derived, row: WatchRow) -> WatchRow:
        """Note where things stand; only then are the flow's events judged."""
        baseline = derived.derive.baseline
        if baseline is not None:
            app = await self._book.app(self._tenant, flow.connection_id)
            place, reader = _place(app, flow)
            for _ in range(READ_AGAIN):
                totals: set[Json] = set()
                async for told in self._pages(flow, baseline, {}):
                    totals.add(_total(told, baseline.total))
                    now = self._clock()
                    states = {
                        str(one["id"]): (derived.state_of(one, row, now), dated(one, reader))
                        for one in _rows(told, baseline.result)
                    }
                    await self._store.add_states(flow.row.id, place, states, now)
                if len(totals) <= 1:
                    # Else records came or went while it was read, and some may have been skipped.
                    break
        row = replace(row, ready_at=self._clock())
        await self._store.save_watch(row)
        return row

    # --- the daily look -----------------------------------------------------------------------

    async def _look(self, flow: ActiveFlow, derived: Derived, row: WatchRow) -> None:
        now = self._clock()
        daily, today = derived.derive.daily, derived.date(now)
        if daily is None or row.looked_on == today or derived.hour(now) < daily.hour:
            return
        app = await self._book.app(self._tenant, flow.connection_id)
        place, reader = _place(app, flow)
        for each in turns(daily.each):
            given = {**each, "today": today, "from": derived.date(now - daily.days * DAY)}
            async for told in self._pages(flow, daily, given):
                records = {str(one["id"]): one for one in _rows(told, daily.result)}
                known = await self._store.states(place, [flow.row.id], list(records))
                first: dict[str, tuple[Any, str]] = {}
                for item, record in records.items():
                    stored = known.get((flow.row.id, item), StateRow(place, {}))
                    events = self._due(flow, derived, row, record, reader, stored, today)
                    for event in events:
                        await self._accept(event)
                    if not events and not stored.version and derived.derive.older is None:
                        # Seen for the first time: from here on it is known where it stood.
                        state = derived.state_of(record, row, now)
                        first[item] = (state, dated(record, reader))
                if first:
                    await self._store.add_states(flow.row.id, place, first, now)
        await self._store.save_watch(replace(row, looked_on=today))

    def _due(
        self,
        flow: ActiveFlow,
        derived: Derived,
        row: WatchRow,
        record: Mapping[str, Any],
        reader: Reader | None,
        stored: StateRow,
        today: str,
    ) -> list[EventRow]:
        """One event for each thing that a record has to tell; each is judged anew when it runs."""
        found: list[EventRow] = []
        now = self._clock()
        resource = derived.derive.resources[0]
        while len(found) < MOST_AT_ONCE:
            event = EventRow(
                tenant=self._tenant,
                connection_id=flow.connection_id,
                delivery_id=f"{LOOKED}{flow.row.id}:{record['id']}:{today}:{len(found) + 1}",
                type=f"{resource}.{DUE}",
                resource=resource,
                operation=DUE,
                ids=(str(record["id"]),),
                received_at=now,
                account=flow.account or "",
                happened_at=derived.moment(now),
            )
            verdict = derived.judge(event, record, reader, row, stored, now)
            if not verdict.fires:
                break
            found.append(event)
            if verdict.row is None:
                break
            stored = verdict.row
        return found

    async def _accept(self, event: EventRow) -> None:
        event_id = await self._store.accept(event)
        if event_id is not None:
            event.id = event_id
            self._hand_on(event)

    # --- reading ------------------------------------------------------------------------------

    async def _pages(
        self, flow: ActiveFlow, given: Baseline | Daily, more: Mapping[str, str]
    ) -> AsyncIterator[Json]:
        """Each page of a list. Raises ApiError, Throttled among them."""
        app = await self._book.app(self._tenant, flow.connection_id)
        account = flow.account or ""
        door = await self._doors.open(
            self._tenant, flow.connection_id, account=account, priority="sweep"
        )
        assert flow.derived is not None
        inputs = {**flow.derived.inputs, **more}
        if app.account_input:
            inputs[app.account_input] = account
        page, seen = 1, set[str]()
        while True:
            try:
                told = await door.read(given.request, {**inputs, "page": str(page)})
            except Missing:
                # An empty list is "no such record" to some.
                return
            yield told
            ids = {str(one["id"]) for one in _rows(told, given.result)}
            # An app that ignores the page gives the first one for ever.
            if len(ids) < given.size or ids <= seen:
                return
            seen |= ids
            page += 1


def _subject(flow: ActiveFlow) -> str:
    """What a flow watches; when that is another, what it has seen says nothing."""
    return f"{flow.trigger.name} {flow.connection_id} {flow.account or ''}"


def _place(app: App, flow: ActiveFlow) -> tuple[str, Reader | None]:
    assert flow.derived is not None
    resource = flow.derived.derive.resources[0]
    return place_of_states(app, resource, flow.account or ""), app.readers.get(resource)


def _rows(told: Json, result: str) -> list[dict[str, Any]]:
    rows = finding.rows_in(told, result)
    for one in rows:
        finding.id_of(one)
    return rows


def _total(told: Json, place: str | None) -> Json:
    found = paths.get(told, place) if place else None
    return found if isinstance(found, int | str) else None
