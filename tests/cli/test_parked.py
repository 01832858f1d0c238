"""Parked writes and replays from the shell."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import Said, connector
from tests.runtime.kit import CREATE, client, flow, story, world
from tests.runtime.test_writes import INVOICE, POST, issue


@pytest.fixture
def parked(place: Path) -> str:
    """An installation with an invoice of which nobody knows; gives the write's key."""
    keys: list[str] = []

    @story
    async def happen() -> None:
        async with world(place) as w:
            await w.follow(flow(steps=INVOICE, types="[create]"))
            w.sandbox.fic.faults.add(kind="reset_before", **POST)
            assert (await issue(w))["state"] == "parked"
            keys.extend(one["key"] for one in await w.runtime.list_parked())

    happen()
    return keys[0]


def states() -> list[str]:
    return [row["state"] for row in connector("runs", "--json").json]


def clean(said: Said, code: int) -> Said:
    assert said.code == code, said
    assert "Traceback" not in said.err
    return said


def test_nothing_parked_is_said(place: Path) -> None:
    assert "Nothing is parked" in connector("parked").out
    assert connector("parked", "--json").json == []


def test_parked_writes_are_listed_with_what_to_do(parked: str) -> None:
    said = clean(connector("parked"), 0)
    for word in (parked, "create_issued_document, run 1", "Rossi", "connector resolve KEY adopt"):
        assert word in said.out
    (row,) = connector("parked", "--json").json
    assert {"key", "node", "run", "state", "marker", "evidence", "request"} <= set(row)
    assert (row["key"], row["state"]) == (parked, "parked")
    assert connector("runs", "--state", "parked", "--json").json[0]["id"] == 1


@pytest.mark.parametrize(
    ("words", "state"),
    [(["adopt", "--id", "9001", "--force"], "done"), (["send-again", "--yes"], "planned"),
     (["drop"], "refused")],
)  # fmt: skip
def test_a_decision_is_stored_and_its_run_waits_for_a_server(
    parked: str, words: list[str], state: str
) -> None:
    row = connector("resolve", parked, *words, "--json").json
    assert (row["key"], row["state"], row["run"]) == (parked, state, 1)
    assert "decided by" in row["evidence"][-1]["message"]
    assert states() == ["queued"]
    assert connector("parked", "--json").json == []


def test_a_record_that_cannot_be_read_is_not_adopted(parked: str) -> None:
    said = clean(connector("resolve", parked, "adopt", "--id", "9001"), 1)
    assert "cannot be read" in said.err
    assert "--id: " in said.err
    assert "add --force" in said.err
    assert states() == ["parked"]


def test_sending_again_asks_first(parked: str) -> None:
    said = connector("resolve", parked, "send-again", stdin="n\n")
    assert said.code == 1
    assert "Sending makes a second one" in said.out + said.err
    assert states() == ["parked"]
    assert clean(connector("resolve", parked, "send-again", stdin="y\n"), 0)
    assert states() == ["queued"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["adopt"], 2, "--id"),
        (["nonsense"], 2, "send-again"),
        ([], 2, "CHOICE"),
    ],
)
def test_a_wrong_decision_changes_nothing(
    parked: str, words: list[str], code: int, told: str
) -> None:
    said = clean(connector("resolve", parked, *words), code)
    assert told in said.err
    assert states() == ["parked"]


def test_a_key_that_is_none_is_told(parked: str) -> None:
    said = clean(connector("resolve", "nonsense", "drop"), 1)
    assert "No parked write has the key 'nonsense'" in said.err
    assert "connector parked" in said.err


# --- replay -------------------------------------------------------------------------------------


def test_a_run_that_succeeded_is_not_replayed_by_mistake(toured: Any) -> None:
    said = clean(connector("replay", "1"), 1)
    assert "nothing to do again" in said.err
    assert "Name the step" in said.err
    assert states() == ["succeeded"]


def test_a_replay_names_the_step_it_begins_with(toured: Any) -> None:
    assert "Run 2 replays run 1" in clean(connector("replay", "1", "--from", "create"), 0).out
    assert states() == ["queued", "succeeded"]
    said = clean(connector("replay", "1", "--from", "creat"), 1)
    assert "no step 'creat'" in said.err
    assert "run-show" in said.err


def test_an_event_can_be_offered_again(toured: Any) -> None:
    event = connector("events", "--json").json[0]
    assert connector("replay", "--event", str(event["id"]), "--json").json == {"event": event["id"]}
    assert connector("events", "--json").json[0]["state"] == "received"


def test_an_event_that_is_not_there_is_told() -> None:
    said = clean(connector("replay", "--event", "99"), 1)
    assert "There is no event 99" in said.err
    assert "connector events" in said.err


@pytest.mark.parametrize("words", [[], ["1", "--event", "1"]])
def test_a_replay_is_of_a_run_or_of_an_event(words: list[str]) -> None:
    said = clean(connector("replay", *words), 2)
    assert "--event" in said.err


# --- many at once ---------------------------------------------------------------------------------


@pytest.fixture
def two_failed(place: Path) -> None:
    """An installation with two runs that Perfex has refused."""

    @story
    async def happen() -> None:
        async with world(place) as w:
            await w.follow(flow(steps=CREATE))
            for name in ("Rossi", "Bianchi"):
                refuse = {"method": "POST", "path": "/api/customers"}
                w.sandbox.perfex.faults.add(kind="status", status=403, **refuse)
                w.person.create("clients", client(name, vat_number=""))
                await w.quiet()

    happen()


def test_many_runs_are_shown_before_they_are_replayed(two_failed: None) -> None:
    said = connector("replay", "--state", "failed", stdin="n\n")
    assert said.code == 1
    assert said.out.count("nothing is written yet") == 2
    assert "Replay 2 runs?" in said.out + said.err
    assert states() == ["failed", "failed"], "nobody has said yes"
    said = clean(connector("replay", "--state", "failed", stdin="y\n"), 0)
    assert "2 runs are replayed" in said.out
    assert "nothing drives runs now" in said.out, "no server runs here"
    assert states() == ["queued", "queued", "failed", "failed"]
    said = clean(connector("replay", "--state", "failed", "--yes"), 0)
    assert said.out.count("replayed already") == 2
    assert len(states()) == 4


def test_a_failed_run_says_which_replay_has_mended_it(two_failed: None, place: Path) -> None:
    clean(connector("replay", "1"), 0)
    with sqlite3.connect(place / "connector.db") as database:
        database.execute("UPDATE run SET state = 'succeeded', finished_at = 1 WHERE id = 3")
        database.execute("UPDATE run SET mended_by = 3 WHERE id = 1")
    database.close()
    told = clean(connector("runs", "--state", "failed"), 0).out.splitlines()
    mended = {line.split()[0]: "failed, mended by 3" in line for line in told[1:]}
    assert mended == {"1": True, "2": False}
    assert "failed, mended by 3" in clean(connector("run-show", "1"), 0).out
    assert connector("run-show", "1", "--json").json["mended_by"] == 3


def test_a_script_sees_first_and_does_with_yes(two_failed: None) -> None:
    told = connector("replay", "--state", "failed", "--flow", "simple", "--json").json
    assert (told["ready"], told["writes"], len(states())) == ([1, 2], 0, 2)
    assert connector("replay", "--state", "failed", "--flow", "other", "--json").json["ready"] == []
    assert (
        connector("replay", "--state", "failed", "--since", "2027-01-01", "--json").json["ready"]
        == []
    )
    done = connector("replay", "--state", "failed", "--text", "rossi", "--yes", "--json").json
    assert done == {"replayed": [{"run": 3, "replay_of": 1}], "refused": []}


def test_runs_are_found_by_what_is_known_of_them(two_failed: None) -> None:
    def found(*words: str) -> list[int]:
        return [row["id"] for row in connector("runs", *words, "--json").json]

    assert found("--text", "bianchi") == [2]
    assert found("--record", "nobody") == []
    assert found("--until", "2026-01-01") == []
    assert found("--since", "2026-01-01") == [2, 1]
    said = clean(connector("runs", "--since", "soon"), 2)
    assert "--since" in said.err
    assert "30m, 2h" in said.err


def test_whether_something_drives_runs_is_asked(two_failed: None, place: Path) -> None:
    from connector.store.sqlite.files import Ownership

    server = Ownership(place / "connector.db")
    server.take()
    try:
        assert "goes on now" in clean(connector("replay", "1"), 0).out
    finally:
        server.free()
    assert "as soon as" in clean(connector("replay", "2"), 0).out
