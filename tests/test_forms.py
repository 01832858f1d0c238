"""connector.forms: bodies as PHP reads them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connector.errors import MappingError
from connector.forms import encode_form


def test_the_example_of_the_facts() -> None:
    body = encode_form(
        {
            "company": "Officine Lariane S.r.l.",
            "vat": "IT01234567890",
            "country": 109,
            "groups_in": [2, 5],
            "custom_fields": {"customers": {"3": "CRM-778"}},
        }
    )
    assert body == (
        b"company=Officine+Lariane+S.r.l.&vat=IT01234567890&country=109&groups_in%5B%5D=2"
        b"&groups_in%5B%5D=5&custom_fields%5Bcustomers%5D%5B3%5D=CRM-778"
    )


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        ({"a": True, "b": False}, [("a", "1"), ("b", "0")]),
        ({"a": None, "b": "", "c": []}, [("b", "")]),
        ({"a": Decimal("1234567890123.10")}, [("a", "1234567890123.10")]),
        ({"a": Decimal("1E+3")}, [("a", "1000")]),
        ({"a": "è & = [ ] +"}, [("a", "è & = [ ] +")]),
        (
            {"rows": [{"d": "x", "tax": ["IVA|22.00"]}, {"d": "y"}]},
            [("rows[0][d]", "x"), ("rows[0][tax][]", "IVA|22.00"), ("rows[1][d]", "y")],
        ),
        ({"a": [[1, 2], [3]]}, [("a[0][]", "1"), ("a[0][]", "2"), ("a[1][]", "3")]),
        ({"è": {"b c": 1}}, [("è[b c]", "1")]),
        ({}, []),
    ],
)
def test_values_and_nesting(data: dict[str, Any], pairs: list[tuple[str, str]]) -> None:
    assert parse_qsl(encode_form(data).decode(), keep_blank_values=True) == pairs


@pytest.mark.parametrize(
    "value", [1.5, Decimal("NaN"), Decimal("Infinity"), b"x", object(), "\ud800"]
)
def test_what_a_form_cannot_say_is_an_error_that_names_the_field(value: Any) -> None:
    with pytest.raises(MappingError) as caught:
        encode_form({"a": {"b": [value]}})
    assert caught.value.field == "a[b][]"


def test_endless_nesting_is_an_error() -> None:
    data: dict[str, Any] = {}
    data["a"] = data
    with pytest.raises(MappingError, match="nested deeper"):
        encode_form(data)
