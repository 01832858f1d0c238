"""docs/coverage.md is what the catalogue says today; every operation has a node or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.catalog import Catalog
from connector.testing.coverage import Coverage, coverage, page, read

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "coverage" / "fatture_in_cloud.json"


@pytest.fixture(scope="module")
def found(catalog: Catalog) -> Coverage:
    return coverage(read(TABLE), catalog)


def test_the_table_has_all_123_operations(found: Coverage) -> None:
    assert len({row.operation for row in found.rows}) == 123
    assert len({(row.verb, row.path) for row in found.rows}) == 123


def test_every_operation_has_a_node_or_a_sentence_saying_why_not(found: Coverage) -> None:
    assert [row.operation for row in found.open] == []
    assert all(row.why.endswith(".") for row in found.rows if row.why)


def test_nodes_name_only_operations_that_there_are(found: Coverage) -> None:
    assert found.unknown == ()


def test_the_page_is_fresh(catalog: Catalog, found: Coverage) -> None:
    written = (ROOT / "docs" / "coverage.md").read_text("utf-8")
    assert written == page(found, catalog.app(found.app).title), "`make docs` writes it anew"


def test_what_no_node_uses_is_open(catalog: Catalog) -> None:
    table = {
        "app": "fatture_in_cloud",
        "version": "1",
        "operations": [
            {"operation": "getClient", "verb": "GET", "path": "/c/{a}/entities/clients/{b}"},
            {"operation": "fly", "verb": "POST", "path": "/moon"},
            {"operation": "land", "verb": "POST", "path": "/sea", "why": "It is wet."},
        ],
    }
    made = coverage(table, catalog)
    assert [row.operation for row in made.open] == ["fly"]
    assert "get_client" in made.rows[0].nodes
    assert "It is wet." in page(made, "Test")
    assert "no node for it yet" in page(made, "Test")
    assert "createClient" in made.unknown
