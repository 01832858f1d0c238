"""What becomes of an invoice of Fatture in Cloud: paid, paid in part, overdue.

The app sends no such events, only that an invoice was changed: two states of it are compared.
"""

from __future__ import annotations

from connector import Baseline, Daily, Derive, DerivedTrigger, Request, schema

_DOCS = "https://developers.fattureincloud.it/docs/webhooks/"
_INVOICES = {"issued_documents.invoices": schema("fatture_in_cloud/issued_document")}
_FOLLOWED = ("issued_documents.invoices",)

# Reversed instalments are no debt.
_ROWS = "(record.payments_list | default([], true) | rejectattr('status', 'eq', 'reversed') | list)"
_PAID = f"({_ROWS} | selectattr('status', 'eq', 'paid') | list)"
_UNPAID = (
    f"({_ROWS} | rejectattr('status', 'eq', 'paid') | selectattr('due_date', 'string') | list)"
)
_SUM = "| map(attribute='amount') | select('number') | sum"
_INSTALMENT = f"({_UNPAID} | selectattr('id', 'eq', now.instalment_id) | first)"
_DAYS_PAID = f"({_PAID} | map(attribute='paid_date') | select('string') | list)"


def _list(q: str) -> Request:
    return Request(
        method="GET",
        path="/c/{company_id}/issued_documents",
        query={
            "type": "invoice",
            "fieldset": "detailed",
            "q": q,
            "per_page": "100",
            "page": "{page}",
        },
    )


def _payments(when: str) -> Derive:
    """The payments of an invoice, and which change of them counts."""
    return Derive(
        resources=_FOLLOWED,
        operations=("create", "update"),
        state={
            "paid": f"{{{{ {_PAID} {_SUM} }}}}",
            "total": f"{{{{ {_ROWS} {_SUM} }}}}",
            "status": (
                f"{{{{ 'not_paid' if {_PAID} | length == 0"
                f" else 'paid' if {_PAID} | length == {_ROWS} | length else 'partly_paid' }}}}"
            ),
        },
        when=when,
        tell={
            "amount": "{{ now.paid - before.paid }}",
            "left": "{{ now.total - now.paid }}",
            "paid_date": f"{{{{ {_DAYS_PAID} | max if {_DAYS_PAID} else none }}}}",
        },
        made={"paid": 0, "total": 0, "status": "not_paid"},
        # While the baseline is read, an invoice may be paid and so escape it.
        proof=f"{{{{ during and {_DAYS_PAID} | select('ge', since[:10]) | list | length > 0 }}}}",
        # Only what is not wholly paid can still become so.
        baseline=Baseline(request=_list("next_due_date is not null"), total="total"),
    )


invoice_paid = DerivedTrigger(
    app="fatture_in_cloud",
    key="invoice_paid",
    noun="Invoice",
    label="Invoice Paid",
    description="Starts when the last unpaid instalment of an invoice is marked as paid.",
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/invoice_paid_event"),
    outputs=_INVOICES,
    derive=_payments("{{ now.status == 'paid' and before.status != 'paid' }}"),
)

invoice_partly_paid = DerivedTrigger(
    app="fatture_in_cloud",
    key="invoice_partly_paid",
    noun="Invoice",
    label="Invoice Partly Paid",
    description=(
        "Starts when a payment of an invoice is entered and something is still left to pay: once "
        "for each such payment."
    ),
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/invoice_partly_paid_event"),
    outputs=_INVOICES,
    derive=_payments("{{ now.status == 'partly_paid' and now.paid > before.paid }}"),
)

invoice_overdue = DerivedTrigger(
    app="fatture_in_cloud",
    key="invoice_overdue",
    noun="Invoice",
    label="Invoice Overdue",
    description=(
        "Starts on the morning after an instalment should have been paid and was not: once for "
        "each instalment."
    ),
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/invoice_overdue_event"),
    outputs=_INVOICES,
    derive=Derive(
        resources=_FOLLOWED,
        operations=("create", "update", "due"),
        state={
            "overdue": (
                f"{{{{ {_UNPAID} | selectattr('due_date', 'lt', today) | map(attribute='id')"
                " | list }}"
            ),
            # One at a time: each instalment is a run of its own.
            "told": (
                "{{ (before.told | select('in', now.overdue) | list)"
                " + ((now.overdue | reject('in', before.told) | list)[:1]"
                " if event.operation == 'due' else []) }}"
            ),
        },
        when=("{{ now.told | length > before.told | select('in', now.overdue) | list | length }}"),
        tell={
            "instalment_id": "{{ now.told | last }}",
            "due_date": (f"{{{{ {_INSTALMENT}.due_date }}}}"),
            "amount": (f"{{{{ {_INSTALMENT}.amount }}}}"),
            "total_overdue": (f"{{{{ {_UNPAID} | selectattr('due_date', 'lt', today) {_SUM} }}}}"),
        },
        made={"overdue": [], "told": []},
        # What was overdue already when the flow was switched on is not told.
        older={
            "overdue": "{{ [] }}",
            "told": (
                f"{{{{ {_UNPAID} | selectattr('due_date', 'lt', since[:10]) | map(attribute='id')"
                " | list }}"
            ),
        },
        daily=Daily(request=_list("next_due_date < '{today}'")),
    ),
)
