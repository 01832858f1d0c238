"""Opening a file: its settings, its tables, and the one process that drives it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.errors import StoreError, StoreOwned
from connector.store import open_database
from connector.store.sqlite import files
from connector.store.sqlite.database import Database
from connector.store.sqlite.files import open_connection

OWNER = """
import sys
from pathlib import Path
from connector.store.sqlite.database import Database
database = Database(Path(sys.argv[1]))
database.own()
print("owned", flush=True)
sys.stdin.read()
"""


def tables(path: Path) -> list[str]:
    reader = sqlite3.connect(path)
    try:
        return [
            row[0]
            for row in reader.execute("SELECT sql FROM sqlite_schema ORDER BY name")
            if row[0]
        ]
    finally:
        reader.close()


def open_files(path: Path) -> list[str]:
    """What this process holds open of a database: the file and those beside it."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("open files are only listed on Linux")
    targets = []
    for one in folder.iterdir():
        try:
            targets.append(str(one.readlink()))
        except OSError:
            continue  # the handle of this very listing
    return [one for one in targets if one.startswith(str(path))]


@pytest.fixture
def owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that drives the file."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    yield process
    process.kill()
    process.communicate()


async def test_every_connection_is_durable_and_journals_ahead(database: Database) -> None:
    for connection in (database._writer, database.reader):
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


async def test_the_writer_never_waits_inside_sqlite(database: Database) -> None:
    assert database._writer.execute("PRAGMA busy_timeout").fetchone() == (0,)


def test_a_file_that_does_not_keep_its_settings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="does not keep journal_mode=wal") as caught:
        open_connection(Path(":memory:"))
    assert "local disk" in caught.value.remedy
    assert caught.value.who == "user"


async def test_a_missing_file_gets_every_table(path: Path) -> None:
    await Database(path).close()
    made = " ".join(tables(path))
    for name in ("tenant", "connection", "hook", "event", "flow", "run", "step", "effect"):
        assert f"CREATE TABLE {name} " in made


async def test_opening_again_changes_no_table(path: Path) -> None:
    await Database(path).close()
    first = tables(path)
    await Database(path).close()
    assert tables(path) == first


async def test_rows_survive_closing_and_opening(path: Path) -> None:
    first = Database(path)
    await first.set_instance("canary", b"\x00\xff")
    await first.close()
    second = Database(path)
    assert await second.instance("canary") == b"\x00\xff"
    await second.close()


async def test_the_file_of_a_newer_release_is_refused_and_left_as_it_is(path: Path) -> None:
    await Database(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    with pytest.raises(StoreError, match="newer release") as caught:
        Database(path)
    assert "Upgrade" in caught.value.remedy
    assert caught.value.who == "user"
    assert open_files(path) == []
    kept = sqlite3.connect(path)
    assert kept.execute("PRAGMA user_version").fetchone() == (999,)
    kept.close()


async def test_the_file_of_an_older_release_gets_the_tables_it_lacks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list(files.migrations())
    assert len(steps) > 1
    monkeypatch.setattr(files, "migrations", lambda: iter(steps[:1]))
    old = Database(path)
    await old.set_instance("canary", b"kept")
    await old.close()
    monkeypatch.undo()
    new = Database(path)
    assert await new.instance("canary") == b"kept"
    await new.close()
    fresh = path.with_name("fresh.db")
    await Database(fresh).close()
    assert tables(path) == tables(fresh)


@pytest.mark.parametrize(("table", "number"), [("event", "0001"), ("flow_draft", "0013")])
def test_a_migration_that_fails_leaves_no_half_of_itself(
    path: Path, table: str, number: str
) -> None:
    foreign = sqlite3.connect(path)
    foreign.execute(f"CREATE TABLE {table} (mine TEXT)")
    foreign.close()
    with pytest.raises(StoreError, match=f"Migration {number} failed"):
        Database(path)
    assert tables(path) == [f"CREATE TABLE {table} (mine TEXT)"]
    assert open_files(path) == []


@pytest.mark.parametrize("kind", ["garbage", "folder", "missing folder"])
def test_what_cannot_be_opened_is_an_error_that_says_what_to_check(path: Path, kind: str) -> None:
    if kind == "garbage":
        path.write_bytes(b"no database at all " * 100)
    elif kind == "folder":
        path.mkdir()
    else:
        path = path / "below" / "connector.db"
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        Database(path)
    assert path.name in str(caught.value)
    assert "writable" in caught.value.remedy
    assert caught.value.who == "user"
    assert [one for one in open_files(path) if one != str(path)] == []


@pytest.mark.parametrize("url", ["mysql://me:hunter2@here/db", "connector.db", "sqlite:///", ""])
def test_an_address_of_another_kind_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StoreError, match=r"sqlite:///connector\.db") as caught:
        open_database(url)
    assert caught.value.who == "user"
    assert "hunter2" not in str(caught.value)


async def test_an_address_of_four_slashes_is_a_full_path(path: Path) -> None:
    database = open_database(f"sqlite:///{path}")
    assert database.path == path
    await database.close()
    assert path.exists()


async def test_a_file_can_be_opened_while_its_server_is_writing(path: Path) -> None:
    server = Database(path)
    server._writer.execute("BEGIN IMMEDIATE")
    beside = Database(path)
    assert await beside.instance("canary") is None
    await beside.close()
    server._writer.execute("ROLLBACK")
    await server.close()


def test_statements_of_a_migration_are_taken_apart_by_sqlite_itself() -> None:
    script = "CREATE TABLE a (\n  b TEXT DEFAULT ';' -- half; of it\n);\nCREATE INDEX c ON a (b);\n"
    assert [one.strip() for one in files._statements(script)] == [
        "CREATE TABLE a (\n  b TEXT DEFAULT ';' -- half; of it\n);",
        "CREATE INDEX c ON a (b);",
    ]


async def test_a_second_process_is_refused_with_the_number_of_the_first(
    path: Path, owner: subprocess.Popen[str]
) -> None:
    database = Database(path)
    with pytest.raises(StoreOwned) as caught:
        database.own()
    assert f"(number {owner.pid})" in caught.value.message
    assert path.name in caught.value.message
    assert "Stop it first" in caught.value.remedy
    await database.close()


async def test_a_link_to_the_file_has_the_same_owner(
    path: Path, owner: subprocess.Popen[str]
) -> None:
    link = path.with_name("other.db")
    link.symlink_to(path)
    database = Database(link)
    with pytest.raises(StoreOwned, match=str(owner.pid)):
        database.own()
    await database.close()


async def test_the_kill_of_its_owner_frees_a_file(path: Path, owner: subprocess.Popen[str]) -> None:
    owner.send_signal(signal.SIGKILL)
    assert owner.wait() == -signal.SIGKILL
    database, beside = Database(path), Database(path)
    database.own()
    with pytest.raises(StoreOwned, match=str(os.getpid())):
        beside.own()
    await beside.close()
    await database.close()


async def test_closing_frees_a_file(path: Path) -> None:
    first = Database(path)
    first.own()
    await first.close()
    second = Database(path)
    second.own()
    await second.close()


async def test_a_lock_file_that_cannot_be_opened_is_an_error_of_ours(path: Path) -> None:
    path.with_name(path.name + ".lock").mkdir()
    database = Database(path)
    with pytest.raises(StoreError, match=r"connector\.db\.lock cannot be opened") as caught:
        database.own()
    await database.close()
    assert not isinstance(caught.value, StoreOwned)
    assert "writable" in caught.value.remedy


async def test_a_read_beside_a_server_needs_no_ownership(
    path: Path, owner: subprocess.Popen[str]
) -> None:
    beside = Database(path)
    assert await beside.open_events() == []
    await beside.close()


# --- who may read it ------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022])
async def test_a_new_database_and_its_side_files_are_their_owners_alone(
    tmp_path: Path, mask: int
) -> None:
    old = os.umask(mask)
    try:
        database = Database(tmp_path / "new.db")
        await database.open()
        database.own()
        await database.set_instance("canary", "x")
        modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
        await database.close()
    finally:
        os.umask(old)
    assert {"new.db", "new.db-wal", "new.db-shm", "new.db.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_a_database_that_is_there_keeps_the_rights_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.touch(0o640)
    path.chmod(0o640)
    database = Database(path)
    await database.open()
    await database.close()
    assert path.stat().st_mode & 0o777 == 0o640


async def test_a_link_to_a_new_database_leads_to_a_private_file(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real.db")
    database = Database(link)
    await database.open()
    await database.close()
    assert (tmp_path / "real.db").stat().st_mode & 0o777 == 0o600


async def test_a_name_that_the_server_does_not_have_is_told_with_the_nearest(
    postgres_url: str,
) -> None:
    from connector.store.postgres.database import Database as Postgres

    name = postgres_url.partition("/test_")[2].partition("?")[0]
    database = Postgres(postgres_url.replace(f"/test_{name}", f"/tset_{name}"))
    with pytest.raises(StoreError) as caught:
        await database.open()
    await database.close()
    assert caught.value.message == f"There is no database 'tset_{name}' on this PostgreSQL server."
    assert f"Did you mean 'test_{name}'" in caught.value.remedy
    assert f"`createdb tset_{name}`" in caught.value.remedy


async def test_a_server_that_is_not_there_is_told_without_its_address() -> None:
    from connector.store.postgres.database import Database as Postgres

    database = Postgres("postgresql://anna:secret@127.0.0.1:1/hub")
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        await database.open()
    await database.close()
    assert "secret" not in str(caught.value)
