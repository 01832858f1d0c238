"""A flow is deleted: what goes, what stays for ever, and what its key still knows afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConnectorError, FlowError
from tests.runtime.derived.kit import fired, flow as derived, invoice, on, pay
from tests.runtime.kit import CREATE, HOUR, World, client, flow, long_story, story, world
from tests.runtime.test_decisions import SENT, entered_by_hand, issue, parked
from tests.runtime.test_writes import INVOICE

ISSUE = flow(steps=INVOICE, types="[create]")
COPY = flow(steps=CREATE)


async def gone(w: World, **more: Any) -> dict[str, Any]:
    return await w.runtime.removing.remove("simple", who="anna", **more)


@story
async def test_a_flow_made_again_with_its_key_writes_no_invoice_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(ISSUE)
        run = await issue(w)
        assert run["state"] == "succeeded"
        event, sent = (await w.events())[-1]["id"], len(w.fic.seen("POST", SENT))
        assert (sent, len(w.documents)) == (1, 1)
        (key,) = [one["key"] for one in run["effects"]]
        await gone(w)
        assert await w.runtime.get_flow("simple") is None
        # Made again, even with another text: the same event, and the same run, write nothing.
        again = ISSUE.replace("\n\ntrigger", "\nname: Made anew\n\ntrigger")
        made = await w.runtime.apply_flow(again, enable=True)
        assert made["version"] == (1 if again == ISSUE else 2), "no number stands for two texts"
        assert await w.runtime.replay_event(event)
        await w.quiet()
        assert len(await w.runs()) == 1
        new = await w.runtime.replay(run["id"], "issue")
        await w.quiet()
        assert new is not None
        replayed = await w.runtime.get_run(new)
        assert replayed is not None
        assert replayed["state"] == "succeeded"
        assert (len(w.fic.seen("POST", SENT)), len(w.documents)) == (sent, 1)
        assert [row[0] for row in w.rows("SELECT key FROM effect")] == [key]


@story
async def test_what_comes_later_starts_nothing_and_the_history_names_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(COPY)
        w.person.create("clients", client())
        await w.quiet()
        first = await w.run()
        told = await gone(w)
        assert (told["key"], told["open"]) == ("simple", {})
        assert await w.runtime.list_flows() == []
        assert await w.runtime.enable_flow("simple", True) is None
        assert await w.runtime.workshop.versions.list_all("simple") is None
        w.person.create("clients", client("Rossi", "IT12345678903"))
        await w.quiet()
        assert (await w.events())[-1]["state"] == "unmatched"
        assert [run["flow"] for run in await w.runs()] == ["simple"]
        past = await w.runtime.past.run(first["id"])
        assert past is not None
        assert (past["flow"], [one["id"] for one in past["plan"]]) == ("simple", ["create"])
        with pytest.raises(ConnectorError, match="'simple' was deleted"):
            await w.runtime.replay(first["id"], "create")
        preview = await w.runtime.past.replaying.preview(_all(), "create")
        assert "was deleted" in preview["items"][0]["refused"]["message"]
        (audit, *_) = await w.runtime.list_audits()
        assert (audit["who"], audit["what"], audit["subject"]) == (
            "anna", "delete_flow", "flow simple",
        )  # fmt: skip
        with pytest.raises(FlowError, match="no flow 'simple'"):
            await gone(w)
        # It is off when it comes back, until somebody switches it on.
        made = await w.runtime.apply_flow(COPY)
        assert (made["enabled"], made["version"]) == (False, 1)


def _all() -> Any:
    from connector.store.rows import RunFilter

    return RunFilter()


@long_story
async def test_its_sweeps_end(tmp_path: Path) -> None:
    async with world(tmp_path, settings={"sweep_seconds": HOUR}) as w:
        await w.follow(COPY)
        await asyncio.sleep(2 * HOUR)
        assert w.rows("SELECT 1 FROM sweep")
        await gone(w)
        await asyncio.sleep(2 * HOUR)
        assert w.rows("SELECT 1 FROM sweep") == []


@story
async def test_a_watch_begins_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        one = invoice(w)
        await on(w, derived("invoice_paid"))
        assert w.rows("SELECT 1 FROM derived_watch")
        (key,) = [flow["key"] for flow in await w.runtime.list_flows()]
        await w.runtime.removing.remove(key, who="anna")
        assert w.rows("SELECT 1 FROM derived_watch UNION SELECT 1 FROM derived_state") == []
        # Paid while there was no flow: made again, it takes that for how things stand.
        pay(w, one)
        await asyncio.sleep(HOUR)
        await w.runtime.apply_flow(derived("invoice_paid"), enable=True)
        await asyncio.sleep(HOUR)
        assert await fired(w) == []


@story
async def test_open_runs_keep_it_unless_a_person_insists_and_then_go_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(COPY)
        w.perfex.plugged = False
        w.person.create("clients", client())
        await asyncio.sleep(60)
        assert (await w.run())["state"] == "waiting"
        with pytest.raises(FlowError, match="not over") as caught:
            await gone(w)
        assert [(one.field, one.message) for one in caught.value.issues] == [
            ("waiting", "Runs that are waiting: 1.")
        ]
        assert await w.runtime.get_flow("simple") is not None
        assert (await gone(w, force=True))["open"] == {"waiting": 1}
        w.perfex.plugged = True
        await w.restart()
        await w.quiet()
        run = await w.run()
        assert (run["state"], len(w.customers)) == ("succeeded", 1)


@story
async def test_what_is_parked_is_still_decided(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w)
        would = await w.runtime.removing.would("simple")
        assert would is not None
        assert would["open"] == {"parked": 1}
        await gone(w, force=True)
        number = await entered_by_hand(w)
        await w.runtime.resolve(key, "adopt", who="anna", remote_id=number)
        await w.quiet()
        assert ((await w.run())["state"], len(w.documents)) == ("succeeded", 1)


@story
async def test_what_was_prepared_goes_with_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.runtime.apply_flow(COPY)
        workshop = w.runtime.workshop
        await workshop.drafts.save("simple", COPY, 0, 1, who="bea")
        await workshop.kept.pin("simple", {"record": client("Anna")}, who="bea")
        await workshop.kept.save("simple", COPY, "one", None, who="bea")
        would = await w.runtime.removing.would("simple")
        assert would is not None
        assert (would["draft"], would["sample"], would["tests"]) == ("bea", True, 1)
        await gone(w)
        assert w.rows("SELECT flow FROM flow_draft UNION SELECT flow FROM flow_sample") == []
        assert await w.runtime.removing.would("simple") is None
