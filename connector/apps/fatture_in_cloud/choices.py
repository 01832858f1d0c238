"""The lists that values are chosen from: settings of a company, its records, the app's own tables.

Source: facts on Fatture in Cloud §1.7, §3, §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector import finding
from connector.apps.fatture_in_cloud.invoices.choosing import vat_type
from connector.apps.fatture_in_cloud.invoices.totals import decimal_of
from connector.errors import ConnectorError
from connector.model import Caller, ChoiceSource, Json, Request

_C = "/c/{company_id}"
_DAY = 24 * 3_600.0


def sources() -> Mapping[str, ChoiceSource]:
    """Every list, by the key that schemas name in `x-choices`."""
    return {**_settings(), **_records(), **_names(), **_tables()}


def finds(*columns: str) -> Callable[[str], str]:
    """Writes a list filter that finds a text in one of these columns."""

    def write(text: str) -> str:
        # A quote is doubled in this language; a backslash means nothing.
        held = text.replace("'", "''")
        return " or ".join(f"{column} contains '{held}'" for column in columns)

    return write


async def companies(caller: Caller, inputs: dict[str, Any]) -> list[Any]:
    """The companies of a token, an accountant's clients among them, by what names them only."""
    answer = await caller.request("GET", "/user/companies")
    every = finding.record_in(answer).get("companies") or []
    pairs = [
        (one, top["name"] if one is not top else "")
        for top in every
        for one in (top, *(top.get("controlled_companies") or []))
    ]
    # Each may carry a credential of the old API: nothing but what names it goes on.
    kept = ("id", "name", "vat_number", "tax_code")
    return [{**{key: one.get(key) for key in kept}, "through": name} for one, name in pairs]


async def company_names(caller: Caller) -> dict[str, Json]:
    """What the companies of a token are called, for the settings of its connection."""
    try:
        found = await companies(caller, {})
    except ConnectorError:
        # Names are for people: a connection works without them.
        return {}
    names = {str(one["id"]): str(one["name"]) for one in found if one["id"] and one["name"]}
    return {"account_names": names}


def _get(path: str, **query: str) -> Request:
    return Request(method="GET", path=path, query=query)


def _settings() -> dict[str, ChoiceSource]:
    return {
        "companies": ChoiceSource(
            title="companies",
            read=companies,
            also=("{{ row.vat_number }}", "{{ row.tax_code }}"),
        ),
        "vat_types": ChoiceSource(
            title="VAT types",
            request=_get(f"{_C}/info/vat_types"),
            label="{{ row.value }}% {{ row.description }}",
            also=(
                "{{ row.value }}%",
                "{{ row.value }}",
                "{{ row.description }}",
                "{{ row.ei_type }}",
            ),
            unless="is_disabled",
            scopes=("settings:r",),
        ),
        "payment_methods": ChoiceSource(
            title="payment methods", request=_get(f"{_C}/info/payment_methods")
        ),
        "payment_accounts": ChoiceSource(
            title="payment accounts",
            request=_get(f"{_C}/info/payment_accounts"),
            also=("{{ row.iban }}",),
        ),
        # Where a name is asked for, the name is what is chosen.
        "vat_texts": ChoiceSource(
            title="VAT types",
            read=_vat_texts,
            value="text",
            label="{{ row.value }}% {{ row.description }}",
            also=("{{ row.value }}", "{{ row.ei_type }}"),
            needs=("company_id",),
            open=True,
            scopes=("settings:r",),
        ),
        "payment_method_names": ChoiceSource(
            title="payment methods",
            request=_get(f"{_C}/info/payment_methods"),
            value="name",
            open=True,
        ),
        "payment_account_names": ChoiceSource(
            title="payment accounts",
            request=_get(f"{_C}/info/payment_accounts"),
            value="name",
            also=("{{ row.iban }}",),
            open=True,
        ),
        "templates": ChoiceSource(title="templates", read=_templates, needs=("company_id",)),
    }


async def _vat_texts(caller: Caller, inputs: dict[str, Any]) -> list[Any]:
    """The VAT types that a text names, each with that text; of the others only an id tells."""
    answer = await caller.request("GET", f"/c/{inputs['company_id']}/info/vat_types")
    types = finding.rows_in(answer)
    named = []
    for one in types:
        rate, words = f"{decimal_of(one.get('value')).normalize():f}%", one.get("description")
        for text in (words, rate) if words else (rate,):
            found, _ = vat_type(types, text, None, "")
            if found is not None and found is one:
                named.append({**found, "text": text})
                break
    return named


async def _templates(caller: Caller, inputs: dict[str, Any]) -> list[Any]:
    """The company's own templates before those that everybody has."""
    own = await caller.request("GET", f"/c/{inputs['company_id']}/settings/templates")
    common = await caller.request("GET", "/info/templates", query={"type": "all"})
    return [row for told in (own, common) for row in finding.rows_in(told)]


def _records() -> dict[str, ChoiceSource]:
    people = ("name", "vat_number", "tax_code", "code")
    found = {
        "clients": (f"{_C}/entities/clients", people, "entity.clients:r"),
        "suppliers": (f"{_C}/entities/suppliers", people, "entity.suppliers:r"),
        "products": (f"{_C}/products", ("name", "code"), "products:r"),
    }
    return {
        key: ChoiceSource(
            title=key,
            request=_get(path, q="{search}", page="{page}", per_page="100"),
            also=tuple(f"{{{{ row.{column} }}}}" for column in columns[1:]),
            page_size=100,
            searched=True,
            search_filter=finds(*columns),
            seconds=60,
            scopes=(scope,),
            found_by=f"find_{key.removesuffix('s')}",
        )
        for key, (path, columns, scope) in found.items()
    }


def _names() -> dict[str, ChoiceSource]:
    """Lists of plain names; a name that is not there yet is made by using it."""
    categories = f"{_C}/info/product_categories"
    lists = {
        "revenue_centers": ("revenue centres", _get(f"{_C}/info/revenue_centers")),
        "cost_centers": ("cost centres", _get(f"{_C}/info/cost_centers")),
        "product_categories": ("product categories", _get(categories, context="products")),
        "item_categories": ("categories of lines", _get(categories, context="issued_documents")),
        "expense_categories": (
            "categories of expenses",
            _get(f"{_C}/info/received_document_categories"),
        ),
        "archive_categories": ("categories of the archive", _get(f"{_C}/info/archive_categories")),
    }
    found = {
        key: ChoiceSource(title=title, request=request, value="", open=True)
        for key, (title, request) in lists.items()
    }
    found["numerations"] = ChoiceSource(
        title="numerations",
        read=_numerations,
        value="",
        needs=("company_id", "data.type"),
        open=True,
    )
    return found


async def _numerations(caller: Caller, inputs: dict[str, Any]) -> list[Any]:
    """The series of numbers in use; the ordinary one has no name and is left out."""
    data = inputs.get("data")
    kind = data.get("type") if isinstance(data, dict) else None
    path = f"/c/{inputs['company_id']}/issued_documents/info"
    answer = await caller.request("GET", path, query={"type": str(kind)})
    years = finding.record_in(answer).get("numerations") or {}
    series = {name for year in years.values() for name in year if name}
    return sorted(series)


def _tables() -> dict[str, ChoiceSource]:
    detailed = _get("/info/detailed_countries")
    return {
        "countries": ChoiceSource(
            title="countries",
            request=detailed,
            value="name",
            also=("{{ row.iso }}",),
            open=True,
            seconds=_DAY,
        ),
        "country_codes": ChoiceSource(
            title="countries", request=detailed, value="iso", open=True, seconds=_DAY
        ),
        "currencies": ChoiceSource(
            title="currencies",
            request=_get("/info/currencies"),
            label="{{ row.id }} {{ row.symbol }}",
            also=("{{ row.symbol }}",),
            open=True,
            seconds=_DAY,
        ),
        "languages": ChoiceSource(
            title="languages",
            request=_get("/info/languages"),
            value="code",
            open=True,
            seconds=_DAY,
        ),
    }
