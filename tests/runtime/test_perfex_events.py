"""Perfex CRM as a source: signed webhooks of 3.x with their twins and losses, lists of 2.x."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from connector.codec import encode
from connector.engine.polls import EVERY_SECONDS
from connector.model import HttpRequest
from connector.sandbox.perfex.app import add_row, change_row
from connector.sandbox.perfex.tables import kinds
from tests.runtime.kit import HUB, World, clock, long_story, story, world

OLD: dict[str, Any] = {"generation": "2.x"}
STEP = """\
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map:
      company: "{{ trigger.event.resource }} {{ trigger.id }}"
"""
SEEN = EVERY_SECONDS + 30


def flow(node: str, key: str = "") -> str:
    return f"""flow: {key or node}
trigger:
  node: perfex_crm.{node}
  connection: perfex
steps:
{STEP}"""


def add(w: World, kind: str, **fields: Any) -> str:
    """What a person enters in the CRM."""
    return add_row(w.sandbox.perfex, kinds()[kind], fields)


def change(w: World, kind: str, id_: str, **fields: Any) -> None:
    change_row(w.sandbox.perfex, kinds()[kind], id_, fields)


async def on(w: World, *texts: str) -> None:
    await w.follow(*texts)
    await asyncio.sleep(30)
    await w.quiet()


async def fired(w: World, flow: str = "") -> list[str]:
    """The records of the runs that went on, oldest first."""
    await w.quiet()
    runs = [one for one in await w.runs() if one["state"] != "filtered"]
    assert {one["state"] for one in runs} <= {"succeeded"}, runs
    return [one["item_id"] for one in runs if flow in ("", one["flow"])]


def hooks(w: World) -> list[Any]:
    return list(w.sandbox.perfex.webhooks.rows.values())


# --- 3.x --------------------------------------------------------------------------------------


@story
async def test_one_signed_webhook_holds_what_the_flows_follow(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        connection = await w.connection("perfex")
        assert connection.settings == {"generation": "3.x", "webhooks": True}
        await on(w, flow("new_customer"), flow("customer_updated"), flow("new_payment"))
        (hook,) = hooks(w)
        # Of two names for one change, one is asked for.
        assert hook.events == ["customer_created", "customer_updated", "payment_created"]
        assert len(hook.secret) == 64
        assert hook.secret not in str(w.rows("SELECT * FROM hook"))
        await w.runtime.apply_flow(flow("new_lead"), enable=True)
        await asyncio.sleep(30)
        (same,) = hooks(w)
        assert (same.id, "lead_created" in same.events) == (hook.id, True)
        assert same.secret == hook.secret


@story
async def test_changes_are_told_at_once_and_read(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("new_customer"), flow("customer_updated"))
        one = add(w, "customers", company="Adda")
        await w.quiet()
        assert await fired(w) == [one]
        assert (await w.run())["trigger"]["resource"]["company"] == "Adda"
        await asyncio.sleep(5)
        change(w, "customers", one, company="Adda S.r.l.")
        assert await fired(w, "customer_updated") == [one]
        await asyncio.sleep(2 * SEEN)
        assert await fired(w) == [one, one], "what the list shows is no second change"


@story
async def test_twins_of_a_foreign_subscription_are_one_event(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("customer_updated"))
        hooks(w)[0].events = ["*"]
        one = add(w, "customers", company="Adda")
        change(w, "customers", one, company="Adda S.r.l.")
        assert await fired(w) == [one]
        told = [event for event in await w.events() if event["ids"] == [one]]
        assert sorted(event["operation"] for event in told) == ["create", "update"]


@story
async def test_of_two_changes_in_one_second_the_last_is_seen(tmp_path: Path) -> None:
    """Their deliveries are alike to the byte; the record is read when both must have come."""
    async with world(tmp_path) as w:
        await on(w, flow("customer_updated"))
        one = add(w, "customers", company="Adda")
        await asyncio.sleep(5)
        await asyncio.sleep(1 - clock() % 1 + 0.01)
        for name in ("First", "Second"):
            change(w, "customers", one, company=name)
            await asyncio.sleep(0.9)
        assert await fired(w) == [one]
        assert (await w.run())["trigger"]["resource"]["company"] == "Second"
        (event,) = [told for told in await w.events() if told["operation"] == "update"]
        assert event["state"] == "matched"


@story
async def test_an_event_with_a_whole_record_in_it_is_taken(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("customer_updated"))
        (hook,) = hooks(w)
        data = {"id": 412, "lines": ["x" * 100] * 800}
        body = encode({"event": "customer_updated", "timestamp": int(clock()), "data": data})
        assert len(body) > 80_000
        headers = (("content-type", "application/json"), *sign(hook.secret, clock(), body))
        told = HttpRequest(method="POST", url=hook.url, headers=headers, body=body)
        assert (await w.outside.send(told)).status == 202


@story
async def test_a_new_customer_is_read_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("new_customer"))
        before = clock()
        one = add(w, "customers", company="Adda")
        assert await fired(w) == [one]
        assert (await w.run())["created_at"] - before < 2


@long_story
async def test_a_queued_retry_is_the_same_event(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("customer_updated"))
        one = add(w, "customers", company="Adda")
        webhooks = w.sandbox.perfex.webhooks
        webhooks.queued = True
        w.hub.plugged = False
        change(w, "customers", one, company="Adda S.r.l.")
        await asyncio.sleep(400)
        w.hub.plugged = True
        await asyncio.sleep(5 * 3_600)
        assert await fired(w) == [one]


@story
async def test_what_direct_mode_loses_is_found_in_the_list(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("new_customer"), flow("customer_updated"))
        w.hub.plugged = False
        lost = add(w, "customers", company="Lost")
        await asyncio.sleep(5)
        w.hub.plugged = True
        await asyncio.sleep(SEEN)
        assert await fired(w) == [lost]


@story
async def test_an_invoice_that_is_paid_is_told_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        before = add(w, "invoices", clientid="412", total="122.00", status="2")
        open_ = add(w, "invoices", clientid="412", total="122.00", status="1")
        await on(w, flow("invoice_paid"))
        change(w, "invoices", before, adminnote="x")
        change(w, "invoices", open_, status="2")
        await asyncio.sleep(2 * SEEN)
        assert await fired(w) == [open_]


def sign(secret: str, moment: float, body: bytes) -> list[tuple[str, str]]:
    signed = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return [("x-perfex-signature", f"t={int(moment)},v1={signed}")]


@story
async def test_forged_old_and_twice_signed_requests_are_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await on(w, flow("customer_updated"))
        (hook,) = hooks(w)
        assert hook.url.startswith(HUB)
        body = b'{"event":"client.updated","timestamp":1772442672,"data":"412","x":"\\/"}'

        async def status(headers: list[tuple[str, str]], data: bytes = body) -> int:
            from connector.model import HttpRequest

            kind = ("content-type", "application/json")
            request = HttpRequest(method="POST", url=hook.url, headers=(kind, *headers), body=data)
            return (await w.outside.send(request)).status

        good = sign(hook.secret, clock(), body)
        assert await status([]) == 401
        assert await status(sign("another", clock(), body)) == 401
        assert await status(sign(hook.secret, clock() - 301, body)) == 401
        assert await status(sign(hook.secret, clock() + 301, body)) == 401
        assert await status(good, body.replace(b"412", b"413")) == 401
        assert await status(sign(hook.secret, clock(), b"[]"), b"[]") == 400
        assert await w.events() == []
        assert await status(good) == 202, "the dotted spelling, a bare id"
        assert await status(sign(hook.secret, clock(), body)) == 202
        (event,) = await w.events()
        assert (event["operation"], event["ids"]) == ("update", ["412"])


# --- 2.x --------------------------------------------------------------------------------------


@story
async def test_an_older_installation_is_looked_at(tmp_path: Path) -> None:
    async with world(tmp_path, **OLD) as w:
        old = add(w, "customers", company="Vecchia")
        assert (await w.connection("perfex")).settings == {"generation": "2.x", "webhooks": False}
        await on(w, flow("new_customer"), flow("customer_updated"))
        await asyncio.sleep(2 * SEEN)
        assert await fired(w) == [], "no flood at the first look"
        new = add(w, "customers", company="Nuova")
        change(w, "customers", old, company="Vecchissima")
        await asyncio.sleep(SEEN)
        assert await fired(w, "new_customer") == [new]
        assert await fired(w, "customer_updated") == [old]
        # There and back again is two changes.
        for name in ("Vecchia", "Vecchissima", "Vecchia"):
            change(w, "customers", old, company=name)
            await asyncio.sleep(SEEN)
        assert await fired(w, "customer_updated") == [old] * 4


@story
async def test_a_stop_between_event_and_note_tells_nothing_twice(tmp_path: Path) -> None:
    async with world(tmp_path, **OLD) as w:
        await on(w, flow("new_customer"), flow("customer_updated"))
        new = add(w, "customers", company="Nuova")
        await asyncio.sleep(SEEN)
        change(w, "customers", new, company="Nuovissima")
        await asyncio.sleep(SEEN)
        # As if killed after the events were stored and before they were noted.
        await w.close()
        w.execute(f"DELETE FROM polled WHERE item_id = '{new}'")
        await w.open()
        await w.runtime.start()
        await asyncio.sleep(SEEN)
        assert await fired(w) == [new, new]


@story
async def test_a_stop_in_the_first_look_tells_nothing_old(tmp_path: Path) -> None:
    async with world(tmp_path, **OLD) as w:
        for number in range(30):
            add(w, "customers", company=f"C{number}")
        await on(w, flow("new_customer"))
        await w.close()
        w.execute("DELETE FROM polled WHERE item_id = '' OR CAST(item_id AS INTEGER) % 2 = 0")
        await w.open()
        await w.runtime.start()
        await asyncio.sleep(2 * SEEN)
        assert await fired(w) == []


@story
async def test_what_nobody_followed_is_not_told_later(tmp_path: Path) -> None:
    async with world(tmp_path, **OLD) as w:
        await on(w, flow("new_customer"))
        await w.runtime.enable_flow("new_customer", False)
        await asyncio.sleep(60)
        add(w, "customers", company="Between")
        await asyncio.sleep(60)
        await w.runtime.enable_flow("new_customer", True)
        await asyncio.sleep(60)
        new = add(w, "customers", company="After")
        await asyncio.sleep(2 * SEEN)
        assert await fired(w) == [new]


@story
async def test_a_token_without_the_new_box_is_polled(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        w.sandbox.perfex.webhooks.permitted = False
        await w.connect_perfex()
        assert (await w.connection("perfex")).settings == {"generation": "3.x", "webhooks": False}
        await on(w, flow("new_lead"))
        assert hooks(w) == []
        new = add(w, "leads", name="Maria", source="1", status="2")
        await asyncio.sleep(SEEN)
        assert await fired(w) == [new]


@pytest.mark.parametrize("name", ["customer.updated", "customer_updated", "client_updated"])
def test_both_spellings_and_both_names_are_one_event(name: str) -> None:
    from connector.apps.perfex_crm.events import event_of

    assert event_of(name) == "customers.update"


def test_two_signatures_are_none() -> None:
    from datetime import UTC, datetime

    from connector.apps.perfex_crm.webhooks import PerfexWebhooks
    from connector.errors import HookRefused
    from connector.model import Hook, Inbound

    body = b'{"event":"client_updated","timestamp":1772442672,"data":{"id":412}}'
    hook = Hook(id="h", connection_id="c", url=f"{HUB}/hooks/h", secret="s" * 64)
    headers = tuple(sign(hook.secret, 1_772_442_680, body))
    now = datetime.fromtimestamp(1_772_442_700, UTC)
    webhooks = PerfexWebhooks()
    told = webhooks.receive(hook, Inbound(method="POST", headers=headers, body=body), now)
    assert (told.resource, told.operation, told.ids) == ("customers", "update", ("412",))
    for wrong in (headers * 2, ()):
        with pytest.raises(HookRefused):
            webhooks.receive(hook, Inbound(method="POST", headers=wrong, body=body), now)
    unsecured = hook.model_copy(update={"secret": ""})
    with pytest.raises(HookRefused):
        webhooks.receive(unsecured, Inbound(method="POST", headers=headers, body=body), now)
    assert "ssss" not in repr(hook)
    assert "ssss" not in hook.model_dump_json()
