"""A disk that is full, does not write or does not sync: no false promise, no lasting harm.

The product's own store and the whole product run on the disk of `power.py`, whose faults strike a
drawn part of its writes or syncs. A failed sync forgets what it was to write, as on Linux.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

from connector.errors import StoreBusy
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.chaos.power import mounted
from tests.chaos.test_power_cut import Promises, lost, prepare
from tests.runtime.kit import CLIENTS, HUB, World, client, story, world
from tests.runtime.test_hooks import notice, post
from tests.store.kit import event_row

KINDS = ("full", "write", "fsync")
ROUNDS = int(os.environ.get("CONNECTOR_CHAOS_FAULTS", "6"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
WRITERS = 6
EVENTS = 40


async def accept_for_a_while(store: TenantStore, writer: str, kept: Promises) -> int:
    """Some events, one after the other, each tried until it is stored; gives the refusals."""
    refused = 0
    for number in range(8):
        delivery = f"{writer}-{number}"
        while True:
            try:
                await store.accept(event_row(delivery=delivery))
            except StoreBusy as error:
                refused += error.who == "wait"
                continue
            kept.events.add(delivery)
            break
    return refused


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(1800)
async def test_a_store_on_a_bad_disk_promises_only_what_survives_and_heals(
    tmp_path: Path, kind: str
) -> None:
    refused = promised = faults = 0
    for number in range(ROUNDS):
        draw = Random(f"{SEED} {kind} {number}")
        folder = tmp_path / f"machine{number}"
        folder.mkdir()
        kept = Promises()
        with mounted(draw) as disk:
            database = Database(folder / "connector.db")
            size = draw.choice((10, 60, 1000))
            database.journal._connection.execute(f"PRAGMA wal_autocheckpoint = {size}")
            store = await prepare(database)
            for spell in range(4):
                disk.fault, disk.fault_share = kind, draw.choice((0.05, 0.2, 0.5))
                disk.heal_after = draw.randrange(5, 120)
                refused += sum(
                    await asyncio.gather(
                        *(
                            accept_for_a_while(store, f"{spell}-{one}", kept)
                            for one in range(WRITERS)
                        )
                    )
                )
                disk.fault = None
                assert await store.accept(event_row(delivery=f"well {spell}")) is not None
                kept.events.add(f"well {spell}")
            disk.cut()
            disk.lay_down(folder / "after")
            await database.close()
        faults += disk.faults
        promised += len(kept)
        assert await lost(folder / "after" / "connector.db", kept) == []
    print(
        f"seed {SEED}, {kind}: {ROUNDS} machines, {faults} faults, {refused} refusals,"
        f" {promised} acknowledged events, 0 lost"
    )
    assert faults
    assert refused, "no fault was ever told"


@pytest.mark.parametrize("kind", KINDS)
@story
async def test_a_hook_answers_503_while_the_disk_fails_and_takes_the_event_once_afterwards(
    tmp_path: Path, kind: str
) -> None:
    with mounted(Random(f"{SEED} {kind}")) as disk:
        async with world(tmp_path) as w:
            await w.follow()
            await w.quiet()
            before = set(await deliveries(w))
            disk.fault = kind
            answers = [await post(w, notice(w, ids=(one,))) for one in range(1, 11)]
            assert answers == [503] * 10
            assert "database" in await w.runtime.ready()
            assert (await w.call("GET", f"{HUB}/readyz")).status == 503
            assert set(await deliveries(w)) == before, "nothing of it may appear later"
            disk.fault = None
            again = [notice(w, ids=(one,)) for one in range(1, 11)]
            assert [await post(w, one) for one in (*again, *again)] == [202] * 20
            assert await w.runtime.ready() == {}
            new = [one for one in await deliveries(w) if one not in before]
            assert len(new) == len(set(new)) == 10
            await w.quiet()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(600)
@story
async def test_runs_on_a_disk_that_fails_now_and_then_end_well_and_write_nothing_twice(
    tmp_path: Path, kind: str
) -> None:
    draw = Random(f"{SEED} {kind} runs")
    with mounted(draw) as disk:
        async with world(tmp_path) as w:
            await w.follow(CLIENTS)
            await w.quiet()
            disk.fault_share = 0.2
            for number in range(EVENTS):
                disk.fault = draw.choice((None, kind))
                w.person.create("clients", client(f"Cliente {number}", f"IT{number:011d}"))
                await asyncio.sleep(draw.uniform(0, 2))
            disk.fault = None
            await w.quiet()
            sent = [one for one in w.deliveries if one.type.endswith("create")]
            refused = sum(one.outcomes.count("503") for one in sent)
            print(f"seed {SEED}, {kind}: {disk.faults} faults, {refused} deliveries sent back")
            assert disk.faults
            acknowledged = [one for one in sent if one.state == "delivered"]
            known = await deliveries(w)
            assert all(one.event_id in known for one in acknowledged)
            assert len(known) == len(set(known))
            assert {one["state"] for one in await w.runs()} == {"succeeded"}
            vats = [one["vat"] for one in w.customers]
            assert len(vats) == len(set(vats)) == len(acknowledged)


async def deliveries(w: World) -> list[str]:
    """What the store holds, as the running process reads it."""
    rows = await w.runtime._database.all("SELECT delivery_id FROM event ORDER BY id")
    return [one for (one,) in rows]
