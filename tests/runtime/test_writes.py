"""Writes whose answer is lost: an invoice is found by its mark or parked, never sent again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.errors import StoreBusy
from connector.store.sqlite.database import Database as SqliteDatabase
from tests.runtime.kit import Call, World, client, flow, story, world

INVOICE = """\
  - id: issue
    node: fatture_in_cloud.create_issued_document
    connection: fatture
    map:
      company_id: 108061
      data.type: invoice
      data.subject: "Order {{ trigger.id }}"
      data.entity.name: "{{ trigger.resource.name }}"
      data.items_list:
        - name: Work
          qty: 1
          net_price: 100
          vat.id: 0
      data.payments_list:
        - amount: 122
          due_date: "2026-04-03"
          status: not_paid
"""
POST = {"method": "POST", "path": "/c/*/issued_documents"}
SENT = "/issued_documents"


async def follow_invoices(w: World) -> None:
    await w.follow(flow(steps=INVOICE, types="[create]"))


async def issue(w: World) -> dict[str, Any]:
    """An event, and what became of its run."""
    w.person.create("clients", {"name": "Rossi"})
    await w.quiet()
    return await w.run()


# --- the database is away -----------------------------------------------------------------------


def test_what_was_confirmed_while_the_database_was_away_is_known_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await follow_invoices(w)

            async def away(*unit: Any) -> Any:
                raise StoreBusy("The disk is full.")

            async def pull(call: Call) -> None:
                if call.method == "POST" and call.path.endswith(SENT):
                    monkeypatch.setattr(SqliteDatabase, "write", away)

            w.fic.before = pull
            w.person.create("clients", {"name": "Rossi"})
            kept = w.file.with_suffix(".effects")

            async def is_kept() -> bool:
                return kept.exists() and bool(kept.read_bytes())

            await w.until(is_kept)
            assert set(await w.runtime.ready()) == {"database", "writes"}
            await w.close()
            monkeypatch.undo()
            w.fic.before = None
            calls = len(w.fic.calls)
            await w.open()
            await w.runtime.start()
            assert await w.runtime.ready() == {}
            await w.quiet()
            run = await w.run()
            assert run["state"] == "succeeded"
            (effect,), (document,) = run["effects"], w.documents
            assert (effect["state"], effect["sends"]) == ("done", 1)
            assert run["steps"][0]["output"]["id"] == document["id"]
            assert effect["remote_id"] == str(document["id"])
            assert not any(one.path.endswith(SENT) for one in w.fic.calls[calls:])
            assert kept.read_bytes() == b""

    told()


# --- an invoice ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset_after", "error_after", "truncated"])
def test_an_invoice_that_arrived_is_found_by_its_mark_and_adopted(
    tmp_path: Path, fault: str
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await follow_invoices(w)
            w.sandbox.fic.faults.add(kind=fault, **POST)
            run = await issue(w)
            assert run["state"] == "succeeded"
            (document,) = w.documents
            (effect,) = run["effects"]
            assert effect["state"] == "done"
            assert (effect["sends"], effect["remote_id"]) == (1, str(document["id"]))
            assert document["subject"].endswith(effect["marker"])
            assert run["steps"][0]["output"]["id"] == document["id"]
            assert len(w.fic.seen("POST", SENT)) == 1
            assert effect["evidence"][-1]["message"].endswith("adopted")

    told()


@pytest.mark.parametrize("fault", ["reset_before", "error_before"])
def test_an_invoice_that_cannot_be_found_is_parked_and_never_sent_again(
    tmp_path: Path, fault: str
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await follow_invoices(w)
            w.sandbox.fic.faults.add(kind=fault, **POST)
            run = await issue(w)
            assert run["state"] == "parked"
            assert [(one["state"], one["sends"]) for one in run["effects"]] == [("parked", 1)]
            assert "cannot be found" in run["error"]["message"]
            assert run["error"]["remedy"]
            assert run["error"]["who"] == "user"
            # Time, a restart and a replay do not change that.
            await asyncio.sleep(7_200)
            await w.restart()
            await w.runtime.replay(run["id"])
            await w.quiet()
            assert [one["state"] for one in await w.runs()] == ["parked", "parked"]
            assert w.documents == []
            assert len(w.fic.seen("POST", SENT)) == 1

    told()


@story
async def test_an_invoice_that_arrives_late_is_still_found(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow_invoices(w)
        w.sandbox.fic.faults.add(kind="late_commit", seconds=300, **POST)
        run = await issue(w)
        assert (run["state"], len(w.documents)) == ("succeeded", 1)
        assert run["effects"][0]["sends"] == 1


@story
async def test_an_invoice_that_the_list_shows_late_is_still_found(tmp_path: Path) -> None:
    async with world(tmp_path, list_lag=120) as w:
        await follow_invoices(w)
        w.sandbox.fic.faults.add(kind="reset_after", **POST)
        run = await issue(w)
        assert (run["state"], len(w.documents)) == ("succeeded", 1)


@story
async def test_nobody_looks_before_the_app_has_had_its_time(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow_invoices(w)
        w.sandbox.fic.faults.add(kind="reset_after", **POST)
        w.person.create("clients", {"name": "Rossi"})
        (waiting,) = await w.until(lambda: w.runs(state="waiting"))
        assert waiting["reason"] == "unsure"
        await asyncio.sleep(50)
        assert w.fic.seen("GET", SENT) == []
        await w.quiet()
        assert len(w.fic.seen("GET", SENT)) == 1


@story
async def test_an_invoice_in_doubt_stays_one_through_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow_invoices(w)
        w.sandbox.fic.faults.add(kind="reset_after", **POST)
        w.person.create("clients", {"name": "Rossi"})
        await w.until(lambda: w.runs(state="waiting"))
        await w.restart()
        await w.quiet()
        assert (await w.run())["state"] == "succeeded"
        assert (len(w.documents), len(w.fic.seen("POST", SENT))) == (1, 1)


@story
async def test_an_invoice_that_was_not_sent_at_all_is_sent_later(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=INVOICE.replace("resource.name", "id"), node="raw_event"))
        w.fic.plugged = False
        w.person.create("clients", {"name": "Rossi"})
        await w.until(lambda: w.runs(state="waiting"))
        w.fic.plugged = True
        await w.quiet()
        run = await w.run()
        assert (run["state"], len(w.documents)) == ("succeeded", 1)
        assert run["effects"][0]["sends"] == 1


@story
async def test_each_client_gets_an_invoice_though_only_one_is_in_doubt(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow_invoices(w)
        w.sandbox.fic.faults.add(kind="reset_before", skip=1, **POST)
        w.person.import_clients([{"name": name} for name in "ABC"])
        await w.quiet()
        assert sorted(one["state"] for one in await w.runs()) == [
            "parked", "succeeded", "succeeded",
        ]  # fmt: skip
        assert len(w.documents) == 2


# --- a customer ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "sends"),
    [("reset_after", 1), ("error_after", 1), ("truncated", 1), ("reset_before", 2)],
)
def test_a_customer_in_doubt_is_looked_for_and_sent_again_at_most_once(
    tmp_path: Path, fault: str, sends: int
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await w.follow()
            w.sandbox.perfex.faults.add(kind=fault, method="POST", path="*/customers")
            w.person.create("clients", client())
            await w.quiet()
            run = await w.run()
            assert run["state"] == "succeeded"
            assert [(one["state"], one["sends"]) for one in run["effects"]] == [("done", sends)]
            assert len(w.customers) == 1
            assert str(run["steps"][1]["output"]["id"]) == w.customers[0]["userid"]

    told()


@story
async def test_an_older_perfex_that_names_no_new_record_is_asked_for_it(tmp_path: Path) -> None:
    async with world(tmp_path, generation="2.x") as w:
        await w.follow()
        w.person.create("clients", client())
        await w.quiet()
        run = await w.run()
        assert run["state"] == "succeeded"
        (customer,) = w.customers
        assert run["effects"][0]["remote_id"] == customer["userid"]
        assert str(run["steps"][1]["output"]["id"]) == customer["userid"]
        assert run["summary"] == f"Customer {customer['userid']}: {customer['company']}"
        # The step before looked once; the proof looks itself.
        assert len(w.perfex.seen("GET", "/customers/search/09876543217")) >= 2
        assert run["effects"][0]["sends"] == 1
        w.person.change("clients", 70211, {"phone": "+39 035 111111"})
        await w.quiet()
        assert [one["phonenumber"] for one in w.customers] == ["+39 035 111111"]


@story
async def test_an_older_perfex_whose_search_lags_is_looked_at_again(tmp_path: Path) -> None:
    async with world(tmp_path, generation="2.x", list_lag=30) as w:
        await w.follow()
        w.person.create("clients", client())
        await w.quiet()
        run = await w.run()
        assert (run["state"], run["effects"][0]["sends"]) == ("succeeded", 1)
        assert len(w.customers) == 1


@story
async def test_a_permission_that_is_missing_is_told_and_not_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        token = w.sandbox.perfex.tokens[w.sandbox.perfex.authtoken]
        object.__setattr__(token, "denied", frozenset({("customers", "create")}))
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        run = await w.run()
        assert (run["state"], run["error"]["kind"]) == ("failed", "Forbidden")
        assert "API Management" in run["error"]["remedy"]
        assert run["error"]["who"] == "connection_owner"
        assert len(w.perfex.seen("POST")) == 1
