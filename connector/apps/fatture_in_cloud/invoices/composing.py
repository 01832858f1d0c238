"""Composing a document: read what it depends on, work it out, compare totals with the vendor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices.compose import compose
from connector.apps.fatture_in_cloud.invoices.reading import read_ground
from connector.apps.fatture_in_cloud.invoices.totals import decimal_of, to_cents
from connector.errors import NotSent, Refused
from connector.model import Caller, Prepared


async def composed(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """The `prepare` of a node whose `data` is what a person knows; what is sent is the whole
    document. Raises MappingError with every fault, and Refused when the totals differ.
    """
    company = finding.number(caller, inputs, "company_id")
    given = inputs.get("data") or {}
    ground = await read_ground(caller, company, given)
    made = compose(given, ground)
    theirs = await totals_of_vendor(caller, company, made.data)
    unlike = made.totals.unlike(theirs)
    if unlike and given.get("when_totals_differ") == "use_theirs":
        made = compose(given, ground, due=to_cents(decimal_of(theirs.get("amount_due"))))
    elif unlike:
        raise _different(unlike)
    return Prepared(inputs={**inputs, "data": made.data})


async def totals_of_vendor(caller: Caller, company: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """The totals that Fatture in Cloud works out for a document that is not made yet."""
    path = f"/c/{company}/issued_documents/totals"
    answer = await caller.request("POST", path, body={"data": data})
    found = dict((answer or {}).get("data") or {})
    if found.get("amount_due") is None:
        raise NotSent(
            "Fatture in Cloud did not tell its totals, so that ours could not be compared.",
            remedy="Nothing was issued; it is tried again.",
        )
    return found


def _different(unlike: list[str]) -> Refused:
    return Refused(
        f"Nothing was issued: Fatture in Cloud comes to other totals ({'; '.join(unlike)}).",
        field="data.items_list",
        remedy="Look at the lines, the taxes and the rounding. If their figures are right, let the "
        "payments follow them (when_totals_differ).",
        who="user",
    )
