"""Doing things again: events that nobody wanted then, and replays from a step."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connector.errors import ConnectorError, FlowError
from tests.runtime.kit import CREATE, client, flow, long_story, story, world
from tests.runtime.test_decisions import MORE
from tests.runtime.test_writes import INVOICE, follow_invoices, issue

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
