"""Suppliers of Fatture in Cloud."""

from __future__ import annotations

from connector import Identity, Request, fatture, finding

_SUPPLIER = fatture.Resource(
    noun="Supplier",
    plural="Suppliers",
    key="supplier",
    path="/c/{company_id}/entities/suppliers",
    schema="supplier",
    read=("entity.suppliers:r",),
    write=("entity.suppliers:a",),
    title="{{ output.id }}: {{ output.name }}",
)

_KEYS: dict[str, finding.Same] = {
    "code": finding.plain,
    "vat_number": finding.vat,
    "tax_code": finding.plain,
    "email": finding.plain,
}

_IDENTITY = Identity(
    record_id="data.id",
    natural_key=("data.code", "data.vat_number", "data.tax_code"),
    same_as=("create_supplier", "ensure_supplier"),
    find="find_supplier",
    by={"company_id": "company_id", "name": "data.name", **{key: f"data.{key}" for key in _KEYS}},
    alike={"company_id": "company_id", "name": "data.name"},
    read=Request(
        method="GET",
        path="/c/{company_id}/entities/suppliers/{id}",
        query={"fieldset": "detailed"},
    ),
    when_unsure="resend_once",
)

get_supplier = _SUPPLIER.get("getSupplier")
list_suppliers = _SUPPLIER.list(
    "listSuppliers",
    fatture.criteria(
        name="name =",
        name_contains="name contains",
        name_starts_with="name starts with",
        code="code =",
        vat_number="vat_number =",
        tax_code="tax_code =",
        email="email =",
        certified_email="certified_email =",
        city="address_city =",
        country="country =",
        created_from="created_at >=",
        created_to="created_at <=",
        updated_from="updated_at >=",
        updated_to="updated_at <=",
    ),
)
find_supplier = _SUPPLIER.find(
    "listSuppliers",
    {**_KEYS, "name": finding.plain},
    what=(
        "Finds suppliers by the strongest key given: your code, VAT number, tax code, e-mail, "
        "name. Only exact matches count; capitals, spaces and the IT of a VAT number do not matter."
    ),
)
create_supplier = _SUPPLIER.create("createSupplier", require=("data.name",), identity=_IDENTITY)
ensure_supplier = _SUPPLIER.ensure(
    ("createSupplier", "listSuppliers", "getSupplier", "modifySupplier"),
    _KEYS,
    identity=_IDENTITY.model_copy(update={"natural_key": tuple(f"data.{key}" for key in _KEYS)}),
)
update_supplier = _SUPPLIER.update("modifySupplier", "getSupplier")
delete_supplier = _SUPPLIER.delete("deleteSupplier")
