"""The values that people know are offered first, the technical ones last."""

from __future__ import annotations

import pytest

from connector.building.contexts import ranks_for
from connector.building.useful import FIRST, ORDINARY, TECHNICAL, usefulness
from connector.model import FieldType
from tests.loaded import the_catalog


@pytest.mark.parametrize(
    ("path", "type_", "rank"),
    [
        ("resource.name", "string", FIRST),
        ("resource.company", "string", FIRST),
        ("resource.vat", "string", FIRST),
        ("resource.entity.vat_number", "string", FIRST),
        ("resource.number", "integer", FIRST),
        ("resource.amount_gross", "number", FIRST),
        ("resource.next_due_date", "date", FIRST),
        ("resource.duedate", "string", FIRST),
        ("resource.items_list.net_price", "number", FIRST),
        ("resource.ei_code", "string", ORDINARY),
        ("resource.paid", "boolean", ORDINARY),
        ("resource.default_payment_method.name", "string", ORDINARY),
        ("resource.id", "integer", TECHNICAL),
        ("resource.clientid", "integer", TECHNICAL),
        ("resource.price_list_id", "string", TECHNICAL),
        ("resource.created_at", "string", TECHNICAL),
        ("resource.datecreated", "string", TECHNICAL),
        ("resource.hash", "string", TECHNICAL),
        ("resource.attachment_url", "string", TECHNICAL),
        ("resource.template.name", "string", TECHNICAL),
        ("event.time", "datetime", TECHNICAL),
        ("enrichment", "string", TECHNICAL),
    ],
)
def test_how_soon_a_value_is_offered(path: str, type_: FieldType, rank: int) -> None:
    assert usefulness(path, type_) == rank


def test_of_a_trigger_and_of_steps() -> None:
    data = {
        "trigger": {"node": "perfex_crm.new_invoice"},
        "steps": [{"id": "who", "node": "perfex_crm.get_customer"}, {}],
    }
    ranks = ranks_for(the_catalog(), data, 1)
    assert ranks["trigger.resource.total"] == ranks["steps.who.company"] == FIRST
    assert ranks["trigger.event.id"] == ranks["steps.who.skipped"] == TECHNICAL
    assert "trigger.resource.terms" not in ranks
