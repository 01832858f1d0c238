"""Tax forms (F24) of Fatture in Cloud."""

from __future__ import annotations

from connector import Action, Identity, Request, fatture, schema

_F24 = fatture.Resource(
    noun="F24",
    plural="F24 forms",
    key="f24",
    path="/c/{company_id}/taxes",
    schema="f24",
    read=("taxes:r",),
    write=("taxes:a",),
    title="{{ output.id }}: {{ output.description }}",
    plural_key="f24",
)

get_f24 = _F24.get("getF24")
list_f24 = _F24.list(
    "listF24",
    fatture.criteria(
        status="status =",
        due_from="due_date >=",
        due_to="due_date <=",
        amount_from="amount >=",
        amount_to="amount <=",
        description_contains="description contains",
    ),
    what="Lists tax forms that meet all criteria given.",
)
create_f24 = Action(
    app="fatture_in_cloud",
    key="create_f24",
    noun="F24",
    label="Create F24",
    description="Adds a tax form to the deadlines.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema(
            "fatture_in_cloud/f24",
            "data",
            require=("data.due_date", "data.amount", "data.description"),
        ),
    ),
    request=Request(method="POST", path="/c/{company_id}/taxes", wrap=("data",)),
    result="data",
    output=schema("fatture_in_cloud/f24"),
    # Two equal forms may both be meant, so nothing but a person can tell.
    identity=Identity(
        record_id="data.id",
        read=Request(method="GET", path="/c/{company_id}/taxes/{id}"),
        when_unsure="park",
    ),
    scopes=("taxes:a",),
    summary="F24 {{ output.id }}: {{ input.data.description }}, due {{ input.data.due_date }}",
    operations=("createF24",),
)
update_f24 = _F24.update("modifyF24", "getF24")
delete_f24 = _F24.delete("deleteF24")
