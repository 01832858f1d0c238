"""What several processes share while some of them stand still: no write twice, one renewal."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox import serving
from tests.chaos.programs import (
    Program,
    client,
    config,
    customers,
    environment_of,
    open_work,
    rows_of,
    set_up,
    until,
)

PAUSES = int(os.environ.get("CONNECTOR_CHAOS_PAUSES", "3"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
SILENT_SECONDS = 4


@pytest.mark.timeout(3_000)
async def test_a_worker_that_slept_past_its_lease_writes_nothing_twice(
    postgres_url: str, tmp_path: Path
) -> None:
    print(f"seed {SEED}, {PAUSES} pauses")
    draw = random.Random(SEED)
    async with serving(config()) as served:
        told = served.as_data()
        environment = environment_of(postgres_url, tmp_path, told)
        await set_up(environment, told)
        server = Program("serve", environment, tmp_path / "server.log")
        workers = [
            Program("worker", environment, tmp_path / f"worker-{number}.log") for number in (1, 2)
        ]
        for program in (server, *workers):
            await program.start()
        webhooks = served.sandbox.fic.webhooks
        await until(
            "the handshake", lambda: any(one.verified for one in webhooks.subscriptions.values())
        )
        rows = rows_of(postgres_url)
        made = 0
        for number in range(PAUSES):
            sleeper = workers[number % 2]
            filling = asyncio.create_task(_fill(served.sandbox.person, draw, made))
            # It falls asleep with work in hand, which the others must have by the end.
            await until("it has work in hand", lambda: _held(rows) > 0)
            sleeper.signal(signal.SIGSTOP)
            made += await filling
            await asyncio.sleep(SILENT_SECONDS + 1)
            await until("the others go on", lambda: open_work(rows) == (0, 0))
            sleeper.signal(signal.SIGCONT)
            await asyncio.sleep(draw.uniform(0.2, 1.0))
        await until("it joins again", lambda: rows("SELECT count(*) FROM worker")[0][0] == 3)
        await until("every run ends", lambda: open_work(rows) == (0, 0))
        assert [await program.stop() for program in (server, *workers)] == [0, 0, 0]
        states = Counter(state for (state,) in rows("SELECT state FROM run"))
        print("runs:", dict(states))
        assert set(states) <= {"succeeded", "parked"}
        assert states["parked"] <= PAUSES * 2
        twins = Counter(row["vat"] for row in customers(served))
        assert {vat: count for vat, count in twins.items() if count > 1} == {}
        logs = "".join((tmp_path / f"worker-{number}.log").read_text() for number in (1, 2))
        assert "silent for too long" in logs, "nobody slept past its lease: this proved nothing"


async def _fill(person: Any, draw: random.Random, made: int) -> int:
    count = 40
    for number in range(made, made + count):
        person.create("clients", client(number))
        await asyncio.sleep(draw.uniform(0, 0.02))
    return count


def _held(rows: Any) -> int:
    held: int = rows("SELECT count(*) FROM run WHERE owner <> ''")[0][0]
    return held


FLOW = """\
flow: look-up
trigger:
  node: fatture_in_cloud.raw_event
  connection: fatture
  with: {company_id: 108061, resource: entities.clients, event_types: [create]}
steps:
  - id: find
    node: fatture_in_cloud.find_client
    connection: fatture
    map: {company_id: 108061, vat_number: "IT00000000001"}
"""
RUNS = 50


@pytest.mark.timeout(600)
async def test_one_expired_token_is_renewed_once_by_four_processes(
    postgres_url: str, tmp_path: Path
) -> None:
    async with serving(config()) as served:
        told = served.as_data()
        environment = environment_of(postgres_url, tmp_path, told) | {
            "CONNECTOR_FATTURE_IN_CLOUD_CLIENT_ID": told["client_id"],
            "CONNECTOR_FATTURE_IN_CLOUD_CLIENT_SECRET": told["client_secret"],
            # So few that no process can take all of them.
            "CONNECTOR_RUNS_AT_ONCE": "10",
        }
        await set_up(environment, told, flow=FLOW, consent=True)
        server = Program("serve", environment, tmp_path / "server.log")
        workers = [
            Program("worker", environment, tmp_path / f"worker-{number}.log") for number in range(3)
        ]
        for program in (server, *workers):
            await program.start()
        fic, rows = served.sandbox.fic, rows_of(postgres_url)
        await until(
            "the handshake",
            lambda: any(one.verified for one in fic.webhooks.subscriptions.values()),
        )
        assert fic.tokens.expire_access() >= 1
        before = dict(fic.tokens.refreshes)
        assert [one.used for one in before.values()] == [False]
        hands: set[str] = set()
        for number in range(RUNS):
            served.sandbox.person.create("clients", client(number))

        def ended() -> bool:
            hands.update(owner for (owner,) in rows("SELECT DISTINCT owner FROM run"))
            return not any(open_work(rows)) and rows("SELECT count(*) FROM run")[0][0] == RUNS

        await until("every run ends", ended)
        assert [await program.stop() for program in (server, *workers)] == [0] * 4
        print("seen at work:", len(hands - {""}), "processes")
        assert [state for (state,) in rows("SELECT DISTINCT state FROM run")] == ["succeeded"]
        assert sum(one.used for one in fic.tokens.refreshes.values()) == 1
        assert len(fic.tokens.refreshes) == len(before) + 1
        assert rows("SELECT status FROM connection WHERE name = 'fatture'") == [("active",)]
