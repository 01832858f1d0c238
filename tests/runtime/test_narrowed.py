"""Least privilege by type: who only issues invoices is asked for invoices."""

from __future__ import annotations

import pytest

from connector.runtime.scopes import narrowed
from tests.loaded import the_catalog

CATALOG = the_catalog()


@pytest.mark.parametrize(
    ("key", "given", "families"),
    [
        ("compose_invoice", {"data.type": "invoice"}, {"invoices:a"}),
        ("compose_invoice", {"data": {"type": "quote"}}, {"quotes:a"}),
        ("compose_invoice", {"data.type": "self_own_invoice"}, {"self_invoices:a"}),
        ("create_issued_document", {"data.type": "credit_note"}, {"credit_notes:a"}),
        ("list_issued_documents", {"type": "order"}, {"orders:r"}),
    ],
)
def test_a_fixed_type_needs_its_own_scope_alone(
    key: str, given: dict[str, object], families: set[str]
) -> None:
    node = CATALOG.operation(f"fatture_in_cloud.{key}")
    found = {one for one in narrowed(node, given) if one.startswith("issued_documents.")}
    assert found == {f"issued_documents.{one}" for one in families}


@pytest.mark.parametrize("given", [{}, {"data.type": "{{ trigger.kind }}"}, {"data.type": 7}])
def test_a_type_that_is_known_only_later_needs_them_all(given: dict[str, object]) -> None:
    node = CATALOG.operation("fatture_in_cloud.compose_invoice")
    assert narrowed(node, given) == list(node.scopes)


def test_what_has_nothing_to_do_with_the_type_stays() -> None:
    node = CATALOG.operation("fatture_in_cloud.compose_invoice")
    assert {"products:r", "entity.clients:r"} <= set(narrowed(node, {"data.type": "invoice"}))
