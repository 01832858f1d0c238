"""Changing the key: every secret stays readable at every moment, whatever stops it."""

from __future__ import annotations

import os
import random
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from connector.connections import Vault
from connector.connections.keyring import FIELD
from connector.connections.keys import add_key, alone, load_keys
from connector.connections.rotation import is_unfinished, rotate
from connector.errors import ConnectorError, StoreBusy, StoreError
from connector.runtime.unlocking import rotate_keys, unlock
from connector.settings import Settings
from connector.store.rows import ConnectionRow
from connector.store.sqlite.database import Database

CONNECTIONS = int(os.environ.get("CONNECTOR_CHAOS_SECRETS", "200"))
SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "1"))
TENANTS = ("main", "other")


class Killed(BaseException):
    """The process ends here."""


def settings_of(folder: Path, **given: Any) -> Settings:
    return Settings(database=f"sqlite:///{folder / 'connector.db'}", **given)


def secret_of(connection: str) -> bytes:
    return f"the token of {connection}".encode()


def connection_row(tenant: str, number: int, secrets: bytes | None) -> ConnectionRow:
    return ConnectionRow(
        f"{tenant}-{number}", tenant, "shop", f"c{number}", "https://shop.example", {},
        "reconnect" if number % 7 == 0 else "active", float(number), secrets=secrets,
    )  # fmt: skip


async def fill(database: Database, vault: Vault, many: int) -> None:
    """Connections of two tenants, by turns."""
    for number in range(many):
        tenant = TENANTS[number % 2]
        name = f"{tenant}-{number}"
        sealed = vault.seal(secret_of(name), tenant=tenant, connection=name, field=FIELD)
        await database.tenant(tenant).save_connection(connection_row(tenant, number, sealed))


async def read_all(database: Database, vault: Vault) -> int:
    """How many secrets there are; every one must be what it was."""
    rows = await database.sealed()
    for tenant, name, sealed in rows:
        assert vault.open(sealed, tenant=tenant, connection=name, field=FIELD) == secret_of(name)
    return len(rows)


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    database = Database(tmp_path / "connector.db")
    for tenant in TENANTS:
        await database.tenant(tenant).ensure(0)
    yield database
    await database.close()


class Deadly:
    """The database of a process that is killed before or after its n-th write."""

    def __init__(self, database: Database, writes: int, after: bool) -> None:
        self._database = database
        self._writes = writes
        self._after = after
        self.sealed = database.sealed
        self.instance = database.instance

    async def reseal(self, *given: Any) -> bool:
        return bool(await self._once(self._database.reseal, *given))

    async def set_instance(self, *given: Any) -> None:
        await self._once(self._database.set_instance, *given)

    async def _once(self, write: Any, *given: Any) -> Any:
        self._writes -= 1
        if self._writes < 0 and not self._after:
            raise Killed
        told = await write(*given)
        if self._writes < 0:
            raise Killed
        return told


async def test_under_kills_at_any_write_all_stays_readable_to_old_and_new_processes(
    tmp_path: Path, database: Database
) -> None:
    draw = random.Random(SEED)
    settings = settings_of(tmp_path)
    key_file = tmp_path / "connector.key"
    # A server that began before the rotation and is never restarted.
    server = await unlock(database, settings)
    marks = server.derive("effect-marker")
    await fill(database, server, CONNECTIONS)
    rows = {row.id: row for one in TENANTS for row in await database.tenant(one).connections()}
    add_key(key_file)
    kills = 0
    while True:
        vault = await unlock(database, settings)
        assert vault.derive("effect-marker") == marks, f"seed {SEED}"
        assert await read_all(database, vault) == CONNECTIONS, f"seed {SEED}, kill {kills}"
        assert await read_all(database, server) == CONNECTIONS, f"seed {SEED}, kill {kills}"
        if not await is_unfinished(database, vault):
            break
        try:
            await rotate(Deadly(database, draw.randrange(20), draw.random() < 0.5), vault)
        except Killed:
            kills += 1
    assert kills > CONNECTIONS // 20
    newest = Vault(load_keys(None, key_file, may_create=False)[:1])
    assert await read_all(database, newest) == CONNECTIONS, "the old key is needed no more"
    newest.check(await database.instance("canary") or b"")
    for tenant in TENANTS:
        for row in await database.tenant(tenant).connections():
            before = rows[row.id]
            assert (row.status, row.version) == (before.status, before.version)


@pytest.mark.parametrize("place", range(4))
async def test_a_kill_while_the_key_file_is_written_leaves_a_file_that_opens_all(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    settings = settings_of(tmp_path)
    await fill(database, await unlock(database, settings), 6)
    calls = iter(range(100))

    def deadly(name: str) -> None:
        real = getattr(os, name)

        def call(*given: Any, **more: Any) -> Any:
            if next(calls) == place:
                raise Killed
            return real(*given, **more)

        monkeypatch.setattr(os, name, call)

    for name in ("urandom", "fsync", "replace", "rename"):
        deadly(name)
    with pytest.raises(Killed):
        await rotate_keys(settings)
    monkeypatch.undo()
    assert await read_all(database, await unlock(database, settings)) == 6
    await rotate_keys(settings)
    vault = await unlock(database, settings)
    assert await read_all(database, vault) == 6
    assert not await is_unfinished(database, vault)


async def test_a_rotation_makes_a_private_new_key_and_keeps_the_old_one_below(
    tmp_path: Path, database: Database
) -> None:
    settings = settings_of(tmp_path)
    key_file = tmp_path / "connector.key"
    await fill(database, await unlock(database, settings), 4)
    (old,) = load_keys(None, key_file, may_create=False)
    done = await rotate_keys(settings)
    assert (done.sealed, done.unreadable) == (4, [])
    new, kept = load_keys(None, key_file, may_create=False)
    assert kept == old != new
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.glob("*.key*")) == ["connector.key"]


async def test_a_rotation_that_was_cut_off_makes_no_third_key(
    tmp_path: Path, database: Database
) -> None:
    settings = settings_of(tmp_path)
    await fill(database, await unlock(database, settings), 4)
    add_key(tmp_path / "connector.key")
    await rotate_keys(settings)
    assert len(load_keys(None, tmp_path / "connector.key", may_create=False)) == 2


async def test_a_server_seals_with_the_new_key_as_soon_as_there_is_one(
    tmp_path: Path, database: Database
) -> None:
    settings = settings_of(tmp_path)
    server = await unlock(database, settings)
    await fill(database, server, 2)
    await rotate_keys(settings)
    assert server.is_newest(server.seal(b"x", tenant="main", connection="c", field=FIELD))
    newest = Vault(load_keys(None, tmp_path / "connector.key", may_create=False)[:1])
    sealed = server.seal(b"x", tenant="main", connection="c", field=FIELD)
    assert newest.open(sealed, tenant="main", connection="c", field=FIELD) == b"x"


async def test_what_a_server_renews_meanwhile_is_not_put_back(
    tmp_path: Path, database: Database
) -> None:
    settings = settings_of(tmp_path)
    vault = await unlock(database, settings)
    await fill(database, vault, 1)
    ((tenant, name, before),) = await database.sealed()
    place = (tenant, name, FIELD)
    renewed = vault.reseal(before, place)
    store = database.tenant(tenant)
    assert await store.save_secrets(name, renewed, 0)
    assert not await database.reseal(tenant, name, vault.reseal(before, place), before)
    assert (await database.sealed())[0][2] == renewed


async def test_a_secret_that_no_key_opens_is_named_and_does_not_stop_the_others(
    tmp_path: Path, database: Database
) -> None:
    settings = settings_of(tmp_path)
    await fill(database, await unlock(database, settings), 4)
    lost = Vault([bytes(32)]).seal(b"x", tenant="main", connection="main-0", field=FIELD)
    await database.tenant("main").save_connection(connection_row("main", 0, lost))
    whole = (await database.sealed())[1][2]
    torn = whole[:-1] + bytes([whole[-1] ^ 1])
    await database.tenant("other").save_connection(connection_row("other", 1, torn))
    for keys in (2, 3):
        done = await rotate_keys(settings)
        assert (done.sealed, sorted(done.unreadable)) == (2, ["main-0", "other-1"])
        assert len(load_keys(None, tmp_path / "connector.key", may_create=False)) == keys


async def test_two_rotations_at_once_are_refused(tmp_path: Path, database: Database) -> None:
    settings = settings_of(tmp_path)
    await unlock(database, settings)
    with alone(tmp_path / "connector.key"), pytest.raises(StoreBusy):
        await rotate_keys(settings)


async def test_a_wrong_key_is_refused_before_during_and_after(
    tmp_path: Path, database: Database
) -> None:
    settings = settings_of(tmp_path)
    await fill(database, await unlock(database, settings), 3)
    wrong = settings_of(tmp_path, key=b64encode(bytes(32)).decode())
    old = (tmp_path / "connector.key").read_text()
    with pytest.raises(StoreError, match="does not fit"):
        await rotate_keys(wrong)
    add_key(tmp_path / "connector.key")
    with pytest.raises(StoreError, match="does not fit"):
        await rotate_keys(wrong)
    await rotate_keys(settings)
    for key in (wrong, settings_of(tmp_path, key=old)):
        with pytest.raises(StoreError, match="does not fit"):
            await rotate_keys(key)
    assert await read_all(database, await unlock(database, settings)) == 3


async def test_keys_of_the_environment_are_changed_by_naming_both(
    tmp_path: Path, database: Database
) -> None:
    old, new = (b64encode(os.urandom(32)).decode() for _ in range(2))
    before = settings_of(tmp_path, key=old)
    await fill(database, await unlock(database, before), 3)
    with pytest.raises(ConnectorError, match="no newer key"):
        await rotate_keys(before)
    done = await rotate_keys(settings_of(tmp_path, key=f"{new}, {old}"))
    assert done.sealed == 3
    assert await read_all(database, await unlock(database, settings_of(tmp_path, key=new))) == 3
