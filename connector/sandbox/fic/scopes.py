"""The 44 scopes, the 71 event types and their 7 groups (facts §1.6 and §2.6)."""

from __future__ import annotations

from functools import cache

PREFIX = "it.fattureincloud.webhooks."
WELCOME = PREFIX + "subscriptions.welcome"

ISSUED = {
    "invoice": "invoices",
    "quote": "quotes",
    "proforma": "proformas",
    "receipt": "receipts",
    "delivery_note": "delivery_notes",
    "credit_note": "credit_notes",
    "order": "orders",
    "work_report": "work_reports",
    "supplier_order": "supplier_orders",
    "self_own_invoice": "self_own_invoices",
    "self_supplier_invoice": "self_supplier_invoices",
}
"""Event resource below `issued_documents.` for each document type."""

_FAMILIES = (
    "entity.clients",
    "entity.suppliers",
    "products",
    "stock",
    *(
        f"issued_documents.{name}"
        for name in (
            "invoices",
            "credit_notes",
            "receipts",
            "orders",
            "quotes",
            "proformas",
            "delivery_notes",
            "work_reports",
            "supplier_orders",
            "self_invoices",
        )
    ),
    "received_documents",
    "receipts",
    "calendar",
    "taxes",
    "archive",
    "cashbook",
    "settings",
)
_READ_ONLY = ("emails", "situation")
SCOPES = frozenset(
    [f"{family}:{level}" for family in _FAMILIES for level in "ra"]
    + [f"{family}:r" for family in _READ_ONLY]
)
_CRUD = ("create", "update", "delete")


def issued_family(type_: str) -> str:
    """The scope family of a document type."""
    resource = "self_invoices" if type_.startswith("self_") else ISSUED[type_]
    return f"issued_documents.{resource}"


@cache
def event_families() -> dict[str, tuple[str, ...]]:
    """The scope families to read for each concrete type, by its name without the prefix."""
    table: dict[str, tuple[str, ...]] = {}
    for type_, resource in ISSUED.items():
        for operation in (*_CRUD, "email_sent"):
            table[f"issued_documents.{resource}.{operation}"] = (issued_family(type_),)
    table["issued_documents.e_invoices.status_update"] = (
        "issued_documents.invoices",
        "issued_documents.credit_notes",
    )
    table["received_documents.e_invoices.receive"] = ("received_documents",)
    table["products.stock_update"] = ("products", "stock")
    for resource, family in (
        ("received_documents", "received_documents"),
        ("receipts", "receipts"),
        ("taxes", "taxes"),
        ("archive_documents", "archive"),
        ("cashbook", "cashbook"),
        ("products", "products"),
        ("entities.clients", "entity.clients"),
        ("entities.suppliers", "entity.suppliers"),
    ):
        for operation in _CRUD:
            table[f"{resource}.{operation}"] = (family,)
    return table


def expand(type_: str) -> tuple[str, ...]:
    """The concrete types a requested one stands for, in full; nothing for an unknown one."""
    if not type_.startswith(PREFIX):
        return ()
    name = type_.removeprefix(PREFIX)
    if name in event_families():
        return (type_,)
    group, _, operation = name.rpartition(".")
    if group == "issued_documents.all":
        names = [f"issued_documents.{resource}.{operation}" for resource in ISSUED.values()]
    elif group == "entities.all":
        names = [f"entities.{resource}.{operation}" for resource in ("clients", "suppliers")]
    else:
        return ()
    return tuple(PREFIX + one for one in names if one in event_families())
