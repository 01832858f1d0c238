"""Subscriptions that could not be had: asked for again, moved with us, one flow's fault its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.apps import fatture_in_cloud
from connector.cli.serving import _subscribe
from connector.engine.subscriptions import AGAIN_SECONDS, VERIFY_SECONDS, Subscriptions, _is_one
from connector.sandbox.fic.scopes import SCOPES
from tests.runtime.kit import (
    COMPANY,
    FATTURE,
    FIC,
    HOUR,
    HUB,
    MOVED,
    World,
    client,
    flow,
    long_story,
    story,
    world,
)

PREFIX = "it.fattureincloud.webhooks."


async def apply(w: World, *texts: str) -> None:
    for text in texts:
        await w.runtime.apply_flow(text, enable=True)
    await w.runtime.start()


async def move(w: World, address: str) -> None:
    """The same installation at another public address."""
    w.settings = w.settings.model_copy(update={"public_url": address})
    await w.restart()


# --- again --------------------------------------------------------------------------------------


@story
async def test_what_failed_once_is_asked_for_again_soon(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        w.fic.plugged = False
        (report,) = await w.runtime.reconcile()
        assert report["error"]["kind"] == "NotSent"
        w.fic.plugged = True
        await asyncio.sleep(AGAIN_SECONDS[0] - 1)
        assert w.subscriptions == []
        await asyncio.sleep(2)
        assert len(w.subscriptions) == 1


@long_story
async def test_the_longer_an_app_is_away_the_rarer_it_is_asked(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        w.fic.before = _refuse
        await w.runtime.reconcile()
        seen = []
        for pause in AGAIN_SECONDS:
            before = len(w.fic.calls)
            await asyncio.sleep(pause + 2)
            seen.append(len(w.fic.calls) - before)
        assert seen == [1] * len(AGAIN_SECONDS)
        before = len(w.fic.calls)
        await asyncio.sleep(6 * HOUR)
        assert 5 <= len(w.fic.calls) - before <= 6
        w.fic.before = None
        await asyncio.sleep(AGAIN_SECONDS[-1])
        assert len(w.subscriptions) == 1
        before = len(w.fic.calls)
        await asyncio.sleep(6 * HOUR)
        assert len(w.fic.calls) == before


async def _refuse(call: Any) -> None:
    raise ConnectionRefusedError


@story
async def test_a_change_is_asked_for_at_once_also_while_something_is_missing(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow("far", company=999))
        (report,) = await w.runtime.reconcile()
        assert report["error"]["kind"] == "Missing"
        await asyncio.sleep(2 * HOUR)
        shell = await w.another_process()
        await shell.apply_flow(flow("near", types="[create]"), enable=True)
        await shell.__aexit__(None, None, None)
        await asyncio.sleep(2)
        assert [one.company for one in w.subscriptions] == [COMPANY]


@story
async def test_a_renewed_connection_is_asked_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        w.sandbox.fic.tokens.revoke_everything()
        (report,) = await w.runtime.reconcile()
        assert report["error"]["kind"] == "Unauthorized"
        await asyncio.sleep(2 * HOUR)
        shell = await w.another_process()
        token = w.sandbox.fic.tokens.manual(w.sandbox.fic.app, SCOPES)
        await shell.connect_with_token(FATTURE, "fatture", token, {"address": FIC})
        await shell.__aexit__(None, None, None)
        await asyncio.sleep(2)
        assert len(w.subscriptions) == 1


@story
async def test_a_fault_of_ours_in_one_app_is_reported_and_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        webhook = w.runtime.catalog.app(FATTURE).webhook
        assert webhook is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(webhook), "subscribe", _breaks)
            (report,) = await w.runtime.reconcile()
        assert "TypeError" in report["error"]["message"]
        assert "Rossi" not in str(report)
        await asyncio.sleep(AGAIN_SECONDS[0] + 1)
        assert len(w.subscriptions) == 1


async def _breaks(self: Any, caller: Any, hook: Any, events: Any) -> Any:
    raise TypeError("Anna Rossi")


@story
async def test_a_fault_of_ours_while_looking_for_changes_does_not_end_the_looking(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("one", types="[create]"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Subscriptions, "repair", _breaks_at_once)
            await asyncio.sleep(5)
        shell = await w.another_process()
        await shell.apply_flow(flow("two", types="[update]"), enable=True)
        await shell.__aexit__(None, None, None)
        await asyncio.sleep(2)
        assert len(w.subscriptions[0].types) == 2


async def _breaks_at_once(self: Any, tenant: str) -> Any:
    raise TypeError("Anna Rossi")


@long_story
async def test_a_handshake_is_asked_for_until_the_vendor_gives_up_and_then_begun_anew(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        w.hub.plugged = False
        await w.runtime.reconcile()
        first = w.subscriptions[0].id
        await asyncio.sleep(3 * HOUR)
        assert w.subscriptions[0].id != first
        assert len(w.subscriptions) == 1
        w.hub.plugged = True
        await asyncio.sleep(1.5 * HOUR)
        assert w.subscriptions[0].verified
        w.person.create("clients", client())
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["succeeded"]


# --- another address ----------------------------------------------------------------------------


@story
async def test_after_a_change_of_the_public_address_the_same_subscription_follows(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await w.quiet()
        (before,) = w.subscriptions
        old = before.sink
        await move(w, MOVED)
        (report,) = await w.runtime.reconcile()
        assert report["issues"] == []
        (after,) = w.subscriptions
        assert (after.id, after.sink) == (before.id, old.replace(HUB, MOVED))
        assert after.verified
        w.person.create("clients", client())
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["succeeded"]


@story
async def test_events_that_somebody_else_holds_are_told_with_their_holder_and_had_when_free(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world(tmp_path) as w:
        webhooks, app = w.sandbox.fic.webhooks, w.sandbox.fic.app.id
        held = [PREFIX + "entities.clients.create"]
        other = webhooks.add(COMPANY, app, "https://elsewhere.example/hooks/h", held, "binary")
        await apply(w, flow(types="[create, update]"))
        await _subscribe(w.runtime)
        told = " ".join(capsys.readouterr().err.split())
        assert f"Another subscription ({other.id}) holds entities.clients.create." in told
        assert "switch off the flows of the installation that holds it" in told
        del webhooks.subscriptions[other.id]
        await asyncio.sleep(AGAIN_SECONDS[0] + 1)
        (ours,) = w.subscriptions
        assert sorted(ours.types) == [*held, PREFIX + "entities.clients.update"]


@story
async def test_the_command_says_when_all_is_well_and_when_the_address_is_not_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        w.hub.plugged = False
        await _subscribe(w.runtime)
        told = " ".join(capsys.readouterr().err.split())
        assert "has not verified our address yet" in told
        assert "docs/settings.md" in told
        w.hub.plugged = True
        await asyncio.sleep(VERIFY_SECONDS + 1)
        await _subscribe(w.runtime)
        told = " ".join(capsys.readouterr().err.split())
        assert told == f"Following the events of fatture {COMPANY}."


# --- one flow's fault ---------------------------------------------------------------------------


@story
async def test_a_flow_whose_scope_was_not_granted_stops_no_other(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await w.connect(scopes=["entity.clients:r"])
        await apply(w, flow("one", types="[create]"), flow("two", resource="taxes"))
        (report,) = await w.runtime.reconcile()
        assert report["subscription"]["types"] == ["entities.clients.create"]
        (issue,) = report["issues"]
        assert "taxes.create, taxes.delete, taxes.update" in issue["message"]
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one["flow"] for one in await w.runs()] == ["one"]


def test_what_a_resource_never_sends_is_not_asked_for() -> None:
    """A group may have members that know less than the others."""
    app = fatture_in_cloud.build()
    known = {**app.operations, "entities.suppliers": ("create",)}
    app = app.model_copy(update={"operations": known})
    families = ("clients", "suppliers", "all")
    asked = [f"entities.{one}.update" for one in families]
    assert [one for one in asked if _is_one(app, one)] == ["entities.clients.update"]
