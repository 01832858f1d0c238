"""Values of fields as a reader writes such things: no digit is lost, and no text is guessed at."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.web.pages.plainly import Plainly, currency_of
from connector.web.pages.words import words_of
from tests.loaded import the_catalog

INVOICE = "fatture_in_cloud.create_issued_document"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("data.items_list.0.net_price", Decimal("1234.5"), "1.234,50"),
        ("data.items_list.0.net_price", "90.00412345", "90,00412345"),
        ("data.items_list.0.net_price", 0, "0,00"),
        ("data.items_list.0.qty", 1.5, "1,5"),
        ("data.items_list.0.vat.id", 12345, "12345"),
        ("data.date", "2026-03-04", "4 mar 2026"),
        ("data.date", "2026-13-04", "2026-13-04"),
        ("data.created_at", "2026-03-04 10:11:12", "4 mar 2026, 10:11:12"),
        ("data.entity.address_postal_code", "00184", "00184"),
        ("data.entity.vat_number", "01234567890", "01234567890"),
        ("data.e_invoice", True, "Sì"),
        ("data.payments_list.0.status", "not_paid", "Non saldato"),
        ("data.ei_raw", {"a": 1}, '{"a":1}'),
        ("data.subject", "", ""),
        ("data.subject", None, ""),
        ("data.amount_net", "many", "many"),
        ("data.unknown", Decimal("0.12345"), "0,12345"),
    ],
)
def test_a_value_is_written_as_the_reader_does(path: str, value: Any, told: str) -> None:
    assert Plainly(the_catalog(), INVOICE, words_of("it")).value(path, value) == told


def test_fields_of_the_same_name_are_told_apart() -> None:
    plainly = Plainly(the_catalog(), INVOICE, words_of("it"))
    method, account = "data.payment_method.name", "data.entity.default_payment_method.name"
    assert plainly.names([method, account]) == {
        method: ("Nome del metodo di pagamento", method),
        account: ("Nome del metodo di pagamento", account),
    }
    assert plainly.names(["data.date", "data.new"]) == {
        "data.date": ("Data", ""), "data.new": ("", "data.new"),
    }  # fmt: skip


def test_an_action_that_is_gone_shows_paths_and_values() -> None:
    plainly = Plainly(the_catalog(), "gone.away", words_of("en"))
    assert plainly.names(["data.x"]) == {"data.x": ("", "data.x")}
    assert plainly.value("data.x", 7) == "7"


def test_the_currency_is_that_of_the_record() -> None:
    assert currency_of({"data": {"currency": {"id": "USD"}}}) == "USD"
    assert currency_of({"currency": "EUR"}) == "EUR"
    assert currency_of({"currency": {"id": "<b>"}}) == ""
    assert currency_of(None) == ""
