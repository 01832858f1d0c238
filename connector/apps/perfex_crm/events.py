"""What Perfex CRM tells of, by which of its many names, and how each record is read.

Source: facts on Perfex CRM §7 to §9. Names differ between documentation and product, and one
change may send two events; here each change has one name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connector.model import Poll, Reader, Request

NAMES: Mapping[str, tuple[str, ...]] = {
    # The first one that an installation offers is asked for; its twins would tell the same.
    "customers.create": ("customer_created", "client_created"),
    "customers.update": ("customer_updated", "client_updated"),
    "customers.delete": ("customer_deleted", "client_deleted"),
    "leads.create": ("lead_created",),
    "leads.update": ("lead_updated", "lead_status_changed"),
    "leads.delete": ("lead_deleted",),
    "invoices.create": ("invoice_created",),
    "invoices.update": ("invoice_updated",),
    "invoices.delete": ("invoice_deleted",),
    "invoices.paid": ("invoice_paid",),
    "payments.create": ("payment_created", "amount_paid"),
}
ALL_WANTED = frozenset({"leads.update"})
"""Events whose names tell of different changes: all of them are asked for."""
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "customers": ("create", "update", "delete"),
    "leads": ("create", "update", "delete"),
    "invoices": ("create", "update", "delete", "paid"),
    "payments": ("create",),
}
_EVENT_OF = {name: event for event, names in NAMES.items() for name in names}
_KEYS = {"customers": "userid"}
_DATED = {"leads": "dateadded", "payments": "daterecorded"}


def event_of(name: str) -> str | None:
    """Our one name for an event, in either of the spellings; None for one that we do not know."""
    return _EVENT_OF.get(name.replace(".", "_"))


def names_of(events: Collection[str], offered: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By which of the names that an installation offers each event is asked for."""
    spelt = {name.replace(".", "_"): name for name in offered}
    found = {}
    for event in events:
        known = [spelt[name] for name in NAMES.get(event, ()) if name in spelt]
        found[event] = tuple(known if event in ALL_WANTED else known[:1])
    return found


def readers() -> dict[str, Reader]:
    """How the record behind each event is read, and looked for where no events are sent."""
    return {
        resource: Reader(
            get=Request(method="GET", path=f"/{resource}/{{id}}"),
            result="",
            updated_at=None,
            created_at=_DATED.get(resource, "datecreated"),
            poll=Poll(
                request=Request(method="GET", path=f"/{resource}"),
                key=_KEYS.get(resource, "id"),
            ),
        )
        for resource in OPERATIONS
    }
