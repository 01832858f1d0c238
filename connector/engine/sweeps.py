"""Looking for changes that no event told of: an app gives up on a delivery after a few tries.

The dates of records are the app's own words and may tell no zone, so they are compared with each
other and with the moments that events tell, never with our clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from connector import finding, paths
from connector.engine.book import Book
from connector.engine.covering import NOTHING, WRITES
from connector.engine.enrich import Asker, is_older, turns
from connector.engine.events import ActiveFlow
from connector.engine.moments import SLACK, wall
from connector.engine.waits import Clock
from connector.errors import ConnectorError, StoreError, Throttled
from connector.model import App, Reader
from connector.store.rows import SWEPT, EventRow, SweepRow
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.quota import Priority
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

LOOK_SECONDS = 5.0
"""How often to see whether what was found has been judged."""
GRACE_SECONDS = 600.0
"""How long an event may still be on its way before its change counts as missed."""
AGAIN_SECONDS = 300.0
"""When to try again after a fault."""
OVERLAP = timedelta(minutes=75)
"""Looked through once more each time: lists lag, and in autumn the local hour comes twice."""
ZONES = timedelta(hours=14)
"""No local time is further from UTC."""
PAGE_OF_EVENTS = 500

Place = tuple[str, str, str]
"""Connection, account, resource."""


class SweepDoors(Protocol):
    """Opens the way to read an app."""

    async def open(
        self, tenant: str, connection: str, *, account: str = "", priority: Priority = "read"
    ) -> Asker: ...


@dataclass(frozen=True, slots=True)
class Change:
    """A record as a sweep found it."""

    item: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sweep found at a place, and how far it has come once that is judged."""

    place: Place
    changes: Sequence[Change]
    since: str
    floor: str
    operations: frozenset[str]
    row: SweepRow


class Sweeps:
    """Lists what was changed in what the enabled flows follow, and accepts what was missed."""

    def __init__(
        self,
        tenant: str,
        book: Book,
        doors: SweepDoors,
        store: Store,
        clock: Clock,
        hand_on: Callable[[EventRow], None],
        every: float,
        *,
        anew: bool = False,
        watch: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`anew` begins where things stand now, whatever was stored; `watch` hears of each round
        that swept something."""
        self._tenant = tenant
        self._book = book
        self._doors = doors
        self._store = store
        self._clock = clock
        self._hand_on = hand_on
        self._every = every
        self._anew = anew
        self._watch = watch
        self._rows: dict[Place, SweepRow] | None = None
        self._not_before: dict[Place, float] = {}
        self._looked: dict[Place, float] = {}
        self._judged: set[Place] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Stop at once: what was not judged yet is found again at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._judged.clear()
        # Another process may sweep meanwhile.
        self._rows = None

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def round(self) -> float | None:
        """Sweep what is due; what is found is judged later, beside the next rounds.

        Gives when to come again; None when nothing is followed that can be swept.
        """
        wanted = await self._wanted()
        rows = await self._kept()
        for place, row in list(rows.items()):
            if (
                place not in wanted
                and place not in self._judged
                and not self._book.problems(self._tenant)
            ):
                # Followed again later, it begins anew: what nobody followed was not missed.
                await self._store.drop_sweep(row)
                del rows[place]
        asked = {
            (row.connection_id, row.account, row.resource): row.asked_at
            for row in await self._store.sweeps()
        }
        due = [
            one
            for one in wanted
            if self._is_due(one, rows.get(one), wanted[one], asked.get(one, 0.0))
        ]
        for place in due:
            await self._guarded(place, rows.get(place), wanted[place])
        if due and self._watch is not None:
            await self._watch()
        rows = await self._kept()
        soonest = min((self._again_at(one, rows) for one in wanted), default=None)
        # What is judged is of the place's former followers when nobody follows it now.
        return self._clock() + LOOK_SECONDS if soonest is None and self._judged else soonest

    def _again_at(self, place: Place, rows: Mapping[Place, SweepRow]) -> float:
        row = rows.get(place)
        if place in self._judged or row is None:
            return max(self._clock() + LOOK_SECONDS, self._not_before.get(place, 0))
        return max(row.swept_at + self._every, self._not_before.get(place, 0))

    async def _kept(self) -> dict[Place, SweepRow]:
        """How far each sweep has come; read once, because nobody else writes it."""
        if self._rows is None:
            rows = [] if self._anew else await self._store.sweeps()
            self._anew = False
            self._rows = {(one.connection_id, one.account, one.resource): one for one in rows}
        return self._rows

    async def _keep(self, place: Place, row: SweepRow) -> None:
        await self._store.save_sweep(row)
        (await self._kept())[place] = row

    def _is_due(
        self, place: Place, row: SweepRow | None, takers: Iterable[ActiveFlow], asked_at: float
    ) -> bool:
        now = self._clock()
        if place in self._judged:
            return False
        # Somebody waits for an answer, and gets one, once: the quota decides what it is.
        if row is not None and asked_at > max(row.swept_at, self._looked.get(place, 0)):
            return True
        if self._not_before.get(place, 0) > now:
            return False
        return (
            row is None
            or row.swept_at + self._every <= now
            or bool(_operations(takers) - set(row.operations.split()))
        )

    async def _wanted(self) -> dict[Place, list[ActiveFlow]]:
        """Who follows what can be swept."""
        wanted: dict[Place, list[ActiveFlow]] = {}
        for flow in await self._book.active(self._tenant):
            app = await self._book.app(self._tenant, flow.connection_id)
            for resource in sorted(flow.resources - set(app.resource_groups)):
                reader = app.readers.get(resource)
                if reader and reader.sweep and flow.operations & set(WRITES):
                    place = (flow.connection_id, flow.account or "", resource)
                    wanted.setdefault(place, []).append(flow)
        return wanted

    async def _guarded(
        self, place: Place, row: SweepRow | None, takers: Sequence[ActiveFlow]
    ) -> None:
        self._looked[place] = self._clock()
        try:
            told = await self._sweep(place, row, takers)
        except Throttled as error:
            # Nothing is held meanwhile: writes and reads have the quota to themselves.
            self._not_before[place] = self._clock() + max(error.retry_after, LOOK_SECONDS)
            told = {"waits": self._not_before[place]}
        except ConnectorError as error:
            logger.warning("sweep of %s: %s", place[2], error.message)
            self._not_before[place] = self._clock() + AGAIN_SECONDS
            told = {"error": error.message, "again": self._not_before[place]}
        await self._tell(place, told)

    async def _tell(self, place: Place, told: Mapping[str, Any]) -> None:
        with contextlib.suppress(StoreError):  # it is told to people, and matters to nothing else
            await self._store.tell_sweep(place, {"at": self._clock(), **told})

    async def _sweep(
        self, place: Place, row: SweepRow | None, takers: Sequence[ActiveFlow]
    ) -> dict[str, Any]:
        """Look at one place; gives what it showed: how many changes, how many of them unheard."""
        now = self._clock()
        app = await self._book.app(self._tenant, place[0])
        reached = _reached(row, now)
        since = _text(datetime.fromisoformat(row.newest) - OVERLAP if row else reached, row)
        changes = await self._list(app, app.readers[place[2]], place, since)
        newest = _text(reached, row)
        for change in changes:
            if is_older(newest, change.updated_at):
                newest = change.updated_at
        operations = _operations(takers)
        known = set(row.operations.split()) if row else set()
        # What is wanted only from now on begins now, with all that the place has so far.
        floor = row.floor if row and operations <= known else newest
        after = SweepRow(*place, " ".join(sorted(operations)), newest, floor, now)
        fresh = [one for one in changes if row and is_older(row.floor, one.updated_at)]
        if row is None or not fresh:
            await self._keep(place, after)
            return {"changed": 0, "first": row is None}
        found = Finding(place, fresh, since, row.floor, frozenset(operations & known), after)
        missed = await self._missed(found)
        if not missed:
            await self._keep(place, after)
            return {"changed": len(fresh)}
        self._judged.add(place)
        self._spawn(self._judge(found), "connector-sweep")
        unheard = {change.item for change, _ in missed}
        return {"changed": len(fresh), "unheard": len(unheard), "judged_at": now + GRACE_SECONDS}

    async def _list(self, app: App, reader: Reader, place: Place, since: str) -> list[Change]:
        """Every record that was changed since then. Raises ApiError, Throttled among them."""
        connection_id, account, _ = place
        door = await self._doors.open(
            self._tenant, connection_id, account=account, priority="sweep"
        )
        inputs = {app.account_input: account} if app.account_input else {}
        found: dict[str, Change] = {}
        for each in turns(reader.sweep_each):
            page = 1
            while True:
                assert reader.sweep is not None
                given = {**inputs, **each, "since": since, "page": str(page)}
                told = await door.read(reader.sweep, given)
                rows = finding.rows_in(told, reader.result)
                before = len(found)
                for change in _changes(reader, rows):
                    found[change.item] = change
                if len(rows) < reader.sweep_size or len(found) == before:
                    break
                page += 1
        return list(found.values())

    # --- judging ------------------------------------------------------------------------------

    async def _judge(self, found: Finding) -> None:
        """Accept what is still unknown after the time that an event may take."""
        try:
            await asyncio.sleep(GRACE_SECONDS)
            missed = await self._missed(found)
            for change, operation in missed:
                await self._accept(found.place, change, operation)
            await self._keep(found.place, found.row)
            told = {"changed": len(found.changes), "recovered": len(missed)}
            await self._tell(found.place, told)
            if missed and self._watch is not None:
                await self._watch()
        except StoreError as error:
            logger.warning("sweep of %s: %s", found.place[2], error.message)
            self._not_before[found.place] = self._clock() + AGAIN_SECONDS
        except Exception as fault:  # noqa: BLE001 - the place is swept again
            log_surprise(logger, f"sweep of {found.place[2]} stopped on a fault of ours", fault)
            self._not_before[found.place] = self._clock() + AGAIN_SECONDS
        finally:
            self._judged.discard(found.place)

    async def _accept(self, place: Place, change: Change, operation: str) -> None:
        connection_id, account, resource = place
        app = await self._book.app(self._tenant, connection_id)
        moment = change.created_at if operation == "create" else change.updated_at
        event = EventRow(
            tenant=self._tenant,
            connection_id=connection_id,
            delivery_id=f"{SWEPT}{account}:{resource}:{change.item}:{operation}:{moment}",
            type=f"{app.event_prefix}{resource}.{operation}",
            resource=resource,
            operation=operation,
            ids=(change.item,),
            received_at=self._clock(),
            account=account,
            happened_at=moment,
        )
        event_id = await self._store.accept(event)
        if event_id is not None:
            event.id = event_id
            logger.warning(
                "no event told of %s.%s of record %s: found by a sweep",
                resource,
                operation,
                change.item,
            )
            self._hand_on(event)

    async def _missed(self, found: Finding) -> list[tuple[Change, str]]:
        """The changes that no accepted event covers, oldest first, and what happened."""
        connection_id, account, resource = found.place
        takers = (await self._wanted()).get(found.place, [])
        told = await self._events(found)
        handled = await self._store.handled(
            connection_id, account, resource, [one.item for one in found.changes]
        )
        missed = []
        for change in sorted(found.changes, key=lambda one: one.updated_at):
            events = told.get(change.item, [])
            is_new = not is_older(change.created_at, found.since) and is_older(
                found.floor, change.created_at
            )
            lacks = is_new and not any(one.operation == "create" for one in events)
            makers = [one for one in takers if lacks and "create" in one.operations]
            if makers and "create" in found.operations:
                missed.append((change, "create"))
            # Who is told that it was made reads it as it is now.
            rest = [one for one in takers if "update" in one.operations and one not in makers]
            changed = change.updated_at != change.created_at
            if rest and changed and "update" in found.operations:
                seen = [handled.get((one.row.id, change.item), NOTHING).updated_at for one in rest]
                if not _covered(change, events, seen):
                    missed.append((change, "update"))
        return missed

    async def _events(self, found: Finding) -> Mapping[str, list[EventRow]]:
        """The events of the place that may tell of what was found, by record."""
        begun = datetime.fromisoformat(found.since).replace(tzinfo=UTC) - ZONES
        wanted = {change.item for change in found.changes}
        told: dict[str, list[EventRow]] = {}
        before: int | None = None
        while page := await self._store.events(limit=PAGE_OF_EVENTS, before=before):
            for event in page:
                place = (event.connection_id, event.account, event.resource)
                if place == found.place and event.operation in WRITES:
                    for one in wanted.intersection(event.ids):
                        told.setdefault(one, []).append(event)
            if page[-1].received_at < begun.timestamp():
                break
            before = page[-1].id
        return told


def _operations(takers: Iterable[ActiveFlow]) -> set[str]:
    return {one for taker in takers for one in taker.operations if one in WRITES}


def _covered(change: Change, events: Iterable[EventRow], handled: Iterable[str]) -> bool:
    """Whether this state was read already, or an event of it is there."""
    if all(one and not is_older(one, change.updated_at) for one in handled):
        return True
    return any(
        event.state == "received"
        or ((told := wall(event.happened_at)) and told + SLACK >= wall(change.updated_at))
        for event in events
    )


def _reached(row: SweepRow | None, now: float) -> datetime:
    """A moment in the app's words that is not later than now: so much time has passed since."""
    if row is None:
        return datetime.fromtimestamp(now, UTC).replace(tzinfo=None) - ZONES
    return datetime.fromisoformat(row.newest) + timedelta(seconds=max(0.0, now - row.swept_at))


def _text(moment: datetime, row: SweepRow | None) -> str:
    """A moment written as the app writes its own."""
    separator = "T" if row and "T" in row.newest else " "
    return moment.isoformat(separator, timespec="seconds")


def _changes(reader: Reader, rows: Iterable[Mapping[str, Any]]) -> Iterable[Change]:
    """Those that say when they were changed. Raises Unclear for a record without an id."""
    for row in rows:
        item = finding.id_of(row)
        updated = paths.get(row, reader.updated_at) if reader.updated_at else None
        created = paths.get(row, reader.created_at) if reader.created_at else None
        if isinstance(updated, str) and _is_moment(updated):
            told = created if isinstance(created, str) and _is_moment(created) else ""
            yield Change(item, told, updated)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
