"""What the command tells of faults: which field, why, and what to do."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from connector.cli.history import run_line
from connector.errors import Invalid, Issue
from tests.cli.kit import EXAMPLE, connector, program

FAULTS = [
    Issue(message="It is no e-mail address.", field="data.email", remedy="Write name@host."),
    Issue(message="It is missing.", where="steps.create"),
]


def failed(place: Path, *issues: Issue) -> dict[str, Any]:
    """Make the tour's run a failed one; gives its error."""
    error = Invalid("The mapping has errors.", remedy="Mend the flow.", issues=issues).as_data()
    with sqlite3.connect(place / "connector.db") as file:
        file.execute("UPDATE run SET state = 'failed', error = ?", (json.dumps(error),))
    file.close()
    return error


def test_a_run_shows_each_issue_with_its_remedy(toured: Any, place: Path) -> None:
    failed(place, *FAULTS)
    out = connector("run-show", "1").out
    assert "- data.email: It is no e-mail address. Write name@host.\n" in out
    assert "- steps.create: It is missing.\n" in out
    assert "Mend the flow.\n" in out


def test_the_list_of_runs_shows_the_first_fault(toured: Any, place: Path) -> None:
    failed(place, *FAULTS)
    assert "data.email: It is no e-mail address. (and 1 more)" in connector("runs").out


@pytest.mark.parametrize(
    ("issues", "told"),
    [
        ((), "The mapping has errors."),
        (FAULTS[:1], "data.email: It is no e-mail address."),
        (FAULTS[1:], "steps.create: It is missing."),
        ([Issue(message="It is odd.")], "It is odd."),
    ],
)
def test_a_fault_is_told_with_its_place_where_it_has_one(issues: list[Issue], told: str) -> None:
    error = Invalid("The mapping has errors.", issues=issues).as_data()
    row = {
        "id": 1, "flow": "f", "item_id": "7", "state": "failed", "summary": None, "error": error,
        "created_at": 0, "finished_at": 1,
    }  # fmt: skip
    assert run_line(row)[-1] == told


def test_switching_on_a_flow_whose_connection_is_gone_says_how_to_make_it(
    toured: Any, place: Path
) -> None:
    with sqlite3.connect(place / "connector.db") as file:
        file.execute("UPDATE connection SET name = 'other' WHERE app = 'perfex_crm'")
    file.close()
    said = connector("flow", "enable", "client-to-perfex")
    assert said.code == 0
    assert "It cannot run" in said.err
    assert "`connector connect perfex_crm --name perfex`" in said.err


@pytest.mark.parametrize("name", ["crm", "our crm"])
def test_a_missing_connection_is_told_with_the_command_that_makes_it(
    place: Path, name: str
) -> None:
    text = EXAMPLE.read_text("utf-8").replace("connection: perfex", f"connection: {name}")
    said = connector("check", "-", "--connections", stdin=text)
    shown = name if " " not in name else f"'{name}'"
    assert said.code == 3
    assert f"Make it: `connector connect perfex_crm --name {shown}`." in said.err
    assert "Make it: `connector connect fatture_in_cloud --name fatture`." in said.err


def test_a_wrong_address_is_named_as_its_option_is(place: Path) -> None:
    said = connector("connect", "perfex_crm", "--token", "t" * 9, "--address", "ftp://x")
    assert said.code == 4
    assert said.err.startswith("error: address: The address of Perfex CRM")


def test_serve_warns_of_a_misspelt_variable(place: Path) -> None:
    with program("serve", "--port", "0", folder=place, CONNECTOR_PROT="9000") as server:
        server.until("No flow is switched on yet")
        said = server.end(signal.SIGINT)
    told = "warning: no setting, so ignored: CONNECTOR_PROT (did you mean CONNECTOR_PORT?)\n"
    assert said.err.count(told) == 1


@pytest.mark.parametrize("command", [("runs", "--json"), ("apps",), ("check", "-")])
def test_every_command_warns_of_a_misspelt_variable(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CONNECTOR_DATABSE", "sqlite:///elsewhere.db")
    monkeypatch.setenv("CONNECTOR_PERFEX_CRM_CLIENT_ID", "that of an app")
    monkeypatch.setenv("CONNECTOR_MAPPING_ANYTHING", "somebody else's")
    said = connector(*command, stdin="flow: a")
    told = "warning: no setting, so ignored: CONNECTOR_DATABSE (did you mean CONNECTOR_DATABASE?)"
    assert said.err.count(told) == 1
    assert said.err.count("CONNECTOR_") == 2, "in one line, and of nothing else"
    assert "warning" not in said.out


def test_a_flow_with_warnings_is_not_called_fine(place: Path) -> None:
    lines = EXAMPLE.read_text("utf-8").replace(
        "      data.company:", "      data.userid: 5\n      data.company:", 1
    )
    (place / "flow.yaml").write_text(lines, "utf-8")
    said = connector("check", "flow.yaml")
    assert (said.code, said.out) == (0, "The flow can run; see the warnings.\n")
    assert "read-only" in said.err


def test_a_whole_number_is_not_asked_for_with_decimals(place: Path) -> None:
    text = EXAMPLE.read_text("utf-8").replace("company_id: 108061", "company_id: abc", 1)
    (place / "flow.yaml").write_text(text, "utf-8")
    said = connector("check", "flow.yaml")
    assert said.code == 3
    assert "Write it as 1234, without" in said.out + said.err
