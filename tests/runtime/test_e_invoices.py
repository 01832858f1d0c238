"""E-invoices: a document goes to SDI once, after a read, and its status is the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConnectorError
from tests.runtime.kit import World, flow, story, world

SEND = """\
  - id: send
    node: fatture_in_cloud.send_e_invoice
    connection: fatture
    map:
      company_id: 108061
      document_id: "{{ trigger.id }}"
  - id: tell
    node: perfex_crm.create_customer
    connection: perfex
    map:
      data.company: "{{ steps.send.number }} {{ steps.send.ei_status }}"
"""
PATH = "/e_invoice/send"
POST = {"method": "POST", "path": "/c/*/issued_documents/*/e_invoice/send"}
READY = {
    "type": "invoice",
    "subject": "Order 7",
    "e_invoice": True,
    "ei_data": {"payment_method": "MP05"},
    "entity": {
        "name": "Adda",
        "vat_number": "IT12345678903",
        "ei_code": "M5UXCR1",
        "address_street": "Via Po 7",
        "country": "Italia",
    },
    "items_list": [{"name": "Work", "qty": 1, "net_price": 100, "vat": {"id": 0}}],
    "payments_list": [{"amount": 122, "due_date": "2026-04-03", "status": "not_paid"}],
}


async def follow(w: World, types: str = "[create]") -> None:
    await w.follow(flow(resource="issued_documents.invoices", types=types, steps=SEND))


async def issue(w: World, **changes: Any) -> dict[str, Any]:
    """Somebody issues an invoice; gives what became of its run."""
    w.person.create("issued_documents", {**READY, **changes})
    await w.quiet()
    return await w.run()


def sends(w: World) -> int:
    """How many e-invoices the exchange system was really given."""
    return int(w.sandbox.fic.ledger.writes["send e_invoices"])


@story
async def test_a_document_is_sent_and_later_steps_see_it(tmp_path: Path) -> None:
    async with world(tmp_path, sdi_seconds=None) as w:
        await follow(w)
        run = await issue(w)
        assert run["state"] == "succeeded", run
        assert [one["company"] for one in w.customers] == ["1 attempt"]
        assert (sends(w), w.documents[0]["ei_status"]) == (1, "attempt")
        (effect,) = [one for one in run["effects"] if "e_invoice" in one["node"]]
        assert (effect["state"], effect["remote_id"]) == ("done", str(w.documents[0]["id"]))


REFUSED = {
    "no e-invoice": ({"e_invoice": False}, "no e-invoice"),
    "faults": ({"ei_data": None}, "XML non valido"),
}


@pytest.mark.parametrize("why", sorted(REFUSED))
def test_a_document_that_may_not_go_is_refused_before_anything_is_sent(
    tmp_path: Path, why: str
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await follow(w)
            changes, words = REFUSED[why]
            run = await issue(w, **changes)
            assert run["state"] == "failed"
            assert words in run["error"]["message"]
            assert w.fic.seen("POST", PATH) == []
            assert run["effects"][0]["state"] == "refused"

    told()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((one, "succeeded") for one in (
            "attempt", "pending", "sent", "processing", "accepted", "not_delivered", "no_response",
            "manual_accepted",
        )),
        *((one, "failed") for one in (
            "discarded", "rejected", "error", "missing", "manual_rejected", "brand_new",
        )),
    ],
)  # fmt: skip
def test_what_was_sent_before_is_never_sent_again(tmp_path: Path, status: str, state: str) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await follow(w)
            w.person.create("issued_documents", READY)
            w.person.change("issued_documents", w.documents[0]["id"], {"ei_status": status})
            await w.quiet()
            run = await w.run()
            assert (run["state"], w.fic.seen("POST", PATH), sends(w)) == (state, [], 0)

    told()


@story
async def test_several_events_about_a_document_send_it_once(tmp_path: Path) -> None:
    async with world(tmp_path, sdi_seconds=None) as w:
        await follow(w, "[create, update]")
        w.person.create("issued_documents", READY)
        w.person.change("issued_documents", w.documents[0]["id"], {"notes": "a"})
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["succeeded", "succeeded"]
        assert (sends(w), len(w.fic.seen("POST", PATH))) == (1, 1)


@pytest.mark.parametrize("kind", ["reset_after", "error_after", "truncated"])
def test_a_lost_answer_is_found_by_the_status_of_the_document(tmp_path: Path, kind: str) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, sdi_seconds=None) as w:
            await follow(w)
            w.sandbox.fic.faults.add(kind=kind, **POST)
            run = await issue(w)
            assert run["state"] == "succeeded"
            assert (sends(w), len(w.fic.seen("POST", PATH))) == (1, 1)

    told()


@story
async def test_a_send_that_did_not_arrive_is_parked_and_never_repeated(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow(w, "[create, update]")
        w.sandbox.fic.faults.add(kind="reset_before", **POST)
        run = await issue(w)
        assert (run["state"], sends(w)) == ("parked", 0)
        # Another event about it, and a replay, do not send it either.
        w.person.change("issued_documents", w.documents[0]["id"], {"notes": "a"})
        await w.quiet()
        await w.runtime.replay(run["id"])
        await w.quiet()
        assert {one["state"] for one in await w.runs()} == {"parked"}
        assert len(w.fic.seen("POST", PATH)) == 1


@story
async def test_a_person_may_send_what_was_parked(tmp_path: Path) -> None:
    async with world(tmp_path, sdi_seconds=None) as w:
        await follow(w)
        w.sandbox.fic.faults.add(kind="reset_before", **POST)
        await issue(w)
        (row,) = await w.runtime.list_parked()
        with pytest.raises(ConnectorError, match="another record"):
            await w.runtime.resolve(row["key"], "adopt", who="anna", remote_id="1")
        await w.runtime.resolve(row["key"], "send_again", who="anna")
        await w.quiet()
        assert ((await w.run())["state"], sends(w)) == ("succeeded", 1)


@story
async def test_sending_again_what_went_meanwhile_sends_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow(w)
        w.sandbox.fic.faults.add(kind="reset_before", **POST)
        await issue(w)
        w.person.change("issued_documents", w.documents[0]["id"], {"ei_status": "accepted"})
        (row,) = await w.runtime.list_parked()
        await w.runtime.resolve(row["key"], "send_again", who="anna")
        await w.quiet()
        assert ((await w.run())["state"], len(w.fic.seen("POST", PATH))) == ("succeeded", 1)


@story
async def test_two_documents_with_one_mark_are_not_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await follow(w)
        mark = {"subject": "Order 7 #AB2CD3EF4GH5"}
        w.person.create("issued_documents", {**READY, **mark})
        run = await issue(w, **mark)
        assert {one["state"] for one in await w.runs()} == {"failed"}
        assert "belongs to more than one document" in run["error"]["message"]
        assert w.fic.seen("POST", PATH) == []


@story
async def test_a_document_that_the_list_does_not_show_yet_waits(tmp_path: Path) -> None:
    async with world(tmp_path, list_lag=30, sdi_seconds=None) as w:
        await follow(w)
        run = await issue(w)
        assert (run["state"], sends(w)) == ("succeeded", 1)
