"""What Fatture in Cloud sends events about, and how each resource is read.

Source: facts on Fatture in Cloud §2.6 (events and scopes), §3.5 (lists that filter by id), §4.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import MappingError
from connector.model import Reader, Request

PREFIX = "it.fattureincloud.webhooks."
BATCH_SIZE = 40
"""No ceiling for the length of a URL is published; 40 ids stay near one kilobyte."""

WRITES = ("create", "update", "delete")
MAILED = (*WRITES, "email_sent")
RECEIVED_TYPES = ("expense", "passive_credit_note", "passive_delivery_note", "self_invoice")


@dataclass(frozen=True, slots=True)
class Resource:
    """One family of events: its operations, the scopes it needs, where its record is read."""

    operations: tuple[str, ...]
    scopes: tuple[str, ...]
    path: str
    lists_by_id: bool = False
    dated: bool = False
    """Whether its list filters by the moment of the last change."""
    type: str = ""
    """What its list wants to be told, one type at a time."""


def _issued(*families: str, type: str = "", operations: tuple[str, ...] = MAILED) -> Resource:
    scopes = tuple(f"issued_documents.{family}:r" for family in families)
    return Resource(operations, scopes, "issued_documents", dated=bool(type), type=type)


_STOCK = (*WRITES, "stock_update")
_RECEIVED = ("received_documents:r", "stock:r")

RESOURCES: dict[str, Resource] = {
    "issued_documents.invoices": _issued("invoices", type="invoice"),
    "issued_documents.quotes": _issued("quotes", type="quote"),
    "issued_documents.proformas": _issued("proformas", type="proforma"),
    "issued_documents.receipts": _issued("receipts", type="receipt"),
    "issued_documents.delivery_notes": _issued("delivery_notes", type="delivery_note"),
    "issued_documents.credit_notes": _issued("credit_notes", type="credit_note"),
    "issued_documents.orders": _issued("orders", type="order"),
    "issued_documents.work_reports": _issued("work_reports", type="work_report"),
    "issued_documents.supplier_orders": _issued("supplier_orders", type="supplier_order"),
    "issued_documents.self_own_invoices": _issued("self_invoices", type="self_own_invoice"),
    "issued_documents.self_supplier_invoices": _issued(
        "self_invoices", type="self_supplier_invoice"
    ),
    "issued_documents.e_invoices": _issued(
        "invoices", "credit_notes", operations=("status_update",)
    ),
    "received_documents": Resource(
        WRITES, _RECEIVED, "received_documents", lists_by_id=True, dated=True
    ),
    # Its ids are those of pending documents, which become received ones only when registered.
    "received_documents.e_invoices": Resource(
        ("receive",), ("received_documents:r",), "received_documents/pending"
    ),
    "receipts": Resource(WRITES, ("receipts:r",), "receipts", dated=True),
    "taxes": Resource(WRITES, ("taxes:r",), "taxes"),
    "archive_documents": Resource(WRITES, ("archive:r",), "archive"),
    "cashbook": Resource(WRITES, ("cashbook:r",), "cashbook"),
    "products": Resource(
        _STOCK, ("products:r", "stock:r"), "products", lists_by_id=True, dated=True
    ),
    "entities.clients": Resource(
        WRITES, ("entity.clients:r",), "entities/clients", lists_by_id=True, dated=True
    ),
    "entities.suppliers": Resource(
        WRITES, ("entity.suppliers:r",), "entities/suppliers", lists_by_id=True, dated=True
    ),
}

SELF_INVOICES = "issued_documents.self_invoices"
"""One family in the older documentation, two in the specification since March 2026."""
SELF_INVOICE_FAMILIES = (
    "issued_documents.self_own_invoices",
    "issued_documents.self_supplier_invoices",
)

_REJECTION = Request(
    method="GET", path="/c/{company_id}/issued_documents/{id}/e_invoice/error_reason"
)
_WHEN_REJECTED = ("ei_status", ("discarded", "rejected", "manual_rejected"))

GROUPS: dict[str, tuple[str, ...]] = {
    "issued_documents.all": tuple(
        name
        for name, one in RESOURCES.items()
        if one.path == "issued_documents" and "email_sent" in one.operations
    ),
    "entities.all": ("entities.clients", "entities.suppliers"),
    SELF_INVOICES: SELF_INVOICE_FAMILIES,
}

EVENTS: frozenset[str] = frozenset(
    f"{name}.{operation}" for name, one in RESOURCES.items() for operation in one.operations
)
"""The 71 concrete events, as `resource.operation`."""

KNOWN: frozenset[str] = EVENTS | {f"{SELF_INVOICES}.{operation}" for operation in MAILED}
"""What may arrive: the events and the older name of the self-invoices."""


def expand(events: tuple[str, ...]) -> tuple[str, ...]:
    """The concrete events that these (groups among them) stand for, each once, in order.

    Unknown ones are kept as they are: the vendor may know more events than we do.
    """
    found: dict[str, None] = {}
    for event in events:
        resource, _, operation = event.rpartition(".")
        members = [
            f"{member}.{operation}"
            for member in GROUPS.get(resource, ())
            if operation in RESOURCES[member].operations
        ]
        found.update(dict.fromkeys(members or [event]))
    return tuple(found)


def read_scopes(events: tuple[str, ...]) -> tuple[str, ...]:
    """The fewest scopes with which these events may be subscribed to and their records read."""
    scopes: dict[str, None] = {}
    for event in expand(events):
        one = RESOURCES.get(event.rpartition(".")[0])
        scopes.update(dict.fromkeys(one.scopes if one else ()))
    return tuple(scopes)


def operations() -> dict[str, tuple[str, ...]]:
    """What can happen to each resource, the groups and the older name included."""
    found = {name: one.operations for name, one in RESOURCES.items()}
    for group, members in GROUPS.items():
        found[group] = tuple(
            dict.fromkeys(operation for one in members for operation in found[one])
        )
    return found


def readers() -> dict[str, Reader]:
    """How the record behind each event is read, the older name of the self-invoices included."""
    found = {name: _reader(one, name) for name, one in RESOURCES.items()}
    found[SELF_INVOICES] = found[SELF_INVOICE_FAMILIES[0]]
    return found


def _reader(resource: Resource, name: str) -> Reader:
    place = f"/c/{{company_id}}/{resource.path}"
    get = Request(method="GET", path=f"{place}/{{id}}", query={"fieldset": "detailed"})
    sweep = _sweep(resource, name)
    if name == "issued_documents.e_invoices":
        return Reader(get=get, more={"ei_rejection": _REJECTION}, more_when=_WHEN_REJECTED)
    if not resource.lists_by_id:
        return Reader(get=get, sweep=sweep)
    query = {"fieldset": "detailed", "per_page": "100", "q": "{q}"}
    if name == "received_documents":
        # This list wants a type, so a batch is asked for once with each.
        query["type"] = "{type}"
        each = {"type": RECEIVED_TYPES}
    else:
        each = {}
    batch = Request(method="GET", path=place, query=query)
    return Reader(
        get=get,
        batch=batch,
        batch_size=BATCH_SIZE,
        batch_each=each,
        sweep=sweep,
        sweep_each=each,
    )


def _sweep(resource: Resource, name: str) -> Request | None:
    """The list of what was changed since; facts §3.4: only entities sort by that moment."""
    if not resource.dated:
        return None
    query = {
        "fields": "id,created_at,updated_at",
        "per_page": "100",
        "page": "{page}",
        "q": "updated_at >= '{since}'",
    }
    if resource.path.startswith("entities/"):
        query["sort"] = "updated_at"
    if resource.type or name == "received_documents":
        query["type"] = resource.type or "{type}"
    return Request(method="GET", path=f"/c/{{company_id}}/{resource.path}", query=query)


def id_filter(ids: tuple[str, ...]) -> str:
    """The list filter that picks these ids; raises MappingError for one that is not a number."""
    for one in ids:
        if not (one.isascii() and one.isdecimal()):
            raise MappingError(
                f"{one[:40]!r} is not an id of Fatture in Cloud.",
                field="id",
                value_type="text",
                remedy="Ids are whole numbers.",
            )
    return " or ".join(f"id = {one}" for one in ids)
