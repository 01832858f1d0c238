"""What an app was allowed to do, in words that its owner understands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from connector.web.pages.words import Words, mark

FAMILIES = {
    "entity.clients": mark("Clients"),
    "entity.suppliers": mark("Suppliers"),
    "products": mark("Products"),
    "stock": mark("Stock"),
    "issued_documents.invoices": mark("Invoices"),
    "issued_documents.credit_notes": mark("Credit notes"),
    "issued_documents.receipts": mark("Receipts you issue"),
    "issued_documents.orders": mark("Orders"),
    "issued_documents.quotes": mark("Quotes"),
    "issued_documents.proformas": mark("Pro-forma invoices"),
    "issued_documents.delivery_notes": mark("Delivery notes"),
    "issued_documents.work_reports": mark("Work reports"),
    "issued_documents.supplier_orders": mark("Orders to suppliers"),
    "issued_documents.self_invoices": mark("Self-invoices"),
    "received_documents": mark("Received documents"),
    "receipts": mark("Takings"),
    "calendar": mark("Calendar"),
    "taxes": mark("Taxes (F24)"),
    "archive": mark("Archive"),
    "cashbook": mark("Cashbook"),
    "settings": mark("Settings"),
    "emails": mark("E-mails"),
    "situation": mark("Company situation"),
}


class Right(NamedTuple):
    """One thing that may be read, or changed as well."""

    name: str
    writes: bool


def rights(scopes: Iterable[str], words: Words) -> list[Right]:
    """The scopes as rights, those that may change something first."""
    found = []
    for scope in scopes:
        family, _, level = scope.rpartition(":")
        name = words(FAMILIES[family]) if family in FAMILIES else (family or scope)
        found.append(Right(name, level == "a"))
    return sorted(found, key=lambda one: (not one.writes, one.name))
