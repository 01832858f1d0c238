"""The resources of Perfex that have nodes, and by what people know their records."""

from __future__ import annotations

from connector import finding
from connector.apps.perfex_crm.records import Contacts, Customers, Records

CUSTOMERS = Customers(
    path="customers",
    noun="customer",
    own_id="customer_id",
    id_key="userid",
    keys={"vat": finding.vat, "company": finding.plain, "phonenumber": finding.plain},
)
CONTACTS = Contacts(
    path="contacts",
    noun="contact",
    own_id="contact_id",
    keys={"email": finding.plain, "phonenumber": finding.plain},
    equal=("customer_id",),
    columns={"customer_id": "userid"},
)
LEADS = Records(
    path="leads",
    noun="lead",
    own_id="lead_id",
    keys={
        "email": finding.plain,
        "phonenumber": finding.plain,
        "name": finding.plain,
        "company": finding.plain,
    },
    equal=("status", "source", "assigned"),
    made="dateadded",
)
INVOICES = Records(
    path="invoices",
    noun="invoice",
    own_id="invoice_id",
    keys={"adminnote": finding.plain, "number": finding.plain},
    parts=frozenset({"adminnote"}),
    equal=("clientid", "date", "status"),
)
PAYMENTS = Records(
    path="payments",
    noun="payment",
    own_id="payment_id",
    keys={"note": finding.plain, "transactionid": finding.plain},
    parts=frozenset({"note"}),
    equal=("invoiceid", "date", "amount"),
    made="daterecorded",
)
ITEMS = Records(
    path="items",
    noun="item",
    own_id="item_id",
    keys={"description": finding.plain},
    equal=("group_id",),
)
PROJECTS = Records(
    path="projects",
    noun="project",
    own_id="project_id",
    keys={"name": finding.plain},
    equal=("clientid", "status"),
    made="project_created",
)
TASKS = Records(
    path="tasks",
    noun="task",
    own_id="task_id",
    keys={"name": finding.plain},
    equal=("rel_type", "rel_id"),
    made="dateadded",
)
