"""Customers of Perfex CRM: find, list and read them, create, change, ensure and delete them."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.resources import CUSTOMERS
from connector.apps.perfex_crm.writing import (
    CLEAR,
    WHEN_FOUND,
    changing,
    creating,
    ensuring,
    removing,
)

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

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
    demands=finding.needs_one("customer_id", "vat", "company", "phonenumber"),
    run=CUSTOMERS.find,
    scopes=("customers:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.company if output.found else '' }}",
)

list_customers = Search(
    app="perfex_crm",
    key="list_customers",
    noun="Customer",
    label="List Customers",
    description="Gives the customers of the CRM, all of them or those made in some days.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_customers"),),
    output=schema("perfex_crm/customer_search"),
    run=CUSTOMERS.listed,
    scopes=("customers:get",),
    summary="{{ output.count }} listed",
)

get_customer = Search(
    app="perfex_crm",
    key="get_customer",
    noun="Customer",
    label="Get Customer",
    description="Reads one customer by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/customer_choice"),),
    output=schema("perfex_crm/customer"),
    run=CUSTOMERS.get,
    scopes=("customers:get",),
    summary="{{ output.company }}",
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
    prepare=creating("customers"),
    output=schema("perfex_crm/customer_written"),
    identity=Identity(
        record_id="record_id",
        natural_key=("data.vat",),
        same_as=("create_customer", "ensure_customer"),
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
    inputs=(schema("perfex_crm/customer_choice"), schema("perfex_crm/customer", "data"), CLEAR),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/customers/{customer_id}", root="data"),
    prepare=changing(CUSTOMERS, "customers"),
    output=schema("perfex_crm/changed"),
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

ensure_customer = Action(
    app="perfex_crm",
    key="ensure_customer",
    noun="Customer",
    label="Ensure Customer",
    description=(
        "Changes the one customer with this VAT number, or else with this name; where there is "
        "none, it is created, and where several fit, nothing is written."
    ),
    docs_url=_DOCS,
    inputs=(
        schema("perfex_crm/customer", "data", require=("data.company",)),
        WHEN_FOUND,
    ),
    request=Request(method="POST", path="/customers", root="data", encoding="form"),
    prepare=ensuring(
        CUSTOMERS, "customers", {"vat": "vat", "company": "company"}, "/customers/{id}"
    ),
    output=schema("perfex_crm/ensured_customer"),
    identity=Identity(
        record_id="",
        natural_key=("data.vat", "data.company"),
        same_as=("create_customer", "ensure_customer"),
        find="find_customer",
        by={"vat": "data.vat", "company": "data.company"},
        alike={"company": "data.company"},
        made_at="datecreated",
        shows="data",
        gives="record",
        ensures=True,
        read=Request(method="GET", path="/customers/{id}"),
        own_id="userid",
        when_unsure="repeat",
    ),
    scopes=("customers:search", "customers:get", "customers:create", "customers:update"),
    summary="Customer {{ output.id }}: {{ input.data.company }}",
)

delete_customer = Action(
    app="perfex_crm",
    key="delete_customer",
    noun="Customer",
    label="Delete Customer",
    description="Deletes a customer for good, with all that hangs on it in the CRM.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/customer_choice"),),
    request=Request(method="DELETE", path="/customers/{customer_id}"),
    prepare=removing(CUSTOMERS),
    output=schema("perfex_crm/deleted"),
    removes="customer_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("customer_id",), when_unsure="repeat"),
    scopes=("customers:delete", "customers:get"),
    summary=(
        "Customer {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"
    ),
)
