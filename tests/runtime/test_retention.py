"""What is kept of ended work, through the whole product."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connector.errors import ConnectorError
from connector.redaction import MASK
from connector.runtime import Tuning
from tests.runtime.kit import HOUR, World, client, story, world

DAY = 24 * HOUR


async def done(w: World) -> int:
    """A run that made a customer; gives its number."""
    await w.follow()
    w.person.create("clients", client(email="anna@rossi.it"))
    await w.quiet()
    run = await w.run()
    assert run["state"] == "succeeded"
    return int(run["id"])


@story
async def test_a_server_removes_the_payloads_of_what_ended_long_ago(tmp_path: Path) -> None:
    async with world(tmp_path, tuning=Tuning(keep_payloads_days=HOUR / DAY)) as w:
        number = await done(w)
        (before,) = (await w.run())["effects"]
        await asyncio.sleep(HOUR)
        assert (await w.run())["purged_at"] is None
        await asyncio.sleep(HOUR + 600)
        run = await w.run()
        assert float(run["purged_at"]) - run["finished_at"] > HOUR
        assert (run["state"], run["trigger"]) == ("succeeded", None)
        (after,) = run["effects"]
        kept = ("key", "state", "marker", "remote_id", "sends", "sent_at")
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        assert after["request"] is None
        assert w.rows("SELECT 1 FROM run JOIN step ON run.id = run_id WHERE output != ''") == []
        text = repr(w.rows("SELECT * FROM run, step, effect, event"))
        assert "anna@rossi.it" not in text
        with pytest.raises(ConnectorError, match="no longer kept") as caught:
            await w.runtime.replay(number, "create")
        assert "CONNECTOR_KEEP_PAYLOADS_DAYS" in caught.value.remedy
        # The event itself can still be offered to flows that had no run for it.
        assert await w.runtime.replay_event((await w.events())[-1]["id"])
        await w.quiet()
        assert len(await w.runs()) == 1


@story
async def test_named_fields_are_masked_and_never_written_by_a_replay(tmp_path: Path) -> None:
    tuning = Tuning(masked=("email", "resource.vat_number"))
    async with world(tmp_path, tuning=tuning) as w:
        number = await done(w)
        await asyncio.sleep(600)
        run = await w.run()
        assert run["trigger"]["resource"]["email"] == MASK
        assert run["trigger"]["resource"]["vat_number"] == MASK
        assert run["trigger"]["resource"]["name"] != MASK
        assert run["effects"][0]["request"]["body"] == ""
        sent = len(w.perfex.calls)
        with pytest.raises(ConnectorError, match="masked fields"):
            await w.runtime.replay(number, "create")
        await w.quiet()
        assert len(w.perfex.calls) == sent


@story
async def test_what_is_removed_by_hand_is_recorded(tmp_path: Path) -> None:
    async with world(tmp_path, tuning=Tuning(keep_payloads_days=0)) as w:
        await done(w)
        await asyncio.sleep(600)
        hand = w.runtime.retention.purge
        assert (await hand(601 / DAY, "anna", really=False)).runs == 0
        assert (await hand(599 / DAY, "anna", really=False)).runs == 1
        assert (await hand(599 / DAY, "anna")).runs == 1
        (audit, *_) = await w.runtime.list_audits()
        assert (audit["who"], audit["what"]) == ("anna", "purge")
        assert (await w.run())["purged_at"] is not None
