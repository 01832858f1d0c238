"""Servers and workers under kill -9: nothing acknowledged is lost, nothing is written twice.

The sandbox lives in the test's own process and goes on sending; `connector serve` is a real program
that is killed at drawn moments and started again. Where several share a database, two `connector
worker` beside it are killed as well.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox import serving
from tests.chaos.programs import (
    Program,
    Query,
    client,
    config,
    customers,
    environment_of,
    rows_of,
    set_up,
    until,
    until_settled,
)

EVENTS = int(os.environ.get("CONNECTOR_CHAOS_EVENTS", "300"))
KILLS = int(os.environ.get("CONNECTOR_CHAOS_KILLS", "10"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
CLIENTS = EVENTS * 2 // 3


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file for one server, then a database that a server and two workers share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'connector.db'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.mark.timeout(900 + EVENTS)  # a second for each event is what a machine under load took
async def test_kill_loses_no_acknowledged_event_and_makes_no_second_customer(
    url: str, tmp_path: Path
) -> None:
    print(f"seed {SEED}, {EVENTS} events, {KILLS} kills")
    draw = random.Random(SEED)
    async with serving(config()) as served:
        told = served.as_data()
        environment = environment_of(url, tmp_path, told)
        await set_up(environment, told)
        server = Program("serve", environment, tmp_path / "server.log")
        programs = [server]
        if url.startswith("postgres"):
            programs += [
                Program("worker", environment, tmp_path / f"worker-{number}.log")
                for number in (1, 2)
            ]
        for program in programs:
            await program.start()
        webhooks = served.sandbox.fic.webhooks
        await until(
            "the handshake", lambda: any(one.verified for one in webhooks.subscriptions.values())
        )
        await _change_and_kill(served.sandbox.person, programs, draw)
        await until(
            "every delivery ends",
            lambda: all(one.state != "pending" for one in webhooks.deliveries),
        )
        rows = rows_of(url)
        began = time.monotonic()
        await until_settled(rows)
        print(f"the last run ended {time.monotonic() - began:.1f} s after the last delivery")
        assert [await program.stop() for program in programs] == [0] * len(programs)
        _judge(served, rows)


async def _change_and_kill(person: Any, programs: Sequence[Program], draw: random.Random) -> None:
    """Clients are added and changed all the time while the programs die again and again."""
    kill_at = sorted(draw.sample(range(5, EVENTS - 5), KILLS))
    made: list[Any] = []
    for number in range(EVENTS):
        if len(made) < CLIENTS and (not made or draw.random() < 0.7):
            made.append(person.create("clients", client(len(made)))["id"])
        else:
            phone = f"+39 035 {number:06d}"
            person.change("clients", draw.choice(made), {"phone": phone})
        await asyncio.sleep(draw.uniform(0, 0.02))
        if number in kill_at:
            await asyncio.sleep(draw.uniform(0, 0.3))
            program = draw.choice(programs)
            await program.kill()
            await program.start()
    assert sum(program.starts for program in programs) == KILLS + len(programs)


def _judge(served: Any, rows: Query) -> None:
    deliveries = served.sandbox.fic.webhooks.deliveries
    changes = [one for one in deliveries if "entities.clients" in one.type]
    acknowledged = {one.event_id: one for one in changes if one.state == "delivered"}
    stored = {row[0]: row[1:] for row in rows("SELECT delivery_id, state, ids FROM event")}
    assert len(acknowledged) >= EVENTS // 2, "the kills left too little to judge by"
    lost = [one for one in acknowledged if one not in stored]
    assert lost == []
    assert {state for state, _ in stored.values()} <= {"matched", "silent"}
    ends = Counter(row[0] for row in rows("SELECT state FROM run"))
    print("runs:", dict(ends), "of", len(acknowledged), "acknowledged events")
    # Killed twice while sending the same write, a run waits for a person; it guesses nothing.
    assert set(ends) <= {"succeeded", "parked"}, rows(
        "SELECT id, state, error FROM run WHERE state != 'succeeded' LIMIT 5"
    )
    # Events that are read together are written together: one kill interrupts several writes.
    assert ends["parked"] <= KILLS * 2
    parked = {row[0] for row in rows("SELECT item_id FROM run WHERE state = 'parked'")}
    per_event = rows(
        "SELECT event_id, item_id, count(*) n FROM run GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert per_event == []
    made = Counter(row["vat"] for row in customers(served))
    twins = {vat: count for vat, count in made.items() if count > 1}
    assert twins == {}
    expected = {
        served_client["vat_number"]
        for one in acknowledged.values()
        for served_client in _records(served, [id_ for id_ in one.ids if str(id_) not in parked])
    }
    assert expected - set(made) == set()


def _records(served: Any, ids: list[Any]) -> list[dict[str, Any]]:
    table = served.sandbox.fic.first_company.tables["clients"]
    return [record for one in ids if (record := table.get(one)) is not None]
