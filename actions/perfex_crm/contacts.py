"""Contacts of Perfex CRM: the people of a customer, who get no e-mail by surprise."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.people import changed_contact, ensured_contact, new_contact
from connector.apps.perfex_crm.resources import CONTACTS
from connector.apps.perfex_crm.writing import (
    CLEAR,
    WHEN_FOUND,
    changing,
    creating,
    ensuring,
    removing,
)

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

find_contact = Search(
    app="perfex_crm",
    key="find_contact",
    noun="Contact",
    label="Find Contact",
    description=(
        "Finds people by the strongest key given: id, e-mail, phone; of one customer, or of all. "
        "Only exact matches count; capitals and spaces do not matter."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_contact"),),
    output=schema("perfex_crm/contact_search"),
    demands=finding.needs_one("contact_id", "customer_id", "email", "phonenumber"),
    run=CONTACTS.find,
    scopes=("contacts:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.email if output.found else '' }}",
)

list_contacts = Search(
    app="perfex_crm",
    key="list_contacts",
    noun="Contact",
    label="List Contacts",
    description="Gives the people of one customer.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_contacts"),),
    output=schema("perfex_crm/contact_search"),
    run=CONTACTS.listed,
    scopes=("contacts:get",),
    summary="{{ output.count }} listed",
)

get_contact = Search(
    app="perfex_crm",
    key="get_contact",
    noun="Contact",
    label="Get Contact",
    description="Reads one contact by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/contact_choice"),),
    output=schema("perfex_crm/contact"),
    run=CONTACTS.get,
    scopes=("contacts:get",),
    summary="{{ output.email }}",
)

create_contact = Action(
    app="perfex_crm",
    key="create_contact",
    noun="Contact",
    label="Create Contact",
    description=(
        "Adds a person to a customer. The CRM writes to that person only if you ask for it."
    ),
    docs_url=_DOCS,
    inputs=(
        schema("perfex_crm/contact_of"),
        schema(
            "perfex_crm/contact",
            "data",
            require=("data.firstname", "data.lastname", "data.email"),
        ),
        schema("perfex_crm/contact_mail"),
    ),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/contacts", root="data", encoding="form"),
    prepare=creating("contacts", new_contact),
    output=schema("perfex_crm/written"),
    identity=Identity(
        record_id="record_id",
        natural_key=("data.email",),
        same_as=("create_contact", "ensure_contact"),
        find="find_contact",
        by={"customer_id": "customer_id", "email": "data.email"},
        read=Request(method="GET", path="/contacts/{customer_id}/{id}"),
        made_at="datecreated",
        when_unsure="resend_once",
    ),
    scopes=("contacts:create", "contacts:get"),
    summary="Contact {{ output.id }}: {{ input.data.email }}",
)

update_contact = Action(
    app="perfex_crm",
    key="update_contact",
    noun="Contact",
    label="Update Contact",
    description=(
        "Changes the given fields of a person and leaves the others as they are. Nobody is "
        "written to."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/contact_choice"), schema("perfex_crm/contact", "data"), CLEAR),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/contacts/{contact_id}", root="data"),
    prepare=changing(CONTACTS, "contacts", changed_contact),
    output=schema("perfex_crm/changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_contact",
        by={"customer_id": "customer_id", "contact_id": "contact_id"},
        shows="data",
        read=Request(method="GET", path="/contacts/{customer_id}/{contact_id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("contacts:update", "contacts:get"),
    summary="Contact {{ input.contact_id }} changed",
)

ensure_contact = Action(
    app="perfex_crm",
    key="ensure_contact",
    noun="Contact",
    label="Ensure Contact",
    description=(
        "Changes the person with this e-mail at a customer, and creates it where there is none. "
        "The CRM writes to a new person only if you ask for it."
    ),
    docs_url=_DOCS,
    inputs=(
        schema("perfex_crm/contact_of"),
        schema(
            "perfex_crm/contact",
            "data",
            require=("data.firstname", "data.lastname", "data.email"),
        ),
        schema("perfex_crm/contact_mail"),
        WHEN_FOUND,
    ),
    request=Request(method="POST", path="/contacts", root="data", encoding="form"),
    prepare=ensuring(
        CONTACTS,
        "contacts",
        {"customer_id": "customer_id", "email": "email"},
        "/contacts/{id}",
        ensured_contact,
    ),
    output=schema("perfex_crm/contact"),
    identity=Identity(
        record_id="",
        natural_key=("data.email",),
        same_as=("create_contact", "ensure_contact"),
        find="find_contact",
        by={"customer_id": "customer_id", "email": "data.email"},
        shows="data",
        gives="record",
        ensures=True,
        read=Request(method="GET", path="/contacts/{customer_id}/{id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("contacts:search", "contacts:get", "contacts:create", "contacts:update"),
    summary="Contact {{ output.id }}: {{ input.data.email }}",
)

delete_contact = Action(
    app="perfex_crm",
    key="delete_contact",
    noun="Contact",
    label="Delete Contact",
    description="Deletes a person for good; the customer stays.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/contact_choice"),),
    request=Request(method="DELETE", path="/contacts/{contact_id}"),
    prepare=removing(CONTACTS),
    output=schema("perfex_crm/deleted"),
    removes="contact_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("contact_id",), when_unsure="repeat"),
    scopes=("contacts:delete", "contacts:get"),
    summary=(
        "Contact {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"
    ),
)
