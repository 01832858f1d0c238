"""What the app's events did not tell is found by looking, once, and never instead of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.engine.sweeps import GRACE_SECONDS
from connector.quota import SHARES
from tests.runtime.kit import (
    COMPANY,
    HOUR,
    OTHER_COMPANY,
    World,
    clock,
    flow,
    story,
    world,
)

EVERY = 1_200.0
OFTEN = {"sweep_seconds": EVERY}
SEEN = EVERY + GRACE_SECONDS + 60
"""After so long a change has been swept and judged."""


async def following(w: World, *texts: str) -> None:
    """Follow, and let the first sweeps note where things stand."""
    await w.follow(*texts)
    await asyncio.sleep(30)


async def also(w: World, text: str) -> None:
    """One more flow, while the others run."""
    await w.runtime.apply_flow(text, enable=True)
    await asyncio.sleep(30)


async def later(w: World, seconds: float = SEEN) -> None:
    await asyncio.sleep(seconds)
    await w.quiet()


def drop(w: World, times: int = 1, type_: str = "*") -> None:
    """Lose the next notifications, as a vendor does after its last try."""
    w.sandbox.fic.faults.add(kind="drop", type=type_, times=times)


def lists(w: World, path: str = "/entities/clients") -> list[Any]:
    """The calls of sweeps: only they ask by the moment of the last change."""
    return [one for one in w.fic.calls if one.path.endswith(path) and "updated_at" in one.query]


async def told(w: World) -> list[tuple[str, tuple[str, ...], bool]]:
    """Each event that is about records: what happened, to which, and whether a sweep found it."""
    return [
        (one["operation"], tuple(one["ids"]), one["recovered"])
        for one in await w.events()
        if one["ids"]
    ]


@story
async def test_lost_events_are_recovered_exactly_once(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow())
        drop(w, 3)
        made = [str(w.person.create("clients", {"name": name})["id"]) for name in "ABC"]
        await later(w)
        assert sorted(await told(w)) == [("create", (one,), True) for one in sorted(made)]
        await later(w, 2 * SEEN)
        assert sorted(one["item_id"] for one in await w.runs()) == sorted(made)
        assert sorted(one["company"] for one in w.customers) == ["A", "B", "C"]
        assert (await w.runtime.counts())["sweep"] == {"recovered": 3, "recovered_last_day": 3}


@story
async def test_a_delivered_event_is_not_run_again(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow(), flow("raw", node="raw_event", steps=RAW))
        one = w.person.create("clients", {"name": "A"})
        await w.quiet()
        await asyncio.sleep(60)
        w.person.change("clients", one["id"], {"name": "B"})
        await later(w, 3 * SEEN)
        assert [(one, recovered) for one, _, recovered in await told(w)] == [
            ("create", False),
            ("update", False),
        ]
        assert len(await w.runs()) == 4
        assert len(lists(w)) >= 4
        assert (await w.runtime.counts())["sweep"]["recovered"] == 0


@story
async def test_the_second_of_two_changes_is_recovered_when_only_its_event_was_lost(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow(), flow("raw", node="raw_event", steps=RAW))
        one = w.person.create("clients", {"name": "A"})
        await w.quiet()
        await asyncio.sleep(60)
        drop(w)
        w.person.change("clients", one["id"], {"name": "B"})
        await later(w, 2 * SEEN)
        assert [(what, found) for what, _, found in await told(w)] == [
            ("create", False),
            ("update", True),
        ]
        newest = await w.run()
        assert newest["trigger"]["event"]["operation"] == "update"


@story
async def test_a_lost_creation_is_told_although_an_update_arrived(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow("new", types="[create]"), flow("changed", types="[update]"))
        drop(w)
        one = w.person.create("clients", {"name": "A"})
        await asyncio.sleep(60)
        w.person.change("clients", one["id"], {"name": "B"})
        await later(w, 2 * SEEN)
        assert sorted((one["flow"], one["state"]) for one in await w.runs()) == [
            ("changed", "succeeded"),
            ("new", "succeeded"),
        ]


@story
async def test_what_stood_there_before_a_flow_was_switched_on_is_left_alone(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        w.person.create("clients", {"name": "Old"})
        await asyncio.sleep(60)
        await following(w, flow())
        await later(w, 2 * SEEN)
        assert await told(w) == []
        w.person.create("suppliers", {"name": "Old too"})
        await asyncio.sleep(60)
        await also(w, flow("more", resource="entities.all"))
        await later(w, 2 * SEEN)
        assert await told(w) == []
        assert await w.runs() == []


@story
async def test_an_operation_that_is_followed_only_now_begins_now(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow("new", types="[create]"))
        one = w.person.create("clients", {"name": "A"})
        await asyncio.sleep(60)
        w.person.change("clients", one["id"], {"name": "B"})
        await later(w, 60)
        await also(w, flow("changed", types="[update]"))
        await later(w, 2 * SEEN)
        assert [one["flow"] for one in await w.runs()] == ["new"]


@story
async def test_what_was_lost_while_nothing_ran_is_recovered_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        # So that the first sweep knows the app's local time, and has no day in reserve.
        w.person.create("clients", {"name": "Old"})
        await asyncio.sleep(60)
        await following(w, flow())
        await w.close()
        drop(w, 2)
        w.person.create("clients", {"name": "A"})
        await asyncio.sleep(3 * HOUR)
        w.person.create("clients", {"name": "B"})
        await asyncio.sleep(3 * HOUR)
        await w.open()
        await w.runtime.start()
        await later(w, GRACE_SECONDS + 60)
        assert sorted(one["company"] for one in w.customers) == ["A", "B"]
        assert [found for _, _, found in await told(w)] == [True, True]


@story
async def test_a_flow_that_was_off_gets_nothing_of_that_time(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow())
        await w.runtime.enable_flow("simple", False)
        await asyncio.sleep(60)
        drop(w, 5)
        w.person.create("clients", {"name": "A"})
        await asyncio.sleep(EVERY)
        await w.runtime.enable_flow("simple", True)
        await later(w, 2 * SEEN)
        assert await w.runs() == []


@story
async def test_an_event_that_is_only_late_is_waited_for(tmp_path: Path) -> None:
    """It was on its way while the sweep listed its change."""
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow())
        await asyncio.sleep(EVERY - 60)
        w.sandbox.fic.webhooks.pause()
        w.person.create("clients", {"name": "A"})
        await asyncio.sleep(GRACE_SECONDS - 120)
        assert len(lists(w)) == 2, "the sweep has seen it"
        w.sandbox.fic.webhooks.resume()
        await later(w, 2 * SEEN)
        assert [found for _, _, found in await told(w)] == [False]
        assert len(w.customers) == 1


@story
async def test_off_means_off(tmp_path: Path) -> None:
    async with world(tmp_path, settings={"sweep_seconds": 0}) as w:
        await following(w, flow())
        drop(w)
        w.person.create("clients", {"name": "A"})
        await later(w, 2 * SEEN)
        assert lists(w) == []
        assert await w.runs() == []
        assert w.rows("SELECT * FROM sweep") == []


@story
async def test_each_company_is_swept_by_itself(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow("one"), flow("other", company=OTHER_COMPANY))
        drop(w)
        w.person.create("clients", {"name": "A"}, OTHER_COMPANY)
        await later(w)
        assert [one["flow"] for one in await w.runs()] == ["other"]
        assert {one.path.split("/")[2] for one in lists(w)} == {str(COMPANY), str(OTHER_COMPANY)}


@pytest.mark.parametrize(
    ("resource", "key", "data"),
    [
        ("entities.suppliers", "suppliers", {"name": "A"}),
        ("products", "products", {"name": "A"}),
        ("issued_documents.quotes", "issued_documents", {"type": "quote"}),
        ("issued_documents.self_own_invoices", "issued_documents", {"type": "self_own_invoice"}),
        ("received_documents", "received_documents", {"type": "passive_credit_note"}),
        ("receipts", "receipts", {"date": "2026-03-04", "type": "till_receipt"}),
    ],
)
@story
async def test_every_list_with_dates_is_swept(
    tmp_path: Path, resource: str, key: str, data: dict[str, Any]
) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow(resource=resource, node="raw_event", steps=RAW))
        drop(w)
        made = w.person.create(key, {**data, **needed(w, key)})
        await later(w)
        assert await told(w) == [("create", (str(made["id"]),), True)]
        (event,) = [one for one in await w.events() if one["ids"]]
        assert event["type"] == f"it.fattureincloud.webhooks.{resource}.create"
        assert [one["state"] for one in await w.runs()] == ["succeeded"]


@story
async def test_many_changes_are_listed_page_by_page(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow(node="raw_event", steps=RAW))
        drop(w)
        made = w.person.import_clients([{"name": f"Cliente {one}"} for one in range(250)])
        await later(w)
        assert sorted(one["item_id"] for one in await w.runs()) == sorted(map(str, made))


@story
async def test_a_sweep_waits_for_the_quota_and_leaves_room_for_writes(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow())
        drop(w)
        w.person.create("clients", {"name": "Lost"})
        await asyncio.sleep(EVERY - 60)
        door = await w.runtime.doors.open("main", "fatture", account=str(COMPANY))
        app = w.runtime.catalog.app("fatture_in_cloud")
        for _ in range(int(app.quotas[0].calls * SHARES["sweep"])):
            await door.read(app.check, {})
        used_up, before = clock(), len(lists(w))
        await asyncio.sleep(120)
        assert len(lists(w)) == before, "no room for a sweep"
        w.person.create("clients", {"name": "Now"})
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["Now"], "room for a run"
        await later(w, GRACE_SECONDS + 300)
        assert sorted(one["company"] for one in w.customers) == ["Lost", "Now"]
        assert clock() < used_up + HOUR, "it went on by itself"


@story
async def test_a_list_that_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await following(w, flow())
        drop(w)
        w.person.create("clients", {"name": "A"})
        w.sandbox.fic.faults.add(
            kind="status", status=500, method="GET", path="/c/*/entities/clients", times=2
        )
        await later(w)
        await later(w, 1_000)
        assert [one["company"] for one in w.customers] == ["A"]


RAW = """\
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map:
      company: "id {{ trigger.id }}"
"""


def needed(w: World, key: str) -> dict[str, Any]:
    """What these records do not do without."""
    if key in ("issued_documents", "received_documents"):
        return {"entity": {"name": "A"}}
    if key == "receipts":
        company = w.sandbox.fic.first_company
        account = next(iter(company.tables["payment_accounts"].view()))
        return {"payment_account": {"id": account["id"]}, "items_list": []}
    return {}
