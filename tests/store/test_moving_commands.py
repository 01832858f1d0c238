"""`connector migrate-store` and `connector backup`, as somebody types them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from connector.connections.keys import add_key
from connector.errors import StoreError
from connector.runtime.unlocking import unlock
from connector.settings import Settings
from connector.store import open_database
from connector.store.sqlite import backup as backup_room
from connector.store.sqlite.backup import back_up
from connector.store.sqlite.database import Database
from tests.cli.kit import connector, program
from tests.store.kit import event_row, fill


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with its key, in the present folder."""
    monkeypatch.chdir(tmp_path)

    async def make() -> None:
        database = Database(tmp_path / "connector.db")
        await unlock(database, Settings.load())
        await fill(database.tenant("main"))
        await database.close()

    asyncio.run(make())
    return tmp_path


def test_it_moves_and_says_what_to_set(place: Path, postgres_url: str) -> None:
    said = connector("migrate-store", "--to", postgres_url)
    assert said.code == 0, said
    assert "Moved to the PostgreSQL database test_" in said.out
    assert f"CONNECTOR_KEY_FILE = {place / 'connector.key'}" in said.out
    assert f"CONNECTOR_API_TOKEN = what {place / 'connector.api.key'} holds" in said.out
    assert f"CONNECTOR_SIDE_JOURNAL = {place / 'connector.effects'}" in said.out
    assert "CONNECTOR_DATABASE = the address" in said.out
    assert [line.rstrip() for line in said.err.splitlines()] == [
        "Copying …", "Comparing …", "Switching …",
    ]  # fmt: skip
    refused = connector("runs")
    assert refused.code == 6
    assert "was moved to the PostgreSQL database test_" in refused.err
    assert "Set CONNECTOR_DATABASE" in refused.err


def test_the_moved_installation_opens_with_the_same_key_where_it_lay(
    place: Path, postgres_url: str
) -> None:
    assert connector("migrate-store", "--to", postgres_url).code == 0

    async def look() -> None:
        database = open_database(postgres_url)
        await database.open()
        await unlock(database, Settings.load(database=postgres_url, key_file="connector.key"))
        await database.close()

    asyncio.run(look())


def test_json_is_one_line_with_the_proof(place: Path, postgres_url: str) -> None:
    plan = connector("migrate-store", "--to", postgres_url, "--dry-run", "--json").json
    told = connector("migrate-store", "--to", postgres_url, "--json").json
    assert plan["rows"] == told["rows"]
    assert not plan["continues"]
    assert told["rows"]["event"] == 1
    assert set(told["checksums"]) == set(told["rows"])
    assert [one["name"] for one in told["settings"]][:2] == [
        "CONNECTOR_DATABASE", "CONNECTOR_KEY_FILE",
    ]  # fmt: skip
    assert connector("migrate-store", "--to", postgres_url, "--json").json["rows"] == told["rows"]


def test_a_dry_run_moves_nothing(place: Path, postgres_url: str) -> None:
    said = connector("migrate-store", "--to", postgres_url, "--dry-run")
    assert said.code == 0
    assert "beside the running server" in said.out
    assert connector("runs").code == 0


@pytest.mark.parametrize("words", [(), ("--to", "postgresql://x/y", "--give-up")])
def test_a_call_that_says_nothing_or_too_much_is_refused(place: Path, words: Any) -> None:
    assert connector("migrate-store", *words).code == 2


def test_a_wrong_address_or_key_ends_before_anything_begins(place: Path, postgres_url: str) -> None:
    assert "must begin with postgresql://" in connector("migrate-store", "--to", "my://x").err
    (place / "connector.key").unlink()
    said = connector("migrate-store", "--to", postgres_url)
    assert said.code == 6
    assert "connector.key is missing" in said.err
    with contextlib.closing(sqlite3.connect("connector.db")) as file:
        names = "SELECT name FROM sqlite_schema WHERE name LIKE 'move%'"
        assert file.execute(names).fetchall() == []


def test_postgres_has_nothing_to_move_or_copy(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setenv("CONNECTOR_DATABASE", postgres_url)
    for words in (("migrate-store", "--to", postgres_url), ("backup", "x.db")):
        said = connector(*words)
        assert said.code == 6
        assert "names no SQLite file" in said.err


def test_it_waits_for_the_server_and_ctrl_c_leaves_all_as_it_is(
    place: Path, postgres_url: str
) -> None:
    database = Database(place / "connector.db")
    database.own()
    try:
        with program("migrate-store", "--to", postgres_url, folder=place) as moving:
            moving.until("All is there. Waiting for the server to be stopped: Another process")
            said = moving.end(signal.SIGINT)
        assert said.code == 130
        assert f"(number {os.getpid()})" in said.err
        assert "nothing is switched" in said.err
    finally:
        asyncio.run(database.close())
    assert connector("migrate-store", "--give-up").code == 0
    assert connector("runs").code == 0


def test_the_end_of_the_server_ends_the_move(place: Path, postgres_url: str) -> None:
    server = program("serve", "--port", "0", "--json", folder=place)
    with server as serving:
        assert serving.line(), serving.err
        with program("migrate-store", "--to", postgres_url, "--json", folder=place) as moving:
            moving.until("All is there. Waiting for the server to be stopped: Another process")
            assert serving.end(signal.SIGTERM).code == 0
            told = moving.end()
    assert told.code == 0, told
    assert told.json["rows"]["connection"] == 1


# --- backup --------------------------------------------------------------------------------------


async def test_a_backup_beside_a_writer_is_one_state_of_all(place: Path) -> None:
    """Under writes all the time: what is in the copy is whole, and nothing before it is missing."""
    database = Database(place / "connector.db")
    database.own()
    store = database.tenant("main")
    done: list[int] = []
    stop = False

    async def write() -> None:
        while not stop:
            done.append(await store.accept(event_row("main", f"live {len(done)}")) or 0)

    writing = asyncio.create_task(write())
    while len(done) < 20:
        await asyncio.sleep(0.01)
    before = len(done)
    await asyncio.to_thread(back_up, place / "connector.db", place / "copy.db")
    after = len(done)
    stop = True
    await writing
    await database.close()
    copy = Database(place / "copy.db")
    events = (await copy.tenant("main").events(limit=10_000))[::-1]
    assert before <= len(events) - 1 <= after + 1
    assert [one.id for one in events] == list(range(1, len(events) + 1))
    await unlock(copy, Settings.load(key_file=place / "connector.key"))
    await copy.close()
    assert stat.S_IMODE((place / "copy.db").stat().st_mode) == 0o600


def test_the_command_copies_and_never_overwrites(place: Path) -> None:
    told = connector("backup", "copy.db", "--json").json
    assert told == {"file": "copy.db", "bytes": (place / "copy.db").stat().st_size}
    said = connector("backup", "copy.db")
    assert said.code == 6
    assert "is there already" in said.err
    assert "Keep the key apart" in connector("backup", "second.db").out
    assert not list(place.glob("*.part"))


@pytest.mark.parametrize("fault", ["no folder", "no database", "damaged"])
def test_a_backup_that_fails_leaves_no_file(
    place: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, to = place / "connector.db", place / "copy.db"
    if fault == "no folder":
        to = place / "none" / "copy.db"
    elif fault == "no database":
        path = place / "other.db"
    else:
        real = backup_room._check

        def spoil(draft: Path) -> None:
            draft.write_bytes(draft.read_bytes()[:8_192] + os.urandom(8_192))
            real(draft)

        monkeypatch.setattr(backup_room, "_check", spoil)
    before = {one.name for one in place.iterdir()} - {"connector.db-wal", "connector.db-shm"}
    with pytest.raises(StoreError):
        back_up(path, to)
    after = {one.name for one in place.iterdir()} - {"connector.db-wal", "connector.db-shm"}
    assert after == before


def test_a_backup_in_the_middle_of_a_move_is_no_part_of_it(place: Path, postgres_url: str) -> None:
    from connector.store.moving.move import Move

    def stop(progress: Any) -> None:
        if progress.phase == "compare":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Move(place / "connector.db", postgres_url, report=stop).run()
    back_up(place / "connector.db", place / "copy.db")
    with contextlib.closing(sqlite3.connect(place / "copy.db")) as file:
        names = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'move%' OR type = 'trigger'"
        assert file.execute(names).fetchone() == (0,)
    with pytest.raises(StoreError, match="another file"):
        Move(place / "copy.db", postgres_url).run()


def test_a_key_that_was_changed_still_moves(place: Path, postgres_url: str) -> None:
    add_key(place / "connector.key")
    assert connector("migrate-store", "--to", postgres_url).code == 0
