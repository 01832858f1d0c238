"""Mappings on one core: 25 typical fields of a client, and a whole invoice with 20 lines.

Judged with validation, which means the action's JSON Schemas on top of what mapping always checks
(types, choices, required fields). A run of a flow does without; that is the reference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bench.figures import Row, Size, Target, in_pairs
from connector.catalog import Catalog, load_catalog
from connector.mapping import CompiledMapping, compile_mapping
from connector.plugins import build_plugins

CLIENTS = 3_000
INVOICES = 300
LINES = 20
NOW = datetime(2026, 3, 4, 9, 15, tzinfo=UTC)

CLIENT = {
    "company_id": "{{ trigger.event.company_id }}",
    "data.code": "C{{ trigger.id }}",
    "data.name": "{{ trigger.resource.name | trim }}",
    "data.type": "company",
    "data.first_name": "{{ trigger.resource.contact | first_name }}",
    "data.last_name": "{{ trigger.resource.contact | last_name }}",
    "data.contact_person": "{{ trigger.resource.contact }}",
    "data.vat_number": "{{ trigger.resource.vat }}",
    "data.tax_code": "{{ trigger.resource.tax_code | upper }}",
    "data.address_street": "{{ trigger.resource.street }}",
    "data.address_postal_code": "{{ trigger.resource.zip }}",
    "data.address_city": "{{ trigger.resource.city | title }}",
    "data.address_province": "{{ trigger.resource.province }}",
    "data.address_extra": "{{ trigger.resource.floor | default(none) }}",
    "data.country": "{{ 'Italia' if trigger.resource.country == 'IT' else 'Estero' }}",
    "data.country_iso": "{{ trigger.resource.country }}",
    "data.email": "{{ trigger.resource.email | lower }}",
    "data.certified_email": "{{ trigger.resource.pec }}",
    "data.phone": "{{ trigger.resource.phone }}",
    "data.notes": "Since {{ trigger.resource.since | it_date }}, from {{ trigger.resource.city }}",
    "data.default_payment_terms": "{{ trigger.resource.terms }}",
    "data.e_invoice": "{{ trigger.resource.sdi != '' }}",
    "data.ei_code": "{{ trigger.resource.sdi }}",
    "data.default_discount": "{{ trigger.resource.discount }}",
    "data.bank_iban": "{{ trigger.resource.iban }}",
}

INVOICE: dict[str, Any] = {
    "company_id": "{{ trigger.event.company_id }}",
    "data.type": "invoice",
    "data.date": "{{ trigger.resource.date }}",
    "data.subject": "Order {{ trigger.resource.number }} of {{ trigger.resource.date | it_date }}",
    "data.visible_subject": "{{ trigger.resource.subject | trim }}",
    "data.notes": "{{ trigger.resource.notes | default('') }}",
    "data.currency.id": "EUR",
    "data.entity.id": "{{ trigger.resource.client.id }}",
    "data.entity.name": "{{ trigger.resource.client.name }}",
    "data.entity.vat_number": "{{ trigger.resource.client.vat }}",
    "data.entity.address_street": "{{ trigger.resource.client.street }}",
    "data.entity.address_city": "{{ trigger.resource.client.city }}",
    "data.entity.country": "Italia",
    "data.e_invoice": "{{ true }}",
    "data.ei_data.payment_method": "MP05",
    "data.payment_method.id": "{{ trigger.resource.payment }}",
    "data.items_list": {
        "for_each": "{{ trigger.resource.lines }}",
        "as": "line",
        "map": {
            "product_id": "{{ line.product | default(none) }}",
            "code": "{{ line.code }}",
            "name": "{{ line.name | trim }}",
            "description": "{{ line.text | default(none) }}",
            "measure": "{{ line.unit }}",
            "qty": "{{ line.quantity }}",
            "net_price": "{{ line.price }}",
            "discount": "{{ line.discount | default(0) }}",
            "vat.id": "{{ line.vat }}",
        },
    },
    "data.payments_list": [
        {
            "amount": "{{ trigger.resource.total }}",
            "due_date": "{{ trigger.resource.date | add_days(30) }}",
            "status": "not_paid",
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Case:
    """One mapping, a record for it, and how often a second it must be applied."""

    what: str
    action: str
    mapping: Mapping[str, Any]
    record: Mapping[str, Any]
    least: float
    count: int


def measure(size: Size) -> list[Row]:
    """Mappings a second."""
    catalog = load_catalog(build_plugins(entry_points=False))
    lines = f"a full invoice with {LINES} lines"
    cases = (
        Case("25 typical fields", "create_client", CLIENT, _client(), 5_000, CLIENTS),
        Case(lines, "create_issued_document", INVOICE, _order(), 400, INVOICES),
    )
    return [_row(catalog, case, size) for case in cases]


def _row(catalog: Catalog, case: Case, size: Size) -> Row:
    node = catalog.operation(f"fatture_in_cloud.{case.action}")
    compiled = compile_mapping(node, case.mapping, catalog=catalog).raise_for_errors()
    event = {"company_id": 108_061, "resource": "orders"}
    context = {"trigger": {"event": event, "id": 70_211, "resource": case.record}}
    count = size.of(case.count)
    pairs = in_pairs(
        size.rounds,
        _rate(compiled, context, count, validate=True),
        _rate(compiled, context, count, validate=False),
    )
    return Row(
        bench="mapping",
        what=f"mapping of {case.what}, validated",
        figure=pairs.figure,
        unit="/s",
        reference=pairs.base,
        reference_what="without JSON Schema, as in a run",
        ratio=pairs.ratio,
        target=Target("at least", case.least),
    )


def _rate(
    compiled: CompiledMapping, context: Mapping[str, Any], count: int, *, validate: bool
) -> Callable[[], float]:
    def measured() -> float:
        compiled.apply(context, now=NOW, validate=validate).raise_for_errors()
        start = time.process_time()
        for _ in range(count):
            compiled.apply(context, now=NOW, validate=validate).raise_for_errors()
        return count / (time.process_time() - start)

    return measured


def _client() -> dict[str, Any]:
    return {
        "name": " Officine Adda S.r.l. ",
        "contact": "Mario Rossi",
        "vat": "IT09876543217",
        "tax_code": "09876543217",
        "street": "Via Po 7",
        "zip": "24121",
        "city": "bergamo",
        "province": "BG",
        "country": "IT",
        "email": "Amm@officineadda.example",
        "pec": "officineadda@pec.example",
        "phone": "+39 035 000000",
        "since": "2019-05-02",
        "terms": 30,
        "sdi": "ABC1234",
        "discount": Decimal("2.50"),
        "iban": "IT60X0542811101000000123456",
    }


def _order() -> dict[str, Any]:
    lines = [
        {
            "product": 900 + place,
            "code": f"ART-{place:03d}",
            "name": f" Articolo {place} ",
            "unit": "pz",
            "quantity": Decimal("2.5"),
            "price": Decimal("80.10") + place,
            "vat": 0,
        }
        for place in range(LINES)
    ]
    return {
        "number": 17,
        "date": "2026-03-04",
        "subject": "Fornitura di marzo",
        "client": {
            "id": 70_211,
            "name": "Officine Adda S.r.l.",
            "vat": "IT09876543217",
            "street": "Via Po 7",
            "city": "Bergamo",
        },
        "payment": 12,
        "lines": lines,
        "total": Decimal("4941.00"),
    }
