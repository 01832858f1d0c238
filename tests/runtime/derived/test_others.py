"""Overdue, refused by SDI, out of stock, new, sent: each told exactly once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox.fic.more import arrive
from tests.loaded import the_catalog
from tests.runtime.derived.kit import ROME, fired, flow, invoice, on, pay, today
from tests.runtime.kit import HOUR, clock, long_story, story, world

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
