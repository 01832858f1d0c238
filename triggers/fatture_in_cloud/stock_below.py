"""The stock of a product of Fatture in Cloud fell below a number."""

from __future__ import annotations

from connector import Baseline, Derive, DerivedTrigger, Request, schema

stock_below = DerivedTrigger(
    app="fatture_in_cloud",
    key="stock_below",
    noun="Product",
    label="Stock Below Threshold",
    description=(
        "Starts when the stock of a product falls from the threshold or more to less than it. "
        "While it stays below, nothing more is told."
    ),
    docs_url="https://developers.fattureincloud.it/docs/webhooks/",
    inputs=(schema("fatture_in_cloud/watched_stock"),),
    output=schema("fatture_in_cloud/stock_event"),
    outputs={"products": schema("fatture_in_cloud/product")},
    derive=Derive(
        resources=("products",),
        operations=("create", "update", "stock_update"),
        state={
            "stock": (
                "{{ record.stock_current | default(none) if record.in_stock | default(false)"
                " else none }}"
            ),
        },
        when=(
            "{{ now.stock is not none and before.stock is not none"
            " and now.stock < input.threshold and before.stock >= input.threshold }}"
        ),
        tell={
            "threshold": "{{ input.threshold }}",
            "missing": "{{ input.threshold - now.stock }}",
        },
        baseline=Baseline(
            request=Request(
                method="GET",
                path="/c/{company_id}/products",
                query={"fieldset": "detailed", "per_page": "100", "page": "{page}"},
            ),
            total="total",
        ),
    ),
)
