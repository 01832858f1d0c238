"""What cannot be taken back is named by `check`, and asked for before it is switched on."""

from __future__ import annotations

import pytest

from tests.cli.kit import connector

FLOW = """flow: tidy
trigger:
  node: fatture_in_cloud.enriched_event
  connection: fatture
  with: {company_id: 108061, resource: entities.clients, event_types: [create]}
steps:
  - id: away
    node: fatture_in_cloud.delete_client
    connection: fatture
    map: {company_id: 108061, client_id: "{{ trigger.id }}"}
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runtime's doors, so that no connection is needed: what was stored."""
    stored: list[str] = []

    class Runtime:
        def apply_flow(self, text: str, enable: bool | None, *, who: str) -> dict[str, object]:
            stored.append(f"apply {enable}")
            on = bool(enable)
            return {"key": "tidy", "version": 1, "enabled": on, "problem": None, "issues": []}

        def enable_flow(self, key: str, on: bool) -> dict[str, object]:
            stored.append(f"enable {on}")
            return {"key": key, "enabled": on, "problem": None}

        def get_flow(self, key: str) -> dict[str, object]:
            return {"document": FLOW, "enabled": True, "problem": None}

    monkeypatch.setattr("connector.cli.flows.with_runtime", lambda work: work(Runtime()))
    return stored


def test_check_names_the_steps() -> None:
    said = connector("check", "-", "--json", stdin=FLOW)
    assert said.json["destructive"] == ["away"]
    assert said.json["ok"] is True
    assert "cannot be taken back" in connector("check", "-", stdin=FLOW).err


def test_a_flow_that_deletes_nothing_names_none() -> None:
    said = connector("check", "-", "--json", stdin=FLOW.replace("delete_client", "get_client"))
    assert said.json["destructive"] == []


APPLY = ("flow", "apply", "f.yaml")


@pytest.mark.parametrize("words", [(*APPLY, "--enable"), APPLY, ("flow", "enable", "tidy")])
def test_it_is_asked_for(asked: list[str], words: tuple[str, ...], place: object) -> None:
    with open("f.yaml", "w", encoding="utf-8") as file:
        file.write(FLOW)
    said = connector(*words, stdin="n\n")
    assert said.code != 0
    assert "Delete Client cannot be taken back" in said.err
    assert asked == []
    assert connector(*words, stdin="y\n").code == 0
    assert connector(*words, "--yes").code == 0
    assert len(asked) == 2


def test_it_is_not_asked_for_while_it_is_off(asked: list[str]) -> None:
    assert connector("flow", "apply", "-", "--disable", stdin=FLOW).code == 0
    assert asked == ["apply False"]


def test_a_client_that_nothing_identifies_is_warned_of() -> None:
    made = FLOW.replace("delete_client", "create_client").replace("client_id:", "data.name:")
    said = connector("check", "-", stdin=made)
    assert "Nothing identifies this client" in said.err
    told = connector("check", "-", stdin=made.replace("data.name:", "data: "))
    assert "Nothing identifies" not in told.err
    named = made.replace("data.name:", "data.code: A1, data.name:")
    assert "Nothing identifies" not in connector("check", "-", stdin=named).err
