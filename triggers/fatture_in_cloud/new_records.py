"""Something new in Fatture in Cloud: a client, an expense that came from the tax system."""

from __future__ import annotations

from connector import Derive, DerivedTrigger, schema

_DOCS = "https://developers.fattureincloud.it/docs/webhooks/"


def _first(resource: str, operation: str) -> Derive:
    """The first event that tells of a record's making."""
    return Derive(
        resources=(resource,),
        operations=(operation,),
        state={"seen": "{{ true }}"},
        when="{{ not before.seen }}",
        made={"seen": False},
        proof=f"{{{{ event.operation == '{operation}' }}}}",
    )


new_client = DerivedTrigger(
    app="fatture_in_cloud",
    key="new_client",
    noun="Client",
    label="New Client",
    description="Starts when a client is made, by hand, by an import or through the API: once.",
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/first_seen_event"),
    outputs={"entities.clients": schema("fatture_in_cloud/client")},
    derive=_first("entities.clients", "create"),
)

new_expense = DerivedTrigger(
    app="fatture_in_cloud",
    key="new_expense",
    noun="Expense",
    label="New Expense From the Tax System",
    description=(
        "Starts when the tax system delivers a supplier's e-invoice. It is pending: nobody has "
        "registered it as an expense yet."
    ),
    docs_url=_DOCS,
    inputs=(schema("fatture_in_cloud/watched_company"),),
    output=schema("fatture_in_cloud/first_seen_event"),
    outputs={"received_documents.e_invoices": schema("fatture_in_cloud/pending_received_document")},
    derive=_first("received_documents.e_invoices", "receive"),
)
