"""Flows of derived triggers, and the invoices and payments that start them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connector.engine.watches import LOOK_SECONDS
from tests.runtime.kit import COMPANY, World, clock

ROME = ZoneInfo("Europe/Rome")
STEP = """\
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map:
      company: "document {{ trigger.id }}"
"""


def flow(node: str, key: str = "", more: str = "", head: str = "", company: int = COMPANY) -> str:
    return f"""flow: {key or node}
{head}
trigger:
  node: fatture_in_cloud.{node}
  connection: fatture
  with:
    company_id: {company}
{more}
steps:
{STEP}"""


def today(days: int = 0) -> str:
    return (datetime.fromtimestamp(clock(), ROME).date() + timedelta(days=days)).isoformat()


def invoice(w: World, *amounts: int, due: int = 30, company: int | None = None, **more: Any) -> Any:
    """An invoice as somebody enters it, in instalments a day apart."""
    plan = [
        {"amount": amount, "due_date": today(due + number), "status": "not_paid"}
        for number, amount in enumerate(amounts or (122,))
    ]
    data = {
        "type": "invoice",
        "entity": {"name": "Officine Adda S.r.l."},
        "items_list": [{"name": "Canone", "qty": 1, "net_price": 100, "vat": {"id": 0}}],
        "payments_list": plan,
        **more,
    }
    return w.person.create("issued_documents", data, company)


def pay(w: World, one: Any, *rows: int, on: str = "", company: int | None = None) -> None:
    """Mark these instalments as paid; all without any."""
    table = w.sandbox.fic.companies[company or COMPANY].tables["issued_documents"]
    plan = [dict(row) for row in table.get(one["id"])["payments_list"]]
    account = w.sandbox.fic.companies[company or COMPANY].tables["payment_accounts"].view()[0]
    for place, row in enumerate(plan):
        if not rows or place in rows:
            row.update(
                status="paid", paid_date=on or today(), payment_account={"id": account["id"]}
            )
    w.person.change("issued_documents", one["id"], {"payments_list": plan}, company)


async def on(w: World, *texts: str) -> None:
    """Switch these flows on, and let them see where things stand."""
    await w.follow(*texts)
    await asyncio.sleep(4 * LOOK_SECONDS)
    await w.quiet()


async def fired(w: World, flow: str = "") -> list[dict[str, Any]]:
    """What `trigger` was in each run that went on, oldest first."""
    await w.quiet()
    runs = [one for one in await w.runs() if one["state"] != "filtered"]
    told = [await w.runtime.get_run(one["id"]) for one in runs if flow in ("", one["flow"])]
    assert not [one for one in told if one is None or one["state"] != "succeeded"], told
    return [one["trigger"] for one in told if one is not None]
