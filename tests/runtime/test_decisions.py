"""What only a person decides: parked writes, doing things again, events that nobody wanted then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.engine.packing import pack
from connector.errors import ConnectorError, FlowError
from connector.model import HttpRequest
from connector.runtime.decisions import changed_by
from connector.store.rows import EffectRow
from tests.runtime.kit import CREATE, World, client, flow, long_story, story, world
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


# --- events that nobody wanted then -------------------------------------------------------------


@story
async def test_an_event_of_a_flow_that_was_off_can_be_offered_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await w.runtime.enable_flow("simple", False)
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        await w.runtime.enable_flow("simple", True)
        event = next(one for one in await w.events() if one["ids"])
        assert await w.runtime.replay_event(event["id"]) is True
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["A"]
        assert (await w.runtime.get_event(event["id"]))["state"] == "matched"


@story
async def test_offering_an_event_again_runs_only_what_has_not_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("first", steps=CREATE.replace("{{ trigger.resource.name }}", "first")))
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        second = flow("second", steps=CREATE.replace("{{ trigger.resource.name }}", "second"))
        await w.runtime.apply_flow(second, enable=True)
        event = next(one for one in await w.events() if one["ids"])
        await w.runtime.replay_event(event["id"])
        await w.quiet()
        assert [one["flow"] for one in await w.runs()] == ["first", "second"]
        assert [one["company"] for one in w.customers] == ["first", "second"]


@long_story
async def test_an_event_that_failed_for_days_can_be_offered_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        w.fic.plugged = False
        w.person.create("clients", {"name": "A"})
        await w.quiet(24 * 3_600)
        event = next(one for one in await w.events() if one["ids"])
        assert event["state"] == "failed"
        w.fic.plugged = True
        assert await w.runtime.replay_event(event["id"]) is True
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_an_event_that_is_not_there_cannot_be_offered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        assert await w.runtime.replay_event(999) is False


# --- from a step --------------------------------------------------------------------------------


@story
async def test_a_replay_takes_over_what_was_done_and_goes_on_where_it_failed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        wrong = MORE.replace("steps.issue.id", "steps.issue.nothing")
        await w.follow(flow(steps=INVOICE + wrong, types="[create]"))
        first = await issue(w)
        assert [one["state"] for one in first["steps"]] == ["done", "failed"]
        await w.runtime.apply_flow(flow(steps=INVOICE + MORE, types="[create]"), None)
        await w.runtime.replay(1)
        await w.quiet()
        again = await w.run()
        assert again["state"] == "succeeded"
        assert [one["state"] for one in again["steps"]] == ["done", "done"]
        assert len(w.documents) == 1
        assert [one["company"] for one in w.customers] == [f"Invoice {w.documents[0]['id']}"]


UNNAMED = """\
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map: {company: "{{ trigger.resource.name }}"}
  - id: create
    node: perfex_crm.create_customer
    connection: perfex
    when: "{{ steps.find.count == 0 }}"
    map: {data.company: "{{ trigger.resource.name }}"}
"""


@pytest.mark.parametrize("from_step", [None, "create"])
@story
async def test_a_replay_looks_anew_before_it_writes(tmp_path: Path, from_step: str | None) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=UNNAMED, types="[create]"))
        w.sandbox.perfex.faults.add(kind="status", status=403, method="POST", path="/api/customers")
        for _ in range(2):
            w.person.create("clients", client("Rossi", vat_number=""))
            await w.quiet()
        assert [run["state"] for run in await w.runs()] == ["failed", "succeeded"]
        assert len(w.customers) == 1
        await w.runtime.replay(1, from_step)
        await w.quiet()
        again = await w.run()
        assert [one["state"] for one in again["steps"]] == ["done", "skipped"]
        assert len(w.customers) == 1, "what the search did not find then is there now"


@story
async def test_a_replay_from_a_step_that_wrote_does_not_write_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow_invoices(w)
        await issue(w)
        await w.runtime.replay(1, "issue")
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["succeeded", "succeeded"]
        assert len(w.documents) == 1


@story
async def test_a_replay_from_a_step_that_is_none_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow_invoices(w)
        await issue(w)
        with pytest.raises(ConnectorError, match="no step 'isue'") as caught:
            await w.runtime.replay(1, "isue")
        assert caught.value.field == "from"
        assert len(await w.runs()) == 1


@story
async def test_a_replay_of_a_filtered_run_with_another_filter_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(head="when: \"{{ trigger.resource.name == 'B' }}\""))
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["filtered"]
        await w.runtime.apply_flow(flow(), None)
        await w.runtime.replay(1)
        await w.quiet()
        assert (await w.runs())[-1]["state"] == "succeeded"
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_a_replay_does_not_get_past_the_filter(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(head="when: \"{{ trigger.resource.name == 'B' }}\""))
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        with pytest.raises(FlowError, match="does not want this record") as caught:
            await w.runtime.replay(1)
        assert caught.value.field == "when"
        assert caught.value.remedy
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["filtered"]
        assert w.customers == []


@story
async def test_a_filter_that_failed_is_asked_again_by_the_replay(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(head='when: "{{ trigger.resource.name | int > 3 }}"'))
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["failed"]
        with pytest.raises(FlowError):
            await w.runtime.replay(1)
        await w.runtime.apply_flow(flow(head="when: \"{{ trigger.resource.name != 'A' }}\""), None)
        with pytest.raises(FlowError, match="does not want"):
            await w.runtime.replay(1)
        await w.runtime.apply_flow(flow(head="when: \"{{ trigger.resource.name == 'A' }}\""), None)
        await w.runtime.replay(1)
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_a_replay_of_a_run_that_waits_does_not_write_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.perfex.plugged = False
        w.person.create("clients", client())
        await w.until(lambda: w.runs(state="waiting"))
        await w.runtime.replay(1)
        await asyncio.sleep(5)
        w.perfex.plugged = True
        await w.quiet()
        assert {one["state"] for one in await w.runs()} == {"succeeded"}
        assert len(w.customers) == 1
