"""The cashbook of Fatture in Cloud."""

from __future__ import annotations

from typing import Any

from connector import Action, Caller, Demand, Identity, Request, Search, fatture, finding, schema

_ENTRY = fatture.Resource(
    noun="Cashbook entry",
    plural="Cashbook entries",
    key="cashbook_entry",
    plural_key="cashbook_entries",
    path="/c/{company_id}/cashbook",
    schema="cashbook_entry",
    read=("cashbook:r",),
    write=("cashbook:a",),
    title="{{ output.id }}: {{ output.description }}",
)


async def _list(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """The list has no pages and no filter, but demands a period."""
    path = f"/c/{finding.number(caller, inputs, 'company_id')}/cashbook"
    asked = ("date_from", "date_to", "type", "payment_account_id")
    query = {name: str(inputs[name]) for name in asked if inputs.get(name) not in (None, "")}
    rows = finding.rows_in(await caller.request("GET", path, query=query))
    wanted = finding.plain(inputs.get("description_contains"))
    return fatture.chosen(
        [dict(one) for one in rows if wanted in finding.plain(one.get("description"))], inputs
    )


get_cashbook_entry = _ENTRY.get("getCashbookEntry")
list_cashbook_entries = Search(
    app=fatture.APP,
    key="list_cashbook_entries",
    noun="Cashbook entry",
    label="List Cashbook Entries",
    description="Lists what came in and went out in a period.",
    docs_url=fatture.DOCS,
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/cashbook_entry_criteria"),
        schema("fatture_in_cloud/list_options"),
    ),
    run=_list,
    output=schema("fatture_in_cloud/cashbook_entry_search"),
    scopes=("cashbook:r",),
    summary="{{ output.count }} found",
    operations=("listCashbookEntries",),
)
create_cashbook_entry = Action(
    app="fatture_in_cloud",
    key="create_cashbook_entry",
    noun="Cashbook entry",
    label="Create Cashbook Entry",
    description="Enters money that came in or went out.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema(
            "fatture_in_cloud/cashbook_entry",
            "data",
            require=("data.date", "data.description", "data.kind"),
        ),
    ),
    request=Request(method="POST", path="/c/{company_id}/cashbook", wrap=("data",)),
    demands=(
        Demand(
            one_of=("data.type",),
            when="data.kind",
            of=("cashbook",),
            message="It is not said whether the money came in or went out.",
            remedy="Choose one of the two.",
        ),
        *(
            Demand(
                one_of=(f"data.amount_{way}",),
                when="data.type",
                of=(way,),
                message="The amount that was moved is missing.",
                remedy="Fill it.",
            )
            for way in ("in", "out")
        ),
    ),
    result="data",
    output=schema("fatture_in_cloud/cashbook_entry"),
    # Two equal entries may both be meant, so nothing but a person can tell.
    identity=Identity(
        record_id="data.id",
        read=Request(method="GET", path="/c/{company_id}/cashbook/{id}"),
        when_unsure="park",
    ),
    scopes=("cashbook:a",),
    summary="Cashbook entry {{ output.id }}: {{ input.data.description }}",
    operations=("createCashbookEntry",),
)
update_cashbook_entry = _ENTRY.update("modifyCashbookEntry", "getCashbookEntry")
delete_cashbook_entry = _ENTRY.delete("deleteCashbookEntry")
