"""Tokens that end while there is work: renewed once for all, or the owner is waited for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.errors import Unauthorized
from connector.sandbox.fic.scopes import SCOPES
from tests.runtime.kit import CREATE, FATTURE, FIC, PERFEX, World, client, flow, story, world

TOKEN = "/oauth/token"


async def by_consent(w: World) -> None:
    """Fatture in Cloud with a token that can be renewed, Perfex as ever."""
    await w.consent()
    await w.connect_perfex()


async def status(w: World, name: str = "fatture") -> str:
    return (await w.connection(name)).status


# --- renewal ------------------------------------------------------------------------------------


@story
async def test_an_expired_token_is_renewed_once_whoever_needs_it(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await by_consent(w)
        resources = ("entities.clients", "products", "issued_documents.quotes")
        await w.follow(
            *(flow(f"flow-{n}", resource=one, types="[create]") for n, one in enumerate(resources))
        )
        assert w.sandbox.fic.tokens.expire_access() == 1
        w.fic.calls.clear()
        # Three kinds of records are read side by side, all with the token that has ended.
        w.person.create("clients", {"name": "A"})
        w.person.create("clients", {"name": "B"})
        w.person.create("products", {"name": "C"})
        w.person.create("issued_documents", quote("D"))
        await w.quiet()
        assert len(w.fic.seen("POST", TOKEN)) == 1
        assert len(await w.runs()) == 4
        assert await status(w) == "active"


def quote(subject: str) -> dict[str, Any]:
    return {"type": "quote", "subject": subject, "entity": {"name": "X"}}


@story
async def test_a_renewed_token_outlives_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await by_consent(w)
        await w.follow()
        w.sandbox.fic.tokens.expire_access()
        w.person.create("clients", client())
        await w.quiet()
        await w.restart()
        w.fic.calls.clear()
        w.person.change("clients", 70211, {"phone": "1"})
        await w.quiet()
        assert w.fic.seen("POST", TOKEN) == []
        assert [one["state"] for one in await w.runs()] == ["succeeded", "succeeded"]


@story
async def test_a_token_endpoint_that_is_away_costs_nobody_his_consent(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await by_consent(w)
        await w.follow()
        w.sandbox.fic.tokens.expire_access()
        w.sandbox.fic.faults.add(kind="error_before", path=TOKEN, times=2)
        w.person.create("clients", client())
        await w.quiet()
        assert await status(w) == "active"
        assert len(w.customers) == 1


def change_secret(w: World, secret: str) -> None:
    """The vendor gives our application another secret."""
    apps = w.sandbox.fic.tokens.apps
    old = w.sandbox.fic.app
    apps[old.client_id] = w.sandbox.fic.app = replace(old, client_secret=secret)
    for refresh in w.sandbox.fic.tokens.refreshes.values():
        refresh.grant.app = w.sandbox.fic.app


@pytest.mark.parametrize("node", ["enriched_event", "raw_event"])
def test_a_wrong_client_secret_is_ours_to_mend_and_no_owner_is_asked(
    tmp_path: Path, node: str
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            await by_consent(w)
            await w.follow(flow(node=node, steps=LOOK, types="[create]"))
            right = w.sandbox.fic.app.client_secret
            w.sandbox.fic.tokens.expire_access()
            change_secret(w, "another")
            w.person.create("clients", client())
            error = (await w.until(lambda: troubles(w)))[0]["error"]
            assert (error["kind"], error["who"]) == ("Unauthorized", "developer")
            assert "client secret" in error["remedy"]
            assert await status(w) == "active"
            change_secret(w, right)
            await w.restart()
            await w.quiet()
            assert [one["state"] for one in await w.runs()] == ["succeeded"]

    told()


async def troubles(w: World) -> list[dict[str, Any]]:
    return [one for one in [*await w.events(), *await w.runs()] if one["error"]]


LOOK = """\
  - id: look
    node: fatture_in_cloud.find_client
    connection: fatture
    map:
      company_id: 108061
      name: Officine Adda S.r.l.
"""


# --- a consent that has ended -------------------------------------------------------------------


@story
async def test_a_dead_consent_asks_for_its_owner_and_holds_the_events(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await by_consent(w)
        await w.follow()
        w.sandbox.fic.tokens.revoke_everything()
        made = [w.person.create("clients", {"name": name})["id"] for name in "ABC"]
        await w.until(lambda: reconnect(w))
        await asyncio.sleep(3_600)
        w.fic.calls.clear()
        w.person.change("clients", made[0], {"phone": "1"})
        await asyncio.sleep(3_600)
        # A dead token is not tried again and again.
        assert w.fic.calls == []
        events = [one for one in await w.events() if one["ids"]]
        assert [one["state"] for one in events] == ["received"] * 4
        assert {one["error"]["kind"] for one in events} == {"Unauthorized"}
        assert {one["error"]["who"] for one in events} == {"connection_owner"}
        assert all(one["error"]["remedy"] for one in events)
        await w.consent()
        await w.quiet()
        runs = await w.runs()
        assert [one["item_id"] for one in runs] == [str(one) for one in [*made, made[0]]]
        assert {one["state"] for one in runs} == {"succeeded"}
        assert [one["company"] for one in w.customers] == ["A", "B", "C"]


async def reconnect(w: World, name: str = "fatture") -> bool:
    return await status(w, name) == "reconnect"


@story
async def test_a_dead_token_of_a_step_holds_its_runs_and_a_new_one_lets_them_go_on_in_order(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        text = flow(node="raw_event", steps=CREATE.replace("resource.name", "event.id"))
        await w.follow(text)
        dead = w.sandbox.perfex.authtoken
        token = w.sandbox.perfex.tokens.pop(dead)
        one, other = (w.person.create("clients", {"name": name})["id"] for name in "AB")
        w.person.change("clients", one, {"phone": "1"})
        w.person.change("clients", other, {"phone": "1"})
        await w.until(lambda: reconnect(w, "perfex"))
        await asyncio.sleep(60)
        tried = len(w.perfex.calls)
        await asyncio.sleep(7_200)
        assert len(w.perfex.calls) == tried
        runs = await w.runs()
        assert [run["state"] for run in runs] == ["waiting", "waiting", "queued", "queued"]
        assert [run["error"]["kind"] for run in runs[:2]] == ["Unauthorized"] * 2
        w.sandbox.perfex.authtoken = "a new token of thirty-two letters"
        w.sandbox.perfex.tokens[w.sandbox.perfex.authtoken] = token
        await w.connect_perfex()
        await w.quiet(600)
        events = [event["delivery_id"] for event in await w.events() if event["ids"]]
        made = [customer["company"] for customer in w.customers]
        assert [name for name in made if name in (events[0], events[2])] == [events[0], events[2]]
        assert [name for name in made if name in (events[1], events[3])] == [events[1], events[3]]
        assert len(made) == 4


@story
async def test_runs_that_wait_for_an_owner_wait_through_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        token = w.sandbox.perfex.tokens.pop(w.sandbox.perfex.authtoken)
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: reconnect(w, "perfex"))
        await w.restart()
        await asyncio.sleep(3_600)
        w.perfex.calls.clear()
        assert [one["state"] for one in await w.runs()] == ["waiting"]
        w.sandbox.perfex.tokens[w.sandbox.perfex.authtoken] = token
        await w.connect_perfex()
        await w.quiet(600)
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_a_command_at_the_shell_that_reconnects_releases_the_servers_runs(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        token = w.sandbox.perfex.tokens.pop(w.sandbox.perfex.authtoken)
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: reconnect(w, "perfex"))
        w.sandbox.perfex.tokens[w.sandbox.perfex.authtoken] = token
        server, w.runtime = w.runtime, await w.another_process()
        await w.connect_perfex()
        await w.runtime.__aexit__(None, None, None)
        w.runtime = server
        await w.quiet(600)
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_a_reconnection_that_fails_lets_nothing_go_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        w.sandbox.perfex.tokens.clear()
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: reconnect(w, "perfex"))
        with pytest.raises(Unauthorized):
            await w.runtime.connect_with_token("perfex_crm", "perfex", "x", {"address": PERFEX})
        await asyncio.sleep(600)
        assert await status(w, "perfex") == "reconnect"
        assert [one["state"] for one in await w.runs()] == ["waiting"]


@story
async def test_a_manual_token_that_ends_cannot_be_renewed_and_asks_for_its_owner(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.sandbox.fic.tokens.revoke_everything()
        w.person.create("clients", client())
        await w.until(lambda: reconnect(w))
        assert w.fic.seen("POST", TOKEN) == []
        fresh = w.sandbox.fic.tokens.manual(w.sandbox.fic.app, SCOPES)
        await w.runtime.connect_with_token(FATTURE, "fatture", fresh, {"address": FIC})
        await w.quiet(600)
        assert len(w.customers) == 1
