"""Payments of Perfex CRM: money that came in, entered once."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.payments import entered_before, new_payment
from connector.apps.perfex_crm.resources import PAYMENTS
from connector.apps.perfex_crm.writing import CLEAR, changing, creating, removing

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

find_payment = Search(
    app="perfex_crm",
    key="find_payment",
    noun="Payment",
    label="Find Payment",
    description=(
        "Finds payments by id, transaction id, or a text in the note; also all of an invoice, a "
        "day or an amount."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_payment"),),
    output=schema("perfex_crm/payment_search"),
    demands=finding.needs_one("payment_id", "transactionid", "note", "invoiceid", "date", "amount"),
    run=PAYMENTS.find,
    scopes=("payments:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.amount if output.found else '' }}",
)

list_payments = Search(
    app="perfex_crm",
    key="list_payments",
    noun="Payment",
    label="List Payments",
    description="Gives payments, all of them or those of an invoice.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_payments"),),
    output=schema("perfex_crm/payment_search"),
    run=PAYMENTS.listed,
    scopes=("payments:get",),
    summary="{{ output.count }} listed",
)

get_payment = Search(
    app="perfex_crm",
    key="get_payment",
    noun="Payment",
    label="Get Payment",
    description="Reads one payment by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/payment_choice"),),
    output=schema("perfex_crm/payment"),
    run=PAYMENTS.get,
    scopes=("payments:get",),
    summary="{{ output.amount }}",
)

create_payment = Action(
    app="perfex_crm",
    key="create_payment",
    noun="Payment",
    label="Create Payment",
    description=(
        "Enters a payment of an invoice. With a transaction id, the same one is never entered "
        "twice: what is there already is used. The payment mode may be given by name."
    ),
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/payment",
            "data",
            require=(
                "data.invoiceid",
                "data.amount",
                "data.paymentmode",
            ),
        ),
    ),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/payments", root="data", encoding="form"),
    prepare=creating("payments", new_payment),
    check=entered_before,
    output=schema("perfex_crm/written"),
    identity=Identity(
        record_id="record_id",
        marker="data.note",
        natural_key=("data.invoiceid+data.transactionid",),
        find="find_payment",
        by={"note": "data.note", "invoiceid": "data.invoiceid"},
        alike={"invoiceid": "data.invoiceid", "amount": "data.amount"},
        read=Request(method="GET", path="/payments/{id}"),
        made_at="daterecorded",
        when_unsure="park",
    ),
    scopes=("payments:create", "payments:search", "payments:get"),
    summary="Payment {{ output.id }}: {{ input.data.amount }}",
)

update_payment = Action(
    app="perfex_crm",
    key="update_payment",
    noun="Payment",
    label="Update Payment",
    description="Changes the given fields of a payment and leaves the others as they are.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/payment_choice"), schema("perfex_crm/payment", "data"), CLEAR),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/payments/{payment_id}", root="data"),
    prepare=changing(PAYMENTS, "payments"),
    output=schema("perfex_crm/changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_payment",
        by={"payment_id": "payment_id"},
        shows="data",
        read=Request(method="GET", path="/payments/{payment_id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("payments:update", "payments:get"),
    summary="Payment {{ input.payment_id }} changed",
)

delete_payment = Action(
    app="perfex_crm",
    key="delete_payment",
    noun="Payment",
    label="Delete Payment",
    description="Deletes a payment for good: its invoice is open again.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/payment_choice"),),
    request=Request(method="DELETE", path="/payments/{payment_id}"),
    prepare=removing(PAYMENTS),
    output=schema("perfex_crm/deleted"),
    removes="payment_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("payment_id",), when_unsure="repeat"),
    scopes=("payments:delete", "payments:get"),
    summary=(
        "Payment {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"
    ),
)
