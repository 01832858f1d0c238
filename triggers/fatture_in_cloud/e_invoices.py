"""What the tax system says of an e-invoice that was sent to it.

The app tells that the status changed, not to what: the document says it. Events may be lost, and a
discarded e-invoice has a deadline, so the documents of the last weeks are looked at once a day.
"""

from __future__ import annotations

from connector import Daily, Derive, DerivedTrigger, Request, schema

_DOCS = "https://developers.fattureincloud.it/docs/webhooks/"
_DOCUMENTS = {"issued_documents.e_invoices": schema("fatture_in_cloud/e_invoice_status")}
_FOLLOWED = ("issued_documents.e_invoices",)
_LOOK = Daily(
    request=Request(
        method="GET",
        path="/c/{company_id}/issued_documents",
        query={
            "type": "{type}",
            "fieldset": "detailed",
            "q": "date >= '{from}'",
            "per_page": "100",
            "page": "{page}",
        },
    ),
    days=30,
    each={"type": ("invoice", "credit_note")},
)


def _reached(*statuses: str) -> Derive:
    """A status that an e-invoice gets to from another one."""
    wanted = ", ".join(f"'{one}'" for one in statuses)
    return Derive(
        resources=_FOLLOWED,
        operations=("due", "status_update"),
        state={"status": "{{ record.ei_status | default(none) }}"},
        when=f"{{{{ now.status in [{wanted}] and before.status not in [{wanted}] }}}}",
        made={"status": None},
        # Such an event is sent for a change of the status and for nothing else.
        proof="{{ event.operation == 'status_update' }}",
        daily=_LOOK,
    )


e_invoice_accepted = DerivedTrigger(
    app="fatture_in_cloud",
    key="e_invoice_accepted",
    noun="E-invoice",
    label="E-invoice Accepted",
    description="Starts when the tax system (or the public body) has accepted an e-invoice.",
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/e_invoice_event"),
    outputs=_DOCUMENTS,
    derive=_reached("accepted", "manual_accepted"),
)

e_invoice_not_delivered = DerivedTrigger(
    app="fatture_in_cloud",
    key="e_invoice_not_delivered",
    noun="E-invoice",
    label="E-invoice Not Delivered",
    description=(
        "Starts when the tax system could not deliver an e-invoice. It counts as issued all the "
        "same: the customer finds it in the tax agency's own area, and should be told so."
    ),
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/e_invoice_event"),
    outputs=_DOCUMENTS,
    derive=_reached("not_delivered"),
)

_REJECTED = "['discarded', 'rejected', 'manual_rejected']"
_REASON = "(record.ei_rejection | default({}, true))"
_AT = f"({_REASON}.date | default(none))"

e_invoice_rejected = DerivedTrigger(
    app="fatture_in_cloud",
    key="e_invoice_rejected",
    noun="E-invoice",
    label="E-invoice Rejected",
    description=(
        "Starts when the tax system discards an e-invoice, or the public body refuses it, and says "
        "why. A discarded one must be corrected and sent again within five days."
    ),
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/e_invoice_rejected_event"),
    outputs=_DOCUMENTS,
    derive=Derive(
        resources=_FOLLOWED,
        operations=("due", "status_update"),
        state={
            "status": "{{ record.ei_status | default(none) }}",
            # Corrected and sent again, it may be discarded once more.
            "rejected_at": f"{{{{ {_AT} if now.status in {_REJECTED} else none }}}}",
        },
        when=(
            f"{{{{ now.status in {_REJECTED} and"
            f" (before.status not in {_REJECTED} or"
            " (now.rejected_at is not none and now.rejected_at != before.rejected_at)) }}"
        ),
        tell={
            "reason": f"{{{{ {_REASON}.reason | default(none) }}}}",
            "solution": f"{{{{ {_REASON}.solution | default(none) }}}}",
            "code": f"{{{{ {_REASON}.code | default(none) }}}}",
            "deadline": (
                "{{ none if now.status != 'discarded'"
                f" else (({_AT} or event.time or today)[:10] | add_days(5)) }}}}"
            ),
        },
        made={"status": None, "rejected_at": None},
        proof="{{ event.operation == 'status_update' }}",
        daily=_LOOK,
    ),
)
