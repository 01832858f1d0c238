"""Flows over time: switched off and on, changed while they run, replayed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConnectorError, FlowError
from tests.runtime.kit import CREATE, World, client, flow, story, world

QUOTE = """\
  - id: issue
    node: fatture_in_cloud.create_issued_document
    connection: fatture
    map:
      company_id: 108061
      data.type: invoice
      data.subject: "Order"
      data.entity.name: "{{ trigger.resource.name }}"
      data.items_list:
        - name: Work
          qty: 1
          net_price: 100
          vat.id: 0
      data.payments_list:
        - amount: AMOUNT
          due_date: "2026-04-03"
          status: not_paid
"""


def named(text: str) -> str:
    """A step that creates a customer of this name."""
    return CREATE.replace("{{ trigger.resource.name }}", text)


async def one_client(w: World, name: str = "A") -> int:
    made: int = w.person.create("clients", {"name": name})["id"]
    await w.quiet()
    return made


# --- off and on ---------------------------------------------------------------------------------


@story
async def test_events_of_a_disabled_flow_are_kept_and_start_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await w.runtime.enable_flow("simple", False)
        await one_client(w)
        assert [one["state"] for one in await w.events() if one["ids"]] == ["unmatched"]
        assert (await w.runs(), w.customers) == ([], [])


@story
async def test_a_flow_that_is_switched_on_again_runs_new_events_only(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await w.runtime.enable_flow("simple", False)
        await one_client(w, "while off")
        await w.runtime.enable_flow("simple", True)
        await asyncio.sleep(3_600)
        assert await w.runs() == []
        await w.restart()
        await one_client(w, "while on")
        assert [one["company"] for one in w.customers] == ["while on"]
        assert [one["state"] for one in await w.events() if one["ids"]] == ["unmatched", "matched"]


@story
async def test_a_flow_is_stored_switched_off_unless_asked(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await w.runtime.apply_flow(flow(), None))["enabled"] is False
        assert (await w.runtime.apply_flow(flow(), True))["enabled"] is True
        assert (await w.runtime.apply_flow(flow(head="name: other"), None))["enabled"] is True


@story
async def test_a_run_that_waits_goes_on_though_its_flow_is_switched_off(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        w.perfex.plugged = False
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: w.runs(state="waiting"))
        await w.runtime.enable_flow("simple", False)
        w.perfex.plugged = True
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["succeeded"]


# --- versions -----------------------------------------------------------------------------------


@story
async def test_a_changed_document_is_the_next_version_and_the_same_one_is_not(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        versions = [
            (await w.runtime.apply_flow(text, True))["version"]
            for text in (flow(), flow(), flow(steps=named("B")), flow())
        ]
        assert versions == [1, 1, 2, 3]


@story
async def test_a_run_keeps_the_version_it_began_with(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=named("old {{ trigger.id }}")))
        w.perfex.plugged = False
        first = w.person.create("clients", {"name": "A"})["id"]
        await w.until(lambda: w.runs(state="waiting"))
        await w.runtime.apply_flow(flow(steps=named("new {{ trigger.id }}")), None)
        w.perfex.plugged = True
        second = w.person.create("clients", {"name": "B"})["id"]
        await w.quiet()
        assert [one["flow_version"] for one in await w.runs()] == [1, 2]
        made = {one["company"] for one in w.customers}
        assert made == {f"old {first}", f"new {second}"}


@story
async def test_a_run_keeps_its_version_through_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=named("old")))
        w.perfex.plugged = False
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: w.runs(state="waiting"))
        await w.runtime.apply_flow(flow(steps=named("new")), None)
        w.perfex.plugged = True
        await w.restart()
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["old"]


@story
async def test_a_faulty_document_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        with pytest.raises(FlowError) as caught:
            await w.runtime.apply_flow(flow(steps=CREATE.replace("create_customer", "creat")), True)
        (issue,) = caught.value.issues
        assert (issue.line, issue.column) == (12, 11)
        assert "perfex_crm.create_" in issue.remedy
        assert (await w.runtime.get_flow("simple"))["version"] == 1
        await one_client(w)
        assert len(w.customers) == 1


@story
async def test_a_flow_of_a_missing_connection_is_not_stored(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(FlowError) as caught:
            await w.runtime.apply_flow(flow(steps=CREATE.replace(": perfex\n", ": prefex\n")), True)
        (issue,) = caught.value.issues
        assert issue.where == "steps.create.connection"
        assert "perfex" in issue.remedy
        assert await w.runtime.list_flows() == []


# --- replay -------------------------------------------------------------------------------------


@story
async def test_a_replay_of_a_run_that_succeeded_writes_nothing_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await one_client(w)
        with pytest.raises(ConnectorError, match="nothing to do again"):
            await w.runtime.replay(1)
        again = await w.runtime.replay(1, "create")
        await w.quiet()
        told = await w.runtime.get_run(again)
        assert (told["state"], told["replay"]) == ("succeeded", 1)
        assert told["steps"][0]["output"]["id"] == 412
        assert w.sandbox.perfex.ledger.writes == {"create customers": 1}


@story
async def test_a_replay_of_the_example_writes_nothing_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.person.create("clients", client())
        await w.quiet()
        await w.runtime.replay(1, "find")
        await w.quiet()
        assert w.sandbox.perfex.ledger.writes["create customers"] == 1
        assert len(w.customers) == 1


@story
async def test_a_refused_write_is_sent_by_the_replay_with_the_mended_flow(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=QUOTE.replace("AMOUNT", "100"), types="[create]"))
        await one_client(w)
        refused = await w.run()
        assert refused["state"] == "failed"
        assert [one["state"] for one in refused["effects"]] == ["refused"]
        assert refused["error"]["kind"] == "Invalid"
        assert refused["error"]["remedy"]
        assert w.documents == []
        mended = flow(steps=QUOTE.replace("AMOUNT", "122"), types="[create]")
        await w.runtime.apply_flow(mended, None)
        await w.runtime.replay(1)
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["failed", "succeeded"]
        assert [one["amount_gross"] for one in w.documents] == [122]
        assert (await w.run())["flow_version"] == 2


@story
async def test_a_replay_with_the_flow_as_it_was_is_refused_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=QUOTE.replace("AMOUNT", "100"), types="[create]"))
        await one_client(w)
        await w.runtime.replay(1)
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["failed", "failed"]
        assert w.documents == []


@story
async def test_a_step_of_the_wrong_company_is_told_and_can_be_replayed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        steps = QUOTE.replace("AMOUNT", "122").replace("company_id: 108061", "company_id: 999")
        await w.follow(flow(steps=steps, types="[create]"))
        await one_client(w)
        told = await w.run()
        assert told["state"] == "failed"
        assert "Company not found" in told["error"]["message"]
        assert told["error"]["remedy"]
        assert [one["state"] for one in told["steps"]] == ["failed"]
        await w.runtime.apply_flow(
            flow(steps=steps.replace("999", "108061"), types="[create]"), None
        )
        await w.runtime.replay(1)
        await w.quiet()
        assert len(w.documents) == 1


@story
async def test_a_replay_asked_for_at_the_shell_is_done_by_the_server(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await one_client(w)
        shell = await w.another_process()
        again = await shell.replay(1, "create")
        await shell.__aexit__(None, None, None)
        assert again == 2
        await w.until(lambda: w.run_state(2, "succeeded"), 60)
        assert len(w.customers) == 1


@story
async def test_there_is_no_replay_of_a_run_that_is_not_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await w.runtime.replay(7) is None
        assert await w.runtime.get_run(7) is None
        assert await w.runtime.get_event(7) is None
        assert await w.runtime.get_flow("none") is None
        assert await w.runtime.enable_flow("none", True) is None


# --- what is told -------------------------------------------------------------------------------


@story
async def test_an_enabled_flow_that_cannot_run_says_why(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        # An upgrade that drops a node, or a hand in the database.
        w.execute("UPDATE flow_version SET document = replace(document, 'create_c', 'creat_c')")
        await w.restart()
        told: Any = await w.runtime.get_flow("simple")
        assert "creat_customer" in told["problem"]
        (listed,) = await w.runtime.list_flows()
        assert listed["problem"] == told["problem"]
        await one_client(w)
        assert [one["state"] for one in await w.events() if one["ids"]] == ["unmatched"]


@story
async def test_one_flow_that_cannot_run_does_not_stop_the_others(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("bad", steps=named("bad")), flow("good", steps=named("good")))
        w.execute(
            "UPDATE flow_version SET document = replace(document, 'create_c', 'creat_c')"
            " WHERE document LIKE 'flow: bad%'"
        )
        await w.restart()
        await one_client(w)
        assert [one["company"] for one in w.customers] == ["good"]


@story
async def test_what_happened_can_be_read_from_each_side(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await one_client(w)
        event = next(one for one in await w.events() if one["ids"])
        told: Any = await w.runtime.get_event(event["id"])
        assert [one["id"] for one in told["runs"]] == [1]
        assert (await w.runs(flow="simple"))[0]["summary"] == "Customer 412: A"
        assert await w.runs(flow="another") == []
        assert await w.runs(state="failed") == []
        counts = await w.runtime.counts()
        assert counts["run"] == {"succeeded": 1}
        assert counts["effect"] == {"done": 1}
        assert counts["event"] == {"matched": 1, "silent": 1}


@story
async def test_a_replay_goes_on_where_the_run_failed_and_leaves_newer_data_alone(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        one = w.person.create("clients", {**client(), "phone": "OLD"})["id"]
        await w.quiet()
        w.person.change("clients", one, {"phone": "NEW"})
        await w.quiet()
        with pytest.raises(ConnectorError, match="nothing to do again"):
            await w.runtime.replay(1)
        await w.quiet()
        assert [one["phonenumber"] for one in w.customers] == ["NEW"]


@story
async def test_an_event_of_a_flow_that_was_off_is_offered_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        await w.runtime.enable_flow((await w.runtime.list_flows())[0]["key"], False)
        w.person.create("clients", client())
        await w.quiet()
        (event,) = [one for one in await w.events() if one["state"] == "unmatched"]
        await w.runtime.enable_flow((await w.runtime.list_flows())[0]["key"], True)
        assert await w.runtime.replay_event(event["id"])
        await w.quiet()
        assert len(w.customers) == 1
        assert await w.runtime.replay_event(event["id"])
        await w.quiet()
        assert len(await w.runs()) == 1
        assert not await w.runtime.replay_event(99)
