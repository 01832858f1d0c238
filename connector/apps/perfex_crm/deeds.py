"""What can be done in the emulated Perfex CRM, and the invented records of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from connector.apps.invented import a_client, a_phone
from connector.deeds import Deed

Record = Mapping[str, Any]


def _customer(_: Record, __: date, draw: Random) -> dict[str, Any]:
    client = a_client(draw)
    return {
        "company": client["name"],
        "vat": client["vat_number"],
        "phonenumber": client["phone"],
        "address": client["address_street"],
        "city": client["address_city"],
        "state": client["address_province"],
        "zip": client["address_postal_code"],
        "country": "109",
    }


def _lead(_: Record, __: date, draw: Random) -> dict[str, Any]:
    client = a_client(draw)
    return {"name": client["name"], "company": client["name"], "email": client["email"]}


def _invoice(customer: Record, today: date, draw: Random) -> dict[str, Any]:
    """Two hours at 80.00 and 22 % for the newest customer."""
    return {
        "clientid": customer["userid"],
        "number": str(draw.randint(1_000, 9_999)),
        "date": today.isoformat(),
        "duedate": (today + timedelta(days=30)).isoformat(),
        "status": "1",
        "subtotal": "160.00",
        "total_tax": "35.20",
        "total": "195.20",
        "items": [{"description": "Manutenzione", "qty": "2.00", "rate": "80.00"}],
    }


DEEDS: Final[Mapping[str, Deed]] = {
    "customers.create": Deed(
        label="Create a test customer in Perfex CRM",
        records="customers",
        made=_customer,
    ),
    "customers.update": Deed(
        label="Change a customer in Perfex CRM",
        records="customers",
        made=lambda _, __, draw: {"phonenumber": a_phone(draw)},
        based_on="customers",
        changes=True,
        id_key="userid",
    ),
    "invoices.create": Deed(
        label="Create a test invoice in Perfex CRM",
        records="invoices",
        made=_invoice,
        based_on="customers",
    ),
    "leads.create": Deed(
        label="Create a test lead in Perfex CRM",
        records="leads",
        made=_lead,
    ),
}
"""By resource and what happens to it."""
