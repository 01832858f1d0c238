"""What people see, and what the commands do."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Tour
from tests.cli.kit import EXAMPLE, Outside, connector

EVERY = [
    ["apps"], ["nodes"], ["fields", "perfex_crm.create_customer"], ["connections"], ["events"],
    ["runs"], ["run-show", "1"], ["flow", "list"], ["check", EXAMPLE], ["try", EXAMPLE],
]  # fmt: skip


# --- in a pipe ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", EVERY, ids=lambda words: " ".join(map(str, words[:2])))
def test_a_pipe_gets_no_colours_and_no_folded_lines(toured: Any, words: list[Any]) -> None:
    said = connector(*words)
    assert said.code == 0
    assert said.out
    assert "\x1b" not in said.out + said.err
    assert "…" not in said.out.replace(" …", "")


def test_the_release_is_told() -> None:
    said = connector("--version")
    assert said.code == 0
    assert said.out.strip().count(".") == 2


def test_no_command_shows_what_there_is() -> None:
    said = connector()
    assert "connector run" in said.out + said.err
    assert connector("--help").code == 0


# --- flows --------------------------------------------------------------------------------------


def test_a_flow_comes_from_standard_input_too(toured: Any) -> None:
    text = EXAMPLE.read_text("utf-8").replace("name: New", "name: Brand-new")
    said = connector("flow", "apply", "-", stdin=text)
    assert said.code == 0
    assert said.out == "Flow 'client-to-perfex' stored as version 2; it is on.\n"
    assert connector("flow", "show", "client-to-perfex").out == text


@pytest.mark.parametrize("change", ["\ufeff", "\r\n"])
def test_a_flow_saved_by_another_systems_editor_is_a_flow(place: Path, change: str) -> None:
    text = EXAMPLE.read_text("utf-8")
    text = change + text if change == "\ufeff" else text.replace("\n", change)
    (place / "flow.yaml").write_bytes(text.encode())
    said = connector("check", "flow.yaml")
    assert (said.code, said.out) == (0, "The flow is fine.\n")
    assert connector("check", "-", stdin=text).code == 0


def test_a_new_flow_is_off_and_says_how_to_switch_it_on(toured: Any) -> None:
    text = EXAMPLE.read_text("utf-8").replace("flow: client-to-perfex", "flow: second")
    said = connector("flow", "apply", "-", stdin=text)
    assert "it is off: `connector flow enable second`" in said.out
    assert connector("flow", "enable", "second").out == "Flow 'second' is on.\n"
    assert connector("flow", "disable", "second").out == "Flow 'second' is off.\n"
    on = {row["key"]: row["enabled"] for row in connector("flow", "list", "--json").json}
    assert on == {"client-to-perfex": True, "second": False}


def test_what_is_shown_can_be_applied_again_and_changes_nothing(toured: Any) -> None:
    shown = connector("flow", "show", "client-to-perfex").out
    assert connector("flow", "apply", "-", "--json", stdin=shown).json["version"] == 1


def test_switching_on_a_flow_that_cannot_run_says_why(toured: Any, place: Path) -> None:
    with sqlite3.connect(place / "connector.db") as file:
        file.execute("UPDATE flow_version SET document = replace(document, 'find_c', 'fnd_c')")
    file.close()
    said = connector("flow", "enable", "client-to-perfex")
    assert said.code == 0
    assert "fnd_customer" in said.err
    assert "fnd_customer" in connector("flow", "list").out


def test_a_flow_that_needs_more_than_was_granted_is_warned_about(toured: Any, place: Path) -> None:
    with sqlite3.connect(place / "connector.db") as file:
        file.execute(
            'UPDATE connection SET settings = \'{"scopes": ["products:r"]}\''
            " WHERE name = 'fatture'"
        )
    file.close()
    said = connector("flow", "apply", EXAMPLE)
    assert said.code == 0
    assert "warning" in said.err
    assert "not granted entity.clients:r" in said.err


# --- what happened ------------------------------------------------------------------------------


def test_the_tour_ends_with_the_customer(tour: Tour) -> None:
    assert tour.said.code == 0, tour.said.err
    told = tour.said.json
    assert told["run"]["state"] == "succeeded"
    assert told["customer"]["company"] == "Officine Adda S.r.l."
    assert (tour.folder / "connector.db").is_file()


def test_what_happened_is_told_in_words(toured: Any) -> None:
    assert "entities.clients.create" in connector("events").out
    runs = connector("runs").out
    assert "succeeded" in runs
    assert "Customer 412: Officine Adda S.r.l." in runs
    shown = connector("run-show", "1").out
    for word in ("find", "create", "skipped", "POST http://127.0.0.1:", "/api/customers"):
        assert word in shown
    assert "company = Officine Adda S.r.l." in shown


def test_what_is_lost_and_what_we_caused_is_told(toured: Any, place: Path) -> None:
    with sqlite3.connect(place / "connector.db") as file:
        (context,) = file.execute("SELECT context FROM run WHERE id = 1").fetchone()
        caused = {**json.loads(context), "cause": {"run": 7, "depth": 2, "sure": True}}
        file.execute(
            "UPDATE run SET context = ?, state = 'filtered', reason = 'It was our own.'",
            (json.dumps(caused),),
        )
        (account,) = file.execute("SELECT account FROM event WHERE ids != '[]'").fetchone()
        file.execute(
            "INSERT INTO event (tenant, connection_id, delivery_id, type, resource, operation,"
            " account, ids, received_at) SELECT tenant, connection_id, 'sweep:one', type, resource,"
            " operation, account, ids, unixepoch() - 60 FROM event WHERE ids != '[]'"
        )
        file.execute(
            "INSERT INTO alarm (tenant, kind, connection_id, account, since, message, remedy)"
            " SELECT tenant, 'subscription_lost', id, '', 0, 'It is gone.', 'It is made again.'"
            " FROM connection LIMIT 1"
        )
    file.close()
    told = " ".join(connector("events").err.split())
    assert f"{account} entities.clients: 1 changes of the last day were told by no event" in told
    assert "It is gone. It is made again." in told
    shown = connector("run-show", "1").out
    assert "state    filtered: It was our own." in shown
    assert "cause    caused by our own write of run 7 · 2 in a row" in shown


def test_looking_changes_nothing(toured: Any, place: Path) -> None:
    def all_of_it() -> list[Any]:
        with sqlite3.connect(place / "connector.db") as file:
            tables = ("event", "run", "step", "effect", "flow", "flow_version", "connection")
            found = [file.execute(f"SELECT * FROM {one}").fetchall() for one in tables]
        file.close()
        return found

    before = all_of_it()
    for words in EVERY:
        assert connector(*words).code == 0
    assert all_of_it() == before


def test_a_connection_is_made_and_listed(outside: Outside) -> None:
    said = connector(
        "connect", "perfex_crm", "--name", "crm", "--address", outside["perfex"], "--token", "-",
        stdin=outside["authtoken"] + "\n",
    )  # fmt: skip
    assert said.out == f"Connected Perfex CRM as 'crm' at {outside['perfex']}/api.\n"
    listed = connector("connections").out
    assert "crm" in listed
    assert "active" in listed


def test_a_token_may_come_by_a_variable(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_TOKEN", outside["authtoken"])
    assert connector("connect", "perfex_crm", "--address", outside["perfex"]).code == 0


def test_the_variable_of_a_token_does_not_disturb_other_commands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTOR_TOKEN", "x" * 32)
    assert connector("connections").code == 0


# --- the dry run --------------------------------------------------------------------------------


def test_try_sends_nothing(outside: Outside, place: Path) -> None:
    for app, token in (("fatture_in_cloud", "manual_token"), ("perfex_crm", "authtoken")):
        name = app.partition("_")[0]
        address = outside["fic" if name == "fatture" else "perfex"]
        assert connector(
            "connect", app, "--name", name, "--address", address, "--token", "-",
            stdin=outside[token],
        ).code == 0  # fmt: skip
    before = outside.requests("fic"), outside.requests("perfex")
    database = (place / "connector.db").read_bytes()
    said = connector("try", EXAMPLE)
    assert said.code == 0
    # The addresses are those of the connections, and yet nobody was called.
    assert f"PUT {outside['perfex']}/api/customers/" in said.out + connector("try", EXAMPLE).out
    copied = EXAMPLE.parent / "fic-invoice-copy.yaml"
    assert f"POST {outside['fic']}/c/" in connector("try", copied).out
    assert (outside.requests("fic"), outside.requests("perfex")) == before
    assert (place / "connector.db").read_bytes() == database
    assert connector("runs", "--json").json == []


def test_try_shows_the_body_that_would_be_sent(place: Path) -> None:
    (place / "event.json").write_text(
        '{"data": {"id": 7, "name": " Rossi ", "vat_number": "IT1", "phone": null,'
        ' "address_street": "Via Po 7", "address_city": "Bergamo", "address_province": "BG",'
        ' "address_postal_code": "24121", "country": "Italia", "country_iso": "IT"}}'
    )
    none = '{"found": false, "count": 0, "id": null, "record": null, "records": []}'
    said = connector("try", EXAMPLE, "--event", "event.json", "--step", f"find={none}")
    assert said.code == 0, said
    for line in (
        "POST https://your-server.invalid/api/customers",
        "company = Rossi",
        "country = 109",
        "update  perfex_crm.update_customer  would be skipped",
    ):
        assert line in said.out, said.out


def test_try_of_an_event_that_the_filter_stops_says_so(place: Path) -> None:
    (place / "event.json").write_text('{"event": {}, "id": 7, "resource": null}')
    said = connector("try", EXAMPLE, "--event", "event.json")
    assert said.code == 0
    assert "filter would stop this event" in said.out


def test_try_takes_the_trigger_that_run_show_prints(toured: Any, place: Path) -> None:
    from connector.codec import encode_text

    (place / "event.json").write_text(encode_text(toured["run"]["trigger"]))
    told = connector("try", EXAMPLE, "--event", "event.json", "--json").json
    assert told["steps"][0]["inputs"]["vat"] == toured["run"]["trigger"]["resource"]["vat_number"]


# --- purge --------------------------------------------------------------------------------------


def test_purge_counts_asks_and_removes(toured: Any, place: Path) -> None:
    told = connector("purge", "--older-than", "0", "--dry-run", "--json").json
    assert told == {"runs": 1, "samples": 0, "dry_run": True}
    assert connector("run-show", "1", "--json").json["trigger"] is not None
    refused = connector("purge", "--older-than", "0", stdin="n\n")
    assert refused.code == 1
    assert "1 run(s) would lose their payloads and could never be replayed" in refused.out
    assert connector("run-show", "1", "--json").json["trigger"] is not None
    for more in ((), ("--yes",)):
        said = connector("purge", "--older-than", "9", *more)
        assert (said.code, said.out[:6]) == (0, "0 run("), "without a question"
    assert connector("purge", "--older-than", "0", stdin="y\n").code == 0
    row = connector("run-show", "1", "--json").json
    assert row["trigger"] is None
    assert row["purged_at"]
    assert row["effects"][0]["remote_id"]
    assert connector("run-show", "1").code == 0
    said = connector("replay", "1", "--from", "create")
    assert said.code == 1
    assert "no longer kept" in said.err
