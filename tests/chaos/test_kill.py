"""The server under kill -9: nothing that was acknowledged is lost, nothing is written twice.

The sandbox lives in the test's own process and goes on sending; the server is a real
`connector serve` that is killed at drawn moments and started again on the same file.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.runtime import open_runtime
from connector.sandbox import SandboxConfig, serving
from connector.sandbox.config import Deliveries, Limits
from connector.settings import Settings

ROOT = Path(__file__).parents[2]
EVENTS = int(os.environ.get("CONNECTOR_CHAOS_EVENTS", "300"))
KILLS = int(os.environ.get("CONNECTOR_CHAOS_KILLS", "10"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
CLIENTS = EVENTS * 2 // 3
PATIENCE_SECONDS = 240


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One `connector serve` at a time."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "connector",
                "serve",
                "--json",
                env=self._environment,
                cwd=self._log.parent,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line, f"the server did not start:\n{self._log.read_text()[-3000:]}"

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), 60)


def rows(database: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def until(what: str, holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)


@pytest.mark.timeout(600)
async def test_kill_loses_no_acknowledged_event_and_makes_no_second_customer(
    tmp_path: Path,
) -> None:
    print(f"seed {SEED}, {EVENTS} events, {KILLS} kills")
    draw = random.Random(SEED)
    config = SandboxConfig(
        limits=Limits(five_minutes=10**6, hour=10**6, month=10**6, perfex_hour=10**6),
        deliveries=Deliveries(gaps=(0.3, 0.6, 1.2), timeout=5),
    )
    async with serving(config) as served:
        told = served.as_data()
        database = tmp_path / "connector.db"
        environment = {
            "CONNECTOR_DATABASE": f"sqlite:///{database}",
            "CONNECTOR_PORT": str(free_port()),
            "CONNECTOR_FATTURE_IN_CLOUD_KEYS": told["public_key"],
            "CONNECTOR_SETTLE_SECONDS": "1",
            "CONNECTOR_SECOND_LOOK_SECONDS": "1",
        }
        settings = Settings.load(
            database=environment["CONNECTOR_DATABASE"],
            port=int(environment["CONNECTOR_PORT"]),
        )
        async with await open_runtime(settings) as runtime:
            await runtime.connect_with_token(
                "fatture_in_cloud", "fatture", told["manual_token"], {"address": told["fic"]}
            )
            await runtime.connect_with_token(
                "perfex_crm", "perfex", told["authtoken"], {"address": told["perfex"]}
            )
            example = ROOT / "examples" / "fic-client-to-perfex.yaml"
            await runtime.apply_flow(example.read_text("utf-8"), enable=True)
        server = Server(environment, tmp_path / "server.log")
        await server.start()
        webhooks = served.sandbox.fic.webhooks
        await until(
            "the handshake", lambda: any(one.verified for one in webhooks.subscriptions.values())
        )
        await _change_and_kill(served.sandbox.person, server, draw)
        await until(
            "every delivery ends",
            lambda: all(one.state != "pending" for one in webhooks.deliveries),
        )
        await until("every event is matched and every run ends", lambda: _settled(database))
        assert await server.stop() == 0
        _judge(served, database)


async def _change_and_kill(person: Any, server: Server, draw: random.Random) -> None:
    """Clients are added and changed all the time while the server dies again and again."""
    kill_at = sorted(draw.sample(range(5, EVENTS - 5), KILLS))
    made: list[Any] = []
    for number in range(EVENTS):
        if len(made) < CLIENTS and (not made or draw.random() < 0.7):
            made.append(person.create("clients", _client(len(made)))["id"])
        else:
            phone = f"+39 035 {number:06d}"
            person.change("clients", draw.choice(made), {"phone": phone})
        await asyncio.sleep(draw.uniform(0, 0.02))
        if number in kill_at:
            await asyncio.sleep(draw.uniform(0, 0.3))
            await server.kill()
            await server.start()
    assert server.starts == KILLS + 1


def _client(number: int) -> dict[str, Any]:
    return {
        "name": f"Cliente {number:04d} S.r.l.",
        "vat_number": f"IT{number:011d}",
        "address_street": "Via Po 7",
        "address_city": "Bergamo",
        "address_province": "BG",
        "address_postal_code": "24121",
        "country": "Italia",
        "country_iso": "IT",
    }


def _settled(database: Path) -> bool:
    open_events = rows(database, "SELECT count(*) FROM event WHERE state = 'received'")[0][0]
    open_runs = rows(database, "SELECT count(*) FROM run WHERE finished_at IS NULL")[0][0]
    return not open_events and not open_runs


def _judge(served: Any, database: Path) -> None:
    deliveries = served.sandbox.fic.webhooks.deliveries
    changes = [one for one in deliveries if "entities.clients" in one.type]
    acknowledged = {one.event_id: one for one in changes if one.state == "delivered"}
    stored = {
        row[0]: row[1:] for row in rows(database, "SELECT delivery_id, state, ids FROM event")
    }
    assert len(acknowledged) >= EVENTS // 2, "the kills left too little to judge by"
    lost = [one for one in acknowledged if one not in stored]
    assert lost == []
    assert {state for state, _ in stored.values()} <= {"matched", "silent"}
    ends = Counter(row[0] for row in rows(database, "SELECT state FROM run"))
    print("runs:", dict(ends), "of", len(acknowledged), "acknowledged events")
    # Killed twice while sending the same write, a run waits for a person; it guesses nothing.
    assert set(ends) <= {"succeeded", "parked"}, rows(
        database, "SELECT id, state, error FROM run WHERE state != 'succeeded' LIMIT 5"
    )
    assert ends["parked"] <= KILLS // 2
    parked = {row[0] for row in rows(database, "SELECT item_id FROM run WHERE state = 'parked'")}
    per_event = rows(
        database, "SELECT event_id, item_id, count(*) n FROM run GROUP BY 1, 2 HAVING n > 1"
    )
    assert per_event == []
    customers = Counter(row["vat"] for row in _customers(served))
    twins = {vat: count for vat, count in customers.items() if count > 1}
    assert twins == {}
    expected = {
        served_client["vat_number"]
        for one in acknowledged.values()
        for served_client in _records(served, [id_ for id_ in one.ids if str(id_) not in parked])
    }
    assert expected - set(customers) == set()


def _customers(served: Any) -> list[dict[str, Any]]:
    return list(served.sandbox.perfex.tables["customers"].rows.values())


def _records(served: Any, ids: list[Any]) -> list[dict[str, Any]]:
    table = served.sandbox.fic.first_company.tables["clients"]
    return [record for one in ids if (record := table.get(one)) is not None]
