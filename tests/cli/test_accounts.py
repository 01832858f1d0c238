"""Connections and alarms from the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.kit import connector
from tests.runtime.kit import story, world


@pytest.fixture
def followed(place: Path) -> Path:
    """An installation whose flow follows Fatture in Cloud, which is away now."""

    @story
    async def happen() -> None:
        async with world(place) as w:
            await w.follow()

    happen()
    return place


def test_rename_changes_the_flow(followed: Path) -> None:
    said = connector("connections", "rename", "perfex", "the crm", "--json")
    assert said.code == 0, said
    assert said.json["name"] == "the crm"
    names = [row["name"] for row in connector("connections", "--json").json]
    assert names == ["fatture", "the crm"]
    flow = said.json["flows"][0]["key"]
    assert 'connection: "the crm"' in connector("flow", "show", flow).out
    assert connector("connections", "rename", "nobody", "x").code != 0


def test_remove_asks_first(followed: Path) -> None:
    asked = connector("connections", "remove", "perfex", stdin="n\n")
    assert asked.code != 0
    assert "switched off" in asked.out + asked.err
    assert len(connector("connections", "--json").json) == 2
    done = connector("connections", "remove", "perfex", "--yes", "--json")
    assert done.code == 0, done
    assert [row["name"] for row in connector("connections", "--json").json] == ["fatture"]


def test_no_alarm_is_said(place: Path) -> None:
    assert "No alarm" in connector("alarms").out
    assert connector("alarms", "--json").json == []


def test_a_link_in(place: Path) -> None:
    told = connector("login-link", "--name", "Anna", "--role", "editor", "--json").json
    assert "/login/" in told["login_url"]
    refused = connector("login-link", "--role", "king")
    assert refused.code == 1
    assert "viewer, editor, owner" in refused.err
