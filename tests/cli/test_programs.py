"""The programs that stay: they say where they are, share a file properly, and end cleanly."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from connector.cli.language import words_here
from connector.cli.ports import free_port
from tests.cli.kit import (
    EXAMPLE,
    Outside,
    Said,
    alive,
    children,
    connector,
    program,
    settings_of,
    wait_for,
)

INTERRUPTED = 130


def clean(said: Said) -> Said:
    """It ended without the noise of a crash."""
    for noise in ("Traceback", "Exception", "was never awaited", "Task was destroyed"):
        assert noise not in said.err + said.out, said.err + said.out
    return said


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


# --- serve --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_it_listens_and_ends_when_told(place: Path, number: int) -> None:
    with program("serve", "--json", "--port", "0", folder=place) as server:
        told = json.loads(server.line())
        assert set(told) == {"host", "port", "public_url", "login_url"}
        assert told["login_url"].startswith(f"{told['public_url']}/login/")
        # The address that apps are given is the one that it listens to.
        assert told["public_url"] == f"http://127.0.0.1:{told['port']}"
        assert get(f"{told['public_url']}/readyz") == (200, {"status": "ready", "reasons": {}})
        said = clean(server.end(number))
        assert said.code == 0
        assert said.err.endswith("Stopped; everything accepted is stored.\n")
    assert (place / "connector.db").is_file()


def test_serve_tells_people_in_words(place: Path) -> None:
    with program("serve", "--port", "0", folder=place) as server:
        server.until("No flow is switched on yet")
        said = clean(server.end(signal.SIGINT))
        assert said.out == ""
        assert "Connector listens on http://127.0.0.1:" in said.err


def test_two_servers_do_not_share_one_file(place: Path) -> None:
    with program("serve", "--json", "--port", "0", folder=place) as first:
        address = json.loads(first.line())["public_url"]
        with program("serve", "--port", "0", folder=place) as second:
            said = clean(second.end())
            assert said.code == 6
            assert f"process (number {first.pid}) is already serving connector" in said.err
            assert "CONNECTOR_DATABASE" in said.err
        assert get(f"{address}/readyz")[0] == 200
        # Commands at the shell work beside it all the time.
        assert connector("runs").code == 0
        assert first.end(signal.SIGINT).code == 0
    with program("serve", "--json", "--port", "0", folder=place) as third:
        assert third.line()
        assert third.end(signal.SIGINT).code == 0


def test_a_server_that_was_killed_leaves_the_file_to_the_next(place: Path) -> None:
    with program("serve", "--json", "--port", "0", folder=place) as first:
        assert first.line()
        first.end(signal.SIGKILL)
    with program("serve", "--json", "--port", "0", folder=place) as second:
        assert second.line()
        assert second.end(signal.SIGINT).code == 0


def test_a_port_in_use_is_told_with_what_to_do(place: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with program("serve", "--json", "--port", "0", folder=place) as first:
        port = json.loads(first.line())["port"]
        with program("serve", "--port", str(port), folder=other) as second:
            said = clean(second.end())
            assert said.code == 1
            assert f"port {port}" in said.err
            assert "CONNECTOR_PORT" in said.err
        first.end(signal.SIGINT)


def test_an_address_that_is_not_ours_is_told(place: Path) -> None:
    with program("serve", "--host", "192.0.2.1", "--port", "0", folder=place) as server:
        said = clean(server.end())
        assert said.code == 1
        assert "192.0.2.1" in said.err


def test_a_server_whose_apps_are_away_serves_and_says_so(toured: Any, place: Path) -> None:
    with program("serve", "--json", "--port", "0", folder=place) as server:
        assert server.line()
        server.until("could not be asked for")
        said = clean(server.end(signal.SIGINT))
        assert said.code == 0


def test_the_whole_way_by_hand(own_outside: Outside, place: Path) -> None:
    """What a newcomer does without the tour: connect, apply, serve, change a client, look."""
    for app, name, token in (
        ("fatture_in_cloud", "fatture", "manual_token"),
        ("perfex_crm", "perfex", "authtoken"),
    ):
        address = own_outside["fic" if name == "fatture" else "perfex"]
        made = connector(
            "connect", app, "--name", name, "--address", address, "--token", "-",
            stdin=own_outside[token],
        )  # fmt: skip
        assert made.code == 0, made
    assert connector("flow", "apply", EXAMPLE, "--enable").code == 0
    keys = {"CONNECTOR_FATTURE_IN_CLOUD_KEYS": own_outside["public_key"]}
    with program("serve", "--port", "0", folder=place, **keys) as server:
        server.until("Following the events of fatture 108061.")
        client = {"name": "Bianchi S.r.l.", "country": "Italia", "country_iso": "IT"}
        own_outside.ask("fic", "/records/clients", "POST", client)

        def ended() -> bool:
            rows = connector("runs", "--json").json
            return bool(rows) and rows[0]["finished_at"] is not None

        wait_for(ended)
        assert clean(server.end(signal.SIGINT)).code == 0
    (run,) = connector("runs", "--json").json
    assert run["state"] == "succeeded", run
    assert "Bianchi" in connector("run-show", "1").out


# --- connect ------------------------------------------------------------------------------------


def oauth(outside: Outside) -> dict[str, str]:
    return {
        "CONNECTOR_FATTURE_IN_CLOUD_CLIENT_ID": outside["client_id"],
        "CONNECTOR_FATTURE_IN_CLOUD_CLIENT_SECRET": outside["client_secret"],
        "CONNECTOR_PORT": str(free_port()),
    }


def consent_page(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("http"))


def test_a_consent_in_the_browser_ends_the_command(outside: Outside, place: Path) -> None:
    words = ("connect", "fatture_in_cloud", "--address", outside["fic"], "--no-browser")
    with program(*words, folder=place, **oauth(outside)) as running:
        running.until("Waiting for your answer")
        # The page agrees by itself and sends the browser back to the command.
        with urllib.request.urlopen(consent_page(running.err), timeout=30) as page:
            assert page.status == 200
            assert b"You may close this page" in page.read()
        said = clean(running.end())
        assert said.code == 0
        assert said.out.startswith("Connected Fatture in Cloud as 'fatture_in_cloud'")
    assert [row["status"] for row in connector("connections", "--json").json] == ["active"]


def test_a_consent_may_be_given_up(outside: Outside, place: Path) -> None:
    words = ("connect", "fatture_in_cloud", "--address", outside["fic"], "--no-browser")
    with program(*words, folder=place, **oauth(outside)) as running:
        running.until("Waiting for your answer")
        said = clean(running.end(signal.SIGINT))
        assert said.code == INTERRUPTED
    assert connector("connections", "--json").json == []


def test_a_consent_is_answered_by_a_server_that_has_the_address(
    outside: Outside, place: Path
) -> None:
    settings = oauth(outside)
    with program("serve", "--json", folder=place, **settings) as server:
        assert server.line()
        words = ("connect", "fatture_in_cloud", "--address", outside["fic"], "--no-browser")
        with program(*words, folder=place, **settings) as running:
            running.until("Waiting for your answer")
            with urllib.request.urlopen(consent_page(running.err), timeout=30) as page:
                assert page.status == 200
            assert clean(running.end()).code == 0
        assert clean(server.end(signal.SIGINT)).code == 0


# --- run and sandbox ----------------------------------------------------------------------------


def test_the_tour_serves_until_ctrl_c_and_leaves_nothing_running(place: Path) -> None:
    """Told in the language of the terminal; what must be opened stands last, and alone."""
    italian = {"LC_ALL": "it_IT.UTF-8", "LANG": "en_GB.UTF-8"}
    with program("run", "--keep", "kept", folder=place, **italian) as tour:
        told = ""
        while "/login/" not in told:
            line = tour.line()
            assert line, tour.err
            told += line
        started = children(tour.pid)
        assert len(started) == 1
        said = clean(tour.end(signal.SIGINT))
        assert said.code in (0, INTERRUPTED)
        assert not any(alive(one) for one in started)
    assert "esecuzione 1 riuscita: Cliente 412: Officine Adda S.r.l." in said.err
    before, link, after = (told + said.out).split("\n\n")[-3:]
    assert before.splitlines()[-1].startswith("Apri questo indirizzo nel browser.")
    assert re.fullmatch(r" +http://127\.0\.0\.1:\d+/login/\S+", link)
    assert after == ""
    # What it printed to try next does work.
    with mock.patch.dict("os.environ", settings_of(place / "kept" / "connector.db")):
        assert connector("run-show", "1").code == 0


@pytest.mark.parametrize(
    ("names", "language"),
    [
        ({}, "en"),
        ({"LANG": "it_IT.UTF-8"}, "it"),
        ({"LANG": "it"}, "it"),
        ({"LANG": "it_IT", "LC_MESSAGES": "C.UTF-8"}, "en"),
        ({"LC_MESSAGES": "it_CH.UTF-8", "LC_ALL": ""}, "it"),
        ({"LC_ALL": "de_DE.UTF-8", "LANG": "it_IT.UTF-8"}, "en"),
    ],
)
def test_the_terminal_says_which_language(names: dict[str, str], language: str) -> None:
    assert words_here(names).language == language


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["A tour on emulated apps", "emulated apps: ", "server: "])
def test_the_tour_may_be_stopped_at_any_moment(place: Path, moment: str, number: int) -> None:
    with program("run", folder=place) as tour:
        tour.until(moment)
        started = children(tour.pid)
        said = clean(tour.end(number))
        assert said.code == INTERRUPTED
        wait_for(lambda: not any(alive(one) for one in started))
    assert list(place.iterdir()) == [place / "stderr.log"]


def test_a_tour_that_is_killed_leaves_no_sandbox_behind(place: Path) -> None:
    with program("run", folder=place) as tour:
        tour.until("server: ")
        started = children(tour.pid)
        assert len(started) == 1
        tour.end(signal.SIGKILL)
        wait_for(lambda: not any(alive(one) for one in started))


def test_the_tour_fails_when_the_customer_is_not_there(place: Path) -> None:
    from connector.cli import tour

    unwilling = EXAMPLE.read_text("utf-8").replace(
        "trigger.resource is not none", "trigger.resource.name == 'somebody else'"
    )
    with mock.patch.object(tour, "example", return_value=unwilling):
        said = clean(connector("run", "--once"))
    assert said.code == 1
    assert "The customer is NOT in Perfex CRM." in said.err
    assert "filtered" in said.out


def test_the_sandbox_ends_when_told(place: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with program("sandbox", "--json", folder=place) as sandbox:
            told = json.loads(sandbox.line())
            assert {"fic", "perfex", "client_id", "authtoken", "public_key"} <= set(told)
            assert clean(sandbox.end(number)).code == 0


def test_a_sandbox_on_a_port_in_use_is_told(place: Path, outside: Outside) -> None:
    port = outside["fic"].rpartition(":")[2]
    with program("sandbox", "--fic-port", port, folder=place) as sandbox:
        said = clean(sandbox.end())
        assert said.code == 1
        assert "in use" in said.err


# --- many at once -------------------------------------------------------------------------------


def test_commands_beside_each_other_do_not_disturb_each_other(toured: Any, place: Path) -> None:
    texts = [
        EXAMPLE.read_text("utf-8").replace("flow: client-to-perfex", f"flow: flow-{number}")
        for number in range(4)
    ]
    for number, text in enumerate(texts):
        (place / f"{number}.yaml").write_text(text)
    running = [
        program("flow", "apply", f"{number}.yaml", folder=make(place, number), **there(place))
        for number in range(4)
    ]
    opened = [one.__enter__() for one in running]
    try:
        ends = [one.end() for one in opened]
    finally:
        for one in opened:
            one.close()
    assert [one.code for one in ends] == [0, 0, 0, 0], ends
    assert len(connector("flow", "list", "--json").json) == 5
    with sqlite3.connect(place / "connector.db") as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()


def make(place: Path, number: int) -> Path:
    folder = place / f"folder-{number}"
    folder.mkdir()
    (folder / f"{number}.yaml").write_bytes((place / f"{number}.yaml").read_bytes())
    return folder


def there(place: Path) -> dict[str, str]:
    return settings_of(place / "connector.db")
