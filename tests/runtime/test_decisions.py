"""What only a person decides: what becomes of a write whose end nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.engine.packing import pack
from connector.errors import ConnectorError
from connector.model import HttpRequest
from connector.runtime.decisions import changed_by
from connector.store.rows import EffectRow
from tests.runtime.kit import World, flow, story, world
from tests.runtime.test_writes import INVOICE, POST, SENT, follow_invoices, issue
from tests.store.kit import effect_row

MORE = """\
  - id: tell
    node: perfex_crm.create_customer
    connection: perfex
    map:
      data.company: "Invoice {{ steps.issue.id }}"
"""


async def parked(w: World, *, more: str = "") -> str:
    """A write of which nobody knows; gives its key."""
    await w.follow(flow(steps=INVOICE + more, types="[create]"))
    w.sandbox.fic.faults.add(kind="reset_before", **POST)
    run = await issue(w)
    assert run["state"] == "parked"
    (row,) = await w.runtime.list_parked()
    key: str = row["key"]
    return key


# --- parked writes ------------------------------------------------------------------------------


@story
async def test_a_parked_write_shows_what_was_meant_and_what_is_known(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await parked(w)
        (row,) = await w.runtime.list_parked()
        assert (row["node"], row["run"], row["sends"]) == (
            "fatture_in_cloud.create_issued_document", 1, 1,
        )  # fmt: skip
        assert row["request"]["body"]["data"]["subject"].endswith(row["marker"])
        assert len(row["evidence"]) >= 2


COPIED = ("type", "subject", "entity", "items_list", "payments_list")


async def entered_by_hand(w: World, **changes: Any) -> str:
    """Somebody issues in the web app what was meant; gives the document's id."""
    (row,) = await w.runtime.list_parked()
    meant = row["request"]["body"]["data"]
    given = {name: meant[name] for name in COPIED}
    return str(w.person.create("issued_documents", {**given, **changes})["id"])


@story
async def test_adopting_gives_the_record_to_the_run_and_sends_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w, more=MORE.replace("steps.issue.id", "steps.issue.number"))
        number = await entered_by_hand(w)
        await w.runtime.resolve(key, "adopt", who="anna", remote_id=number)
        await w.quiet()
        run = await w.run()
        assert run["state"] == "succeeded"
        assert [one["company"] for one in w.customers] == ["Invoice 1"], "a field of the record"
        assert (len(w.documents), len(w.fic.seen("POST", SENT))) == (1, 1)
        assert await w.runtime.list_parked() == []
        assert "forced" not in str(await w.runtime.list_audits())


REFUSALS = {
    "not there": "has no record 9001",
    "without the mark": "lacks the mark",
    "not reachable": "cannot be read",
    "not allowed": "cannot be read",
}


async def spoil(w: World, why: str) -> str:
    """Make a parked write one whose record cannot be adopted for this reason; gives an id."""
    if why == "without the mark":
        return await entered_by_hand(w, subject="Another order")
    if why == "not reachable":
        w.fic.plugged = False
    if why == "not allowed":
        forbidden = {"method": "GET", "path": "/c/*/issued_documents/*"}
        w.sandbox.fic.faults.add(kind="status", status=403, **forbidden)
    return "9001"


@pytest.mark.parametrize("why", sorted(REFUSALS))
def test_a_record_that_is_not_the_one_is_not_adopted_unless_forced(
    tmp_path: Path, why: str
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            key = await parked(w, more=MORE)
            number = await spoil(w, why)
            with pytest.raises(ConnectorError, match=REFUSALS[why]) as caught:
                await w.runtime.resolve(key, "adopt", who="anna", remote_id=number)
            assert caught.value.field == "remote_id"
            assert type(caught.value).__name__ == "Unproven"
            assert [one["key"] for one in await w.runtime.list_parked()] == [key]
            assert await w.runtime.list_audits() == []
            await spoil(w, why if why == "not allowed" else "")
            await w.runtime.resolve(key, "adopt", who="anna", remote_id=number, force=True)
            w.fic.plugged = True
            await w.quiet()
            assert (await w.run())["state"] == "succeeded"
            assert [one["company"] for one in w.customers] == [f"Invoice {number}"]
            (kept,) = await w.runtime.list_audits()
            assert kept["details"]["forced"]

    told()


@story
async def test_a_record_that_another_run_wrote_is_adopted_by_insisting_only(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow_invoices(w)
        assert (await issue(w))["state"] == "succeeded"
        w.sandbox.fic.faults.add(kind="reset_before", **POST)
        assert (await issue(w))["state"] == "parked"
        (row,) = await w.runtime.list_parked()
        other = str(w.documents[0]["id"])
        # Nothing else speaks against it: somebody has put our mark there.
        marked = {"subject": f"Order {row['marker']}"}
        w.person.change("issued_documents", w.documents[0]["id"], marked)
        with pytest.raises(ConnectorError, match="run 1 of the flow simple wrote it") as caught:
            await w.runtime.resolve(row["key"], "adopt", who="anna", remote_id=other)
        assert type(caught.value).__name__ == "Unproven"
        assert await w.runtime.list_audits() == []
        insisted = {"remote_id": other, "force": True}
        await w.runtime.resolve(row["key"], "adopt", who="anna", **insisted)
        (kept,) = await w.runtime.list_audits()
        assert kept["details"]["forced"] == "run 1 of the flow simple wrote it"
        await w.quiet()
        assert ((await w.runs())[-1]["state"], len(w.documents)) == ("succeeded", 1)


def test_what_a_change_names_is_no_other_runs_record() -> None:
    def effect(method: Any, url: str) -> EffectRow:
        request = pack(HttpRequest(method=method, url=url, body=b"{}"))
        return replace(effect_row("main", 1), request=request)

    assert changed_by(effect("PUT", "https://crm.test/api/customers/7?x=1")) == "7"
    assert changed_by(effect("POST", "https://crm.test/api/customers/7")) == ""
    assert changed_by(replace(effect_row("main", 1), request=None)) == ""


@story
async def test_adopting_needs_the_record(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w)
        with pytest.raises(ConnectorError) as caught:
            await w.runtime.resolve(key, "adopt", who="anna")
        assert caught.value.field == "remote_id"
        assert len(await w.runtime.list_parked()) == 1


@story
async def test_sending_again_sends_the_same_bytes_once_more(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w)
        meant = (await w.runtime.list_parked())[0]["request"]["body"]["data"]["subject"]
        await w.runtime.resolve(key, "send_again", who="anna")
        await w.quiet()
        assert (await w.run())["state"] == "succeeded"
        assert [one["subject"] for one in w.documents] == [meant]


@story
async def test_sending_again_into_another_bad_day_parks_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w)
        w.sandbox.fic.faults.add(kind="reset_before", **POST)
        await w.runtime.resolve(key, "send_again", who="anna")
        await w.quiet()
        assert (await w.run())["state"] == "parked"
        assert [one["key"] for one in await w.runtime.list_parked()] == [key]
        assert w.documents == []


@story
async def test_dropping_ends_the_run_and_writes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w, more=MORE)
        await w.runtime.resolve(key, "drop", who="anna")
        await w.quiet()
        run = await w.run()
        assert run["state"] == "failed"
        assert "dropped" in run["error"]["message"]
        assert (w.documents, w.customers) == ([], [])


@pytest.mark.parametrize("choice", ["adopt", "send_again", "drop"])
def test_every_choice_is_kept_with_who_made_it(tmp_path: Path, choice: Any) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            key = await parked(w)
            await w.runtime.resolve(key, choice, who="anna", remote_id="9001", force=True)
            (kept,) = await w.runtime.list_audits()
            assert {"anna", choice} <= {str(value) for value in kept.values()}
            assert key in str(kept)
            await w.quiet()
            evidence = (await w.run())["effects"][0]["evidence"]
            assert [one for one in evidence if "decided by anna" in one["message"]]

    told()


ENDS = {"adopt": "succeeded", "send_again": "succeeded", "drop": "failed"}


@pytest.mark.parametrize("choice", ENDS)
def test_every_run_that_waits_for_a_write_goes_on_when_it_is_decided(
    tmp_path: Path, choice: Any
) -> None:
    """Two events about one order have one write: it is decided once, and neither stays behind."""

    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            key = 'business_key: "order {{ trigger.event.resource }}"'
            await w.follow(flow(steps=INVOICE + f"    {key}\n", types="[create]"))
            w.sandbox.fic.faults.add(kind="reset_before", **POST)
            for name in ("Rossi", "Bianchi"):
                w.person.create("clients", {"name": name})
                await w.quiet()
            assert [run["state"] for run in await w.runs()] == ["parked", "parked"]
            (row,) = await w.runtime.list_parked()
            await w.runtime.resolve(row["key"], choice, who="anna", remote_id="9001", force=True)
            await w.quiet()
            assert [run["state"] for run in await w.runs()] == [ENDS[choice]] * 2
            assert len(w.documents) == (choice == "send_again")
            assert await w.runtime.list_parked() == []

    told()


@story
async def test_a_write_is_decided_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w)
        await w.runtime.resolve(key, "send_again", who="anna")
        with pytest.raises(ConnectorError) as caught:
            await w.runtime.resolve(key, "send_again", who="bruno")
        assert caught.value.remedy == "Nothing is parked."
        await w.quiet()
        assert len(w.documents) == 1


@story
async def test_a_key_that_is_none_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await parked(w)
        with pytest.raises(ConnectorError, match="No parked write") as caught:
            await w.runtime.resolve("nonsense", "drop", who="anna")
        assert "connector parked" in caught.value.remedy


@story
async def test_a_decision_at_the_shell_is_carried_out_by_the_server(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w)
        shell = await w.another_process()
        await shell.resolve(key, "send_again", who="anna")
        await shell.__aexit__(None, None, None)
        await w.until(lambda: w.run_state(1, "succeeded"), 120)
        assert len(w.documents) == 1


@story
async def test_a_parked_write_is_nobody_elses(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        key = await parked(w)
        stranger = await w.another_process(tenant="stranger")
        assert await stranger.list_parked() == []
        with pytest.raises(ConnectorError):
            await stranger.resolve(key, "send_again", who="mallory")
        await stranger.__aexit__(None, None, None)
        assert len(await w.runtime.list_parked()) == 1
