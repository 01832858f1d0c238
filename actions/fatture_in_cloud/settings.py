"""What a company sets up in Fatture in Cloud: its payment accounts."""

from __future__ import annotations

from connector import Action, Identity, Request, schema

create_payment_account = Action(
    app="fatture_in_cloud",
    key="create_payment_account",
    noun="Payment account",
    label="Create Payment Account",
    description="Adds an account that money comes to or goes from.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/payment_account", "data", require=("data.name",)),
    ),
    request=Request(
        method="POST", path="/c/{company_id}/settings/payment_accounts", wrap=("data",)
    ),
    result="data",
    output=schema("fatture_in_cloud/payment_account"),
    identity=Identity(
        record_id="data.id",
        natural_key=("data.name",),
        read=Request(method="GET", path="/c/{company_id}/settings/payment_accounts/{id}"),
        when_unsure="park",
    ),
    scopes=("settings:a",),
    summary="Payment account {{ output.id }}: {{ input.data.name }}",
)
