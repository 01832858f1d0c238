"""Tax forms (F24) of Fatture in Cloud."""

from __future__ import annotations

from connector import Action, Identity, Request, schema

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
)
