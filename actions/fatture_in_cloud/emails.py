"""E-mails that Fatture in Cloud has sent for a company."""

from __future__ import annotations

from typing import Any

from connector import Caller, Search, fatture, finding, schema

# Which columns this list filters by is not documented, so that its rows are compared here.
_COLUMNS = fatture.criteria(
    to_email="to_email contains",
    subject_contains="subject contains",
    status="status =",
    sent_from="sent_date >=",
    sent_to="sent_date <=",
)


async def _list(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    path = f"/c/{finding.number(caller, inputs, 'company_id')}/emails"
    given = dict(inputs)
    if given.get("sent_to"):
        given["sent_to"] = f"{given['sent_to']} 23:59:59"
    limit = int(inputs.get("limit") or fatture.DEFAULT_LIMIT)
    rows: list[dict[str, Any]] = []
    async for row in finding.pages(caller, path, {"per_page": "100"}):
        if fatture.fits(_COLUMNS, given, row):
            rows.append(dict(row))
        if len(rows) > limit:
            break
    return fatture.chosen(rows, inputs)


list_emails = Search(
    app=fatture.APP,
    key="list_emails",
    noun="E-mail",
    label="List E-Mails",
    description="Lists the e-mails that were sent, with what became of them.",
    docs_url=fatture.DOCS,
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/email_criteria"),
        schema("fatture_in_cloud/list_options"),
    ),
    run=_list,
    output=schema("fatture_in_cloud/email_search"),
    scopes=("emails:r",),
    summary="{{ output.count }} found",
    operations=("listEmails",),
)
