"""Products of Fatture in Cloud."""

from __future__ import annotations

from connector import Identity, Request, fatture, finding

_PRODUCT = fatture.Resource(
    noun="Product",
    plural="Products",
    key="product",
    path="/c/{company_id}/products",
    schema="product",
    read=("products:r",),
    write=("products:a",),
    title="{{ output.id }}: {{ output.name }}",
)

# A product without a code is known by its name; one of the same name with another code is another.
_KEYS: dict[str, finding.Same] = {"code": finding.plain, "name": finding.plain}

_IDENTITY = Identity(
    record_id="data.id",
    natural_key=("data.code", "data.name"),
    same_as=("create_product", "ensure_product"),
    find="find_product",
    by={"company_id": "company_id", "code": "data.code", "name": "data.name"},
    alike={"company_id": "company_id", "name": "data.name"},
    read=Request(
        method="GET", path="/c/{company_id}/products/{id}", query={"fieldset": "detailed"}
    ),
    when_unsure="resend_once",
)

get_product = _PRODUCT.get("getProduct")
list_products = _PRODUCT.list(
    "listProducts",
    fatture.criteria(
        name="name =",
        name_contains="name contains",
        name_starts_with="name starts with",
        code="code =",
        category="category =",
        in_stock="in_stock =",
        net_price_from="net_price >=",
        net_price_to="net_price <=",
        created_from="created_at >=",
        created_to="created_at <=",
        updated_from="updated_at >=",
        updated_to="updated_at <=",
    ),
)
find_product = _PRODUCT.find(
    "listProducts",
    _KEYS,
    what="Finds products by your code, or else by their name. Only exact matches count.",
)
create_product = _PRODUCT.create("createProduct", require=("data.name",), identity=_IDENTITY)
ensure_product = _PRODUCT.ensure(
    ("createProduct", "listProducts", "getProduct", "modifyProduct"), _KEYS, identity=_IDENTITY
)
update_product = _PRODUCT.update("modifyProduct", "getProduct")
delete_product = _PRODUCT.delete("deleteProduct")
