"""Invoices of Perfex CRM: legal documents, so none is ever sent twice by a machine."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.invoices import new_invoice
from connector.apps.perfex_crm.resources import INVOICES
from connector.apps.perfex_crm.writing import CLEAR, changing, creating, removing

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

find_invoice = Search(
    app="perfex_crm",
    key="find_invoice",
    noun="Invoice",
    label="Find Invoice",
    description=(
        "Finds invoices by id, by number, or by a text in the note for the staff; also all of a "
        "customer or of a day."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_invoice"),),
    output=schema("perfex_crm/invoice_search"),
    demands=finding.needs_one("invoice_id", "number", "adminnote", "clientid", "date"),
    run=INVOICES.find,
    scopes=("invoices:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.number if output.found else '' }}",
)

list_invoices = Search(
    app="perfex_crm",
    key="list_invoices",
    noun="Invoice",
    label="List Invoices",
    description="Gives invoices, all of them or those of a customer, a status or some days.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_invoices"),),
    output=schema("perfex_crm/invoice_search"),
    run=INVOICES.listed,
    scopes=("invoices:get",),
    summary="{{ output.count }} listed",
)

get_invoice = Search(
    app="perfex_crm",
    key="get_invoice",
    noun="Invoice",
    label="Get Invoice",
    description="Reads one invoice by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/invoice_choice"),),
    output=schema("perfex_crm/invoice"),
    run=INVOICES.get,
    scopes=("invoices:get",),
    summary="{{ output.number }}",
)

create_invoice = Action(
    app="perfex_crm",
    key="create_invoice",
    noun="Invoice",
    label="Create Invoice",
    description=(
        "Makes an invoice. Taxes and payment modes may be given by name; subtotal and total are "
        "computed from the lines, and the billing address is the customer's own if it is left out."
    ),
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/invoice",
            "data",
            require=(
                "data.clientid",
                "data.number",
                "data.date",
                "data.currency",
                "data.newitems.description",
                "data.newitems.qty",
                "data.newitems.rate",
            ),
        ),
    ),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/invoices", root="data", encoding="form"),
    prepare=creating("invoice", new_invoice),
    output=schema("perfex_crm/written"),
    identity=Identity(
        record_id="record_id",
        marker="data.adminnote",
        natural_key=("data.number",),
        find="find_invoice",
        by={"adminnote": "data.adminnote"},
        alike={"clientid": "data.clientid", "date": "data.date"},
        read=Request(method="GET", path="/invoices/{id}"),
        made_at="datecreated",
        when_unsure="park",
    ),
    scopes=("invoices:create", "invoices:search", "invoices:get", "customers:get"),
    summary="Invoice {{ output.id }}: {{ input.data.number }}",
)

update_invoice = Action(
    app="perfex_crm",
    key="update_invoice",
    noun="Invoice",
    label="Update Invoice",
    description=(
        "Changes the given fields of an invoice, such as its due date or notes, and leaves the "
        "others as they are. Its lines cannot be changed here."
    ),
    docs_url=_DOCS,
    inputs=(
        schema("perfex_crm/invoice_choice"),
        schema("perfex_crm/invoice_change", "data"),
        CLEAR,
    ),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/invoices/{invoice_id}", root="data"),
    prepare=changing(INVOICES, "invoice"),
    output=schema("perfex_crm/changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_invoice",
        by={"invoice_id": "invoice_id"},
        shows="data",
        read=Request(method="GET", path="/invoices/{invoice_id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("invoices:update", "invoices:get"),
    summary="Invoice {{ input.invoice_id }} changed",
)

send_invoice = Action(
    app="perfex_crm",
    key="send_invoice",
    noun="Invoice",
    label="Send Invoice by E-Mail",
    description=(
        "Makes the CRM send an invoice to the customer's people by e-mail. Where it is not known "
        "whether it was sent, it is not sent again: a person decides."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/invoice_choice"),),
    request=Request(method="POST", path="/invoices/{invoice_id}/send", encoding="form"),
    output=schema("perfex_crm/changed"),
    # An e-mail cannot be taken back, and nothing tells whether one has left.
    destructive=True,
    identity=Identity(record_id="", when_unsure="park"),
    scopes=("invoices:create",),
    summary="Invoice {{ input.invoice_id }} sent by e-mail",
)

delete_invoice = Action(
    app="perfex_crm",
    key="delete_invoice",
    noun="Invoice",
    label="Delete Invoice",
    description="Deletes an invoice for good. The CRM may refuse it for one that is not the last.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/invoice_choice"),),
    request=Request(method="DELETE", path="/invoices/{invoice_id}"),
    prepare=removing(INVOICES),
    output=schema("perfex_crm/deleted"),
    removes="invoice_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("invoice_id",), when_unsure="repeat"),
    scopes=("invoices:delete", "invoices:get"),
    summary=(
        "Invoice {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"
    ),
)
