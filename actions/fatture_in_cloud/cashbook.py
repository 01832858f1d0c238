"""The cashbook of Fatture in Cloud."""

from __future__ import annotations

from connector import Action, Identity, Request, schema

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
)
