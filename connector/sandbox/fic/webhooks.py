"""Challenges and notifications: sent, retried, dropped and expired by facts §2.2–2.5."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote
from uuid import UUID

from connector.errors import ApiError
from connector.model import Answer, HttpRequest
from connector.sandbox import exact
from connector.sandbox.agenda import Agenda
from connector.sandbox.asgi import Send
from connector.sandbox.clock import Clock, rome
from connector.sandbox.config import SandboxConfig
from connector.sandbox.faults import Fault, FaultBook
from connector.sandbox.fic.scopes import PREFIX, WELCOME
from connector.sandbox.fic.signing import Signer

DELIVERED = frozenset({102, 200, 201, 202, 204})
ATTEMPTS = 4
EXPIRY = timedelta(days=10)
VERIFY_ATTEMPTS = 5
VERIFY_PAUSE = timedelta(minutes=10)
CHALLENGE = "x-fic-verification-challenge"
AGENT = "FattureInCloud/API-WEBHOOK"
_HOLD_SECONDS = 5
"""How long a reordered notification waits for a later one to overtake it."""


@dataclass
class Subscription:
    """One sink for some event types of one company and one app."""

    id: str
    company: int
    app: int
    sink: str
    types: list[str]
    mapping: str = "binary"
    verified: bool = False
    attempts: int = 0
    last_attempt: datetime | None = None
    expires: datetime | None = None
    """Set by the first lost notification, cleared by the next delivered one."""

    def as_data(self) -> dict[str, Any]:
        """As the API shows it: neither the verification method nor the expiry is told."""
        return {
            "id": self.id,
            "sink": self.sink,
            "verified": self.verified,
            "types": list(self.types),
            "config": {"mapping": self.mapping},
        }


@dataclass
class Delivery:
    """One notification and what became of it: pending, delivered, dropped or lost."""

    subscription: Subscription
    event_id: str
    type: str
    ids: list[Any]
    time: str
    state: str = "pending"
    outcomes: list[str] = field(default_factory=list)
    """The status, or the failure, of every attempt."""

    def as_data(self) -> dict[str, Any]:
        """For `/_sandbox/deliveries`."""
        return {
            "id": self.event_id,
            "subscription": self.subscription.id,
            "company": self.subscription.company,
            "type": self.type,
            "ids": self.ids,
            "time": self.time,
            "state": self.state,
            "outcomes": list(self.outcomes),
        }


class Webhooks:
    """All subscriptions of the sandbox, and the sender behind them."""

    def __init__(
        self,
        config: SandboxConfig,
        *,
        clock: Clock,
        random: Random,
        agenda: Agenda,
        send: Send,
        faults: FaultBook,
    ) -> None:
        self.config = config
        self.clock = clock
        self.random = random
        self.agenda = agenda
        self.send = send
        self.faults = faults
        self.signer = Signer(config.signing_key, random, config.issuer)
        self.subscriptions: dict[str, Subscription] = {}
        self.deliveries: deque[Delivery] = deque(maxlen=config.deliveries.keep)
        self.suspended = False
        """The vendor's ban: no more subscriptions for any app."""
        self.paused = False
        self._waiting: list[Delivery] = []
        self._overtaken: Delivery | None = None
        self._number = 4_710

    # --- subscriptions

    def add(
        self, company: int, app: int, sink: str, types: list[str], mapping: str
    ) -> Subscription:
        """Store a subscription; it is not verified yet."""
        self._number += 1
        made = Subscription(f"SUB{self._number}", company, app, sink, types, mapping)
        self.subscriptions[made.id] = made
        return made

    def of_company(self, company: int, app: int) -> list[Subscription]:
        """What one app subscribed to at one company."""
        every = self.subscriptions.values()
        return [one for one in every if one.company == company and one.app == app]

    async def challenge(self, subscription: Subscription, method: str) -> None:
        """Ask the sink to repeat a secret; the fifth failure is the last chance."""
        subscription.attempts += 1
        subscription.last_attempt = self.clock()
        secret = self.random.randbytes(32).hex()
        sink = subscription.sink
        headers = self._headers(subscription, str(self._uuid()))
        if method == "query":
            glue = "&" if "?" in sink else "?"
            sink = f"{sink}{glue}{CHALLENGE}={quote(secret)}"
        else:
            headers.append((CHALLENGE, secret))
        answer = await self._try(HttpRequest(method="GET", url=sink, headers=tuple(headers)))
        if isinstance(answer, Answer) and answer.status == 200:
            said = answer.json()
            if isinstance(said, dict) and said.get("verification") == secret:
                self._verified(subscription)

    def _verified(self, subscription: Subscription) -> None:
        subscription.verified = True
        self._queue(subscription, WELCOME, [], self.clock())

    # --- notifications

    def emit(self, company: int, event: str, ids: Sequence[Any]) -> None:
        """Notify whoever subscribed to `entities.clients.create` and the like."""
        type_, now = PREFIX + event, self.clock()
        for subscription in list(self.subscriptions.values()):
            here = subscription.company == company and subscription.verified
            if here and type_ in subscription.types:
                self._queue(subscription, type_, list(ids), now)

    def _queue(self, to: Subscription, type_: str, ids: list[Any], now: datetime) -> None:
        event_id = f"{to.id.removeprefix('SUB')}:{self._uuid()}"
        delivery = Delivery(to, event_id, type_, ids, rome(now).isoformat(timespec="seconds"))
        self.deliveries.append(delivery)
        self._pass_on(delivery, self.faults.for_delivery(type_))

    def _pass_on(self, delivery: Delivery, fault: Fault | None) -> None:
        kind = None if fault is None else fault.kind
        if kind == "drop":
            delivery.state = "lost"
            return
        if kind == "reorder" and self._overtaken is None:
            self._overtaken = delivery
            self.agenda.after(_HOLD_SECONDS, self._release)
            return
        held, self._overtaken = self._overtaken, None
        self._schedule(delivery, then=held)
        if kind == "duplicate":
            twin = replace(delivery, outcomes=[])
            self.deliveries.append(twin)
            self._schedule(twin)

    async def _release(self) -> None:
        held, self._overtaken = self._overtaken, None
        if held is not None:
            await self._attempt(held)

    def _schedule(
        self, delivery: Delivery, seconds: float = 0, *, then: Delivery | None = None
    ) -> None:
        async def job() -> None:
            await self._attempt(delivery)
            if then is not None:
                await self._attempt(then)

        self.agenda.after(seconds, job)

    def pause(self) -> None:
        """Hold notifications back until `resume`."""
        self.paused = True

    def resume(self) -> None:
        """Send what was held back, oldest first."""
        self.paused = False
        held, self._waiting = self._waiting, []
        for delivery in held:
            self._schedule(delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        if self.paused:
            self._waiting.append(delivery)
            return
        result = await self._try(self.request(delivery))
        if isinstance(result, Answer):
            delivery.outcomes.append(str(result.status))
            self._judge(delivery, result.status)
        else:
            delivery.outcomes.append(result)
            retry = self.config.deliveries.on_silence == "retry"
            self._judge(delivery, 599 if retry else 0)

    def _judge(self, delivery: Delivery, status: int) -> None:
        subscription = delivery.subscription
        if status in DELIVERED:
            delivery.state = "delivered"
            subscription.expires = None
        elif status == 410:
            delivery.state = "dropped"
            self.subscriptions.pop(subscription.id, None)
        elif status >= 500 and len(delivery.outcomes) < ATTEMPTS:
            gaps = self.config.deliveries.gaps
            gap = gaps[min(len(delivery.outcomes), len(gaps)) - 1] if gaps else 0
            self._schedule(delivery, gap)
        else:
            delivery.state = "dropped"
            self._count_error(subscription)

    def _count_error(self, subscription: Subscription) -> None:
        now = self.clock()
        if subscription.expires is None:
            subscription.expires = now + EXPIRY
        elif now > subscription.expires:
            self.subscriptions.pop(subscription.id, None)

    async def _try(self, request: HttpRequest) -> Answer | str:
        """The answer, or the kind of silence."""
        try:
            async with asyncio.timeout(self.config.deliveries.timeout):
                return await self.send(request)
        except TimeoutError:
            return "timeout"
        except (ApiError, OSError) as error:
            return type(error).__name__

    # --- what goes over the wire

    def request(self, delivery: Delivery) -> HttpRequest:
        """A notification as it is sent, freshly signed for each attempt."""
        subscription = delivery.subscription
        attributes = {
            "type": delivery.type,
            "time": delivery.time,
            "subject": f"company:{subscription.company}",
            "specversion": "1.0",
            "source": self.config.issuer,
            "id": delivery.event_id,
        }
        data: dict[str, Any] = {} if delivery.type == WELCOME else {"ids": delivery.ids}
        headers = self._headers(subscription, delivery.event_id)
        if subscription.mapping == "structured":
            body = attributes | {"datacontenttype": "application/json", "data": data}
            headers.append(("Content-Type", "application/cloudevents+json"))
        else:
            body = {"data": data}
            headers += [(f"ce-{name}", value) for name, value in attributes.items()]
            headers.append(("Content-Type", "application/json"))
        return HttpRequest(
            method="POST", url=subscription.sink, headers=tuple(headers), body=exact.dumps(body)
        )

    def _headers(self, subscription: Subscription, jti: str) -> list[tuple[str, str]]:
        token = self.signer.token(
            jti=jti,
            company=subscription.company,
            sink=subscription.sink,
            app=subscription.app,
            now=self.clock(),
        )
        return [
            ("Authorization", f"Bearer {token}"),
            ("User-Agent", AGENT),
            ("Connection", "close"),
        ]

    def _uuid(self) -> UUID:
        return UUID(bytes=self.random.randbytes(16), version=4)
