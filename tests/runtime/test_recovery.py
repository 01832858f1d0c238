"""Late events beside sweeps, dead webhooks and lost subscriptions: noticed, said, and mended."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from connector.engine.alarms import SILENT_SECONDS
from connector.engine.sweeps import GRACE_SECONDS
from connector.settings import Settings
from tests.runtime.kit import COMPANY, HOUR, HUB, World, client, flow, long_story, story, world

HOURLY = {"sweep_seconds": HOUR}
SEEN = HOUR + GRACE_SECONDS + 60
INVOICE = f"""\
  - id: invoice
    node: fatture_in_cloud.create_issued_document
    connection: fatture
    map:
      company_id: {COMPANY}
      data.type: proforma
      data.entity.name: "{{{{ trigger.resource.name }}}}"
"""
PREFIX = "it.fattureincloud.webhooks."


async def begun(w: World, *texts: str) -> None:
    await w.follow(*texts)
    await asyncio.sleep(60)


async def later(w: World, seconds: float = SEEN) -> None:
    await asyncio.sleep(seconds)
    await w.quiet()


def test_it_is_on_by_default_every_hour() -> None:
    assert Settings.load(public_url=HUB).sweep_seconds == HOUR


# --- the same change ----------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True])
@story
async def test_a_late_event_makes_no_second_invoice(tmp_path: Path, restarted: bool) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow(types="[create, update]", steps=INVOICE))
        before = len(w.documents)
        w.sandbox.fic.webhooks.pause()
        one = w.person.create("clients", {"name": "A"})
        await asyncio.sleep(90)
        w.person.change("clients", one["id"], {"name": "B"})
        await asyncio.sleep(SEEN)
        await w.runtime.settled()
        assert len(w.documents) == before + 1
        if restarted:
            await w.restart()
        w.sandbox.fic.webhooks.resume()
        await w.quiet()
        assert len(w.documents) == before + 1
        events = [one for one in await w.events() if one["ids"]]
        assert [one["recovered"] for one in events] == [True, False, False]
        done, *late = await w.runs()
        assert done["state"] == "succeeded"
        reason = f"A sweep had found this change already: event {events[0]['id']} told of it."
        assert [(one["state"], one["reason"]) for one in late] == [("filtered", reason)] * 2


@story
async def test_a_change_after_it_is_followed_although_its_event_is_late_too(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow(types="[create, update]", steps=INVOICE))
        before = len(w.documents)
        w.sandbox.fic.webhooks.pause()
        one = w.person.create("clients", {"name": "A"})
        await asyncio.sleep(SEEN)
        w.person.change("clients", one["id"], {"name": "B"})
        w.sandbox.fic.webhooks.resume()
        await w.quiet()
        assert len(w.documents) == before + 2
        states = [one["state"] for one in await w.runs()]
        assert sorted(states) == ["filtered", "succeeded", "succeeded"]


@long_story
async def test_after_a_restored_backup_sweeps_begin_where_things_stand(tmp_path: Path) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow(steps=INVOICE))
        before = len(w.documents)
        await w.close()
        w.person.create("clients", {"name": "A"})
        await asyncio.sleep(2 * HOUR)
        w.settings = w.settings.model_copy(update={"search_first": True})
        await w.open()
        await w.runtime.start()
        await later(w, 2 * SEEN)
        assert len(w.documents) == before
        assert [one for one in await w.events() if one["recovered"]] == []


# --- what is lost is said -----------------------------------------------------------------------


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == level]


@long_story
async def test_webhooks_that_seem_dead_are_said_until_one_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow())
        w.sandbox.fic.faults.add(kind="drop", times=4)
        for name in "AB":
            w.person.create("clients", {"name": name})
        await later(w)
        assert (await w.runtime.status())["alarms"] == []
        (found,) = (await w.runtime.status())["recovered"]
        assert (found["resource"], found["last_day"], found["ever"]) == ("entities.clients", 2, 2)
        assert any("2 changes of entities.clients" in one for one in said(caplog, logging.WARNING))
        for name in "CD":
            w.person.create("clients", {"name": name})
        await later(w)
        (alarm,) = (await w.runtime.status())["alarms"]
        assert alarm["kind"] == "webhooks_silent"
        assert alarm["message"].startswith(f"No event has come from fatture {COMPANY} since")
        assert len(said(caplog, logging.ERROR)) == 1
        assert await w.runtime.ready() == {}
        w.person.create("clients", {"name": "E"})
        await w.quiet()
        assert (await w.runtime.status())["alarms"] == []
        await later(w, 25 * HOUR)
        assert w.rows("SELECT count(*) FROM alarm WHERE ended_at IS NULL") == [(0,)]
        (found,) = (await w.runtime.status())["recovered"]
        assert (found["last_day"], found["ever"]) == (0, 4)
        assert len(said(caplog, logging.ERROR)) == 1


@story
async def test_a_few_lost_ones_among_others_are_no_alarm(tmp_path: Path) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow())
        for number in range(6):
            w.sandbox.fic.faults.add(kind="drop")
            w.person.create("clients", {"name": f"lost {number}"})
            w.person.create("clients", {"name": f"told {number}"})
            await later(w, SILENT_SECONDS / 6)
        await later(w)
        assert (await w.runtime.counts())["sweep"]["recovered"] == 6
        assert (await w.runtime.status())["alarms"] == []


# --- subscriptions ------------------------------------------------------------------------------


async def lost(w: World) -> dict[str, Any] | None:
    alarms = (await w.runtime.status())["alarms"]
    return next((one for one in alarms if one["kind"] == "subscription_lost"), None)


@pytest.mark.parametrize("how", ["gone", "types"])
@long_story
async def test_a_subscription_that_was_dropped_is_made_again_within_the_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow(types="[create, update]"))
        webhooks = w.sandbox.fic.webhooks
        (before,) = w.subscriptions
        await later(w)
        assert w.subscriptions == [before]
        assert await lost(w) is None
        if how == "gone":
            # As after a 410, or ten days of failures.
            del webhooks.subscriptions[before.id]
        else:
            before.types.remove(f"{PREFIX}entities.clients.update")
        w.person.create("clients", client())
        await later(w, 2 * HOUR)
        (after,) = w.subscriptions
        assert after.verified
        assert sorted(one.removeprefix(PREFIX) for one in after.types) == [
            "entities.clients.create",
            "entities.clients.update",
        ]
        await later(w, HOUR)
        assert len(w.customers) == 1
        assert await lost(w) is None
        (message,) = [one for one in said(caplog, logging.ERROR) if "was lost" in one]
        assert message.startswith(f"The subscription of fatture {COMPANY} was lost: {before.id}")
        ((since, ended),) = w.rows("SELECT since, ended_at FROM alarm")
        assert since < ended <= since + 2 * HOUR


@long_story
async def test_an_outage_is_an_alarm_until_the_next_look(tmp_path: Path) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow())
        w.subscriptions[0].verified = False
        w.hub.plugged = False
        await later(w, HOUR + 60)
        alarm = await lost(w)
        assert alarm is not None
        assert "is no longer verified" in alarm["message"]
        w.hub.plugged = True
        await later(w, 3 * HOUR)
        assert await lost(w) is None
        assert w.subscriptions[0].verified


@story
async def test_a_challenge_is_answered_only_while_we_have_asked_for_one(tmp_path: Path) -> None:
    async with world(tmp_path, settings=HOURLY) as w:
        await begun(w, flow())
        until = w.rows("SELECT verify_until FROM hook")
        checks = len(w.fic.seen("GET", "/subscriptions"))
        await later(w, 3 * HOUR)
        assert len(w.fic.seen("GET", "/subscriptions")) == checks + 3
        assert w.rows("SELECT verify_until FROM hook") == until


@long_story
async def test_without_sweeps_nothing_is_checked(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await begun(w, flow())
        before = len(w.fic.calls)
        await later(w, 5 * HOUR)
        assert len(w.fic.calls) == before
