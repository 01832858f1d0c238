"""Price lists of Fatture in Cloud: which there are, and what products cost in one."""

from __future__ import annotations

from typing import Any

from connector import Caller, Search, fatture, finding, schema

list_price_lists = fatture.choices(
    "list_price_lists",
    "getPriceLists",
    noun="Price list",
    label="List Price Lists",
    description="Lists the price lists of a company.",
    path="/c/{company_id}/price_lists",
    output="price_list_search",
    scopes=("products:r",),
)

_NO_PRICES: tuple[Any, ...] = ({"data": {}}, {"data": []}, {"data": None})


async def _items(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """The answer is no list: it maps the id of each product to its price."""
    company = finding.number(caller, inputs, "company_id")
    path = f"/c/{company}/price_lists/{inputs['price_list_id']}/items"
    answer = await caller.request("GET", path)
    told = {} if answer in _NO_PRICES else finding.record_in(answer)
    wanted = str(inputs.get("product_id") or "")
    rows = [
        {"id": finding.whole(product), **(price or {})}
        for product, price in told.items()
        if product.isdecimal() and (not wanted or product == wanted)
    ]
    return fatture.chosen(sorted(rows, key=lambda row: row["id"]), inputs)


list_price_list_items = Search(
    app=fatture.APP,
    key="list_price_list_items",
    noun="Price list",
    label="List Prices of a Price List",
    description="Gives the price of each product in a price list, or of one product.",
    docs_url=fatture.DOCS,
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/price_list_choice"),
        schema("fatture_in_cloud/price_list_product"),
        schema("fatture_in_cloud/list_options"),
    ),
    run=_items,
    output=schema("fatture_in_cloud/price_list_item_search"),
    scopes=("products:r",),
    summary="{{ output.count }} prices",
    operations=("getPriceListItems",),
)
