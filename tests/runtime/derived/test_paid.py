"""An invoice that is paid starts its flow once, whatever is lost, late or told twice."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.derived.kit import fired, flow, invoice, on, pay, today
from tests.runtime.kit import HOUR, OTHER_COMPANY, World, long_story, story, world

# --- paid -------------------------------------------------------------------------------------


@story
async def test_an_invoice_that_is_paid_starts_the_flow_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"))
        one = invoice(w)
        assert await fired(w) == []
        pay(w, one)
        (told,) = await fired(w)
        assert told["id"] == one["id"]
        assert told["before"] == {"paid": 0, "total": Decimal(122), "status": "not_paid"}
        assert told["change"] == {
            "paid": Decimal(122), "total": Decimal(122), "status": "paid",
            "amount": Decimal(122), "left": 0, "paid_date": today(),
        }  # fmt: skip
        w.person.change("issued_documents", one["id"], {"notes": "grazie"})
        assert len(await fired(w)) == 1


@story
async def test_an_invoice_that_waits_at_switch_on_is_told_when_it_is_paid(tmp_path: Path) -> None:
    """Even when the payment is entered under an older date: the baseline knows it was unpaid."""
    async with world(tmp_path) as w:
        one = invoice(w)
        await asyncio.sleep(HOUR)
        await on(w, flow("invoice_paid"))
        pay(w, one, on=today(-20))
        assert [told["id"] for told in await fired(w)] == [one["id"]]


@story
async def test_what_was_paid_before_switch_on_is_never_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = [invoice(w) for _ in range(3)]
        for one in old:
            pay(w, one)
        await asyncio.sleep(HOUR)
        await on(w, flow("invoice_paid"))
        for one in old:
            w.person.change("issued_documents", one["id"], {"notes": "archiviata"})
        assert await fired(w) == []
        assert [one["reason"] for one in await w.runs()] == [
            "This record is seen for the first time: where it stands is noted, nothing else."
        ] * 3


@story
async def test_an_invoice_entered_as_paid_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"))
        account = w.sandbox.fic.first_company.tables["payment_accounts"].view()[0]["id"]
        row = {
            "amount": 122, "due_date": today(), "status": "paid", "paid_date": today(),
            "payment_account": {"id": account},
        }  # fmt: skip
        invoice(w, payments_list=[row])
        assert [told["event"]["operation"] for told in await fired(w)] == ["create"]


@story
async def test_part_payments_are_told_each_and_the_last_one_as_paid(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"), flow("invoice_partly_paid"))
        one = invoice(w, 40, 40, 42)
        await w.quiet()
        for row in range(3):
            await asyncio.sleep(60)
            pay(w, one, row)
            await w.quiet()
        parts = [told["change"] for told in await fired(w, "invoice_partly_paid")]
        assert [(c["amount"], c["paid"], c["left"]) for c in parts] == [(40, 40, 82), (40, 80, 42)]
        (paid,) = await fired(w, "invoice_paid")
        assert (paid["change"]["amount"], paid["before"]["status"]) == (42, "partly_paid")


@story
async def test_a_payment_that_is_taken_back_and_made_again_is_told_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"))
        one = invoice(w)
        await w.quiet()
        pay(w, one)
        await w.quiet()
        rows = w.documents[-1]["payments_list"]
        unpaid = [{**row, "status": "not_paid", "paid_date": None} for row in rows]
        w.person.change("issued_documents", one["id"], {"payments_list": unpaid})
        await w.quiet()
        pay(w, one)
        assert len(await fired(w)) == 2


@story
async def test_a_payment_while_the_baseline_is_read_is_not_lost(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        one = invoice(w)
        await asyncio.sleep(HOUR)
        await w.follow(flow("invoice_paid"))
        # Nothing was read yet: the list will no longer name it.
        pay(w, one)
        assert [told["id"] for told in await fired(w)] == [one["id"]]


@story
async def test_events_wait_until_the_baseline_is_read(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        one = invoice(w)
        await asyncio.sleep(HOUR)
        w.fic.before = _refuse(w, "next_due_date")
        await w.follow(flow("invoice_paid"))
        await asyncio.sleep(30)
        pay(w, one, on=today(-9))
        await asyncio.sleep(60)
        assert [one["state"] for one in await w.events() if one["ids"]] == ["received"]
        assert await w.runs() == []
        w.fic.before = None
        await asyncio.sleep(400)
        # It was paid before the list could be read: its own date says nothing, so it is not told.
        assert await fired(w) == []
        other = invoice(w)
        await w.quiet()
        pay(w, other)
        assert [told["id"] for told in await fired(w)] == [other["id"]]


def _refuse(w: World, mark: str) -> Any:
    async def before(call: Any) -> None:
        if mark in call.query:
            import httpx

            raise httpx.ConnectError("Connection refused")

    return before


@long_story
async def test_a_lost_event_and_its_late_brother_are_told_once(tmp_path: Path) -> None:
    """The sweep finds the payment, then the app's own event comes after all."""
    async with world(tmp_path, settings={"sweep_seconds": 1_200}) as w:
        await on(w, flow("invoice_paid"))
        one = invoice(w)
        await w.quiet()
        await asyncio.sleep(60)
        w.sandbox.fic.faults.add(kind="drop", type="*", times=1)
        pay(w, one)
        await asyncio.sleep(3 * HOUR)
        assert len(await fired(w)) == 1
        w.person.emit("issued_documents.invoices.update", [one["id"]])
        await asyncio.sleep(3 * HOUR)
        assert len(await fired(w)) == 1


@story
async def test_a_restart_and_a_replay_tell_nothing_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"))
        one = invoice(w)
        await w.quiet()
        pay(w, one)
        assert len(await fired(w)) == 1
        await w.restart()
        await w.runtime.replay_event((await w.events())[-1]["id"])
        w.person.emit("issued_documents.invoices.update", [one["id"]])
        await asyncio.sleep(60)
        assert len(await fired(w)) == 1


@story
async def test_events_of_one_invoice_that_come_together_are_told_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"), flow("invoice_paid", key="other"))
        w.sandbox.fic.webhooks.pause()
        one = invoice(w)
        pay(w, one)
        w.person.change("issued_documents", one["id"], {"notes": "pagata"})
        w.sandbox.fic.webhooks.resume()
        assert len(await fired(w)) == 2
        assert {told["flow"] for told in await w.runs() if told["state"] == "succeeded"} == {
            "invoice_paid", "other"
        }  # fmt: skip


@story
async def test_many_events_of_one_invoice_cost_few_reads(tmp_path: Path) -> None:
    """Matched side by side, all but one are refused; they are judged anew together."""
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"), flow("invoice_partly_paid"))
        amounts = [1] * 30
        one = invoice(w, *amounts, 92)
        await w.quiet()
        await w.restart(start=False)
        for row in range(len(amounts)):
            pay(w, one, row)
        while len(w.sandbox.agenda):
            await asyncio.sleep(0.1)
        w.fic.calls.clear()
        await w.runtime.start()
        assert len(await fired(w)) == 1
        assert len(w.fic.seen("GET", f"/issued_documents/{one['id']}")) <= 3


@story
async def test_switched_off_and_on_again_it_begins_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"))
        one, other = invoice(w), invoice(w)
        await w.quiet()
        await w.runtime.enable_flow("invoice_paid", False)
        await asyncio.sleep(30)
        pay(w, one)
        await asyncio.sleep(30)
        await w.runtime.enable_flow("invoice_paid", True)
        await asyncio.sleep(30)
        w.person.change("issued_documents", one["id"], {"notes": "x"})
        assert await fired(w) == []
        pay(w, other)
        assert [told["id"] for told in await fired(w)] == [other["id"]]


@story
async def test_companies_are_kept_apart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"), flow("invoice_paid", "other", company=OTHER_COMPANY))
        one = invoice(w, company=OTHER_COMPANY)
        await w.quiet()
        pay(w, one, company=OTHER_COMPANY)
        assert len(await fired(w, "other")) == 1
        assert await fired(w, "invoice_paid") == []


@story
async def test_a_flow_filter_sees_what_has_changed(tmp_path: Path) -> None:
    when = 'when: "{{ trigger.change.amount >= 100 and trigger.before.paid == 0 }}"'
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid", head=when))
        whole, parts = invoice(w), invoice(w, 100, 22)
        await w.quiet()
        pay(w, whole)
        pay(w, parts, 0)
        await w.quiet()
        pay(w, parts, 1)
        assert [told["id"] for told in await fired(w)] == [whole["id"]]


@story
async def test_what_another_process_has_told_meanwhile_is_not_told_again(tmp_path: Path) -> None:
    """It stores the payment between our look at the state and our commit."""
    async with world(tmp_path) as w:
        await on(w, flow("invoice_paid"))
        one = invoice(w)
        await w.quiet()
        kind = type(w.runtime._store)
        states, raced = kind.states, []

        async def meanwhile(self: Any, *given: Any) -> Any:
            found = await states(self, *given)
            if not raced:
                raced.append(found)
                w.execute(
                    "UPDATE derived_state SET version = version + 1,"
                    """ state = '{"paid":122,"total":122,"status":"paid"}'"""
                )
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "states", meanwhile)
            pay(w, one)
            assert await fired(w) == []
        assert raced
        assert [run["state"] for run in await w.runs()] == ["filtered", "filtered"]
        assert {event["state"] for event in await w.events() if event["ids"]} == {"matched"}
