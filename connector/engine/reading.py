"""The records that events tell of: of one place together, and no faster than its quota bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from connector.engine.enrich import Asker, Found, enrich
from connector.engine.pacing import Pacing, Place
from connector.engine.waits import Clock
from connector.errors import ApiError, NotConnected, Throttled
from connector.model import App

Group = tuple[str, str, str, str]
"""Tenant, connection, resource, account: events of one group are read together, in order."""


class Apps(Protocol):
    """Knows of which app a connection is."""

    async def app(self, tenant: str, connection_id: str) -> App: ...


class PacedAsker(Asker, Protocol):
    """An asker whose quota may be short."""

    def spacing(self) -> float: ...


class Askers(Protocol):
    """Opens the way to read an app."""

    async def open(self, tenant: str, connection: str, *, account: str = "") -> PacedAsker: ...


class Reading:
    """Reads for the events of every group; what cannot be read now says why."""

    def __init__(self, apps: Apps, askers: Askers, clock: Clock) -> None:
        self._apps = apps
        self._askers = askers
        self._pacing = Pacing(clock)

    def pause(self, group: Group, waiting: int) -> float:
        """The seconds until its turn, in which more events come to be read by the same call."""
        return self._pacing.pause(_place(group), waiting)

    async def read(self, group: Group, ids: Mapping[str, bool]) -> dict[str, Found]:
        """What became of each id; those that are true are read by themselves. Raises StoreError."""
        tenant, connection_id, resource, account = group
        if not ids:
            return {}
        app = await self._apps.app(tenant, connection_id)
        reader = app.readers.get(resource)
        if reader is None:
            return {one: Found("denied") for one in ids}
        place = _place(group)
        held = self._pacing.held(place)
        if held is not None:
            return {one: Found("deferred", cause=held) for one in ids}
        try:
            asker = await self._askers.open(tenant, connection_id, account=account)
        except (ApiError, NotConnected) as error:
            return {one: Found("deferred", cause=error) for one in ids}
        inputs = {app.account_input: account} if app.account_input else {}
        apart = {one for one, alone in ids.items() if alone}
        found = await enrich(asker, reader, ids, inputs, app.id_filter, apart)
        self._pacing.did_read(place, asker.spacing())
        for one in found.values():
            if isinstance(one.cause, Throttled):
                self._pacing.hold(place, one.cause)
        together = self._pacing.held(place)
        if together is None:
            return found
        return {
            one: replace(each, cause=together) if isinstance(each.cause, Throttled) else each
            for one, each in found.items()
        }


def _place(group: Group) -> Place:
    tenant, connection_id, _, account = group
    return tenant, connection_id, account
