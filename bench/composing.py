"""A 20-line invoice composed on one core: two rates, discounts, cassa, withholding, all checks.

Judged with validation: the document as it would be sent against the JSON Schemas of the action.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bench.figures import Row, Size, Target, in_pairs
from connector.apps.fatture_in_cloud.invoices.compose import Ground, compose
from connector.catalog import Catalog, load_catalog
from connector.model import schema
from connector.plugins import build_plugins

COUNT = 200
LINES = 20
SENT = schema("fatture_in_cloud/issued_document", "data")


def measure(size: Size) -> list[Row]:
    """Milliseconds for one invoice."""
    catalog = load_catalog(build_plugins(entry_points=False))
    count = size.of(COUNT)
    pairs = in_pairs(
        size.rounds, _one(catalog, count, validate=True), _one(catalog, count, validate=False)
    )
    return [
        Row(
            bench="composing",
            what=f"compose and check an e-invoice with {LINES} lines, validated",
            figure=pairs.figure,
            unit="ms",
            reference=pairs.base,
            reference_what="without JSON Schema",
            ratio=pairs.ratio,
            target=Target("at most", 5),
        )
    ]


def _one(catalog: Catalog, count: int, *, validate: bool) -> Callable[[], float]:
    given, ground = _given(), _ground()

    def measured() -> float:
        start = time.process_time()
        for _ in range(count):
            made = compose(given, ground)
            if validate and catalog.schemas.issues(SENT, made.data):
                raise AssertionError("the composed document does not fit its schema")
        return (time.process_time() - start) / count * 1000

    return measured


def _given() -> dict[str, Any]:
    lines = [
        {
            "name": f"Articolo {place}",
            "qty": Decimal("2.5"),
            "net_price": Decimal("80.13") + place,
            "vat": "22%" if place % 3 else "10%",
            "discount": Decimal("12.5") if place % 5 == 0 else 0,
        }
        for place in range(LINES)
    ]
    return {
        "type": "invoice",
        "date": "2026-03-04",
        "subject": "Ordine 17",
        "entity": {"vat_number": "09876543217"},
        "items_list": lines,
        "cassa": 4,
        "ei_cassa_type": "TC04",
        "withholding_tax": 20,
        "ei_withholding_tax_causal": "A",
        "payment": {"instalments": [{"days": 30}, {"days": 60}, {"days": 90}]},
    }


def _ground() -> Ground:
    rates = ((0, 22, None), (3, 10, None), (4, 4, None), (6, 0, "N3.1"), (21, 0, "N1"))
    method = {"id": 12, "name": "Bonifico", "ei_payment_method": "MP05"}
    return Ground(
        info={
            "vat_types_list": [
                {"id": id_, "value": Decimal(value), "description": kind or "", "ei_type": kind}
                for id_, value, kind in rates
            ],
            "payment_methods_list": [method],
            "default_values": {"payment_method": method},
        },
        customer={
            "id": 70_211,
            "name": "Officine Adda S.r.l.",
            "type": "company",
            "vat_number": "IT09876543217",
            "tax_code": "09876543217",
            "address_street": "Via Po 7",
            "address_postal_code": "24121",
            "address_city": "Bergamo",
            "address_province": "BG",
            "country": "Italia",
            "e_invoice": True,
            "ei_code": "M5UXCR1",
        },
    )
