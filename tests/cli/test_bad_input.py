"""What is wrong is said where it stands, with what to do and the exit code; nothing is stored."""

from __future__ import annotations

import os
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import EXAMPLE, Outside, Said, connector

NEAR = "Did you mean"


def fails(said: Said, code: int, *words: str) -> Said:
    """It ended with this code, said these words on its error stream, and no traceback."""
    assert said.code == code, said
    assert said.out == "", said
    for word in words:
        assert word in said.err, said.err
    assert "Traceback" not in said.err
    return said


def bad(place: Path, old: str, new: str) -> Path:
    """The example with one thing wrong."""
    text = EXAMPLE.read_text("utf-8")
    assert old in text
    path = place / "bad.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def line_of(path: Path, text: str) -> int:
    lines = path.read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


# --- flow documents -----------------------------------------------------------------------------

FAULTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    # what is wrong: (in the example, instead, what the line holds, what is said)
    "unknown node": (
        "perfex_crm.find_customer", "perfex_crm.find_custmer", "find_custmer",
        ("'perfex_crm.find_custmer'", NEAR, "perfex_crm.find_customer"),
    ),
    "unknown field": (
        "data.vat:", "data.vta:", "data.vta", ("data.vta", NEAR, "data.vat"),
    ),
    "unknown key": ("steps:", "stepz:", "stepz", ("stepz", NEAR, "steps")),
    "unknown filter": ("| trim", "| trimm", "trimm", ("trimm", "trim")),
    "broken expression": (
        "{{ trigger.resource.phone }}", "{{ trigger.resource.phone", "resource.phone", ("}}",),
    ),
    "unknown source path": (
        "vat: \"{{ trigger.resource.vat_number }}\"", "vat: \"{{ trigger.resource.vat_nummer }}\"",
        "vat_nummer", ("vat_nummer", NEAR, "vat_number"),
    ),
    "a step that comes later": (
        "when: \"{{ steps.find.count == 0 }}\"", "when: \"{{ steps.update.count == 0 }}\"",
        "steps.update", ("update",),
    ),
    "two steps of one name": ("- id: update", "- id: find", "- id: find", ("find",)),
    "a wrong type": (
        "company_id: 108061", "company_id: many", "company_id: many", ("company_id", "number"),
    ),
    "a choice that is none": (
        "entities.clients", "entities.customers", "entities.customers",
        ("resource", "entities.clients"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_check_says_file_line_and_column(place: Path, what: str) -> None:
    old, new, where, words = FAULTS[what]
    path = bad(place, old, new)
    said = connector("check", path)
    assert said.code in (0, 3)
    lines = [line_of(path, where)]
    if what == "two steps of one name":
        lines = [n for n, text in enumerate(path.read_text().splitlines(), 1) if where in text]
    places = [f"{path}:{line}:" for line in lines]
    told = [one for one in said.err.splitlines() if any(p in one for p in places)]
    assert told, said.err
    assert any(all(word in one for word in words) for one in told), said.err


@pytest.mark.parametrize("what", [one for one in FAULTS if one != "unknown source path"])
def test_a_faulty_flow_ends_with_3_and_is_not_stored(toured: Any, place: Path, what: str) -> None:
    path = bad(place, *FAULTS[what][:2])
    assert connector("check", path).code == 3
    assert connector("flow", "apply", path).code == 3
    assert connector("try", path).code == 3
    (row,) = connector("flow", "list", "--json").json
    assert (row["version"], row["document"]) == (1, EXAMPLE.read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("flow: x\n  bad: [1", 2, ""),
        ("flow: x\nflow: y\n", 2, "twice"),
        ("flow: x\ntrigger: {node: a\n", 2, "not closed"),
        ("\tflow: x\n", 1, ""),
        ("flow: &a x\nname: *a\n", 1, ""),
        ("- flow\n", 1, ""),
        ("", 1, ""),
        ("just words\n", 1, ""),
    ],
)
def test_malformed_yaml_is_told_with_its_line(text: str, line: int, word: str) -> None:
    said = connector("check", "-", stdin=text)
    assert said.code == 3
    assert f"-:{line}:" in said.err
    assert word in said.err
    assert "Traceback" not in said.err


def test_a_mapping_to_a_read_only_field_is_a_warning_and_no_error(place: Path) -> None:
    flow = EXAMPLE.parent / "fic-invoice-copy.yaml"
    path = place / "copy.yaml"
    path.write_text(flow.read_text().replace("      data.type: invoice\n", READ_ONLY), "utf-8")
    said = connector("check", path)
    assert said.code == 0
    line = line_of(path, "data.amount_net")
    (told,) = [one for one in said.err.splitlines() if f"{path}:{line}:" in one]
    assert "warning" in told
    assert "read-only" in told or "read only" in told


READ_ONLY = "      data.type: invoice\n      data.amount_net: 1\n"


def test_line_item_lists_of_unequal_lengths_are_told_by_name(place: Path) -> None:
    (place / "lists.yaml").write_text(LISTS)
    said = connector("try", "lists.yaml")
    assert said.code == 3
    assert "data.items_list.name" in said.out + said.err
    assert "data.items_list.qty" in said.out + said.err
    assert "Traceback" not in said.err


LISTS = """
flow: lists
trigger:
  node: fatture_in_cloud.raw_event
  connection: f
  with: {company_id: 1, resource: entities.clients, event_types: [create]}
steps:
  - id: one
    node: fatture_in_cloud.create_issued_document
    connection: f
    map:
      company_id: 1
      data.type: invoice
      data.entity.name: x
      data.items_list.name: ["{{ 'a' }}", "{{ 'b' }}"]
      data.items_list.qty: [1, 2, 3]
      data.items_list.vat.id: 0
"""


def test_values_of_the_wrong_type_are_told_by_field(place: Path) -> None:
    (place / "event.json").write_text('{"id": 7, "name": ["a", "b"], "vat_number": {"x": 1}}')
    said = connector("try", EXAMPLE, "--event", "event.json", "--step", 'find={"found": false}')
    assert said.code == 3
    told = said.out + said.err
    assert "vat" in told
    assert "Traceback" not in told


def test_a_missing_source_value_is_told_with_the_nearest_keys(place: Path) -> None:
    (place / "event.json").write_text('{"id": 7, "name": "A", "vat_numbr": "IT1"}')
    said = connector("try", EXAMPLE, "--event", "event.json")
    assert said.code == 3
    assert "There is no 'vat_number' in trigger.resource" in said.out
    assert "Did you mean 'vat_numbr'" in said.out
    assert "find.map.vat" in said.out


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["check"], ["try"], ["flow", "apply"]])
def test_a_file_that_is_not_there_is_named(command: list[str]) -> None:
    fails(connector(*command, "none.yaml"), 3, "none.yaml", "Check its name")


def test_a_folder_is_no_file(place: Path) -> None:
    (place / "folder").mkdir()
    fails(connector("check", "folder"), 3, "folder")


def test_a_file_that_is_no_text_is_told(place: Path) -> None:
    (place / "latin.yaml").write_bytes("flow: è".encode("latin-1"))
    fails(connector("check", "latin.yaml"), 3, "UTF-8", "byte 6")


def test_standard_input_that_is_no_text_is_told() -> None:
    fails(connector("check", "-", stdin="flow: è".encode("latin-1")), 3, "UTF-8")


@pytest.mark.parametrize("text", ["{", "[1]", '"a"', "NaN", ""])
def test_an_event_file_that_holds_no_event_is_told(place: Path, text: str) -> None:
    (place / "event.json").write_text(text)
    fails(connector("try", EXAMPLE, "--event", "event.json"), 3, "event")


@pytest.mark.parametrize("given", ["find", "find=", "find={", "=1"])
def test_an_assumed_answer_that_is_none_is_a_wrong_call(given: str) -> None:
    said = connector("try", EXAMPLE, "--step", given)
    assert said.code == 2
    assert "STEP=JSON" in said.err


def test_an_assumed_answer_of_an_unknown_step_is_told() -> None:
    said = connector("try", EXAMPLE, "--step", 'fnid={"found": true}')
    assert said.code in (2, 3)
    assert "fnid" in said.err


# --- names --------------------------------------------------------------------------------------


def test_an_unknown_node_is_told_with_the_nearest() -> None:
    fails(connector("fields", "perfex_crm.create_custmer"), 1, NEAR, "perfex_crm.create_customer")


def test_an_unknown_app_is_told_with_the_nearest(place: Path) -> None:
    for command in (["nodes", "--app", "perfex"], ["connect", "perfex"]):
        fails(connector(*command), 1, NEAR, "perfex_crm")
    assert list(place.iterdir()) == []


def test_an_unknown_kind_is_a_wrong_call() -> None:
    said = connector("nodes", "--kind", "triger")
    assert (said.code, said.out) == (2, "")
    assert "trigger, action or search" in said.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["flow", "show", "none"], 3),
        (["flow", "enable", "none"], 3),
        (["flow", "disable", "none"], 3),
        (["run-show", "9"], 1),
        (["replay", "9"], 1),
    ],
)
def test_what_is_not_there_is_told_with_where_to_look(words: list[str], code: int) -> None:
    said = fails(connector(*words), code, f"There is no {'flow' if code == 3 else 'run'}")
    assert "`connector " in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"], ["fields"], ["fields", "a", "b"], ["runs", "--limit", "0"],
        ["runs", "--limit", "many"], ["run-show", "one"], ["serve", "--port", "70000"],
        ["apps", "--nonsense"], ["sandbox", "--generation", "4.x"],
    ],
)  # fmt: skip
def test_a_wrong_call_ends_with_2(words: list[str]) -> None:
    said = connector(*words)
    assert (said.code, said.out) == (2, "")
    assert "Usage" in said.err


@pytest.mark.parametrize("state", ["faild", "Failed", ""])
def test_a_state_that_no_run_has_is_a_wrong_call(state: str) -> None:
    said = connector("runs", "--state", state)
    assert said.code == 2
    assert "waiting" in said.err


def test_a_flow_that_is_not_there_has_no_runs() -> None:
    assert connector("runs", "--flow", "none").out == "No run fits.\n"


# --- connections --------------------------------------------------------------------------------


def test_a_flow_of_a_missing_connection_is_refused_with_what_to_do() -> None:
    said = connector("flow", "apply", EXAMPLE, "--enable")
    assert said.code == 3
    assert "There is no connection 'fatture'" in said.err
    assert "connector connect" in said.err
    assert connector("flow", "list", "--json").json == []


def test_check_compares_connections_when_asked(toured: Any, place: Path) -> None:
    path = bad(place, "connection: perfex", "connection: prefex")
    assert connector("check", path).code == 0
    said = connector("check", path, "--connections")
    assert said.code == 3
    assert f"{path}:{line_of(path, 'prefex')}:" in said.err
    assert "'perfex'" in said.err


def test_a_connection_of_the_wrong_app_is_told(toured: Any, place: Path) -> None:
    path = bad(place, "connection: perfex", "connection: fatture")
    said = connector("check", path, "--connections")
    assert said.code == 3
    assert "perfex_crm" in said.err


def test_a_wrong_token_ends_with_5_and_stores_nothing(outside: Outside) -> None:
    said = connector(
        "connect", "perfex_crm", "--address", outside["perfex"], "--token", "-", stdin="wrong\n"
    )
    fails(said, 5, "does not accept this token", "copied whole")
    assert connector("connections", "--json").json == []


def test_a_server_that_is_not_there_ends_with_5_and_names_the_address() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    said = connector("connect", "perfex_crm", "--address", address, "--token", "x")
    fails(said, 5, "could not be reached", address)


def test_a_server_that_is_something_else_ends_with_5(outside: Outside) -> None:
    # Fatture in Cloud is no Perfex.
    said = connector("connect", "perfex_crm", "--address", outside["fic"], "--token", "x")
    fails(said, 5, f"Check the address {outside['fic']}/api")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["perfex_crm", "--token", "x"], "address of Perfex CRM is missing"),
        (["perfex_crm", "--token", "x", "--address", "http://crm.example"], "not https"),
        (["perfex_crm", "--address", "https://crm.example"], "connected with a token"),
        (["perfex_crm", "--token", "-", "--address", "https://crm.example"], "token"),
        (["fatture_in_cloud", "--no-browser"], "no OAuth client"),
        (["fatture_in_cloud", "--token", "x", "--name", ""], "name"),
    ],
)
def test_what_a_connection_lacks_ends_with_4_and_calls_nobody(words: list[str], said: str) -> None:
    told = connector("connect", *words)
    if words[-1] == "":
        # No name is the app's own name; the token is then the fault.
        assert told.code in (4, 5)
        return
    fails(told, 4, said)


# --- settings and the database ------------------------------------------------------------------


def test_a_wrong_setting_is_named_as_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_PORT", "many")
    monkeypatch.setenv("CONNECTOR_API_TOKEN", "hunter2")
    said = fails(connector("runs"), 1, "CONNECTOR_PORT", "CONNECTOR_API_TOKEN", "16 characters")
    assert "hunter2" not in said.err


def test_a_database_that_is_none_is_told_with_its_name(place: Path) -> None:
    (place / "connector.db").write_text("Dear diary, " * 1_000)
    for words in (["runs"], ["flow", "list"], ["serve"], ["connections", "--json"]):
        said = connector(*words)
        assert said.code == 6
        assert "connector.db cannot be opened" in said.out + said.err
        assert "Traceback" not in said.err
    assert (place / "connector.db").read_text().startswith("Dear diary")


def test_a_folder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_DATABASE", "sqlite:///nowhere/connector.db")
    fails(connector("runs"), 6, "nowhere/connector.db", "folder exists")


@pytest.mark.parametrize("address", ["connector.db", "mysql://x/y", "sqlite:///", "sqlite://x"])
def test_an_address_that_is_no_database_is_told(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("CONNECTOR_DATABASE", address)
    fails(connector("runs"), 6, "sqlite:///")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written_is_told(toured: Any, place: Path) -> None:
    (place / "connector.db").chmod(0o400)
    assert connector("runs").code == 6


def test_a_database_of_a_newer_release_is_left_alone(toured: Any, place: Path) -> None:
    with sqlite3.connect(place / "connector.db") as file:
        file.execute("PRAGMA user_version = 999")
    file.close()
    fails(connector("runs"), 6, "newer release", "Upgrade")


def test_another_key_is_told_and_not_made_anew(toured: Any, place: Path) -> None:
    key = place / "connector.key"
    key.unlink()
    said = connector("connections")
    assert said.code != 0
    assert "key" in said.err
    assert not key.exists()


def test_looking_around_needs_no_database(place: Path) -> None:
    for words in (["apps"], ["nodes"], ["fields", "perfex_crm.find_customer"], ["check", EXAMPLE]):
        assert connector(*words).code == 0
    assert connector("try", EXAMPLE).code == 0
    assert list(place.iterdir()) == []
