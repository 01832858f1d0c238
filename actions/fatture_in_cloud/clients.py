"""Clients of Fatture in Cloud."""

from __future__ import annotations

from connector import Action, Identity, Request, fatture, finding, schema

_CLIENT = fatture.Resource(
    noun="Client",
    plural="Clients",
    key="client",
    path="/c/{company_id}/entities/clients",
    schema="client",
    read=("entity.clients:r",),
    write=("entity.clients:a",),
    title="{{ output.id }}: {{ output.name }}",
)

# The strongest first; a weaker key is used only when no stronger one is given.
_KEYS: dict[str, finding.Same] = {
    "code": finding.plain,
    "vat_number": finding.vat,
    "tax_code": finding.plain,
    "email": finding.plain,
}

_IDENTITY = Identity(
    record_id="data.id",
    natural_key=("data.code", "data.vat_number", "data.tax_code"),
    same_as=("create_client", "ensure_client"),
    find="find_client",
    by={
        "company_id": "company_id",
        "code": "data.code",
        "vat_number": "data.vat_number",
        "tax_code": "data.tax_code",
        "email": "data.email",
        "name": "data.name",
    },
    alike={"company_id": "company_id", "name": "data.name"},
    read=Request(
        method="GET",
        path="/c/{company_id}/entities/clients/{id}",
        query={"fieldset": "detailed"},
    ),
    when_unsure="resend_once",
)

get_client = _CLIENT.get("getClient")
list_clients = _CLIENT.list(
    "listClients",
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
find_client = _CLIENT.find(
    "listClients",
    {**_KEYS, "name": finding.plain},
    what=(
        "Finds clients by the strongest key given: your code, VAT number, tax code, e-mail, name. "
        "Only exact matches count; capitals, spaces and the IT of a VAT number do not matter."
    ),
)

create_client = Action(
    app="fatture_in_cloud",
    key="create_client",
    noun="Client",
    label="Create Client",
    description="Adds a client to a company.",
    docs_url="https://developers.fattureincloud.it/docs/guides/client-creation/",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/client", "data", require=("data.name",)),
    ),
    request=Request(method="POST", path="/c/{company_id}/entities/clients", wrap=("data",)),
    result="data",
    output=schema("fatture_in_cloud/client"),
    identity=_IDENTITY,
    scopes=("entity.clients:a",),
    summary="Client {{ output.id }}: {{ input.data.name }}",
    operations=("createClient", "listClients"),
)
ensure_client = _CLIENT.ensure(
    ("createClient", "listClients", "getClient", "modifyClient"),
    _KEYS,
    identity=_IDENTITY.model_copy(update={"natural_key": tuple(f"data.{key}" for key in _KEYS)}),
)
update_client = _CLIENT.update("modifyClient", "getClient")
delete_client = _CLIENT.delete("deleteClient", what="for good")
