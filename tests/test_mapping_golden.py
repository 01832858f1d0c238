"""Each file of tests/golden/mapping is one case: what is mapped, and exactly what comes out.

`issues` are those of compiling, `found` those that applying adds; `report` is given where a case
is about it: path, state and note. What is required is mapped beside, unless the case is `bare`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.errors import Issue
from connector.flow.document import read_document
from connector.mapping import CompiledMapping, compile_mapping
from connector.model import Field

FOLDER = Path(__file__).parent / "golden" / "mapping"
CASES = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.startswith("_"))
KEYS = {"about", "mapping", "context", "issues", "found", "payload", "report", "bare"}
ENTITY = {"company_id": 1, "data.entity.id": 7}


def read(path: Path) -> Any:
    document, issues = read_document(path.read_text("utf-8"))
    assert not issues
    return document.plain()


def fields() -> tuple[Field, ...]:
    return tuple(
        Field(**{"label": one["path"].rsplit(".", 1)[-1], **one})
        for one in read(FOLDER / "_fields.yaml")
    )


def told(issues: tuple[Issue, ...]) -> list[str]:
    marks = {"error": "", "warning": "warning: "}
    return [marks[issue.severity] + str(issue) for issue in issues]


def compiled(case: Mapping[str, Any]) -> CompiledMapping:
    beside = {} if case.get("bare") else ENTITY
    return compile_mapping(fields(), {**beside, **case["mapping"]}, where="map", origin="flow f")


def typed(value: Any) -> Any:
    """The same with the type of every value beside it: 1, True and Decimal(1) are not equal."""
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    return type(value).__name__, value


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case(path: Path) -> None:
    case = read(path)
    assert set(case) <= KEYS
    mapping = compiled(case)
    found = told(mapping.issues)
    assert found == case.get("issues", [])
    mapped = mapping.apply(case.get("context", {}))
    errors = told(tuple(issue for issue in mapping.issues if issue.severity == "error"))
    assert told(mapped.issues) == errors + case.get("found", [])
    expected = case["payload"]
    if not case.get("bare"):
        expected = {"company_id": 1, "data": {"entity": {"id": 7}, **expected.get("data", {})}}
    assert typed(mapped.payload) == typed(expected)
    if "report" in case:
        known = set() if case.get("bare") else set(ENTITY)
        report = [one for one in mapped.report if one.path not in known]
        shown = [f"{one.path} {one.state}{f' ({one.note})' if one.note else ''}" for one in report]
        assert shown == case["report"]


def test_every_case_says_what_it_is_about() -> None:
    assert CASES
    assert [path.name for path in CASES if not read(path).get("about")] == []
