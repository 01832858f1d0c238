"""Derived triggers: an invoice paid, an e-invoice refused, a stock that fell; each exactly once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.engine.watches import LOOK_SECONDS
from connector.sandbox.fic.more import arrive
from tests.loaded import the_catalog
from tests.runtime.kit import COMPANY, HOUR, OTHER_COMPANY, World, clock, long_story, story, world

ROME = ZoneInfo("Europe/Rome")
STEP = """\
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map:
      company: "document {{ trigger.id }}"
"""


def flow(node: str, key: str = "", more: str = "", head: str = "", company: int = COMPANY) -> str:
    return f"""flow: {key or node}
{head}
trigger:
  node: fatture_in_cloud.{node}
  connection: fatture
  with:
    company_id: {company}
{more}
steps:
{STEP}"""


def today(days: int = 0) -> str:
    return (datetime.fromtimestamp(clock(), ROME).date() + timedelta(days=days)).isoformat()


def invoice(w: World, *amounts: int, due: int = 30, company: int | None = None, **more: Any) -> Any:
    """An invoice as somebody enters it, in instalments a day apart."""
    plan = [
        {"amount": amount, "due_date": today(due + number), "status": "not_paid"}
        for number, amount in enumerate(amounts or (122,))
    ]
    data = {
        "type": "invoice",
        "entity": {"name": "Officine Adda S.r.l."},
        "items_list": [{"name": "Canone", "qty": 1, "net_price": 100, "vat": {"id": 0}}],
        "payments_list": plan,
        **more,
    }
    return w.person.create("issued_documents", data, company)


def pay(w: World, one: Any, *rows: int, on: str = "", company: int | None = None) -> None:
    """Mark these instalments as paid; all without any."""
    table = w.sandbox.fic.companies[company or COMPANY].tables["issued_documents"]
    plan = [dict(row) for row in table.get(one["id"])["payments_list"]]
    account = w.sandbox.fic.companies[company or COMPANY].tables["payment_accounts"].view()[0]
    for place, row in enumerate(plan):
        if not rows or place in rows:
            row.update(
                status="paid", paid_date=on or today(), payment_account={"id": account["id"]}
            )
    w.person.change("issued_documents", one["id"], {"payments_list": plan}, company)


async def on(w: World, *texts: str) -> None:
    """Switch these flows on, and let them see where things stand."""
    await w.follow(*texts)
    await asyncio.sleep(4 * LOOK_SECONDS)
    await w.quiet()


async def fired(w: World, flow: str = "") -> list[dict[str, Any]]:
    """What `trigger` was in each run that went on, oldest first."""
    await w.quiet()
    runs = [one for one in await w.runs() if one["state"] != "filtered"]
    told = [await w.runtime.get_run(one["id"]) for one in runs if flow in ("", one["flow"])]
    assert not [one for one in told if one is None or one["state"] != "succeeded"], told
    return [one["trigger"] for one in told if one is not None]


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


# --- overdue ----------------------------------------------------------------------------------


def six(days: int) -> float:
    """Seconds until six in the morning in Rome, so many days from now."""
    then = datetime.fromtimestamp(clock(), ROME).replace(hour=6, minute=0) + timedelta(days=days)
    return then.astimezone(UTC).timestamp() - clock()


async def jump(seconds: float) -> None:
    """As when a machine was suspended: the clock is later at once, and all that was due comes."""
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds
    await asyncio.sleep(30)


@long_story
async def test_each_instalment_is_told_once_on_the_morning_after(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_overdue"))
        one = invoice(w, 61, 61, due=1)
        first, second = w.documents[-1]["payments_list"]
        await w.quiet()
        await jump(six(1))
        assert await fired(w) == [], "it is due today, and may still be paid"
        await jump(six(1))
        (told,) = await fired(w)
        assert told["id"] == one["id"]
        assert told["event"]["operation"] == "due"
        assert told["change"]["instalment_id"] == first["id"]
        assert (told["change"]["due_date"], told["change"]["amount"]) == (first["due_date"], 61)
        await jump(12 * HOUR)
        assert len(await fired(w)) == 1
        await jump(36 * HOUR)
        assert [told["change"]["instalment_id"] for told in await fired(w)] == [
            first["id"], second["id"]
        ]  # fmt: skip


@long_story
async def test_two_instalments_overdue_on_one_day_are_two_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_overdue"))
        plan = [{"amount": 61, "due_date": today(1), "status": "not_paid"} for _ in range(2)]
        invoice(w, payments_list=plan)
        await w.quiet()
        await jump(six(2))
        told = [one["change"]["instalment_id"] for one in await fired(w)]
        assert sorted(told) == sorted(row["id"] for row in w.documents[-1]["payments_list"])


@long_story
async def test_what_was_overdue_at_switch_on_is_not_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        invoice(w, due=-20)
        later = invoice(w, 61, 61, due=-1)
        await asyncio.sleep(HOUR)
        await on(w, flow("invoice_overdue"))
        await asyncio.sleep(HOUR)
        assert await fired(w) == []
        await jump(six(1))
        (told,) = await fired(w)
        assert (told["id"], told["change"]["total_overdue"]) == (later["id"], 122)


@long_story
async def test_what_was_paid_or_put_off_in_time_is_not_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_overdue"))
        paid, late = invoice(w, due=1), invoice(w, due=1)
        await w.quiet()
        pay(w, paid)
        rows = [dict(row) for row in w.documents[-1]["payments_list"]]
        rows[0]["due_date"] = today(2)
        w.person.change("issued_documents", late["id"], {"payments_list": rows})
        await w.quiet()
        await jump(six(2))
        assert await fired(w) == []
        await jump(24 * HOUR)
        assert [told["id"] for told in await fired(w)] == [late["id"]]


@long_story
async def test_a_daily_look_costs_one_call_and_a_restart_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("invoice_overdue"))
        invoice(w, due=1)
        await w.quiet()
        await jump(six(2))
        await w.restart()
        await asyncio.sleep(HOUR)
        assert len(await fired(w)) == 1
        looks = [one.query for one in w.fic.calls if "next_due_date" in one.query]
        assert len(looks) == len(set(looks)), looks


# --- e-invoices -------------------------------------------------------------------------------


@story
async def test_an_accepted_e_invoice_is_told_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = invoice(w, e_invoice=True)
        await asyncio.sleep(HOUR)
        await on(w, flow("e_invoice_accepted"), flow("e_invoice_not_delivered"))
        for status in ("attempt", "sent", "accepted"):
            w.person.change("issued_documents", old["id"], {"ei_status": status})
            await w.quiet()
        w.person.emit("issued_documents.e_invoices.status_update", [old["id"]])
        (told,) = await fired(w)
        assert (told["before"]["status"], told["change"]["status"]) == ("sent", "accepted")
        lost = invoice(w, e_invoice=True)
        w.person.change("issued_documents", lost["id"], {"ei_status": "not_delivered"})
        assert [told["id"] for told in await fired(w, "e_invoice_not_delivered")] == [lost["id"]]


@long_story
async def test_a_rejected_e_invoice_says_why_and_until_when(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("e_invoice_rejected"))
        one = invoice(w, e_invoice=True)
        await w.quiet()
        w.person.change("issued_documents", one["id"], {"ei_status": "discarded"})
        (told,) = await fired(w)
        assert told["change"]["code"] == "00305"
        assert told["change"]["reason"] == "Partita IVA del cessionario non valida"
        assert told["change"]["deadline"] == today(5)
        assert told["resource"]["ei_rejection"]["solution"].startswith("Correggere")
        # Corrected and sent again, and discarded once more; what lay between was not told to us.
        await asyncio.sleep(24 * HOUR)
        w.sandbox.fic.webhooks.pause()
        w.person.change("issued_documents", one["id"], {"ei_status": "attempt"})
        w.person.change("issued_documents", one["id"], {"ei_status": "discarded"})
        w.sandbox.fic.webhooks.resume()
        assert len(await fired(w)) == 2


@story
async def test_a_public_body_that_refuses_leaves_no_five_days(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("e_invoice_rejected"))
        one = invoice(w, e_invoice=True)
        w.person.change("issued_documents", one["id"], {"ei_status": "rejected"})
        (told,) = await fired(w)
        assert told["change"]["deadline"] is None


@long_story
async def test_a_lost_rejection_is_found_the_next_morning(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old, before = invoice(w, e_invoice=True), invoice(w, e_invoice=True)
        w.person.change("issued_documents", old["id"], {"ei_status": "discarded"})
        w.person.change("issued_documents", before["id"], {"ei_status": "sent"})
        await asyncio.sleep(HOUR)
        await on(w, flow("e_invoice_rejected"), flow("e_invoice_accepted"))
        after, told = invoice(w, e_invoice=True), invoice(w, e_invoice=True)
        w.person.change("issued_documents", told["id"], {"ei_status": "discarded"})
        await w.quiet()
        w.sandbox.fic.faults.add(kind="drop", type="*", times=2)
        for one in (before, after):
            w.person.change("issued_documents", one["id"], {"ei_status": "discarded"})
        assert [one["id"] for one in await fired(w)] == [told["id"]]
        await jump(six(1))
        found = (await fired(w, "e_invoice_rejected"))[1:]
        assert sorted(one["id"] for one in found) == sorted((before["id"], after["id"]))
        assert {one["change"]["code"] for one in found} == {"00305"}
        events = len(await w.events())
        await jump(six(1))
        assert len(await w.events()) == events, "nothing is told again, not even in vain"
        assert await fired(w, "e_invoice_accepted") == []


# --- stock, new records, e-mails --------------------------------------------------------------


@story
async def test_stock_is_told_when_it_crosses_the_threshold(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        product = {"name": "Toner", "in_stock": True, "stock_initial": 10, "stock_current": 10}
        one = w.person.create("products", product)
        low = w.person.create("products", {**product, "stock_current": 2})
        await asyncio.sleep(HOUR)
        await on(w, flow("stock_below", more="    threshold: 5"))
        for stock in (7, 4, 3, 9, 1):
            w.person.change("products", one["id"], {"stock_current": stock})
            w.person.change("products", low["id"], {"stock_current": stock and 1})
            await w.quiet()
        told = [
            (one["id"], one["change"]["stock"], one["before"]["stock"]) for one in await fired(w)
        ]
        assert told == [(one["id"], 4, 7), (one["id"], 1, 9)]


@story
async def test_a_new_client_is_told_once_even_when_two_events_tell(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = w.person.create("clients", {"name": "Vecchia"})
        await asyncio.sleep(HOUR)
        await on(w, flow("new_client"))
        new = w.person.create("clients", {"name": "Nuova"})
        w.person.emit("entities.clients.create", [new["id"]])
        w.person.change("clients", old["id"], {"name": "Vecchissima"})
        assert [told["resource"]["name"] for told in await fired(w)] == ["Nuova"]


@story
async def test_an_import_of_clients_is_one_run_each(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("new_client"))
        ids = w.person.import_clients([{"name": f"C{number}"} for number in range(60)])
        assert sorted(told["id"] for told in await fired(w)) == sorted(ids)


@story
async def test_an_expense_from_the_tax_system_is_told_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("new_expense"))
        pending = arrive(w.sandbox.fic.first_company, {"supplier_name": "Serio", "date": today()})
        for _ in range(2):
            w.person.emit("received_documents.e_invoices.receive", [pending["id"]])
            await w.quiet()
        assert [told["resource"]["supplier_name"] for told in await fired(w)] == ["Serio"]


@story
async def test_each_e_mail_counts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(
            w,
            flow("document_sent_by_email", more="    resource: issued_documents.all"),
            flow("document_sent_by_email", "quotes", "    resource: issued_documents.quotes"),
        )
        one = invoice(w)
        for _ in range(2):
            w.person.emit("issued_documents.invoices.email_sent", [one["id"]])
            await w.quiet()
        assert len(await fired(w, "document_sent_by_email")) == 2
        assert await fired(w, "quotes") == []


# --- around -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "more", "scopes"),
    [
        ("invoice_paid", "", ["issued_documents.invoices:r"]),
        ("invoice_overdue", "", ["issued_documents.invoices:r"]),
        (
            "e_invoice_rejected", "",
            ["issued_documents.credit_notes:r", "issued_documents.invoices:r"],
        ),
        ("stock_below", "    threshold: 5", ["products:r", "stock:r"]),
        ("new_client", "", ["entity.clients:r"]),
        ("new_expense", "", ["received_documents:r"]),
        (
            "document_sent_by_email", "    resource: issued_documents.quotes",
            ["issued_documents.quotes:r"],
        ),
    ],
)  # fmt: skip
def test_a_flow_asks_for_no_more_than_it_follows(node: str, more: str, scopes: list[str]) -> None:
    from connector.flow.reading import read_flow
    from connector.runtime.scopes import needed_by

    read, issues = read_flow(flow(node, more=more))
    assert read is not None
    assert not issues
    assert list(needed_by(read, "fatture", the_catalog())) == scopes


# --- two processes ----------------------------------------------------------------------------


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
