"""One process looks after every tenant of its database: the others need none of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.runtime import Tuning
from connector.store.rows import GONE
from connector.store.sqlite.database import Database
from tests.runtime.kit import (
    COMPANY,
    FATTURE,
    FIC,
    HOUR,
    OTHER_COMPANY,
    PERFEX,
    World,
    clock,
    flow,
    story,
    world,
)
from tests.runtime.test_sweeps import EVERY, OFTEN, SEEN, drop, later

DAY = 24 * HOUR


async def set_up(w: World, tenant: str, *texts: str) -> None:
    """Another tenant's process sets it up, and ends."""
    other = await w.another_process(tenant=tenant)
    token = w.sandbox.fic.manual_token
    await other.connect_with_token(FATTURE, "fatture", token, {"address": FIC})
    perfex = w.sandbox.perfex.authtoken
    await other.connect_with_token("perfex_crm", "perfex", perfex, {"address": PERFEX})
    for text in texts or (flow(company=OTHER_COMPANY),):
        await other.apply_flow(text, enable=True)
    await other.__aexit__(None, None, None)


async def seen_by(w: World, tenant: str) -> list[dict[str, Any]]:
    """Its runs, as a process of its own sees them."""
    other = await w.another_process(tenant=tenant)
    try:
        return await other.list_runs()
    finally:
        await other.__aexit__(None, None, None)


@story
async def test_a_tenant_without_a_process_is_subscribed_and_swept(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await w.follow(flow())
        await set_up(w, "rossi")
        await asyncio.sleep(30)
        assert {one.company for one in w.subscriptions} == {COMPANY, OTHER_COMPANY}
        drop(w)
        w.person.create("clients", {"name": "Lost"}, OTHER_COMPANY)
        await later(w)
        assert [one["state"] for one in await seen_by(w, "rossi")] == ["succeeded"]
        assert [one["company"] for one in w.customers] == ["Lost"]
        assert await w.runs() == [], "nothing of it is the other's"
        w.sandbox.fic.webhooks.subscriptions.clear()
        await asyncio.sleep(EVERY + 60)
        assert {one.company for one in w.subscriptions} == {COMPANY, OTHER_COMPANY}


@story
async def test_who_was_set_up_before_the_start_is_looked_after_too(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await set_up(w, "rossi")
        await w.runtime.start()
        await w.runtime.reconcile()
        await asyncio.sleep(30)
        assert [one.company for one in w.subscriptions] == [OTHER_COMPANY]


@story
async def test_after_a_move_of_the_address_every_tenant_is_asked_for_anew(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        await w.follow(flow())
        await set_up(w, "rossi")
        await asyncio.sleep(30)
        w.settings = w.settings.model_copy(update={"public_url": "https://moved.example"})
        await w.restart()
        await w.runtime.reconcile()
        await asyncio.sleep(30)
        assert {one.sink.split("/hooks/")[0] for one in w.subscriptions} == {w.settings.base_url}
        assert len(w.subscriptions) == 2


@story
async def test_old_payloads_of_every_tenant_go(tmp_path: Path) -> None:
    async with world(tmp_path, tuning=Tuning(keep_payloads_days=HOUR / DAY)) as w:
        await set_up(w, "rossi")
        await w.follow(flow())
        await asyncio.sleep(30)
        w.person.create("clients", {"name": "Hers"}, OTHER_COMPANY)
        w.person.create("clients", {"name": "Ours"})
        await w.quiet()
        await asyncio.sleep(3 * HOUR)
        kept = w.rows("SELECT tenant, context FROM run ORDER BY tenant")
        assert [one[0] for one in kept] == ["main", "rossi"]
        assert all(GONE in one[1] for one in kept), "nobody's payloads are kept"


@story
async def test_who_cannot_be_decrypted_stops_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, settings=OFTEN) as w:
        for tenant in ("broken", "rossi"):
            await set_up(w, tenant, flow(company=OTHER_COMPANY if tenant == "rossi" else COMPANY))
        w.execute("UPDATE connection SET secrets = x'00112233' WHERE tenant = 'broken'")
        await w.runtime.start()
        await w.runtime.reconcile()
        await asyncio.sleep(30)
        drop(w)
        w.person.create("clients", {"name": "Lost"}, OTHER_COMPANY)
        await later(w, 2 * SEEN)
        assert [one["state"] for one in await seen_by(w, "rossi")] == ["succeeded"]


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that are asked of the database."""
    asked: list[str] = []
    read, write = Database.all, Database.write

    async def all_(self: Any, sql: str, *values: Any) -> Any:
        asked.append(sql)
        return await read(self, sql, *values)

    async def write_(self: Any, *unit: Any) -> Any:
        asked.extend(sql for sql, _ in unit)
        return await write(self, *unit)

    with patch.context() as here:
        here.setattr(Database, "all", all_)
        here.setattr(Database, "write", write_)
        yield asked


def test_tenants_who_wait_cost_no_statements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[int, int] = {}

    @story
    async def told(tenants: int) -> None:
        folder = tmp_path / str(tenants)
        folder.mkdir()
        async with world(folder, settings={"sweep_seconds": 20 * HOUR}) as w:
            await w.follow(flow())
            stores = [w.runtime._database.tenant(f"t{one}") for one in range(tenants)]
            for store in stores:
                await store.ensure(clock())
            # Half of them have a flow that is on, and nothing to do for it.
            await asyncio.gather(
                *(one.save_flow("raw", IDLE, clock(), at % 2 == 0) for at, one in enumerate(stores))
            )
            await asyncio.sleep(15 * 60)
            with counted(monkeypatch) as statements:
                await asyncio.sleep(60)
            asked[tenants] = len(statements)

    for tenants in (1, 300):
        told(tenants)
    assert asked[1] == asked[300]


IDLE = "flow: raw\ntrigger: {node: nothing.there}\nsteps: []\n"
