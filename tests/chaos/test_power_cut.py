"""The power goes at drawn moments: what was acknowledged is there, and the file is whole.

The product's own `Database`, `Journal` and `TenantStore` run on a disk that keeps for certain only
what was synced (`power.py`). Afterwards Python's own sqlite3 opens what survived.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest

from connector.errors import StoreError
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite import files
from connector.store.sqlite.database import Database
from tests.chaos.power import Disk, mounted
from tests.store.kit import NOW, connection_row, effect_row, event_row, run_row, step_row

CUTS = int(os.environ.get("CONNECTOR_CHAOS_CUTS", "12"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
LATEST = 1_500
"""The last write or sync at which a cut may come."""
WRITERS = 6
STATES = ("planned", "sending", "done")


@dataclass
class Promises:
    """What the store has said is durable."""

    events: set[str] = field(default_factory=set)
    runs: set[int] = field(default_factory=set)
    steps: set[int] = field(default_factory=set)
    effects: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.events) + len(self.runs) + len(self.steps) + len(self.effects)


async def prepare(database: Database) -> TenantStore:
    store = database.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main"))
    await store.save_flow("sync", "a document", NOW, enable=True)
    return store


async def write_until_dark(store: TenantStore, writer: int, kept: Promises) -> None:
    """Events, runs, steps and effects, one after the other, until the store refuses."""
    with contextlib.suppress(StoreError):
        for number in range(100_000):
            delivery = f"{writer}-{number}"
            event = event_row(delivery=delivery)
            event.id = await store.accept(event) or 0
            kept.events.add(delivery)
            event.state = "matched"
            (run,) = await store.match(event, [run_row("main", event.id)])
            kept.runs.add(run.id)
            effect = effect_row("main", run.id, key=delivery)
            for rank, state in enumerate(STATES):
                effect.state = state
                await store.save_effect(effect)
                kept.effects[delivery] = rank
            run.state, run.finished_at = "succeeded", NOW
            await store.record_run(run, step_row(run.id))
            kept.steps.add(run.id)


async def work_until_dark(disk: Disk, path: Path, kept: Promises, checkpoint: int) -> None:
    try:
        database = Database(path)
    except StoreError:
        return
    try:
        database.journal._connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint}")
        store = await prepare(database)
        await asyncio.gather(*(write_until_dark(store, one, kept) for one in range(WRITERS)))
    except (StoreError, files.sqlite3.Error):
        assert disk.off
    finally:
        await database.close()


async def lost(path: Path, kept: Promises) -> list[str]:
    """What was promised and is not there; fails when the file is not whole or not usable."""
    database = Database(path)
    try:
        assert await database.all("PRAGMA integrity_check") == [("ok",)]
        assert await database.all("PRAGMA foreign_key_check") == []
        events = {one for (one,) in await database.all("SELECT delivery_id FROM event")}
        runs = {one for (one,) in await database.all("SELECT id FROM run")}
        steps = {one for (one,) in await database.all("SELECT run_id FROM step")}
        effects = {
            key: STATES.index(state)
            for key, state in await database.all("SELECT key, state FROM effect")
        }
        missing = [f"event {one}" for one in kept.events - events]
        missing += [f"run {one}" for one in kept.runs - runs]
        missing += [f"step of run {one}" for one in kept.steps - steps]
        missing += [
            f"effect {key}, {STATES[rank]}"
            for key, rank in kept.effects.items()
            if effects.get(key, -1) < rank
        ]
        store = await prepare(database)
        for delivery in sorted(kept.events & events)[:20]:
            assert await store.accept(event_row(delivery=delivery)) is None
        assert await store.accept(event_row(delivery="after the cut")) is not None
        return missing
    finally:
        await database.close()


async def cut_once(folder: Path, draw: Random) -> tuple[int, list[str]]:
    """One machine from its first start to the loss of its power, and what the next one finds."""
    folder.mkdir()
    kept = Promises()
    with mounted(draw) as disk:
        disk.cut_at = draw.randrange(1, LATEST)
        await work_until_dark(disk, folder / "connector.db", kept, draw.choice((10, 60, 1000)))
        disk.cut()
        disk.lay_down(folder / "after")
    return len(kept), await lost(folder / "after" / "connector.db", kept)


async def cut_often(tmp_path: Path, times: int) -> tuple[int, list[tuple[int, str]]]:
    promised, missing = 0, []
    for number in range(times):
        count, gone = await cut_once(tmp_path / f"machine{number}", Random(SEED * 1000 + number))
        promised += count
        missing += [(number, one) for one in gone]
    return promised, missing


@contextlib.contextmanager
def synchronous(word: str, number: int) -> Iterator[None]:
    weaker: Any = [
        (name, word, number) if name == "synchronous" else (name, wanted, expected)
        for name, wanted, expected in files._SETTINGS
    ]
    with mock.patch.object(files, "_SETTINGS", weaker):
        yield


@pytest.mark.timeout(1800)
async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    promised, missing = await cut_often(tmp_path, CUTS)
    print(f"seed {SEED}: {CUTS} cuts, {promised} acknowledged rows, {len(missing)} lost")
    assert missing == []
    assert promised > CUTS * 10, "the cuts came too early to prove anything"


@pytest.mark.timeout(600)
async def test_the_disk_of_this_test_finds_a_store_that_does_not_sync_its_commits(
    tmp_path: Path,
) -> None:
    times = max(10, CUTS // 10)
    with synchronous("normal", 1):
        promised, missing = await cut_often(tmp_path, times)
    cuts = {number for number, _ in missing}
    print(
        f"seed {SEED}, synchronous=NORMAL: {len(cuts)} of {times} cuts lost"
        f" {len(missing)} of {promised} acknowledged rows"
    )
    assert missing, "NORMAL loses acknowledged rows: the disk must show it"
