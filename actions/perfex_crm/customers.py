"""Customers of Perfex CRM: create one, change one, find one."""

from __future__ import annotations

import re
from typing import Any

from connector import Action, Caller, Identity, Missing, Request, Search, finding, schema

_DOCS = "https://perfexcrm.themesic.com/apiguide/"
MAX_PAGES = 100
"""A server that always says there is more must not keep a run for ever."""
_SAFE = re.compile(r"[A-Za-z0-9_-]+")

# The strongest first; a weaker key is used only when no stronger one is given.
_KEYS: dict[str, finding.Same] = {
    "vat": finding.vat,
    "company": finding.plain,
    "phonenumber": finding.plain,
}


def _term(value: str) -> str:
    """The longest part of a value that every release takes in a path.

    The search looks for any part, so that a part of the value finds all that the whole would; what
    else it finds is dropped afterwards. Spaces, slashes and accents are refused in paths.
    """
    parts = _SAFE.findall(value)
    return max(parts, key=len) if parts else ""


async def _rows(caller: Caller, term: str, value: str) -> list[dict[str, Any]]:
    """What the search gives, over all its pages; no match is a 404 of its own kind."""
    path = f"/customers/search/{term}" if term else "/customers/search"
    query = {} if term else {"q": value}
    rows: list[dict[str, Any]] = []
    for page in range(1, MAX_PAGES + 1):
        asked = {**query, "page": str(page)} if page > 1 else query
        try:
            answer = await caller.request("GET", path, query=asked)
        except Missing:
            return rows
        if isinstance(answer, list):
            return [*rows, *answer]
        found = answer.get("data", [answer] if "userid" in answer else [])
        rows += found
        if not found or not (answer.get("meta") or {}).get("has_more"):
            return rows
    return rows


async def _by_id(caller: Caller, customer: int) -> dict[str, Any]:
    try:
        answer = await caller.request("GET", f"/customers/{customer}")
    except Missing:
        return finding.found([], "userid")
    # Some releases wrap it.
    row = answer if "userid" in answer else answer.get("data") or {}
    return finding.found([row] if row.get("userid") else [], "userid")


async def _find(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    if inputs.get("customer_id") not in (None, ""):
        return await _by_id(caller, finding.number(caller, inputs, "customer_id"))
    key, value = finding.strongest(inputs, _KEYS)
    rows = await _exactly(caller, key, value)
    company = inputs.get("company")
    if not rows and key == "vat" and company:
        # A customer that was made without its VAT number is the same one; one of this name with
        # another VAT number is another company.
        rows = [one for one in await _exactly(caller, "company", company) if not one.get("vat")]
    return finding.found(rows, "userid")


async def _exactly(caller: Caller, key: str, value: str) -> list[dict[str, Any]]:
    same = _KEYS[key]
    # The digits of a VAT number are in it with and without the country letters.
    term = _term(same(value).upper() if key == "vat" else value)
    rows = await _rows(caller, term, value)
    return [row for row in rows if same(row.get(key)) == same(value)]


find_customer = Search(
    app="perfex_crm",
    key="find_customer",
    noun="Customer",
    label="Find Customer",
    description=(
        "Finds active customers by the strongest key given: id, VAT number, company, phone. Only "
        "exact matches count; capitals, spaces and the IT of a VAT number do not matter. Where "
        "nobody has the VAT number, one of the same name without any is found."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_customer"),),
    output=schema("perfex_crm/customer_search"),
    run=_find,
    scopes=("customers:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.company if output.found else '' }}",
)

create_customer = Action(
    app="perfex_crm",
    key="create_customer",
    noun="Customer",
    label="Create Customer",
    description="Adds a customer. Its e-mail addresses belong to contacts, not to it.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/customer", "data", require=("data.company",)),),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/customers", root="data", encoding="form"),
    output=schema("perfex_crm/customer_written"),
    identity=Identity(
        record_id="record_id",
        natural_key=("data.vat",),
        find="find_customer",
        by={"vat": "data.vat", "company": "data.company"},
        alike={"company": "data.company"},
        read=Request(method="GET", path="/customers/{id}"),
        own_id="userid",
        made_at="datecreated",
        when_unsure="resend_once",
    ),
    scopes=("customers:create",),
    summary="Customer {{ output.id }}: {{ input.data.company }}",
)

update_customer = Action(
    app="perfex_crm",
    key="update_customer",
    noun="Customer",
    label="Update Customer",
    description="Changes the given fields of a customer and leaves the others as they are.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/customer_choice"), schema("perfex_crm/customer", "data")),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/customers/{customer_id}", root="data"),
    output=schema("perfex_crm/customer_changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_customer",
        by={"customer_id": "customer_id"},
        shows="data",
        read=Request(method="GET", path="/customers/{customer_id}"),
        own_id="userid",
        when_unsure="repeat",
    ),
    scopes=("customers:update", "customers:get"),
    summary="Customer {{ input.customer_id }} changed",
)
