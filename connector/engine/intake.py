"""The intake promise: an event is acknowledged only after it is on the disk, and only once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector import finding
from connector.engine.alarms import Alarms
from connector.engine.book import Book
from connector.engine.proof import short
from connector.engine.waits import Clock
from connector.errors import HookRefused, HookUnsure, StoreError
from connector.model import Inbound, Json
from connector.store.rows import EventRow

if TYPE_CHECKING:
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

MOST_DELIVERY = 512
"""A longer id of a delivery is kept as its digest."""


class Intake:
    """Verifies, stores and hands on incoming webhooks; nothing else happens before the answer."""

    def __init__(
        self,
        book: Book,
        store_of: Callable[[str], Store],
        clock: Clock,
        hand_on: Callable[[EventRow], None],
        arrived: Callable[[], None] | None = None,
    ) -> None:
        self._book = book
        self._store_of = store_of
        self._clock = clock
        self._hand_on = hand_on
        self._arrived = arrived
        self._rescues: set[asyncio.Task[None]] = set()

    async def receive(self, hook_id: str, inbound: Inbound) -> Json | None:
        """The answer of a handshake, or None when an event is stored (or was here before).

        Raises HookRefused for forged and malformed requests, StoreBusy when it could not be stored.
        """
        if self._arrived is not None:
            self._arrived()
        opened = await self._book.hook(hook_id)
        webhook = opened.app.webhook
        if webhook is None:
            raise HookRefused("There is no such hook.", status=404)
        seconds = self._clock()
        now = datetime.fromtimestamp(seconds, UTC)
        answer = webhook.challenge(opened.hook, inbound, now)
        if answer is not None:
            return answer
        try:
            delivery = webhook.receive(opened.hook, inbound, now)
        except HookUnsure as error:
            # It is refused all the same; the sender tries again, and the next one may be told.
            with suppress(StoreError):
                hook, store = opened.hook, self._store_of(opened.tenant)
                alarms = Alarms(store, self._book, self._clock)
                await alarms.unsure(hook.connection_id, hook.account, error.remedy or "")
            raise
        if any(len(one) > finding.MOST_ID for one in delivery.ids):
            raise HookRefused(
                "The notification is malformed: one of its ids is too long.", status=400
            )
        event = EventRow(
            tenant=opened.tenant,
            connection_id=opened.hook.connection_id,
            delivery_id=short(delivery.delivery_id, MOST_DELIVERY),
            type=delivery.type,
            resource=delivery.resource,
            operation=delivery.operation,
            ids=delivery.ids,
            received_at=seconds,
            account=opened.hook.account,
            happened_at=delivery.time,
            state="silent" if delivery.silent else "received",
            due_at=seconds + delivery.settles if delivery.settles else 0,
        )
        try:
            event_id = await self._store_of(opened.tenant).accept(event)
        except asyncio.CancelledError:
            # The request gave up while the disk was slow. The event is stored all the same, the
            # sender's next try is a duplicate, and nobody else would hand it on.
            rescue = asyncio.get_running_loop().create_task(self._rescue(event))
            self._rescues.add(rescue)
            rescue.add_done_callback(self._rescues.discard)
            raise
        if event_id is not None and not delivery.silent:
            event.id = event_id
            self._hand_on(event)
        return None

    async def _rescue(self, event: EventRow) -> None:
        store = self._store_of(event.tenant)
        try:
            # A second try waits for the commit of the first, and does nothing where it is there.
            await store.accept(event)
            stored = await store.event_of(event.connection_id, event.delivery_id)
        except StoreError as error:
            logger.warning("an event whose request gave up is not handed on: %s", error.message)
            return
        if stored is not None and stored.state == "received":
            self._hand_on(stored)
