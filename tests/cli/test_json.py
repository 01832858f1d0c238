"""What scripts rely on: every `--json` is JSON, in the same shape in every release."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.cli.conftest import Tour
from tests.cli.kit import EXAMPLE, Outside, connector

FIELD = {
    "path", "label", "type", "required", "read_only", "write_only", "list", "array", "choices",
    "open_choices", "format", "max_length", "minimum", "maximum", "default", "example", "help",
    "group", "by_id",
}  # fmt: skip
RUN = {
    "id", "flow", "flow_version", "event_id", "item_id", "replay", "state", "reason", "attempts",
    "due_at", "created_at", "finished_at", "error", "summary",
}  # fmt: skip
STEP = {"id", "position", "state", "summary", "output", "error", "started_at", "finished_at"}
EFFECT = {
    "key", "step", "node", "state", "marker", "remote_id", "sends", "sent_at", "due_at",
    "evidence", "request",
}  # fmt: skip
FLOW = {"key", "enabled", "version", "document", "created_at", "problem"}
LISTED_FLOW = {*FLOW, "waits"}
CONNECTION = {"id", "tenant", "app", "name", "base_url", "settings", "status"}
EVENT = {
    "id", "delivery_id", "connection_id", "type", "resource", "operation", "account", "ids",
    "happened_at", "received_at", "state", "attempts", "due_at", "error", "runs",
}  # fmt: skip
ERROR = {"kind", "message", "remedy", "field", "value_type", "who", "issues"}


def keys(rows: list[dict[str, Any]], least: set[str]) -> None:
    """Every row has these keys; a later release may add some."""
    assert rows
    for row in rows:
        assert set(row) >= least, least - set(row)


# --- without a database -------------------------------------------------------------------------


def test_apps() -> None:
    rows = connector("apps", "--json").json
    keys(rows, {"key", "title", "auth", "address", "docs_url"})
    assert [row["key"] for row in rows] == ["fatture_in_cloud", "perfex_crm"]


def test_nodes() -> None:
    rows = connector("nodes", "--json").json
    keys(rows, {"name", "kind", "label", "description", "scopes", "inputs", "docs_url"})
    assert {row["kind"] for row in rows} == {"trigger", "action", "search"}


def test_nodes_narrowed() -> None:
    rows = connector("nodes", "--app", "perfex_crm", "--kind", "search", "--json").json
    names = [row["name"] for row in rows]
    assert "perfex_crm.find_customer" in names
    assert {
        (row["kind"], name.partition(".")[0]) for row, name in zip(rows, names, strict=True)
    } == {("search", "perfex_crm")}


def test_fields() -> None:
    rows = connector("fields", "fatture_in_cloud.create_issued_document", "--json").json
    keys(rows, FIELD)
    told = {row["path"]: row for row in rows}
    assert told["company_id"]["required"] is True
    assert told["data.amount_net"]["read_only"] is True
    assert told["data.attachment_token"]["write_only"] is True
    assert told["data.items_list.name"]["list"] is True
    assert told["data.items_list.name"]["array"] == "data.items_list"
    kinds = told["data.type"]["choices"]
    assert {"value", "label"} == set(kinds[0])
    assert "invoice" in [one["value"] for one in kinds]


def test_fields_of_every_node(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked within this process: a program for each of some hundred nodes takes minutes."""
    from connector import catalog as room
    from connector.cli.catalogue import fields

    loaded = room.load_catalog()
    monkeypatch.setattr(room, "load_catalog", lambda: loaded)
    for name in loaded.nodes:
        fields(name, output=False, resource=None, search="", json=True)
        rows = json.loads(capsys.readouterr().out)
        assert all(set(row) >= FIELD for row in rows), name


def test_fields_that_a_trigger_gives() -> None:
    rows = connector(
        "fields", "fatture_in_cloud.enriched_event", "--output", "--resource",
        "entities.clients", "--json",
    ).json  # fmt: skip
    keys(rows, FIELD)
    assert "resource.vat_number" in [row["path"] for row in rows]


def test_fields_searched() -> None:
    every = connector("fields", "perfex_crm.create_customer", "--json").json
    some = connector("fields", "perfex_crm.create_customer", "--search", "VAT", "--json").json
    assert 0 < len(some) < len(every)
    assert "data.vat" in [row["path"] for row in some]


def test_check_of_a_good_flow() -> None:
    told = connector("check", EXAMPLE, "--json").json
    assert told == {"flow": "client-to-perfex", "ok": True, "destructive": [], "issues": []}


def test_check_of_a_faulty_flow(place: Any) -> None:
    (place / "bad.yaml").write_text(EXAMPLE.read_text().replace("data.vat:", "data.vta:"))
    said = connector("check", "bad.yaml", "--json")
    assert said.code == 3
    told = said.json
    assert (told["flow"], told["ok"]) == ("client-to-perfex", False)
    for issue in told["issues"]:
        assert {"message", "remedy", "field", "where", "line", "column"} <= set(issue)
        assert issue["severity"] == "error"
    assert len(told["issues"]) == 2


def test_try() -> None:
    told = connector("try", EXAMPLE, "--json").json
    assert set(told) == {"passes", "ok", "error", "steps"}
    assert (told["passes"], told["ok"], told["error"]) == (True, True, None)
    keys(
        told["steps"],
        {"id", "node", "state", "inputs", "request", "assumed", "error", "warnings"},
    )


# --- with one -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["connections"], ["flow", "list"], ["events"], ["runs"]])
def test_nothing_yet_is_an_empty_list(words: list[str]) -> None:
    assert connector(*words, "--json").json == []


def test_connections(toured: Any) -> None:
    rows = connector("connections", "--json").json
    keys(rows, CONNECTION)
    assert [row["name"] for row in rows] == ["fatture", "perfex"]
    assert {row["status"] for row in rows} == {"active"}


def test_flows(toured: Any) -> None:
    rows = connector("flow", "list", "--json").json
    keys(rows, LISTED_FLOW)
    shown = connector("flow", "show", "client-to-perfex", "--json").json
    assert shown == {name: rows[0][name] for name in FLOW}
    for word, on in (("disable", False), ("enable", True)):
        row = connector("flow", word, "client-to-perfex", "--json").json
        keys([row], FLOW)
        assert row["enabled"] is on


def test_flow_apply(toured: Any) -> None:
    row = connector("flow", "apply", EXAMPLE, "--json").json
    keys([row], FLOW | {"issues"})
    assert (row["version"], row["enabled"], row["issues"]) == (1, True, [])


def test_events(toured: Any) -> None:
    rows = connector("events", "--json").json
    keys(rows, EVENT)
    assert [row["state"] for row in rows] == ["matched", "silent"]
    assert connector("events", "--limit", "1", "--json").json == rows[:1]


def test_runs(toured: Any) -> None:
    rows = connector("runs", "--json").json
    keys(rows, RUN)
    assert connector("runs", "--state", "failed", "--json").json == []
    assert connector("runs", "--flow", "client-to-perfex", "--json").json == rows


def test_run_show(toured: Any) -> None:
    told = connector("run-show", "1", "--json").json
    keys([told], RUN | {"trigger", "steps", "effects"})
    keys(told["steps"], STEP)
    keys(told["effects"], EFFECT)
    assert set(told["effects"][0]["request"]) >= {"method", "url", "headers", "body"}
    assert told == toured["run"]


def test_replay(toured: Any) -> None:
    told = connector("replay", "1", "--from", "create", "--json").json
    assert told == {"run": 2, "replay_of": 1}
    assert connector("runs", "--json").json[0]["state"] == "queued"


def test_keys_rotate(toured: Any) -> None:
    told = connector("keys", "rotate", "--json").json
    assert told == {"sealed": 2, "unreadable": []}
    assert connector("connections", "--json").json


def test_connect(outside: Outside) -> None:
    row = connector(
        "connect", "perfex_crm", "--address", outside["perfex"], "--token", "-", "--json",
        stdin=outside["authtoken"],
    ).json  # fmt: skip
    keys([row], CONNECTION)
    assert (row["name"], row["status"]) == ("perfex_crm", "active")


def test_run(tour: Tour) -> None:
    told = tour.said.json
    assert set(told) == {"run", "customer"}
    keys([told["run"]], RUN | {"trigger", "steps", "effects"})
    assert told["customer"]["company"] == told["run"]["trigger"]["resource"]["name"]


# --- errors -------------------------------------------------------------------------------------


def test_an_error_is_json_too() -> None:
    said = connector("fields", "fatture_in_cloud.create_cleint", "--json")
    (error,) = said.json.values()
    assert set(said.json) == {"error"}
    assert set(error) >= ERROR
    assert "fatture_in_cloud.create_client" in error["remedy"]
    assert said.err == ""


def test_money_keeps_its_digits() -> None:
    flow = """
flow: money
trigger:
  node: fatture_in_cloud.raw_event
  connection: f
  with: {company_id: 1, resource: entities.clients, event_types: [create]}
steps:
  - id: one
    node: fatture_in_cloud.create_cashbook_entry
    connection: f
    map:
      company_id: 1
      data.date: "2026-03-04"
      data.type: in
      data.kind: cashbook
      data.description: x
      data.amount_in: 1234567890123.10
      data.payment_account_in.id: 1
"""
    said = connector("try", "-", "--json", stdin=flow)
    assert said.code == 0, said
    assert said.json["steps"][0]["inputs"]["data"]["amount_in"] == Decimal("1234567890123.10")
    assert "1234567890123.10" in said.out
