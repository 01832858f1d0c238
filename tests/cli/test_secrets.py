"""Secrets that are given to the command never come back from it."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.cli.kit import EXAMPLE, Outside, connector, program, wait_for


def connect_all(outside: Outside) -> list[str]:
    """Both apps, once by standard input and once by a variable; gives what was printed."""
    told = []
    for app, name, token in (
        ("fatture_in_cloud", "fatture", "manual_token"),
        ("perfex_crm", "perfex", "authtoken"),
    ):
        address = outside["fic" if name == "fatture" else "perfex"]
        said = connector(
            "connect", app, "--name", name, "--address", address, "--token", "-",
            stdin=outside[token] + "\n",
        )  # fmt: skip
        assert said.code == 0, said
        told += [said.out, said.err]
    return told


def test_nothing_that_was_given_is_found_again(own_outside: Outside, place: Path) -> None:
    told = connect_all(own_outside)
    told.append(connector("flow", "apply", EXAMPLE, "--enable").out)
    settings = {
        "CONNECTOR_FATTURE_IN_CLOUD_KEYS": own_outside["public_key"],
        "CONNECTOR_FATTURE_IN_CLOUD_CLIENT_ID": own_outside["client_id"],
        "CONNECTOR_FATTURE_IN_CLOUD_CLIENT_SECRET": own_outside["client_secret"],
        "CONNECTOR_API_TOKEN": "the-token-of-the-api-0123456789",
        "CONNECTOR_LOG_LEVEL": "debug",
    }
    with program("serve", "--port", "0", folder=place, **settings) as server:
        server.until("Following the events")
        client = {"name": "Rossi", "country": "Italia", "country_iso": "IT"}
        own_outside.ask("fic", "/records/clients", "POST", client)

        def ended() -> bool:
            rows = connector("runs", "--json").json
            return bool(rows) and rows[0]["finished_at"] is not None

        wait_for(ended)
        said = server.end(signal.SIGINT)
        told += [said.out, said.err]
    for words in (
        ["connections"], ["events"], ["runs"], ["run-show", "1"], ["flow", "list"],
        ["flow", "show", "client-to-perfex"], ["try", EXAMPLE],
    ):  # fmt: skip
        for form in ([], ["--json"]):
            said = connector(*words, *form)
            assert said.code == 0, said
            told += [said.out, said.err]
    secrets = [own_outside["manual_token"], own_outside["authtoken"], own_outside["client_secret"]]
    secrets.append(settings["CONNECTOR_API_TOKEN"])
    files = [one for one in place.iterdir() if one.suffix != ".key"]
    assert place / "connector.db" in files
    for secret in secrets:
        assert not [text for text in told if secret in text]
        assert not [one.name for one in files if secret.encode() in one.read_bytes()]


def test_a_token_that_is_refused_is_not_repeated(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    address = ("--address", outside["perfex"])
    monkeypatch.setenv("CONNECTOR_TOKEN", "hunter2-from-the-variable")
    for words in ([], ["--json"], ["--token", "hunter2-typed"]):
        said = connector("connect", "perfex_crm", *address, *words)
        assert said.code == 5
        assert "hunter2" not in said.out + said.err
    for file in place.iterdir():
        assert b"hunter2" not in file.read_bytes()


def test_the_help_does_not_show_the_variable_of_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_TOKEN", "hunter2")
    said = connector("connect", "--help")
    assert said.code == 0
    assert "hunter2" not in said.out + said.err


@pytest.mark.skipif(os.name != "posix", reason="modes are those of Unix")
def test_what_holds_secrets_is_readable_by_its_owner_only(outside: Outside, place: Path) -> None:
    connect_all(outside)
    with program("serve", "--json", "--port", "0", folder=place) as server:
        assert json.loads(server.line())
        server.end(signal.SIGINT)
    for name in ("connector.key", "connector.api.key"):
        mode = stat.S_IMODE((place / name).stat().st_mode)
        assert mode == 0o600, name


def test_the_tour_shows_no_secret(outside: Outside, place: Path) -> None:
    with program("run", "--once", "--keep", "kept", folder=place) as tour:
        said = tour.end()
    assert said.code == 0
    key = (place / "kept" / "connector.key").read_text().strip()
    api = (place / "kept" / "connector.api.key").read_text().strip()
    for secret in (key, api):
        assert len(secret) > 20
        assert secret not in said.out + said.err
    for word in ("authtoken:", "Bearer ", "client_secret", "access_token"):
        assert word not in said.out + said.err
