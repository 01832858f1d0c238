"""An empty list says why it is empty, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.model import Connection
from connector.web.pages.emptiness import Situation, situation
from tests.web.door.kit import House, post

FLOW = """flow: {key}
trigger:
  node: fatture_in_cloud.enriched_event
  connection: books
steps:
  - id: one
    node: perfex_crm.create_customer
    connection: books
    map:
      data.company: "{{{{ trigger.resource.name }}}}"
"""


class Stands:
    """What `situation` asks of a runtime."""

    def __init__(self, connections: list[Connection], flows: list[dict[str, Any]]) -> None:
        self.runtime, self._connections, self._flows = self, connections, flows

    async def list_connections(self) -> list[Connection]:
        return self._connections

    async def list_flows(self) -> list[dict[str, Any]]:
        return self._flows


def account(status: Any = "active", name: str = "books") -> Connection:
    return Connection(
        id="c1", tenant="main", app="fatture_in_cloud", name=name, status=status,
        base_url="https://x.example", settings={},
    )  # fmt: skip


def a_flow(key: str, *, on: bool = True, problem: str | None = None) -> dict[str, Any]:
    return {"key": key, "enabled": on, "problem": problem, "document": FLOW.format(key=key)}


@pytest.mark.parametrize(
    ("connections", "flows", "flow", "wanted"),
    [
        ([], [], None, Situation("no_connection")),
        ([account()], [], None, Situation("no_flow")),
        ([account()], [a_flow("a")], "b", Situation("unknown_flow", "b")),
        ([account()], [a_flow("a", on=False)], None, Situation("all_off")),
        ([account()], [a_flow("a", on=False), a_flow("b")], "a", Situation("flow_off", "a")),
        ([account()], [a_flow("a", problem="x")], "a", Situation("flow_broken", "a")),
        ([account("reconnect")], [a_flow("a")], "a", Situation("connection", "books", "c1")),
        ([account("reconnect")], [a_flow("a")], None, Situation("connection", "books", "c1")),
        ([account(), account("reconnect", "other")], [a_flow("a")], None, Situation()),
        ([account()], [a_flow("a")], "a", Situation()),
    ],
)
async def test_what_keeps_runs_away(
    connections: list[Connection], flows: list[Any], flow: str | None, wanted: Situation
) -> None:
    stands: Any = Stands(connections, flows)
    assert await situation(stands, flow) == wanted


PLACES = ("/runs", "/inbox", "/quota", "/pictures")


async def test_an_empty_installation_leads_to_a_connection(house: House) -> None:
    owner, viewer = await house.inside(), await house.inside("viewer")
    for place in PLACES:
        page = (await owner.get(place)).text
        assert "No app is connected yet" in page
        assert 'href="/connections/new"' in page.partition("<main")[2]
        assert 'href="/connections/new"' not in (await viewer.get(place)).text
    assert "You need to do nothing" in (await owner.get("/parked")).text


async def test_a_flow_that_is_off_can_be_switched_on_where_its_runs_are_missed(
    house: House,
    example: str,
) -> None:
    editor, viewer = await house.inside("editor"), await house.inside("viewer")
    page = (await editor.get("/runs?flow=client-to-perfex&state=failed")).text
    assert "The flow “New and changed clients go to Perfex” is off" in page
    assert 'action="/flows/client-to-perfex/switch"' in page
    assert 'href="/flows/client-to-perfex"' in page
    assert "Show all" in page
    told = (await viewer.get("/runs?flow=client-to-perfex")).text
    assert 'action="/flows/client-to-perfex/switch"' not in told
    assert "No flow is switched on" in (await editor.get("/runs")).text
    assert "No run fits" in (await editor.get("/runs?state=failed")).text
    assert "There is no flow nobody" in (await editor.get("/runs?flow=nobody")).text
    await post(editor, "/flows/client-to-perfex/switch", on="yes")
    assert "This flow has not run yet" in (await editor.get("/runs?flow=client-to-perfex")).text


async def test_a_dead_connection_is_named_in_italian(house: House, example: str) -> None:
    editor = await house.inside("editor")
    await post(editor, "/flows/client-to-perfex/switch", on="yes")
    backend = house.runtime._store._backend
    await backend.write(("UPDATE connection SET status = 'reconnect'", ()))
    house.runtime._book.forget()
    editor.headers["accept-language"] = "it"
    page = (await editor.get("/runs")).text
    assert "Il collegamento fatture non funziona più" in page
    assert "/connections/con_" in page
    # What is counted has the form for its number, and the flow its own name.
    start = (await editor.get("/")).text
    assert '<p class="quiet">acceso</p>' in start
    assert '<p class="quiet">2 da ricollegare</p>' in start
    flows = (await editor.get("/flows")).text
    assert "I clienti nuovi e modificati vanno in Perfex" in flows
    assert flows.count("non funziona più") == 2, "once for each connection"


@pytest.fixture
async def example(house: House) -> str:
    """The example flow, off, with both its connections."""
    from connector.store.rows import ConnectionRow

    for id_, app, name in (
        ("con_1", "fatture_in_cloud", "fatture"),
        ("con_2", "perfex_crm", "perfex"),
    ):
        row = ConnectionRow(id_, "main", app, name, "https://x.example", {}, "active", 1.0)
        await house.runtime._store.save_connection(row)
    house.runtime._book.forget()
    root = Path(__file__).parents[2]
    text = (root / "examples" / "fic-client-to-perfex.yaml").read_text("utf-8")
    await house.runtime.apply_flow(text, enable=False)
    return text


async def test_what_nobody_foresaw_is_told_with_its_time_and_a_way_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> list[Any]:
        raise RuntimeError("the secret")

    editor = await house.inside("editor")
    monkeypatch.setattr(house.runtime, "list_flows", broken)
    answer = await editor.get("/flows")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "15 Jan 2027, " in answer.text
    assert '<a class="button main" href="/">To the start</a>' in answer.text
    assert "secret" not in answer.text
    editor.headers["accept-language"] = "it"
    assert "Qualcosa è andato storto" in (await editor.get("/flows")).text
