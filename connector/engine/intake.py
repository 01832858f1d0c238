"""The intake promise: an event is acknowledged only after it is on the disk, and only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.engine.book import Book
from connector.engine.waits import Clock
from connector.errors import HookRefused
from connector.model import Inbound, Json
from connector.store.rows import EventRow

if TYPE_CHECKING:
    from connector.store.port import Store


class Intake:
    """Verifies, stores and hands on incoming webhooks; nothing else happens before the answer."""

    def __init__(
        self,
        book: Book,
        store_of: Callable[[str], Store],
        clock: Clock,
        hand_on: Callable[[EventRow], None],
    ) -> None:
        self._book = book
        self._store_of = store_of
        self._clock = clock
        self._hand_on = hand_on

    async def receive(self, hook_id: str, inbound: Inbound) -> Json | None:
        """The answer of a handshake, or None when an event is stored (or was here before).

        Raises HookRefused for forged and malformed requests, StoreBusy when it could not be stored.
        """
        opened = await self._book.hook(hook_id)
        webhook = opened.app.webhook
        if webhook is None:
            raise HookRefused("There is no such hook.", status=404)
        seconds = self._clock()
        now = datetime.fromtimestamp(seconds, UTC)
        answer = webhook.challenge(opened.hook, inbound, now)
        if answer is not None:
            return answer
        delivery = webhook.receive(opened.hook, inbound, now)
        event = EventRow(
            tenant=opened.tenant,
            connection_id=opened.hook.connection_id,
            delivery_id=delivery.delivery_id,
            type=delivery.type,
            resource=delivery.resource,
            operation=delivery.operation,
            ids=delivery.ids,
            received_at=seconds,
            account=opened.hook.account,
            happened_at=delivery.time,
            state="silent" if delivery.silent else "received",
        )
        # Shielded: when the request gives up while the disk is slow, the event is stored all the
        # same, the sender's next try is a duplicate, and nobody else would hand it on.
        storing = asyncio.ensure_future(self._store_and_hand_on(event, delivery.silent))
        storing.add_done_callback(_heard)
        await asyncio.shield(storing)
        return None

    async def _store_and_hand_on(self, event: EventRow, silent: bool) -> None:
        event_id = await self._store_of(event.tenant).accept(event)
        if event_id is not None and not silent:
            event.id = event_id
            self._hand_on(event)


def _heard(storing: asyncio.Future[None]) -> None:
    # The request may be gone, and then nobody else asks for the error.
    if not storing.cancelled():
        storing.exception()
