"""A move that is killed anywhere goes on, and never are both ends in use."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.store.moving.source import Source
from connector.store.moving.target import SEEDED, Target
from tests.store.moving.kit import (
    SEED,
    Server,
    is_closed,
    is_sealed,
    judge,
    moved,
    populate,
    serves,
)

KILLS = int(os.environ.get("CONNECTOR_CHAOS_MOVES", "20"))

DEADLY = """
import json, os, signal, sys
from pathlib import Path
from connector.store.moving import source
from connector.store.moving.move import Move
source.MOST_ROWS, source.MOST_CHANGES = 20, 15
path, url = Path(sys.argv[1]), sys.argv[2]

def go(limit):
    calls = switch = 0
    def report(progress):
        nonlocal switch
        if progress.phase == "switch":
            switch = calls
    def count(frame, event, arg):
        # Every call in and out of this room: into SQLite and PostgreSQL too.
        nonlocal calls
        if event in ("call", "c_call", "c_return") and "/moving/" in frame.f_code.co_filename:
            calls += 1
            if calls == limit:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(count)
    Move(path, url, report=report).run()
    sys.setprofile(None)
    return [calls, switch]

for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(go(int(line))).encode())
        finally:
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    told = os.read(reading, 100).decode()
    os.close(reading)
    print(json.dumps([status, told]), flush=True)
"""


@pytest.fixture
def deadly(path: Path, postgres_url: str) -> Any:
    """Runs the move in a process that kills itself at its n-th call; 0 lets it live.

    Gives how it ended; and if it did by itself, how many calls it made, and until the switch.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", DEADLY, str(path), postgres_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def go(limit: int) -> tuple[int, list[int]]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{limit}\n")
        process.stdin.flush()
        status, told = json.loads(process.stdout.readline())
        return status, json.loads(told or "[]")

    yield go
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_killed_anywhere_it_goes_on_and_never_are_both_in_use(
    path: Path, postgres_url: str, deadly: Callable[[int], tuple[int, list[int]]]
) -> None:
    draw = random.Random(SEED)
    await populate(path)
    copy = path.read_bytes()
    status, (total, switch) = deadly(0)
    assert status == 0
    assert 1_000 < switch < total
    reset(path, postgres_url, copy)
    # Half of them in the short time in which everything is decided.
    points = draw.sample(range(1, switch), KILLS // 2)
    points = sorted(points) + draw.sample(range(switch, total + 1), KILLS - KILLS // 2)
    half_way = 0
    for number, point in enumerate(points):
        if point >= switch:
            # Whole from its beginning, so that the point is where it was counted.
            reset(path, postgres_url, copy)
        status, _ = deadly(point)
        half_way += status == signal.SIGKILL
        sealed, closed = is_sealed(path), await is_closed_or_empty(postgres_url)
        assert sealed or closed, f"seed {SEED}, point {point}: both are in use"
        if not sealed:
            # The server goes on between the tries, and its rows come along.
            server = Server(path, draw, f"after kill {number},")
            for _ in range(10):
                await server.work()
            await server.stop()
        if number % 3 == 0 or sealed or point >= switch:
            told = await moved(path, postgres_url)
            judge(path, postgres_url, told)
            assert not await is_closed_or_empty(postgres_url)
            await serves(postgres_url)
            reset(path, postgres_url, copy)
    judge(path, postgres_url, await moved(path, postgres_url))
    assert half_way > KILLS // 2, f"seed {SEED}: too few of the points were reached"


@pytest.mark.parametrize("place", ["seal", "open"])
async def test_broken_off_between_the_two_commits_one_place_at_most_is_in_use(
    path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    await populate(path, 10)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Source if place == "seal" else Target, place, die)
        with pytest.raises(KeyboardInterrupt):
            await moved(path, postgres_url)
    assert is_sealed(path) is (place == "open")
    assert await is_closed(postgres_url)
    judge(path, postgres_url, await moved(path, postgres_url))
    await serves(postgres_url)


def reset(path: Path, url: str, copy: bytes) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()
    path.write_bytes(copy)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("DROP SCHEMA public CASCADE")
        server.execute("CREATE SCHEMA public")


async def is_closed_or_empty(url: str) -> bool:
    """Whether no server could work there with what was moved."""
    with psycopg.connect(url) as server:
        names = {row[0] for row in server.execute("SELECT relname FROM pg_stat_user_tables")}
        if "move" in names:
            return await is_closed(url)
        return not names - set(SEEDED)
