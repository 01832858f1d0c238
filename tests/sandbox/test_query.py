"""The filter language `q`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.sandbox.fic.query import FilterError, compile_filter

COLUMNS = {
    "id": ("id",),
    "name": ("name",),
    "amount_net": ("amount_net",),
    "in_stock": ("in_stock",),
    "updated_at": ("updated_at",),
    "any_subject": ("subject", "visible_subject"),
    "entity.city": ("entity.address_city",),
    "vat_number": ("vat_number",),
}
RECORD: dict[str, Any] = {
    "id": 11,
    "name": "Caffè dell'Adda",
    "amount_net": Decimal("160.50"),
    "in_stock": True,
    "updated_at": "2026-03-04 09:15:02",
    "subject": "run:8f2c",
    "visible_subject": "Ordine web",
    "entity": {"address_city": "Lecco"},
    "vat_number": None,
}


@pytest.mark.parametrize(
    "text",
    [
        "id = 11",
        "id = 11 or id = 12",
        "name = 'caffè dell''adda'",
        "name like '%dell%'",
        "name contains 'ADDA'",
        "name CONTAINS 'adda' AND id > 10",
        "name starts with 'Caff'",
        "name ends with 'Adda'",
        "name not contains 'Rossi'",
        "name not like 'Adda%'",
        "amount_net >= 160.5",
        "amount_net < 161",
        "id <> 12 and id != 13",
        "in_stock = true",
        "vat_number = null",
        "vat_number is null",
        "name is not null and name <> null",
        "any_subject contains '8f2c'",
        "any_subject contains 'web'",
        "entity.city = 'Lecco'",
        "updated_at >= '2026-03-04'",
        "updated_at > '2026-03-04T09:15:01'",
        "(id = 12 or id = 11) and in_stock = true",
        # and binds tighter than or
        "id = 11 or id = 12 and in_stock = false",
    ],
)
def test_filter_matches(text: str) -> None:
    assert compile_filter(text, COLUMNS)(RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "id = 12",
        "name = ''",
        "vat_number = 'IT1'",
        "vat_number <> 'IT1'",  # nothing compares with null, as in SQL
        "vat_number not contains 'IT'",
        "(id = 11 or id = 12) and in_stock = false",
        "name contains '%'",  # only like knows the wildcard
        "updated_at > '2026-03-04T09:15:02+05:00'",  # the zone is not looked at
    ],
)
def test_filter_does_not_match(text: str) -> None:
    assert not compile_filter(text, COLUMNS)(RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "code = 'x'",  # not a column of this list
        "cassa2 = 1",  # digits cannot be named
        "id in (1, 2)",
        "not (id = 1)",
        "id = -1",
        "id = 1 And id = 2",
        'name = "x"',
        "name = 'it\\'s'",
        "name = 'open",
        "name = TRUE",
        "Name = 'x'",
        "name contains 5",
        "name not starts with 'x'",
        "id > null",
        "id = 1 id = 2",
        "(id = 1",
        "id",
        "= 1",
        "name. = 'x'",
    ],
)
def test_filter_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        compile_filter(text, COLUMNS)
