"""What Perfex stores: columns, limits and messages by resource (facts perfex-crm §4 and §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One resource of the API and the table behind it."""

    path: str
    noun: str
    """As its messages name it."""
    key: str
    """The id column."""
    columns: Mapping[str, str | None]
    """Every column with its default; all values are text, as PHP hands them out."""
    required: tuple[str, ...] = ()
    limits: Mapping[str, int]
    numbers: frozenset[str] = frozenset()
    """Numeric columns: what is no number is stored as 0, as a lenient MySQL does."""
    extras: frozenset[str] = frozenset()
    """Accepted beside the columns, kept elsewhere or not at all."""
    searched: tuple[str, ...] = ()
    first_id: int = 1
    made: str = "datecreated"
    """The column with the moment of creation, if there is such a column."""
    fields_of: str = ""
    """By what custom fields call this resource, when it is not the path."""


_ADDRESS = ("street", "city", "state", "zip", "country")
_CUSTOMER_LIMITS = {
    "company": 191,
    "vat": 50,
    "phonenumber": 30,
    "website": 150,
    "default_language": 40,
    "address": 191,
    "city": 100,
    "state": 50,
    "zip": 15,
    "billing_street": 200,
    "shipping_street": 200,
} | {f"{kind}_{part}": 100 for kind in ("billing", "shipping") for part in ("city", "state", "zip")}


def _customers() -> Kind:
    text = ["company", "vat", "phonenumber", "city", "zip", "state", "address", "website"]
    addresses = {
        f"{kind}_{part}": "0" if part == "country" else ""
        for kind in ("billing", "shipping")
        for part in _ADDRESS
    }
    columns: dict[str, str | None] = {"userid": None, **dict.fromkeys(text, "")}
    columns |= {"country": "0", "datecreated": None, "active": "1", "leadid": None}
    columns |= addresses
    columns |= {
        "longitude": None,
        "latitude": None,
        "default_language": "",
        "default_currency": "0",
        "show_primary_contact": "0",
        "stripe_id": None,
        "registration_confirmed": "1",
        "addedfrom": "1",
    }
    return Kind(
        path="customers",
        noun="Customer",
        key="userid",
        columns=columns,
        required=("company",),
        limits=_CUSTOMER_LIMITS,
        numbers=frozenset({"country", "billing_country", "shipping_country", "default_currency"}),
        extras=frozenset({"groups_in", "custom_fields"}),
        searched=("company", "vat", "phonenumber"),
        first_id=412,
    )


def _contacts() -> Kind:
    flags = ["invoice", "estimate", "credit_note", "contract", "task", "project", "ticket"]
    columns: dict[str, str | None] = {
        "id": None,
        "userid": None,
        "is_primary": "0",
        "firstname": "",
        "lastname": "",
        "email": "",
        "phonenumber": "",
        "title": "",
        "datecreated": None,
        "direction": "",
        "active": "1",
    }
    columns |= {f"{flag}_emails": "0" for flag in flags}
    return Kind(
        path="contacts",
        noun="Contact",
        key="id",
        columns=columns,
        required=("customer_id", "firstname", "lastname", "email"),
        limits={"firstname": 191, "lastname": 191, "email": 100, "phonenumber": 100, "title": 100},
        extras=frozenset(
            {
                "customer_id",
                "password",
                "donotsendwelcomeemail",
                "send_set_password_email",
                "permissions",
                "custom_fields",
            }
        ),
        searched=("firstname", "lastname", "email"),
        first_id=91,
    )


def _invoices() -> Kind:
    names = (
        "id clientid number prefix date duedate currency subtotal total total_tax adjustment "
        "discount_percent discount_total discount_type addedfrom hash status clientnote adminnote "
        "terms sale_agent recurring allowed_payment_modes billing_street billing_city "
        "billing_state billing_zip billing_country shipping_street shipping_city shipping_state "
        "shipping_zip shipping_country datecreated"
    )
    columns: dict[str, str | None] = dict.fromkeys(names.split(), "")
    columns |= {"id": None, "status": "1", "prefix": "INV-", "total_tax": "0.00", "hash": None}
    return Kind(
        path="invoices",
        noun="Invoice",
        key="id",
        columns=columns,
        required=(
            "clientid",
            "number",
            "date",
            "currency",
            "newitems",
            "subtotal",
            "total",
            "billing_street",
            "allowed_payment_modes",
        ),
        limits={"number": 11, "billing_street": 200},
        numbers=frozenset({"clientid", "number", "currency"}),
        extras=frozenset({"newitems", "items", "tags", "custom_fields"}),
        searched=("number", "clientnote", "adminnote"),
        first_id=51,
        fields_of="invoice",
    )


def _work() -> tuple[Kind, ...]:
    """Leads, and what is done for customers."""
    lead = (
        "id name source status assigned email company phonenumber title website address city state "
        "zip country default_language description dateadded lastcontact lost junk addedfrom hash"
    )
    project = (
        "id name clientid billing_type start_date deadline status project_cost "
        "project_rate_per_hour estimated_hours description project_created date_finished progress "
        "addedfrom"
    )
    task = (
        "id name startdate duedate rel_type rel_id priority milestone hourly_rate description "
        "status dateadded datefinished addedfrom"
    )
    tags = frozenset({"tags", "custom_fields"})
    return (
        Kind(
            path="leads",
            noun="Lead",
            key="id",
            columns=dict.fromkeys(lead.split(), "") | {"lost": "0", "junk": "0"},
            required=("source", "status", "name", "assigned"),
            limits={"name": 191, "email": 100, "zip": 15},
            numbers=frozenset({"source", "status", "assigned", "country"}),
            extras=tags,
            searched=("name", "email", "company", "phonenumber"),
            first_id=61,
            made="dateadded",
        ),
        Kind(
            path="projects",
            noun="Project",
            key="id",
            columns=dict.fromkeys(project.split(), "") | {"progress": "0"},
            required=("name", "rel_type", "clientid", "billing_type", "start_date", "status"),
            limits={"name": 191},
            numbers=frozenset({"clientid", "billing_type", "status"}),
            extras=tags | {"rel_type", "project_members"},
            searched=("name", "description"),
            first_id=21,
            made="project_created",
        ),
        Kind(
            path="tasks",
            noun="Task",
            key="id",
            columns=dict.fromkeys(task.split(), "") | {"status": "1", "priority": "2"},
            required=("name", "startdate", "rel_type"),
            limits={},
            numbers=frozenset({"rel_id", "priority", "milestone"}),
            extras=tags,
            searched=("name", "description"),
            first_id=71,
            made="dateadded",
        ),
    )


@cache
def kinds() -> Mapping[str, Kind]:
    """All resources by path."""
    payment = "id invoiceid amount paymentmode paymentmethod date daterecorded note transactionid"
    item = "id description long_description rate tax tax2 unit group_id"
    every = (
        _customers(),
        _contacts(),
        _invoices(),
        Kind(
            path="payments",
            noun="Payment",
            key="id",
            columns=dict.fromkeys(payment.split(), ""),
            required=("invoiceid", "amount", "paymentmode"),
            limits={},
            numbers=frozenset({"invoiceid"}),
            searched=("transactionid", "note"),
            first_id=31,
            made="daterecorded",
        ),
        Kind(
            path="items",
            noun="Item",
            key="id",
            columns=dict.fromkeys(item.split(), ""),
            required=("description", "rate"),
            limits={"unit": 40},
            extras=frozenset({"custom_fields"}),
            searched=("description", "long_description"),
            first_id=11,
        ),
        *_work(),
    )
    return {kind.path: kind for kind in every}


FIELD_LABELS = {"vat": "VAT", "zip": "Zip", "company": "Company"}


def label(field: str) -> str:
    """A column as CodeIgniter's messages spell it."""
    return FIELD_LABELS.get(field, field.replace("_", " ").capitalize())
