"""The companies that a user of Fatture in Cloud reaches. Source: facts on Fatture in Cloud §1.7."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.model import Caller

PLACE = "/user/companies"


async def list_companies(caller: Caller) -> list[dict[str, str]]:
    """Every company, an accountant's clients among them.

    Only the parts named here are taken: each record also carries an old access token.
    """
    answer = await caller.request("GET", PLACE)
    data = answer.get("data") if isinstance(answer, dict) else None
    return list(_flat(data.get("companies") if isinstance(data, dict) else None, ""))


def _flat(rows: Any, through: str) -> Iterator[dict[str, str]]:
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not row.get("id"):
            continue
        name = str(row.get("name") or row["id"])
        yield {
            "id": str(row["id"]),
            "name": name,
            "number": str(row.get("vat_number") or row.get("tax_code") or ""),
            "through": through,
        }
        yield from _flat(row.get("controlled_companies"), name)
