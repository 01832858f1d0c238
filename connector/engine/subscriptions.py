"""One shared subscription for each connection and account, holding what its enabled flows need."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from connector.engine.alarms import Alarms
from connector.engine.book import Book
from connector.engine.waits import Clock, fault_of_ours
from connector.errors import ConnectorError, Issue
from connector.model import Answer, App, Caller, Json, Method
from connector.store.rows import HookRow
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

HANDSHAKE_SECONDS = 15 * 60
"""How long an app may take to send the challenge that we asked for."""
AGAIN_SECONDS = (10.0, 60.0, 300.0, 900.0, 3_600.0)
"""When to ask again for what could not be had; the last holds for ever."""
VERIFY_SECONDS = 630.0
"""Fatture in Cloud challenges an address at most every ten minutes."""

Place = tuple[str, str]
"""A connection and an account there."""


class CallerDoors(Protocol):
    """Opens the way to an app for code that calls it itself."""

    async def open(self, tenant: str, connection: str, *, account: str = "") -> Caller: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for the last time."""

    wanted: Mapping[Place, frozenset[str]]
    ways: Any
    """How the apps were reached: a connection that was renewed is worth another try."""
    tries: int
    again_at: float | None
    """When to look again; None when all of it was had and is not checked."""


class Subscriptions:
    """Makes the apps send what the enabled flows follow; may be called again and again."""

    def __init__(
        self,
        book: Book,
        doors: CallerDoors,
        store_of: Callable[[str], Store],
        clock: Clock,
        public_url: str,
        *,
        alarms_of: Callable[[str], Alarms] | None = None,
        check_seconds: float = 0,
    ) -> None:
        """`check_seconds` is how often to look whether what we had is still there; 0 is never."""
        self._book = book
        self._doors = doors
        self._store_of = store_of
        self._clock = clock
        self.public_url = public_url
        self._alarms_of = alarms_of
        self._check_seconds = check_seconds
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked: dict[str, _Asked] = {}

    async def reconcile(
        self, tenant: str, *, only_if_changed: bool = False
    ) -> list[dict[str, Any]]:
        """Ask each app for the missing events; gives one report for each connection and account.

        A report holds an `error`, or the app's `subscription` and the `issues` with it. The server
        must be listening: an app sends its challenge before it answers us.
        """
        # One at a time: two that run side by side both find nothing and both ask for a hook.
        async with self._turns[tenant]:
            # Until all has ended well: whatever is raised on the way, `repair` tries again.
            before = self._asked.setdefault(tenant, _Asked({}, None, 0, self._clock()))
            wanted = await self._wanted(tenant)
            ways = await self._ways(tenant, wanted)
            changed = (wanted, ways) != (before.wanted, before.ways)
            if only_if_changed and not changed and not self._is_due(tenant):
                return []
            tries = 0 if changed else before.tries
            asked = _Asked(wanted, ways, tries + 1, self._clock() + _pause(tries, ()))
            self._asked[tenant] = asked
            reports = [
                await self._one(tenant, connection_id, account, events)
                for (connection_id, account), events in wanted.items()
            ]
            whole = all(_is_whole(one) for one in reports)
            if whole:
                again_at = self._clock() + self._check_seconds if self._check_seconds else None
                self._asked[tenant] = replace(asked, tries=0, again_at=again_at)
            else:
                again_at = self._clock() + _pause(tries, reports)
                self._asked[tenant] = replace(asked, again_at=again_at)
            return reports

    async def repair(self, tenant: str) -> float | None:
        """Look whether the time has come or something was changed, and mend what is amiss.

        An app may have been away, or not have verified our address yet; it may have dropped a
        subscription since. Gives when to look again.
        """
        await self.reconcile(tenant, only_if_changed=True)
        asked = self._asked[tenant]
        if not asked.wanted:
            # As if it had never been asked: ten thousand who follow nothing take no memory.
            del self._asked[tenant]
            return None
        return asked.again_at

    def _is_due(self, tenant: str) -> bool:
        asked = self._asked.get(tenant)
        again_at = asked.again_at if asked else None
        return again_at is not None and again_at <= self._clock()

    async def _wanted(self, tenant: str) -> dict[Place, frozenset[str]]:
        """The events that the enabled flows follow, where the app has webhooks."""
        wanted: dict[Place, set[str]] = {}
        for flow in await self._book.active(tenant):
            app = await self._book.app(tenant, flow.connection_id)
            if app.webhook is None:
                continue
            events = {f"{one}.{two}" for one in flow.resources for two in flow.operations}
            place = (flow.connection_id, flow.account or "")
            wanted.setdefault(place, set()).update(one for one in events if _is_one(app, one))
        return {place: frozenset(events) for place, events in wanted.items()}

    async def _ways(self, tenant: str, places: Iterable[Place]) -> Any:
        rows = [await self._book.connection(tenant, one) for one, _ in places]
        return [(row.id, row.status, row.base_url, row.settings) for row in rows]

    async def _one(
        self, tenant: str, connection_id: str, account: str, events: frozenset[str]
    ) -> dict[str, Any]:
        app = await self._book.app(tenant, connection_id)
        row = await self._hook(tenant, connection_id, account)
        connection = await self._book.connection(tenant, connection_id)
        report: dict[str, Any] = {"connection": connection.name, "account": account}
        try:
            door = await self._doors.open(tenant, connection_id, account=account)
            assert app.webhook is not None
            hook = self._book.as_hook(row)

            async def before() -> Caller:
                await self._await_handshake(row)
                # Only a door that is opened now knows the secret of a hook that was new.
                return await self._doors.open(tenant, connection_id, account=account)

            opening = _Opening(door, before)
            record = await app.webhook.subscribe(opening, hook, tuple(sorted(events)))
        except ConnectorError as error:
            logger.warning("subscription of %s: %s", connection.name, error.message)
            return {**report, "error": error.as_data()}
        except Exception as fault:  # noqa: BLE001 - an app's fault must not stop the other apps
            log_surprise(logger, f"subscription of {connection.name}", fault)
            return {**report, "error": fault_of_ours(fault).as_data()}
        issues = [one.model_dump(exclude_none=True) for one in _issues(app, record)]
        if self._alarms_of is not None:
            await self._watch(self._alarms_of(tenant), row, record, events, whole=not issues)
        if isinstance(record, dict):
            record = {**record, "checked_at": self._clock()}
        await self._store_of(tenant).save_hook(replace(row, subscription=record))
        self._book.forget()
        return {**report, "hook": row.id, "subscription": record, "issues": issues}

    async def _await_handshake(self, row: HookRow) -> None:
        """Before the app may challenge us: only then do we answer a challenge for a while."""
        row.verify_until = self._clock() + HANDSHAKE_SECONDS
        await self._store_of(row.tenant).save_hook(row)
        self._book.forget()

    async def _watch(
        self, alarms: Alarms, row: HookRow, record: Any, events: frozenset[str], *, whole: bool
    ) -> None:
        before = row.subscription if isinstance(row.subscription, dict) else {}
        lost = _lost(before, record if isinstance(record, dict) else {}, events)
        if lost is not None:
            await alarms.lost(row.connection_id, row.account, lost, before.get("checked_at"))
        elif whole:
            await alarms.mended(row.connection_id, row.account)

    async def _hook(self, tenant: str, connection_id: str, account: str) -> HookRow:
        known = next(
            (
                one
                for one in await self._store_of(tenant).hooks()
                if one.connection_id == connection_id and one.account == account
            ),
            None,
        )
        hook_id = known.id if known else secrets.token_urlsafe(16)
        return HookRow(
            id=hook_id,
            tenant=tenant,
            connection_id=connection_id,
            url=f"{self.public_url}/hooks/{hook_id}",
            account=account,
            created_at=known.created_at if known else self._clock(),
            verify_until=known.verify_until if known else None,
            subscription=known.subscription if known else None,
        )


class Asking:
    """Asks for the events of one tenant, one process at a time."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        tenant: str,
        turn: Callable[[str], AbstractAsyncContextManager[Any]],
    ) -> None:
        self._subscriptions = subscriptions
        self._tenant = tenant
        self._turn = turn

    async def round(self) -> float | None:
        """Ask for what is missing when it is due; gives when to come again."""
        async with self._turn(f"subscriptions/{self._tenant}"):
            return await self._subscriptions.repair(self._tenant)

    async def stop(self) -> None:
        """Nothing goes on beside the rounds."""


class _Opening:
    """A caller that says so before the first request that changes something, and is given anew."""

    def __init__(self, caller: Caller, before: Callable[[], Awaitable[Caller]]) -> None:
        self.connection = caller.connection
        self._caller = caller
        self._before = before
        self._said = False

    async def request(self, method: Method, path: str, **given: Any) -> Json:
        """Send one request with the connection's credentials."""
        if method != "GET" and not self._said:
            self._said = True
            self._caller = await self._before()
        return await self._caller.request(method, path, **given)

    async def download(self, where: str, **given: Any) -> Answer:
        """Read what is no JSON."""
        return await self._caller.download(where, **given)


def _lost(
    before: Mapping[str, Any], record: Mapping[str, Any], wanted: frozenset[str]
) -> str | None:
    """What became of a subscription that was as it should be, when it no longer is."""
    if not before.get("verified") or before.get("sink") != record.get("sink"):
        return None
    if before.get("id") != record.get("id"):
        return f"{before.get('id')} is gone."
    found = record.get("found")
    gone = [
        one
        for one in before.get("types") or ()
        if one in wanted and isinstance(found, list) and one not in found
    ]
    if gone:
        return f"{before.get('id')} no longer held {', '.join(gone)}."
    return None if record.get("verified") else f"{before.get('id')} is no longer verified."


def _is_one(app: App, event: str) -> bool:
    """Whether an event can be asked for by itself, and exists."""
    resource, _, operation = event.rpartition(".")
    if resource in app.resource_groups:
        # A group is followed through its members, so that two flows never ask for both.
        return False
    return operation in app.operations.get(resource, (operation,))


def _is_whole(report: Mapping[str, Any]) -> bool:
    return "error" not in report and not report["issues"]


def _pause(tries: int, reports: Sequence[Mapping[str, Any]]) -> float:
    """How long to wait; only a challenge that did not come has a pace of its own."""
    pause = AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)]
    lacking = [one for one in reports if not _is_whole(one)]
    if lacking and all(_waits_for_challenge(one) for one in lacking):
        return max(pause, VERIFY_SECONDS)
    return pause


def _waits_for_challenge(report: Mapping[str, Any]) -> bool:
    record = report.get("subscription")
    return isinstance(record, dict) and record.get("verified") is False


def _issues(app: App, record: Any) -> list[Issue]:
    """What is not as it should be with a subscription, by what `subscribe` has told."""
    told = record if isinstance(record, dict) else {}
    holders: dict[str, list[str]] = {}
    elsewhere = told.get("elsewhere") or {}
    for event in told.get("missing") or ():
        holders.setdefault(str(elsewhere.get(event, "")), []).append(str(event))
    issues = [
        Issue(
            message=f"Another subscription ({holder}) holds {', '.join(events)}."
            if holder
            else f"{app.title} does not give {', '.join(events)}.",
            remedy=f"{app.title} gives each event to one subscription of an application: switch "
            "off the flows of the installation that holds it, or register an application of its "
            "own for this one. It is asked for again by itself."
            if holder
            else " ".join(str(one) for one in told.get("warnings") or ()),
            who="connection_owner",
        )
        for holder, events in holders.items()
    ]
    if told.get("verified") is False:
        issues.append(
            Issue(
                message=f"{app.title} has not verified our address yet.",
                remedy="When no event arrives: can this server be reached from outside at its "
                "public address, and are the webhook keys those of the app (docs/settings.md)?",
                who="developer",
            )
        )
    return issues
