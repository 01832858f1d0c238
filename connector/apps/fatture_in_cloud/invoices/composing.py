"""Composing a document: read what it depends on, work it out, compare totals with the vendor."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices.compose import compose
from connector.apps.fatture_in_cloud.invoices.reading import read_ground
from connector.apps.fatture_in_cloud.invoices.totals import decimal_of, to_cents
from connector.errors import MappingError, NotSent, Refused
from connector.model import Caller, Prepared


async def composed(caller: Caller, inputs: dict[str, Any]) -> Prepared:
    """The `prepare` of a node whose `data` is what a person knows; what is sent is the whole
    document. Raises MappingError with every fault, or for a total that was not expected, and
    Refused when theirs differ.
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
    # Where their figures are followed, the document bears them.
    ours = made.totals.amount_gross
    gross = decimal_of(theirs.get("amount_gross", ours)) if unlike else ours
    _must_be_expected(given, to_cents(gross))
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


def _must_be_expected(given: Mapping[str, Any], gross: Decimal) -> None:
    """Raises MappingError where the other app has another gross total."""
    wanted = given.get("expected_total")
    if wanted is None or wanted == "":
        return
    expected = to_cents(decimal_of(wanted))
    if given.get("type") == "credit_note":
        # Here they are written with positive amounts, elsewhere often with negative ones.
        expected = abs(expected)
    if expected == gross:
        return
    difference = gross - expected
    raise MappingError(
        f"Nothing was issued: this document comes to {gross} with VAT, and in the other app to "
        f"{expected}. The difference is {difference}.",
        field="data.expected_total",
        remedy="Usually it is the VAT (data.items_list.vat) or a discount: map them as they are in "
        "the other app, and let the run start again. If the other app is wrong, correct it there.",
        who="user",
    )


def _different(unlike: list[str]) -> Refused:
    return Refused(
        f"Nothing was issued: Fatture in Cloud comes to other totals ({'; '.join(unlike)}).",
        field="data.items_list",
        remedy="Look at the lines, the taxes and the rounding. If their figures are right, let the "
        "payments follow them (when_totals_differ).",
        who="user",
    )
