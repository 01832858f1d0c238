"""docs/flows.md and docs/mapping.md: their examples give what they show, their errors are real."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.catalog import Catalog
from connector.errors import Issue
from connector.flow import check_flow
from connector.flow.document import read_document
from connector.mapping import compile_mapping
from connector.model import Action

DOCS = Path(__file__).parents[2] / "docs"
MAPPING = (DOCS / "mapping.md").read_text("utf-8")
FLOWS = (DOCS / "flows.md").read_text("utf-8")
NODE = "fatture_in_cloud.create_issued_document"
NEEDED = {"company_id": 108061, "data.type": "invoice", "data.entity.name": "Esempio"}


def blocks(page: str, info: str) -> list[str]:
    return re.findall(rf"^```{info}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def rows(page: str) -> list[list[str]]:
    """The table of errors, its code without quotes and its escaped bars as they are meant."""
    table = page.split("## What the errors say")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    cells = [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines]
    return [[one.strip().replace("\\|", "|") for one in row] for row in cells]


def code(cell: str) -> str:
    return cell.removeprefix("`").removesuffix("`")


def says(issue: Issue, told: str) -> bool:
    """Whether the page tells what the issue says; `…` at its end stands for the rest."""
    text = f"{issue.message} {issue.remedy}".strip()
    return text.startswith(told.removesuffix("…").strip()) if told.endswith("…") else text == told


def parsed(text: str) -> dict[str, Any]:
    document, issues = read_document(text)
    assert not issues
    plain: dict[str, Any] = document.plain()
    return plain


CONTEXT = json.loads(blocks(MAPPING, "json context")[0], parse_float=Decimal)
EXAMPLES = re.findall(
    r"^```yaml mapping\n(.*?)^```$(?:\n\n```json payload\n(.*?)^```$)?",
    MAPPING,
    re.MULTILINE | re.DOTALL,
)


def needed(mapping: dict[str, Any]) -> dict[str, Any]:
    """What every document needs, unless the mapping brings it."""
    return {
        key: value
        for key, value in NEEDED.items()
        if not any(key == one or key.startswith(f"{one}.") for one in mapping)
    }


def without(payload: dict[str, Any], mapping: dict[str, Any]) -> dict[str, Any]:
    """The payload of a mapping alone, without what was needed beside it."""
    beside = needed(mapping)
    data = dict(payload.get("data", {}))
    if "data.type" in beside:
        data.pop("type")
    if "data.entity.name" in beside:
        data.pop("entity")
    return {"data": data} if data else {}


class TestMappingPage:
    @pytest.mark.parametrize(("text", "payload"), EXAMPLES, ids=[one[0][:40] for one in EXAMPLES])
    def test_example_gives_what_it_shows(self, text: str, payload: str, catalog: Catalog) -> None:
        mapping = parsed(text)
        node = catalog.node(NODE)
        assert isinstance(node, Action)
        compiled = compile_mapping(node, {**needed(mapping), **mapping}, catalog=catalog)
        assert [one for one in compiled.issues if one.severity == "error"] == []
        mapped = compiled.apply(CONTEXT, validate=True).raise_for_errors()
        if payload:
            expected = json.loads(payload, parse_float=Decimal)
            assert without(mapped.payload, mapping) == expected

    def test_there_are_examples_and_errors(self) -> None:
        assert len(EXAMPLES) >= 7
        assert len(rows(MAPPING)) >= 15
        assert len(rows(FLOWS)) >= 10

    @pytest.mark.parametrize("row", rows(MAPPING), ids=lambda row: row[0][:50])
    def test_error_is_what_the_page_says(self, row: list[str], catalog: Catalog) -> None:
        written, told = row
        mapping = parsed(code(written))
        node = catalog.node(NODE)
        assert isinstance(node, Action)
        compiled = compile_mapping(node, {**NEEDED, **mapping}, catalog=catalog)
        found = [*compiled.issues, *compiled.apply(CONTEXT).issues]
        assert any(says(issue, told) for issue in found), [str(issue) for issue in found]


class TestFlowsPage:
    FLOW = blocks(FLOWS, "yaml flow")[0]

    @pytest.mark.parametrize("row", rows(FLOWS), ids=lambda row: row[1][:50])
    def test_error_is_what_the_page_says(self, row: list[str], catalog: Catalog) -> None:
        has, written, told = row
        assert code(has) in self.FLOW
        text = self.FLOW.replace(code(has), code(written))
        connections = {"fatture": "fatture_in_cloud", "perfex": "perfex_crm"}
        found = check_flow(text, catalog, connections).issues
        assert any(says(issue, told) for issue in found), [str(issue) for issue in found]
