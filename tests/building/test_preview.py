"""What a form says beside a field, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from connector.building.preview import preview
from tests.loaded import the_catalog

CATALOG = the_catalog()
SEEN = {"trigger": {"id": 7, "resource": {"name": "Esempio S.r.l."}}, "steps": {}}


def fields(node: str, mapping: dict[str, Any], seen: Any = SEEN) -> Any:
    return preview(CATALOG, CATALOG.operation(node), mapping, seen)["fields"]


class TestSameInEveryRun:
    @pytest.mark.parametrize(
        ("node", "path", "value", "same"),
        [
            ("perfex_crm.create_invoice", "data.clientid", 3, True),
            ("perfex_crm.create_invoice", "data.date", "2026-03-04", True),
            ("perfex_crm.create_customer", "data.company", "Esempio S.r.l.", True),
            ("perfex_crm.create_customer", "data.company", "{{ trigger.resource.name }}", False),
            ("perfex_crm.create_customer", "data.company", "{{ trigger.id }} bis", False),
            ("perfex_crm.create_customer", "data.city", "Roma", False),
            ("perfex_crm.find_customer", "vat", "12345678903", True),
            ("fatture_in_cloud.compose_invoice", "data.entity.vat_number", "12345678903", True),
            ("fatture_in_cloud.compose_invoice", "data.type", "invoice", False),
            ("fatture_in_cloud.compose_invoice", "company_id", 12345, False),
        ],
    )
    def test_is_said_where_it_tells_of_one_record(
        self, node: str, path: str, value: Any, same: bool
    ) -> None:
        assert ("same" in fields(node, {path: value})[path]) == same

    def test_is_not_said_while_there_is_nothing_else_to_take(self) -> None:
        told = fields("perfex_crm.find_customer", {"vat": "1"}, {"trigger": {}})
        assert "same" not in told["vat"]
