"""Webhooks of Perfex 3.x as they are: no delivery id, twins, no retry unless the queue is on.

Source: facts on Perfex CRM §9.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connector.model import HttpRequest
from connector.sandbox.perfex.replies import Refusal, no_data, said

if TYPE_CHECKING:
    from connector.sandbox.agenda import Agenda
    from connector.sandbox.asgi import Send
    from connector.sandbox.clock import Clock
    from connector.sandbox.faults import FaultBook
    from connector.sandbox.perfex.gate import Visit

GROUPS: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_created", "customer_updated", "client_updated", "customer_deleted"),
    "contacts": ("contact_created", "contact_updated", "contact_deleted"),
    "leads": ("lead_created", "lead_updated", "lead_status_changed", "lead_deleted"),
    "invoices": ("invoice_created", "invoice_updated", "invoice_paid", "invoice_deleted"),
    "payments": ("payment_created", "amount_paid"),
}
CATALOGUE = frozenset(name for names in GROUPS.values() for name in names)
TWINS: Mapping[str, tuple[str, ...]] = {
    "customers.create": ("customer_created",),
    "customers.update": ("client_updated", "customer_updated"),
    "customers.delete": ("customer_deleted",),
    "leads.create": ("lead_created",),
    "leads.update": ("lead_updated",),
    "invoices.create": ("invoice_created",),
    "invoices.update": ("invoice_updated",),
    # No core hook leads to invoice_paid, although the catalogue names it.
    "payments.create": ("payment_created", "amount_paid"),
}
BACKOFF = (60, 300, 900, 3_600, 14_400)


@dataclass
class Webhook:
    """One row of the module's table."""

    id: str
    name: str
    url: str
    events: list[str]
    secret: str = ""
    active: bool = True
    logs: list[dict[str, Any]] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """As the API tells it; the secret is not told."""
        return {
            "id": self.id,
            "name": self.name,
            "url": self.url,
            "events": self.events,
            "active": "1" if self.active else "0",
        }


class Webhooks:
    """The webhooks of one installation; with `queued`, a failed delivery is tried again."""

    def __init__(
        self, *, clock: Clock, agenda: Agenda, faults: FaultBook, send: Send | None
    ) -> None:
        self.clock = clock
        self.agenda = agenda
        self.faults = faults
        self.send = send
        self.queued = False
        self.rows: dict[str, Webhook] = {}
        self.permitted = True
        """Whether the token's box is ticked: new boxes are not, after an upgrade."""
        self._next = 1

    def emit(self, event: str, one: str) -> None:
        """Tell of a change, by all the names that the core's hooks give it."""
        for name in TWINS.get(event, ()):
            self.tell(name, {"id": int(one), "_source_hook": f"after_{name}"})

    def tell(self, name: str, data: Any) -> None:
        """Send one event to whoever asked for it."""
        moment = int(self.clock().timestamp())
        for row in self.rows.values():
            if row.active and (name in row.events or "*" in row.events):
                told: dict[str, Any] = {"event": name, "timestamp": moment, "data": data}
                if row.secret:
                    plain = json.dumps(told).encode()
                    told["signature"] = hmac.new(
                        row.secret.encode(), plain, hashlib.sha256
                    ).hexdigest()
                # PHP escapes slashes.
                body = json.dumps(told).replace("/", "\\/").encode()
                self.agenda.after(0, self._job(row, name, body, 0))

    def _job(self, row: Webhook, name: str, body: bytes, tries: int) -> Callable[[], Any]:
        async def deliver() -> None:
            status = await self._try(row, name, body)
            row.logs.append({"event": name, "status": status})
            if not 200 <= status < 300 and self.queued and tries < len(BACKOFF):
                self.agenda.after(BACKOFF[tries], self._job(row, name, body, tries + 1))

        return deliver

    async def _try(self, row: Webhook, name: str, body: bytes) -> int:
        if self.send is None or self.faults.for_delivery(name) is not None:
            return 0
        try:
            answer = await self.send(self.request(row, name, body))
        except Exception:  # noqa: BLE001 - nobody listens: it is lost, as in the product
            return 0
        return answer.status

    def request(self, row: Webhook, name: str, body: bytes) -> HttpRequest:
        """One delivery, signed at this moment."""
        moment = str(int(self.clock().timestamp()))
        headers = [
            ("content-type", "application/json"),
            ("user-agent", "Perfex-CRM-API/3.0"),
            ("x-perfex-event", name),
        ]
        if row.secret:
            signed = hmac.new(
                row.secret.encode(), moment.encode() + b"." + body, hashlib.sha256
            ).hexdigest()
            headers.append(("x-perfex-signature", f"t={moment},v1={signed}"))
        return HttpRequest(method="POST", url=row.url, headers=tuple(headers), body=body)

    # --- the API ------------------------------------------------------------------------------

    def events(self, visit: Visit) -> Any:
        """The catalogue."""
        self._permit()
        groups = {group: list(names) for group, names in GROUPS.items()}
        return {"total_events": len(CATALOGUE), "wildcard": "*", "groups": groups}

    def listed(self, visit: Visit) -> Any:
        """Every webhook; none is "no data"."""
        self._permit()
        if not self.rows:
            raise no_data()
        return [row.as_data() for row in self.rows.values()]

    def create(self, visit: Visit) -> Any:
        """Add one; unknown events are refused."""
        self._permit()
        fields = self._fields(visit.fields)
        row = Webhook(str(self._next), **fields)
        self._next += 1
        self.rows[row.id] = row
        return {"status": True, "message": "Webhook added.", "record_id": int(row.id)}

    def update(self, visit: Visit) -> Any:
        """Replace what one says."""
        self._permit()
        row = self._row(visit)
        for name, value in self._fields({**row.as_data(), **visit.fields}).items():
            if name != "secret" or value:
                setattr(row, name, value)
        return {"status": True, "message": "Webhook updated."}

    def delete(self, visit: Visit) -> Any:
        """Remove one."""
        self._permit()
        del self.rows[self._row(visit).id]
        return {"status": True, "message": "Webhook deleted."}

    def toggle(self, visit: Visit) -> Any:
        """Switch one on or off."""
        self._permit()
        row = self._row(visit)
        row.active = not row.active
        return {"status": True, "message": "Webhook toggled."}

    def logs(self, visit: Visit) -> Any:
        """The latest deliveries."""
        self._permit()
        return {"status": True, "data": self._row(visit).logs[-500:]}

    def _permit(self) -> None:
        if not self.permitted:
            raise said(
                403,
                "Your API token does not have the necessary permissions to perform this action.",
            )

    def _row(self, visit: Visit) -> Webhook:
        row = self.rows.get(visit.part("id"))
        if row is None:
            raise no_data()
        return row

    def _fields(self, given: Mapping[str, Any]) -> dict[str, Any]:
        url = str(given.get("url") or "")
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refusal(422, {"status": False, "message": "The url is not valid."})
        asked = given.get("events")
        events: Iterable[Any] = asked if isinstance(asked, list) else (asked,) if asked else ()
        names = [str(one) for one in events]
        unknown = [one for one in names if one != "*" and one not in CATALOGUE]
        if unknown or not names:
            message = f"Unknown events: {', '.join(unknown)}"
            raise Refusal(422, {"status": False, "message": message})
        return {
            "name": str(given.get("name") or ""),
            "url": url,
            "events": names,
            "secret": str(given.get("secret") or ""),
        }
