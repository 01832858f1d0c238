"""Leads of Perfex CRM."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.resources import LEADS
from connector.apps.perfex_crm.writing import (
    CLEAR,
    WHEN_FOUND,
    changing,
    creating,
    ensuring,
    removing,
)

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

find_lead = Search(
    app="perfex_crm",
    key="find_lead",
    noun="Lead",
    label="Find Lead",
    description=(
        "Finds leads by the strongest key given: id, e-mail, phone, name, company. "
        "Only exact matches count; capitals and spaces do not matter."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_lead"),),
    output=schema("perfex_crm/lead_search"),
    demands=finding.needs_one("lead_id", "email", "phonenumber", "name", "company"),
    run=LEADS.find,
    scopes=("leads:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.name if output.found else '' }}",
)

list_leads = Search(
    app="perfex_crm",
    key="list_leads",
    noun="Lead",
    label="List Leads",
    description="Gives leads, all of them or those of a status, source or staff member.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_leads"),),
    output=schema("perfex_crm/lead_search"),
    run=LEADS.listed,
    scopes=("leads:get",),
    summary="{{ output.count }} listed",
)

get_lead = Search(
    app="perfex_crm",
    key="get_lead",
    noun="Lead",
    label="Get Lead",
    description="Reads one lead by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/lead_choice"),),
    output=schema("perfex_crm/lead"),
    run=LEADS.get,
    scopes=("leads:get",),
    summary="{{ output.name }}",
)

create_lead = Action(
    app="perfex_crm",
    key="create_lead",
    noun="Lead",
    label="Create Lead",
    description="Adds a lead. One with the same e-mail is used instead, if it is there already.",
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/lead",
            "data",
            require=(
                "data.name",
                "data.source",
                "data.status",
                "data.assigned",
            ),
        ),
    ),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/leads", root="data", encoding="form"),
    prepare=creating("leads"),
    output=schema("perfex_crm/written"),
    identity=Identity(
        record_id="record_id",
        natural_key=("data.email",),
        same_as=("create_lead", "ensure_lead"),
        find="find_lead",
        by={"email": "data.email", "phonenumber": "data.phonenumber", "name": "data.name"},
        read=Request(method="GET", path="/leads/{id}"),
        made_at="dateadded",
        when_unsure="resend_once",
    ),
    scopes=("leads:create",),
    summary="Lead {{ output.id }}: {{ input.data.name }}",
)

update_lead = Action(
    app="perfex_crm",
    key="update_lead",
    noun="Lead",
    label="Update Lead",
    description="Changes the given fields of a lead and leaves the others as they are.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/lead_choice"), schema("perfex_crm/lead", "data"), CLEAR),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/leads/{lead_id}", root="data"),
    prepare=changing(LEADS, "leads"),
    output=schema("perfex_crm/changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_lead",
        by={"lead_id": "lead_id"},
        shows="data",
        read=Request(method="GET", path="/leads/{lead_id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("leads:update", "leads:get"),
    summary="Lead {{ input.lead_id }} changed",
)

ensure_lead = Action(
    app="perfex_crm",
    key="ensure_lead",
    noun="Lead",
    label="Ensure Lead",
    description=(
        "Changes the one lead with this e-mail, phone or name, the strongest that is given; where "
        "there is none, it is created, and where several fit, nothing is written."
    ),
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/lead",
            "data",
            require=(
                "data.name",
                "data.source",
                "data.status",
                "data.assigned",
            ),
        ),
        WHEN_FOUND,
    ),
    request=Request(method="POST", path="/leads", root="data", encoding="form"),
    prepare=ensuring(
        LEADS,
        "leads",
        {"email": "email", "phonenumber": "phonenumber", "name": "name"},
        "/leads/{id}",
    ),
    output=schema("perfex_crm/lead"),
    identity=Identity(
        record_id="",
        natural_key=("data.email", "data.phonenumber", "data.name"),
        same_as=("create_lead", "ensure_lead"),
        find="find_lead",
        by={"email": "data.email", "phonenumber": "data.phonenumber", "name": "data.name"},
        shows="data",
        gives="record",
        ensures=True,
        read=Request(method="GET", path="/leads/{id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("leads:search", "leads:get", "leads:create", "leads:update"),
    summary="Lead {{ output.id }}: {{ input.data.name }}",
)

delete_lead = Action(
    app="perfex_crm",
    key="delete_lead",
    noun="Lead",
    label="Delete Lead",
    description="Deletes a lead for good.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/lead_choice"),),
    request=Request(method="DELETE", path="/leads/{lead_id}"),
    prepare=removing(LEADS),
    output=schema("perfex_crm/deleted"),
    removes="lead_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("lead_id",), when_unsure="repeat"),
    scopes=("leads:delete", "leads:get"),
    summary=("Lead {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"),
)
