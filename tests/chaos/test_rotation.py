"""Changing the key under kill -9: every secret can be read throughout, and it comes to its end.

A real `connector keys rotate` is killed at drawn moments and begun again; beside it another
process, which began before the first and is never restarted, reads every secret all the time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.connections import Vault
from connector.connections.keyring import FIELD
from connector.connections.keys import load_keys
from connector.connections.rotation import is_unfinished
from connector.runtime.unlocking import unlock
from connector.settings import Settings
from connector.store.rows import ConnectionRow
from connector.store.sqlite.database import Database

SECRETS = int(os.environ.get("CONNECTOR_CHAOS_SECRETS", "400"))
KILLS = int(os.environ.get("CONNECTOR_CHAOS_ROTATION_KILLS", "6"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
TENANTS = ("main", "other")
PATIENCE_SECONDS = 600

READER = """
import asyncio, json, sys
from pathlib import Path
from connector.connections.keyring import FIELD
from connector.runtime.unlocking import unlock
from connector.settings import Settings
from connector.store.sqlite.database import Database

async def main():
    database = Database(Path("connector.db"))
    vault = await unlock(database, Settings.load())
    marks = vault.derive("effect-marker")
    rounds = read = 0
    print("ready", flush=True)
    while not Path("enough").exists():
        rows = await database.sealed()
        for tenant, name, sealed in rows:
            told = vault.open(sealed, tenant=tenant, connection=name, field=FIELD)
            assert told == f"the token of {name}".encode(), name
        fresh = await unlock(database, Settings.load())
        assert fresh.derive("effect-marker") == marks
        rounds, read = rounds + 1, read + len(rows)
    print(json.dumps([rounds, read]), flush=True)

asyncio.run(main())
"""


async def fill(path: Path) -> bytes:
    """Secrets of two tenants; gives the installation's marks."""
    database = Database(path)
    vault = await unlock(database, Settings.load())
    for tenant in TENANTS:
        await database.tenant(tenant).ensure(0)
    saves = []
    for number in range(SECRETS):
        tenant = TENANTS[number % 2]
        name = f"{tenant}-{number}"
        clear = f"the token of {name}".encode()
        sealed = vault.seal(clear, tenant=tenant, connection=name, field=FIELD)
        row = ConnectionRow(
            name, tenant, "shop", name, "https://shop.example", {}, "active", float(number),
            secrets=sealed,
        )  # fmt: skip
        saves.append(database.tenant(tenant).save_connection(row))
    await asyncio.gather(*saves)
    await database.close()
    return vault.derive("effect-marker")


def resealed(path: Path, old: bytes) -> int:
    """How many secrets are no longer under the first key."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as file:
        query = "SELECT count(*) FROM connection WHERE substr(secrets, 1, ?) <> ?"
        return int(file.execute(query, (len(old), old)).fetchone()[0])


@contextmanager
def reader(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", READER], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def rotate() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "connector", "keys", "rotate", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def kill_when(process: subprocess.Popen[bytes], holds: Any) -> bool:
    """Kill it as soon as something is true; tells whether it still lived then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and not holds():
        assert time.monotonic() < deadline, f"seed {SEED}"
        time.sleep(0.001)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return alive


@pytest.mark.timeout(3_600)
async def test_every_secret_is_read_throughout_and_the_rotation_comes_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {SEED}, {SECRETS} secrets, {KILLS} kills")
    draw = random.Random(SEED)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "connector.db"
    marks = await fill(path)
    database = Database(path)
    old = (await database.sealed())[0][2][:9]
    killed = 0
    # Some while the key is made or looked for, the others in the middle of the secrets.
    early = KILLS // 5
    delays = [draw.uniform(0.2, 1.5) for _ in range(early)]
    places = sorted(draw.sample(range(1, SECRETS), KILLS - early))
    with reader(tmp_path) as beside:
        for delay in delays:
            at = time.monotonic() + delay
            killed += kill_when(rotate(), lambda at=at: time.monotonic() > at)
        for place in places:
            killed += kill_when(rotate(), lambda place=place: resealed(path, old) >= place)
        last = rotate()
        told = json.loads(last.communicate(timeout=PATIENCE_SECONDS)[0])
        assert last.returncode == 0
        assert told["unreadable"] == []
        (tmp_path / "enough").touch()
        assert beside.stdout is not None
        rounds, read = json.loads(beside.stdout.readline())
    print(f"killed {killed} times; read {read} secrets in {rounds} rounds beside it")
    assert killed >= KILLS * 3 // 4, "too few of the rotations lived until their kill"
    assert rounds > 0
    keys = load_keys(None, tmp_path / "connector.key", may_create=False)
    newest = Vault(keys[:1])
    assert not await is_unfinished(database, newest)
    rows = await database.sealed()
    assert len(rows) == SECRETS
    for tenant, name, sealed in rows:
        clear = newest.open(sealed, tenant=tenant, connection=name, field=FIELD)
        assert clear == f"the token of {name}".encode()
    assert (await unlock(database, Settings.load())).derive("effect-marker") == marks
    # Each rotation goes on with the key of the one before that was cut off; one that came to its
    # end before its kill, or in that very moment, leaves the next one to begin anew.
    assert 2 <= len(keys) <= 3 + KILLS - killed
    await database.close()
