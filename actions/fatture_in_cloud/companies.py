"""Companies of Fatture in Cloud, their plan, and the user behind a connection."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector import Caller, Search, fatture, finding, schema

# A long-lived key of each company lies in the app's answer: nothing but these is taken from it.
_SHOWN = (
    "id",
    "name",
    "type",
    "tax_code",
    "vat_number",
    "fic_plan",
    "fic_license_expire",
    "connection_id",
)


def _company(told: dict[str, Any], controlled_by: int | None) -> dict[str, Any]:
    return {**{name: told.get(name) for name in _SHOWN}, "controlled_by": controlled_by}


async def _list(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """An accountant's clients stand beside the accountant: their ids are companies like any."""
    told = finding.record_in(await caller.request("GET", "/user/companies")).get("companies")
    rows = []
    for company in told or []:
        rows.append(_company(company, None))
        below = company.get("controlled_companies") or []
        rows += [_company(one, company.get("id")) for one in below]
    wanted = finding.plain(inputs.get("search"))
    words = ("name", "tax_code", "vat_number", "id")
    kept = [
        row for row in rows if wanted in finding.plain(" ".join(str(row[name]) for name in words))
    ]
    return fatture.chosen(kept, inputs)


async def _usage(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    path = f"/c/{finding.number(caller, inputs, 'company_id')}/company/plan_usage"
    query = {"category": str(inputs["category"])}
    told = finding.record_in(await caller.request("GET", path, query=query))
    limit, usage = (told.get(name) for name in ("limit", "usage"))
    left = None if None in (limit, usage) else Decimal(str(limit)) - Decimal(str(usage))
    return {"limit": limit, "usage": usage, "left": left}


list_companies = Search(
    app=fatture.APP,
    key="list_companies",
    noun="Company",
    label="List Companies",
    description="Lists the companies that the connection reaches, an accountant's clients too.",
    docs_url=fatture.DOCS,
    inputs=(schema("fatture_in_cloud/list_search"), schema("fatture_in_cloud/list_options")),
    run=_list,
    output=schema("fatture_in_cloud/company_search"),
    summary="{{ output.count }} found",
    operations=("listUserCompanies",),
)
get_user = fatture.reading(
    "get_user",
    "getUserInfo",
    noun="User",
    label="Get User",
    description="Reads who gave the consent of this connection.",
    path="/user/info",
    inputs=(),
    output="user",
    summary="{{ output.name }}",
)
get_company_info = fatture.reading(
    "get_company_info",
    "getCompanyInfo",
    noun="Company",
    label="Get Company Info",
    description="Reads a company's plan, what the plan allows, and what we may do in it.",
    path="/c/{company_id}/company/info",
    output="company_info",
    summary="{{ output.name }}: {{ output.fic_plan_name }}",
)
get_plan_usage = Search(
    app=fatture.APP,
    key="get_plan_usage",
    noun="Company",
    label="Get Plan Usage",
    description="Tells how much of its plan a company has used: at the limit nothing can be made.",
    docs_url=fatture.DOCS,
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/plan_category")),
    run=_usage,
    output=schema("fatture_in_cloud/plan_usage"),
    summary="{{ output.usage }} of {{ output.limit }}",
    operations=("getCompanyPlanUsage",),
)
