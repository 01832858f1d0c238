"""A moved installation goes on where it was: open work ends, and nothing is written twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.runtime import Runtime, open_runtime
from connector.sandbox import SandboxConfig, serving
from connector.sandbox.config import Limits
from connector.settings import Settings
from connector.store.moving.move import Move
from connector.store.rows import EventRow
from tests.loaded import the_catalog

EXAMPLE = Path(__file__).parents[2] / "examples" / "fic-client-to-perfex.yaml"
COMPANY = "108061"
PLENTY = Limits(five_minutes=10**6, hour=10**6, month=10**6, perfex_hour=10**6)


def client(number: int) -> dict[str, Any]:
    return {
        "name": f"Cliente {number} S.r.l.",
        "vat_number": f"IT{number:011d}",
        "country": "Italia",
        "country_iso": "IT",
    }


async def event(runtime: Runtime, number: int, record: Any) -> None:
    """One accepted delivery, as the hook stores it."""
    connection = next(one for one in await runtime.list_connections() if one.name == "fatture")
    await runtime._store.accept(
        EventRow(
            tenant="main",
            connection_id=connection.id,
            delivery_id=f"delivery-{number}",
            type="it.fattureincloud.webhooks.entities.clients.create",
            resource="entities.clients",
            operation="create",
            ids=(str(record["id"]),),
            received_at=runtime._clock(),
            account=COMPANY,
        )
    )


@pytest.mark.slow
async def test_open_events_and_parked_runs_go_on_and_a_replay_sends_nothing_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    async with serving(SandboxConfig(limits=PLENTY)) as served:
        told, person = served.as_data(), served.sandbox.person
        customers = served.sandbox.perfex.tables["customers"].rows
        here = Settings.load(database=f"sqlite:///{tmp_path / 'connector.db'}")
        async with await open_runtime(here, catalog=the_catalog()) as runtime:
            await runtime.connect_with_token(
                "fatture_in_cloud", "fatture", told["manual_token"], {"address": told["fic"]}
            )
            await runtime.connect_with_token(
                "perfex_crm", "perfex", told["authtoken"], {"address": told["perfex"]}
            )
            await runtime.apply_flow(EXAMPLE.read_text("utf-8"), enable=True)
            await event(runtime, 1, person.create("clients", client(1)))
            await runtime.start()
            await runtime.settled()
            (done,) = await runtime.list_runs()
            assert done["state"] == "succeeded"
            assert len(customers) == 1
        async with await open_runtime(here, catalog=the_catalog()) as runtime:
            # Accepted by a server that was stopped before it did more.
            await event(runtime, 2, person.create("clients", client(2)))
            keys = {one.key for one in await runtime._store.effects()}
            assert len(keys) == 1
        await asyncio.to_thread(Move(tmp_path / "connector.db", postgres_url).run)
        there = Settings.load(database=postgres_url, key_file=tmp_path / "connector.key")
        async with await open_runtime(there, catalog=the_catalog()) as runtime:
            await runtime.start()
            # Driven anew with the same event: the same key, so the first answer is taken over.
            replay = await runtime.replay(done["id"], "create")
            await event(runtime, 1, {"id": 0})
            await asyncio.wait_for(_ended(runtime, 3), 60)
            runs = {run["id"]: run for run in await runtime.list_runs()}
            assert {run["state"] for run in runs.values()} == {"succeeded"}
            assert replay in runs
            assert len(runs) == 3
            assert len(await runtime.list_events()) == 2, "a delivery of before the move is known"
            effects = await runtime._store.effects()
            assert keys < {one.key for one in effects}
            assert [one.sends for one in effects] == [1, 1]
        assert sorted(row["vat"] for row in customers.values()) == [
            "IT00000000001", "IT00000000002",
        ]  # fmt: skip


async def _ended(runtime: Runtime, many: int) -> None:
    while True:
        runs = await runtime.list_runs()
        if len(runs) == many and all(run["finished_at"] for run in runs):
            return
        await asyncio.sleep(0.05)
