"""The eleven types of issued document, and the scope family of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from connector.model import ScopesBy

FAMILY_OF: Mapping[str, str] = MappingProxyType(
    {
        "invoice": "invoices",
        "credit_note": "credit_notes",
        "receipt": "receipts",
        "order": "orders",
        "quote": "quotes",
        "proforma": "proformas",
        "delivery_note": "delivery_notes",
        "work_report": "work_reports",
        "supplier_order": "supplier_orders",
        "self_own_invoice": "self_invoices",
        "self_supplier_invoice": "self_invoices",
    }
)
FAMILIES = tuple(dict.fromkeys(FAMILY_OF.values()))
READING = tuple(f"issued_documents.{family}:r" for family in FAMILIES)
WRITING = tuple(f"issued_documents.{family}:a" for family in FAMILIES)
"""For a node that takes any type: which one is needed depends on the document."""
ELECTRONIC = ("invoices", "credit_notes", "self_invoices")
"""The families that can be e-invoices."""


def by_type(place: str, level: str) -> ScopesBy:
    """A flow that fixes the type at this input needs the scope of that type alone."""
    of = {kind: f"issued_documents.{family}:{level}" for kind, family in FAMILY_OF.items()}
    return ScopesBy(input=place, of=of)
