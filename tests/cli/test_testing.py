"""`connector test` and `connector flow versions|diff|rollback`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.engine.cases import read_cases, write_cases
from connector.errors import FlowError
from tests.cli.kit import EXAMPLE, connector


@pytest.fixture
def saved(place: Path) -> Path:
    """A flow with one case of a record of our own."""
    (place / "flow.yaml").write_text(EXAMPLE.read_text())
    record = {"id": 7, "name": "Rossi", "vat_number": "IT1"}
    names = ("phone", "address_street", "address_city", "address_province")
    record |= dict.fromkeys((*names, "address_postal_code", "country", "country_iso"))
    (place / "event.json").write_text(json.dumps(record))
    said = connector("test", "flow.yaml", "--save", "rossi", "--event", "event.json")
    assert said.code == 0, said
    return place / "flow.cases.yaml"


def test_a_saved_case_holds_until_the_flow_does_something_else(place: Path, saved: Path) -> None:
    assert connector("test", "flow.yaml").out == "ok  flow.yaml · rossi\n"
    text = (place / "flow.yaml").read_text()
    mended = text.replace("steps.find.count == 0", "steps.find.count == 1")
    (place / "flow.yaml").write_text(mended)
    said = connector("test", "flow.yaml")
    assert said.code == 3
    assert 'steps.create.state: expected "skipped", got "would_run"' in said.out
    told = connector("test", "flow.yaml", "--json")
    assert (told.code, told.json["ok"]) == (3, False)
    assert connector("test", "flow.yaml", "--save", "rossi").code == 0
    assert connector("test", "flow.yaml").code == 0


def test_cases_are_read_as_they_were_written(saved: Path) -> None:
    cases = read_cases(saved.read_text())
    assert [case.name for case in cases] == ["rossi"]
    assert write_cases(cases) == saved.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("cases: 1", "one list"),
        ("cases: [1]", "not an object"),
        ("cases: [{name: a, expect: {passes: true}}]", "no `trigger`"),
        ("cases: [{name: a, trigger: {}}]", "is not empty"),
        ("cases: [{trigger: {}, expect: {passes: true}, now: soon}]", "no time"),
        ("cases: [{trigger: {}, expect: {passes: true}, x: 1}]", "no key 'x'"),
    ],
)
def test_a_file_of_cases_that_says_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(FlowError, match=words):
        read_cases(text)


def test_a_flow_without_cases_is_no_success(place: Path) -> None:
    (place / "flow.yaml").write_text(EXAMPLE.read_text())
    said = connector("test", "flow.yaml")
    assert said.code == 3
    assert "--save NAME" in said.err


def test_versions_are_listed_compared_and_gone_back_to(toured: Any) -> None:
    text = connector("flow", "show", "client-to-perfex").out
    line = '      data.city: "{{ trigger.resource.address_city }}"\n'
    assert line in text
    assert connector("flow", "apply", "-", stdin=text.replace(line, "", 1)).code == 0
    rows = connector("flow", "versions", "client-to-perfex", "--json").json
    assert [row["version"] for row in rows] == [2, 1]
    said = connector("flow", "diff", "client-to-perfex")
    assert said.out == "Step 'Create Customer' no longer fills City.\n"
    italian = connector("flow", "diff", "client-to-perfex", "--language", "it").out
    assert italian == "Il passo 'Crea cliente' non compila più Città.\n"
    back = connector("flow", "rollback", "client-to-perfex", "1", "--json").json
    assert (back["version"], back["document"]) == (3, text)
    assert connector("flow", "rollback", "client-to-perfex", "9").code == 3


def test_a_flow_is_deleted_after_it_was_said_what_goes(toured: Any) -> None:
    assert connector("flow", "tests", "client-to-perfex").out == "cases: []\n"
    refused = connector("flow", "delete", "client-to-perfex", stdin="n\n")
    assert refused.code == 1
    assert "start nothing" in refused.err
    assert connector("flow", "delete", "client-to-perfex", stdin="y\n").code == 0
    assert connector("flow", "list", "--json").json == []
    said = connector("flow", "delete", "client-to-perfex", "--yes")
    assert (said.code, "There is no flow" in said.err) == (3, True)
    assert connector("runs", "--json").json[0]["flow"] == "client-to-perfex"
