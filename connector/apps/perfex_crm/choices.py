"""The lists that values are chosen from. Source: facts on Perfex CRM §4, §7, §10.

Countries and languages are tables of ours, as the API has no list of them. Nor has it one of
currencies, customer groups, lead sources and lead statuses: these are given by their ids.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from connector import finding
from connector.apps.perfex_crm.countries import ISO, LANGUAGES
from connector.errors import Missing
from connector.model import Caller, Choice, ChoiceSource

Read = Callable[[Caller, dict[str, Any]], Awaitable[list[Any]]]
_DAY = 24 * 3_600.0


def sources() -> Mapping[str, ChoiceSource]:
    """Every list, by the key that schemas name in `x-choices`."""
    return {
        "countries": ChoiceSource(
            title="countries",
            read=_countries,
            label="{{ row.name }}",
            also=("{{ row.iso }}", "{{ row.italian }}"),
            seconds=_DAY,
        ),
        "languages": ChoiceSource(
            title="languages",
            fixed=tuple(
                Choice(value=name, label=f"{name.replace('_', ' ').capitalize()} ({code})")
                for code, name in LANGUAGES.items()
            ),
            open=True,
        ),
        "payment_modes": _common("payment modes", "payment_mode"),
        "taxes": _common("taxes", "tax_data", "{{ row.taxrate }}%"),
        "expense_categories": _common("categories of expenses", "expense_category"),
        "customers": _records("customers", "userid", "company", "vat", found_by="find_customer"),
        "invoices": _records("invoices", "id", "number", found_by="find_invoice"),
        "items": _records("items", "id", "description", found_by="find_item"),
        "leads": _records("leads", "id", "name", "email", found_by="find_lead"),
        "projects": _records("projects", "id", "name", found_by="find_project"),
        "staff": _records("staff", "staffid", "lastname", "email", path="staffs"),
    }


async def _countries(caller: Caller, inputs: dict[str, Any]) -> list[Any]:
    """Nothing is asked: the table is that of a new installation."""
    from babel import Locale

    english, italian = Locale("en").territories, Locale("it").territories
    return [
        {"id": number, "iso": iso, "name": english.get(iso, iso), "italian": italian.get(iso, iso)}
        for number, iso in enumerate(ISO, start=1)
    ]


def _common(title: str, kind: str, *also: str) -> ChoiceSource:
    return ChoiceSource(
        title=title,
        read=_rows(f"/common/{kind}"),
        also=also,
        # Some fields take these ids as text, where a name could not be told from one.
        open=True,
        scopes=("common:get",),
    )


def _records(
    title: str, own_id: str, name: str, *also: str, path: str = "", found_by: str = ""
) -> ChoiceSource:
    return ChoiceSource(
        title=title,
        read=_search(path or title),
        value=own_id,
        label=f"{{{{ row.{name} }}}}",
        also=tuple(f"{{{{ row.{one} }}}}" for one in also),
        searched=True,
        seconds=60,
        scopes=(f"{path or title}:search",),
        found_by=found_by,
    )


def _search(path: str) -> Read:
    async def read(caller: Caller, inputs: dict[str, Any]) -> list[Any]:
        term = quote(str(inputs["search"]), safe="")
        return await _rows(f"/{path}/search/{term}")(caller, inputs)

    return read


def _rows(path: str) -> Read:
    async def read(caller: Caller, inputs: dict[str, Any]) -> list[Any]:
        try:
            answer = await caller.request("GET", path)
        except Missing:
            return []  # that is how it says that there are none
        return finding.rows_in(answer, "data" if isinstance(answer, dict) else "")

    return read
