"""One shared subscription for each connection and account, holding what its enabled flows need."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from connector.engine.book import Book, as_hook
from connector.engine.waits import Clock
from connector.errors import ConnectorError
from connector.model import Caller
from connector.store.rows import HookRow

if TYPE_CHECKING:
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

HANDSHAKE_SECONDS = 15 * 60
"""How long an app may take to send the challenge that we asked for."""


class CallerDoors(Protocol):
    """Opens the way to an app for code that calls it itself."""

    async def open(self, tenant: str, connection: str) -> Caller: ...


class Subscriptions:
    """Makes the apps send what the enabled flows follow; may be called again and again."""

    def __init__(
        self,
        book: Book,
        doors: CallerDoors,
        store_of: Callable[[str], Store],
        clock: Clock,
        public_url: str,
    ) -> None:
        self._book = book
        self._doors = doors
        self._store_of = store_of
        self._clock = clock
        self.public_url = public_url
        self._turn = asyncio.Lock()
        self._asked: dict[str, dict[tuple[str, str], frozenset[str]]] = {}
        self._poor: set[str] = set()
        """Tenants whose last reconciliation did not end well."""

    async def reconcile(
        self, tenant: str, *, only_if_changed: bool = False
    ) -> list[dict[str, Any]]:
        """Ask each app for the missing events; gives one report for each connection and account.

        The server must be listening: an app sends its challenge before it answers us.
        """
        # One at a time: two that run side by side both find nothing and both ask for a hook.
        async with self._turn:
            return await self._reconcile(tenant, only_if_changed)

    async def repair(self, tenant: str) -> list[dict[str, Any]]:
        """Ask again when an app was away, or had not verified our address, the last time."""
        return await self.reconcile(tenant) if tenant in self._poor else []

    async def _reconcile(self, tenant: str, only_if_changed: bool) -> list[dict[str, Any]]:
        wanted: dict[tuple[str, str], set[str]] = {}
        for flow in await self._book.active(tenant):
            events = {f"{one}.{two}" for one in flow.resources for two in flow.operations}
            wanted.setdefault((flow.connection_id, flow.account or ""), set()).update(events)
        asked = {place: frozenset(events) for place, events in wanted.items()}
        if only_if_changed and asked == self._asked.get(tenant):
            return []
        reports = []
        for (connection_id, account), events in wanted.items():
            app = await self._book.app(tenant, connection_id)
            if app.webhook is None:
                continue
            reports.append(await self._one(tenant, connection_id, account, events))
        self._asked[tenant] = asked
        self._poor.discard(tenant)
        if any("error" in one or _unverified(one["subscription"]) for one in reports):
            self._poor.add(tenant)
        return reports

    async def _one(
        self, tenant: str, connection_id: str, account: str, events: set[str]
    ) -> dict[str, Any]:
        app = await self._book.app(tenant, connection_id)
        needed = self._concrete(app.resource_groups, events)
        row = await self._hook(tenant, connection_id, account)
        connection = await self._book.connection(tenant, connection_id)
        report: dict[str, Any] = {"connection": connection.name, "account": account}
        try:
            door = await self._doors.open(tenant, connection_id)
            webhook = app.webhook
            record = await webhook.subscribe(door, as_hook(row), needed) if webhook else None
        except ConnectorError as error:
            logger.warning("subscription of %s: %s", connection.name, error.message)
            return {**report, "error": error.as_data()}
        await self._store_of(tenant).save_hook(replace(row, subscription=record))
        self._book.forget()
        return {**report, "hook": row.id, "subscription": record}

    def _concrete(self, groups: Any, events: set[str]) -> tuple[str, ...]:
        # A group is followed through its members, so that two flows never ask for both.
        return tuple(sorted(one for one in events if one.rpartition(".")[0] not in groups))

    async def _hook(self, tenant: str, connection_id: str, account: str) -> HookRow:
        store = self._store_of(tenant)
        now = self._clock()
        known = next(
            (
                one
                for one in await store.hooks()
                if one.connection_id == connection_id and one.account == account
            ),
            None,
        )
        hook_id = known.id if known else secrets.token_urlsafe(16)
        row = HookRow(
            id=hook_id,
            tenant=tenant,
            connection_id=connection_id,
            url=f"{self.public_url}/hooks/{hook_id}",
            account=account,
            created_at=known.created_at if known else now,
            verify_until=now + HANDSHAKE_SECONDS,
            verified_at=known.verified_at if known else None,
            subscription=known.subscription if known else None,
        )
        await store.save_hook(row)
        self._book.forget()
        return row


def _unverified(record: Any) -> bool:
    return isinstance(record, dict) and record.get("verified") is False
