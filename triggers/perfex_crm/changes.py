"""Something new or changed in Perfex CRM.

Version 3.x sends events and may lose them; 2.x sends none. So lists are looked at as well, and each
change is told once, whoever tells of it first.
"""

from __future__ import annotations

from connector import Baseline, Derive, DerivedTrigger, Request, schema

_FIRST = schema("perfex_crm/first_seen_event")


def _new(resource: str) -> Derive:
    """A record that was not there before."""
    return Derive(
        resources=(resource,),
        operations=("create",),
        state={"seen": "{{ true }}"},
        when="{{ not before.seen }}",
        made={"seen": False},
        proof="{{ event.operation == 'create' }}",
    )


new_customer = DerivedTrigger(
    app="perfex_crm",
    key="new_customer",
    noun="Customer",
    label="New Customer",
    description="Starts when a customer is made: once.",
    output=_FIRST,
    outputs={"customers": schema("perfex_crm/customer")},
    derive=_new("customers"),
)

customer_updated = DerivedTrigger(
    app="perfex_crm",
    key="customer_updated",
    noun="Customer",
    label="Customer Updated",
    description="Starts each time that a customer is changed.",
    output=schema("perfex_crm/event"),
    outputs={"customers": schema("perfex_crm/customer")},
    derive=Derive(resources=("customers",), operations=("update",), when="{{ true }}"),
)

new_lead = DerivedTrigger(
    app="perfex_crm",
    key="new_lead",
    noun="Lead",
    label="New Lead",
    description="Starts when a lead is made: once.",
    output=_FIRST,
    outputs={"leads": schema("perfex_crm/lead")},
    derive=_new("leads"),
)

new_invoice = DerivedTrigger(
    app="perfex_crm",
    key="new_invoice",
    noun="Invoice",
    label="New Invoice",
    description="Starts when an invoice is made, drafts included: once.",
    output=_FIRST,
    outputs={"invoices": schema("perfex_crm/invoice")},
    derive=_new("invoices"),
)

new_payment = DerivedTrigger(
    app="perfex_crm",
    key="new_payment",
    noun="Payment",
    label="New Payment",
    description="Starts when a payment of an invoice is entered: once.",
    output=_FIRST,
    outputs={"payments": schema("perfex_crm/payment")},
    derive=_new("payments"),
)

invoice_paid = DerivedTrigger(
    app="perfex_crm",
    key="invoice_paid",
    noun="Invoice",
    label="Invoice Paid",
    description=(
        "Starts when the status of an invoice becomes paid. Perfex names such an event and does "
        "not send it: the list of invoices is looked at every five minutes."
    ),
    output=schema("perfex_crm/invoice_paid_event"),
    outputs={"invoices": schema("perfex_crm/invoice")},
    derive=Derive(
        resources=("invoices",),
        operations=("create", "update", "paid"),
        state={"status": "{{ record.status | default('', true) | string }}"},
        when="{{ now.status == '2' and before.status != '2' }}",
        made={"status": ""},
        baseline=Baseline(request=Request(method="GET", path="/invoices"), result=""),
    ),
)
