"""Receipts of Fatture in Cloud: the register of daily takings (corrispettivi)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector import Caller, Identity, Request, Search, fatture, finding, schema

_RECEIPT = fatture.Resource(
    noun="Receipt",
    plural="Receipts",
    key="receipt",
    path="/c/{company_id}/receipts",
    schema="receipt",
    read=("receipts:r",),
    write=("receipts:a",),
    title="{{ output.number }} of {{ output.date }}",
)

get_receipt = _RECEIPT.get("getReceipt")
list_receipts = _RECEIPT.list(
    "listReceipts",
    fatture.criteria(
        type="type =",
        date_from="date >=",
        date_to="date <=",
        description_contains="description contains",
        rc_center="rc_center =",
        updated_from="updated_at >=",
        updated_to="updated_at <=",
    ),
)
create_receipt = _RECEIPT.create(
    "createReceipt",
    require=("data.date", "data.type", "data.payment_account.id"),
    # Two equal takings of one day may both be meant, so nothing but a person can tell.
    identity=Identity(
        record_id="data.id",
        read=Request(
            method="GET", path="/c/{company_id}/receipts/{id}", query={"fieldset": "detailed"}
        ),
        when_unsure="park",
    ),
)
update_receipt = _RECEIPT.update("modifyReceipt", "getReceipt")
delete_receipt = _RECEIPT.delete("deleteReceipt")


async def _totals(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    path = f"/c/{finding.number(caller, inputs, 'company_id')}/receipts/monthly_totals"
    query = {"type": str(inputs["type"]), "year": str(inputs["year"])}
    rows = finding.rows_in(await caller.request("GET", path, query=query))
    months = [{"month": at, **row} for at, row in enumerate(rows, start=1)]
    return {
        **{
            name: sum(Decimal(str(one.get(name) or 0)) for one in months)
            for name in ("net", "gross")
        },
        "count": sum(finding.whole(one.get("count") or 0) for one in months),
        "months": months,
    }


get_receipt_totals = Search(
    app=fatture.APP,
    key="get_receipt_totals",
    noun="Receipt",
    label="Get Receipt Totals",
    description="Gives what a register took in each month of a year, and in the whole year.",
    docs_url=fatture.DOCS,
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/receipt_month")),
    run=_totals,
    output=schema("fatture_in_cloud/receipt_totals"),
    scopes=("receipts:r",),
    summary="{{ output.count }} receipts, {{ output.gross }} gross",
    operations=("getReceiptsMonthlyTotals",),
)
