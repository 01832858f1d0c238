"""What can be done in the emulated Fatture in Cloud, and the invented records of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from connector.apps.invented import a_client, a_phone
from connector.deeds import Deed

Record = Mapping[str, Any]


def _client(_: Record, __: date, draw: Random) -> dict[str, Any]:
    return a_client(draw)


def _product(_: Record, __: date, draw: Random) -> dict[str, Any]:
    number = draw.randint(100, 999)
    return {"name": f"Manutenzione {number}", "code": f"M{number}", "net_price": 80}


def _issued_invoice(client: Record, today: date, _: Random) -> dict[str, Any]:
    """Two hours at 80.00 and 22 % for the newest client."""
    return {
        "type": "invoice",
        "date": today.isoformat(),
        "entity": {"id": client["id"], "name": client["name"]},
        "items_list": [{"name": "Manutenzione", "qty": 2, "net_price": 80, "vat": {"id": 0}}],
        "payments_list": [{"amount": 195.2, "due_date": (today + timedelta(days=30)).isoformat()}],
    }


def _order(client: Record, today: date, draw: Random) -> dict[str, Any]:
    invoice = _issued_invoice(client, today, draw)
    return {**{name: invoice[name] for name in ("date", "entity", "items_list")}, "type": "order"}


DEEDS: Final[Mapping[str, Deed]] = {
    "entities.clients.create": Deed(
        label="Create a test client in Fatture in Cloud",
        records="clients",
        made=_client,
    ),
    "entities.clients.update": Deed(
        label="Change a client in Fatture in Cloud",
        records="clients",
        made=lambda _, __, draw: {"phone": a_phone(draw)},
        based_on="clients",
        changes=True,
    ),
    "issued_documents.invoices.create": Deed(
        label="Create a test invoice in Fatture in Cloud",
        records="issued_documents",
        made=_issued_invoice,
        based_on="clients",
    ),
    "issued_documents.orders.create": Deed(
        label="Create a test order in Fatture in Cloud",
        records="issued_documents",
        made=_order,
        based_on="clients",
    ),
    "entities.suppliers.create": Deed(
        label="Create a test supplier in Fatture in Cloud",
        records="suppliers",
        made=_client,
    ),
    "products.create": Deed(
        label="Create a test product in Fatture in Cloud",
        records="products",
        made=_product,
    ),
}
"""By resource and what happens to it."""
