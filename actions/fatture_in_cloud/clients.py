"""Clients of Fatture in Cloud: create one, find one."""

from __future__ import annotations

from typing import Any

from connector import Action, Caller, Identity, Request, Search, finding, schema, updating

_PER_PAGE = "100"  # the most that the list gives; below 5 it refuses

# The strongest first; a weaker key is used only when no stronger one is given.
_KEYS: dict[str, finding.Same] = {
    "code": finding.plain,
    "vat_number": finding.vat,
    "tax_code": finding.plain,
    "email": finding.plain,
    "name": finding.plain,
}


def _spellings(key: str, value: str) -> list[str]:
    """How the list may hold a value: it compares text as it is written."""
    if key == "name":
        return [value]
    if key != "vat_number":
        return [value, value.upper(), value.lower()]
    number = finding.vat(value).upper()
    return [value, number, f"IT{number}"] if number.isdecimal() else [value, number]


def _filter(key: str, value: str) -> str:
    """The list filter in the app's own language, where a quote is doubled."""
    quoted = (text.replace("'", "''") for text in dict.fromkeys(_spellings(key, value)))
    return " or ".join(f"{key} = '{text}'" for text in quoted)


async def _find(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    key, value = finding.strongest(inputs, _KEYS)
    same = _KEYS[key]
    path = f"/c/{finding.number(caller, inputs, 'company_id')}/entities/clients"
    query = {"q": _filter(key, value), "fieldset": "detailed", "per_page": _PER_PAGE}
    rows = [row async for row in finding.pages(caller, path, query)]
    return finding.found(row for row in rows if same(row.get(key)) == same(value))


find_client = Search(
    app="fatture_in_cloud",
    key="find_client",
    noun="Client",
    label="Find Client",
    description=(
        "Finds clients by the strongest key given: your code, VAT number, tax code, e-mail, name. "
        "Only exact matches count; capitals, spaces and the IT of a VAT number do not matter."
    ),
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/find_client")),
    output=schema("fatture_in_cloud/client_search"),
    run=_find,
    scopes=("entity.clients:r",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.name if output.found else '' }}",
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
    identity=Identity(
        record_id="data.id",
        natural_key=("data.code", "data.vat_number", "data.tax_code"),
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
    ),
    scopes=("entity.clients:a",),
    summary="Client {{ output.id }}: {{ input.data.name }}",
)

update_client = Action(
    app="fatture_in_cloud",
    key="update_client",
    noun="Client",
    label="Update Client",
    description="Changes the given fields of a client and leaves the others as they are.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/client_choice"),
        schema("fatture_in_cloud/client", "data"),
        *updating.INPUTS,
    ),
    request=Request(
        method="PUT", path="/c/{company_id}/entities/clients/{client_id}", wrap=("data",)
    ),
    prepare=updating.keeping(
        "/c/{company_id}/entities/clients/{client_id}", query={"fieldset": "detailed"}
    ),
    result="data",
    output=schema("fatture_in_cloud/client"),
    identity=Identity(record_id="data.id", natural_key=("client_id",), when_unsure="repeat"),
    scopes=("entity.clients:a",),
    summary="Client {{ output.id }} changed: {{ output.name }}",
    operations=("modifyClient", "getClient"),
)

delete_client = Action(
    app="fatture_in_cloud",
    key="delete_client",
    noun="Client",
    label="Delete Client",
    description="Deletes a client for good. Documents about it stay.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/client_choice")),
    request=Request(method="DELETE", path="/c/{company_id}/entities/clients/{client_id}"),
    output=schema("fatture_in_cloud/deleted"),
    removes="client_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("client_id",), when_unsure="repeat"),
    scopes=("entity.clients:a",),
    summary="Client {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}",
    operations=("deleteClient",),
)
