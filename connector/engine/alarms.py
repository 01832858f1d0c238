"""What a person must know although work goes on: lost subscriptions, events that stay away.

An alarm is stored and lasts until its cause has passed; it is logged when it begins and ends.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector.engine.book import Book
from connector.engine.waits import Clock
from connector.errors import NotConnected
from connector.store.rows import AlarmRow

if TYPE_CHECKING:
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

DAY_SECONDS = 86_400.0
SILENT_SECONDS = 6 * 3_600.0
"""So long only sweeps may tell of an account before its webhooks count as dead."""
SILENT_CHANGES = 3
"""So many changes they must have told of: one or two are lost now and then."""
SILENT = "webhooks_silent"
LOST = "subscription_lost"
UNSURE = "webhook_key_unknown"
UNTIL_HEARD = (SILENT, UNSURE)
"""Over as soon as an event has come."""

Place = tuple[str, str]
"""Connection and account."""


class Alarms:
    """Raises, ends and tells a tenant's alarms."""

    def __init__(self, store: Store, book: Book, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._clock = clock
        self._told: dict[tuple[str, str, str], int] = {}

    async def look(self) -> None:
        """After a sweep: say how much no event told of, and whether any event comes at all."""
        await self._say_lost()
        late: dict[Place, tuple[int, int]] = {}
        for row in await self._store.recovered(self._clock() - SILENT_SECONDS):
            if row["lately"]:
                place = (row["connection_id"], row["account"])
                count, first = late.get(place, (0, row["first_id"]))
                late[place] = (count + row["lately"], min(first, row["first_id"]))
        for (connection_id, account), (count, first) in late.items():
            if count >= SILENT_CHANGES and not await self._store.heard(
                connection_id, account, first
            ):
                await self._raise_silent(connection_id, account, count, first)
        for alarm in await self._store.alarms():
            if alarm.kind in UNTIL_HEARD and await self._is_over(alarm):
                await self._end(alarm.kind, alarm.connection_id, alarm.account)

    async def lost(
        self, connection_id: str, account: str, what: str, well_at: float | None
    ) -> None:
        """Note that a subscription was not as we had left it; it is made again by itself."""
        name = await self._name(connection_id)
        now = self._clock()
        alarm = AlarmRow(
            kind=LOST,
            connection_id=connection_id,
            account=account,
            since=now,
            message=f"The subscription of {name} {account} was lost: {what}",
            remedy="It is made again by itself. What was changed meanwhile is found by the next "
            "sweep; deletions are not.",
            details={"found_at": now, "well_at": well_at},
        )
        if await self._store.raise_alarm(alarm):
            logger.error("%s", alarm.message)

    async def mended(self, connection_id: str, account: str) -> None:
        """Note that a subscription is as it should be."""
        await self._end(LOST, connection_id, account)

    async def unsure(self, connection_id: str, account: str, remedy: str) -> None:
        """Note that an event seemed genuine, but was signed with a key that is not known.

        The remedy is the app's: it knows where its keys are set.
        """
        name = await self._name(connection_id)
        newest = await self._store.events(limit=1)
        alarm = AlarmRow(
            kind=UNSURE,
            connection_id=connection_id,
            account=account,
            since=self._clock(),
            message=f"An event of {name} {account} was signed with a key that is not known.",
            remedy=remedy,
            details={"after": newest[0].id if newest else 0},
        )
        if await self._store.raise_alarm(alarm):
            logger.error("%s", alarm.message)

    async def open(self) -> list[dict[str, Any]]:
        """What lasts, the newest first."""
        return [
            {
                "kind": one.kind,
                "connection": await self._name(one.connection_id),
                "account": one.account,
                "since": one.since,
                "message": one.message,
                "remedy": one.remedy,
            }
            for one in await self._store.alarms()
            if one.kind not in UNTIL_HEARD or not await self._is_over(one)
        ]

    async def recovered(self) -> list[dict[str, Any]]:
        """How many changes sweeps found that no event told of, by connection and resource."""
        rows = await self._store.recovered(self._clock() - DAY_SECONDS)
        return [
            {
                "connection": await self._name(row["connection_id"]),
                "account": row["account"],
                "resource": row["resource"],
                "last_day": row["lately"],
                "ever": row["ever"],
            }
            for row in rows
        ]

    # --- inside -------------------------------------------------------------------------------

    async def _say_lost(self) -> None:
        rows = await self._store.recovered(self._clock() - DAY_SECONDS)
        for row in rows:
            place = (row["connection_id"], row["account"], row["resource"])
            if row["lately"] and row["ever"] > self._told.get(place, 0):
                logger.warning(
                    "%s changes of %s at %s were told by no event within a day: sweeps found them",
                    row["lately"],
                    row["resource"],
                    await self._name(row["connection_id"]),
                )
            self._told[place] = row["ever"]

    async def _raise_silent(self, connection_id: str, account: str, count: int, first: int) -> None:
        since = await self._store.event(first)
        name = await self._name(connection_id)
        begun = since.received_at if since else self._clock()
        alarm = AlarmRow(
            kind=SILENT,
            connection_id=connection_id,
            account=account,
            since=begun,
            message=f"No event has come from {name} {account} since {_utc(begun)}, but sweeps found"
            f" {count} changes.",
            remedy="Can this server be reached from outside at its public address? "
            "`connector serve` says what is wrong with the subscription when it starts.",
            details={"after": first},
        )
        if await self._store.raise_alarm(alarm):
            logger.error("%s", alarm.message)

    async def _is_over(self, alarm: AlarmRow) -> bool:
        """Whether an event has come since, or nobody follows the account any more."""
        details: Mapping[str, Any] = alarm.details or {}
        place = (alarm.connection_id, alarm.account)
        return place not in await self._followed() or await self._store.heard(
            *place, int(details.get("after", 0))
        )

    async def _followed(self) -> Sequence[Place]:
        flows = await self._book.active(self._store.tenant)
        return [(one.connection_id, one.account or "") for one in flows]

    async def _end(self, kind: str, connection_id: str, account: str) -> None:
        if await self._store.end_alarm(kind, connection_id, account, self._clock()):
            name = await self._name(connection_id)
            logger.warning("%s of %s %s: it is over", kind.replace("_", " "), name, account)

    async def _name(self, connection_id: str) -> str:
        try:
            return (await self._book.connection(self._store.tenant, connection_id)).name
        except NotConnected:
            return connection_id


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
