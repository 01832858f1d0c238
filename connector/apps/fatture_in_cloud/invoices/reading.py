"""What a document depends on, read of the vendor: the company's choices, customer, products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices import choosing
from connector.apps.fatture_in_cloud.invoices.compose import FROM_SUPPLIERS, Ground, product_key
from connector.errors import MappingError
from connector.model import Caller

PER_PAGE = "100"
"""The most that a list gives; below 5 it refuses."""
IDS_AT_ONCE = 40
"""How many ids or codes one address asks for."""

_KEYS: Mapping[str, finding.Same] = {
    "code": finding.plain,
    "vat_number": finding.vat,
    "tax_code": finding.plain,
    "email": finding.plain,
}


async def read_ground(caller: Caller, company: int, given: Mapping[str, Any]) -> Ground:
    """Everything that `compose` needs. Raises ApiError, and MappingError for whom is not found."""
    kind = str(given.get("type") or "invoice")
    info = await caller.request("GET", f"/c/{company}/issued_documents/info", query={"type": kind})
    return Ground(
        info=finding.record_in(info),
        customer=await _customer(caller, company, kind, given),
        products=await _products(caller, company, given.get("items_list") or ()),
    )


def quoted(text: Any) -> str:
    """A value of the list filter, where a quote is doubled."""
    return "'" + str(text).replace("'", "''") + "'"


async def _customer(
    caller: Caller, company: int, kind: str, given: Mapping[str, Any]
) -> dict[str, Any] | None:
    entity, how = given.get("entity") or {}, given.get("customer_lookup") or "if_found"
    if how == "never":
        return None
    table = "suppliers" if kind in FROM_SUPPLIERS else "clients"
    path = f"/c/{company}/entities/{table}"
    if entity.get("id") not in (None, ""):
        number = finding.number(caller, {"data.entity.id": entity["id"]}, "data.entity.id")
        answer = await caller.request("GET", f"{path}/{number}", query={"fieldset": "detailed"})
        return finding.record_in(answer)
    asked = {key: str(entity[key]).strip() for key in _KEYS if entity.get(key) not in (None, "")}
    if len(asked) > 1:
        # An accountant's e-mail stands at many customers: beside a number it proves nothing.
        asked.pop("email", None)
    for key, value in asked.items():
        found = await _by_key(caller, path, key, value)
        if len(found) > 1:
            ids = ", ".join(str(one["id"]) for one in found[:5])
            raise MappingError(
                f"Several customers have this {key.replace('_', ' ')}: {ids}.",
                field=f"data.entity.{key}",
                value_type="text",
                remedy="Give the id of the one that is meant.",
            )
        if found:
            return found[0]
    if how == "required":
        key = next(iter(asked), "id")
        raise MappingError(
            "This customer is not in Fatture in Cloud.",
            field=f"data.entity.{key}",
            remedy="Create the customer in an earlier step, or let the data given here be used.",
        )
    return None


async def _by_key(caller: Caller, path: str, key: str, value: str) -> list[dict[str, Any]]:
    same = _KEYS[key]
    spellings = [value, value.upper(), value.lower()]
    if key == "vat_number":
        number = finding.vat(value).upper()
        spellings = [value, number, *([f"IT{number}"] if number.isdecimal() else [])]
    q = " or ".join(f"{key} = {quoted(text)}" for text in dict.fromkeys(spellings))
    query = {"q": q, "fieldset": "detailed", "per_page": PER_PAGE}
    rows = [row async for row in finding.pages(caller, path, query)]
    found = {row["id"]: dict(row) for row in rows if same(row.get(key)) == same(value)}
    return [found[id_] for id_ in sorted(found)]


async def _products(
    caller: Caller, company: int, lines: Sequence[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    ids = dict.fromkeys(
        str(row["product_id"]).strip() for row in lines if row.get("product_id") not in (None, "")
    )
    codes = dict.fromkeys(
        str(row["product_code"]).strip()
        for row in lines
        if row.get("product_id") in (None, "") and row.get("product_code") not in (None, "")
    )
    asked = [f"id = {one}" for one in ids if one.isascii() and one.isdecimal()]
    asked += [f"code = {quoted(one)}" for one in codes]
    found: dict[str, Mapping[str, Any]] = {}
    for part in _parts(asked):
        query = {"q": " or ".join(part), "fieldset": "detailed", "per_page": PER_PAGE}
        async for row in finding.pages(caller, f"/c/{company}/products", query):
            found[product_key("id", row["id"])] = row
            _add_code(found, row, codes)
    return found


def _add_code(
    found: dict[str, Mapping[str, Any]], row: Mapping[str, Any], codes: Iterable[str]
) -> None:
    key = product_key("code", row.get("code"))
    other = found.get(key)
    wanted = any(choosing.plain(one) == choosing.plain(row.get("code")) for one in codes)
    if wanted and other is not None and other["id"] != row["id"]:
        raise MappingError(
            f"Two products have the code {row.get('code')!r}: {other['id']} and {row['id']}.",
            field="data.items_list",
            value_type="text",
            remedy="Give the id of the one that is meant (product_id).",
        )
    found[key] = row


def _parts(asked: Sequence[str]) -> Iterable[Sequence[str]]:
    return (asked[at : at + IDS_AT_ONCE] for at in range(0, len(asked), IDS_AT_ONCE))
