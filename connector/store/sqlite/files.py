"""Opening a SQLite file: its settings, its migrations, and who drives it."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from connector.errors import StoreError, StoreOwned

_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")
_SETTINGS = (
    ("journal_mode", "wal", "wal"),
    # NORMAL loses acknowledged events in a power cut (security-and-delivery.md §1).
    ("synchronous", "full", 2),
    ("foreign_keys", "on", 1),
    # Folding the log into the file waits for the disk twice; by default every 4 MB, which is twice
    # a second when 1,500 events a second come in.
    ("wal_autocheckpoint", "8000", 8000),
)


def open_connection(path: Path, *, busy_ms: int = 0) -> sqlite3.Connection:
    """A connection whose durable settings are set and read back. Raises StoreError."""
    connection: sqlite3.Connection | None = None
    _make_private(path)
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        _apply_settings(connection, path, busy_ms)
    except (sqlite3.Error, StoreError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"The database file {path} cannot be opened ({error}).",
            remedy="Check that the folder exists and is writable, and that the file is a "
            "Connector database.",
            who="user",
        ) from error
    return connection


def _make_private(path: Path) -> None:
    """A new file is its owner's alone: it holds personal data; SQLite's side files follow it."""
    if str(path) == ":memory:":
        return
    try:
        # Only ever a new one: closing an open database would give up this process's locks on it.
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        os.close(os.open(path.resolve(), flags, 0o600))
    except OSError:
        # It is there already, or SQLite says in better words why it cannot be.
        return


def _apply_settings(connection: sqlite3.Connection, path: Path, busy_ms: int) -> None:
    connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
    for name, wanted, expected in _SETTINGS:
        connection.execute(f"PRAGMA {name} = {wanted}")
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != expected:
            raise StoreError(
                f"The database {path.name} does not keep {name}={wanted} (it has {found}).",
                remedy="Put it on a local disk: network file systems cannot hold it safely.",
                who="user",
            )


def refuse_moved(connection: sqlite3.Connection) -> None:
    """Raise StoreError for a file whose installation was moved to another database."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'move'").fetchone():
        return
    row = connection.execute("SELECT value FROM move WHERE name = 'moved_to'").fetchone()
    if row is not None:
        raise StoreError(
            f"This installation was moved to {row[0]}; the file is only kept.",
            remedy="Set CONNECTOR_DATABASE to the address of that database.",
            who="user",
        )


def instance_in(path: Path, name: str) -> bytes | None:
    """A value of the installation in a file, which is neither made nor changed."""
    if not path.is_file():
        return None
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as file:
            row = file.execute("SELECT value FROM instance WHERE name = ?", (name,)).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else bytes(row[0])


def migrations() -> Iterator[tuple[int, str]]:
    """The numbered SQL files of this release, in order."""
    folder = resources.files("connector.store.sqlite").joinpath("migrations")
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        match = _NUMBERED.match(entry.name)
        if match:
            yield int(match[1]), entry.read_text(encoding="utf-8")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file to this release's tables, each step in its own transaction, a new one in one."""
    steps = list(migrations())
    if not _version(connection):
        # Nothing is there that a later step could spoil, and each commit waits for the disk.
        _apply(connection, steps)
    for step in steps:
        # Asked first without the lock, so that a file in use can be opened beside its server.
        if _version(connection) < step[0]:
            _apply(connection, [step])
    found, known = _version(connection), steps[-1][0]
    if found > known:
        raise StoreError(
            f"The database is from a newer release (tables {found}, this one knows {known}).",
            remedy="Upgrade Connector, or restore a backup made by this release.",
            who="user",
        )


def _apply(connection: sqlite3.Connection, steps: list[tuple[int, str]]) -> None:
    number = steps[0][0]
    try:
        connection.execute("BEGIN IMMEDIATE")
        for number, script in steps:
            # Another process may have been first.
            if _version(connection) < number:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise StoreError(f"Migration {number:04d} failed ({error}).") from error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _lock(handle: int) -> None:
    """Whoever only asks whether it is taken holds it for a moment, too. Raises OSError."""
    import fcntl

    for delay in (0.01, 0.02, 0.04, None):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if delay is None:
                raise
            time.sleep(delay)


class Ownership:
    """The right to drive a file's runs: one process has it until it ends, however it ends."""

    def __init__(self, path: Path) -> None:
        # Resolved, so that a link to the file is not taken for another file.
        real = path.resolve()
        self._path = real.with_name(real.name + ".lock")
        self._handle: int | None = None

    def take(self) -> None:
        """Raises StoreOwned, naming the process that holds it, or StoreError."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"The lock file {self._path.name} cannot be opened ({error.strerror}).",
                remedy="Check that the folder of the database is writable.",
                who="user",
            ) from error
        try:
            _lock(handle)
        except OSError as error:
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StoreOwned(
                f"Another process (number {holder}) is already serving {self._path.stem}.",
                remedy="Stop it first, or choose another file with CONNECTOR_DATABASE.",
            ) from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode("ascii"))
        self._handle = handle

    def taken(self) -> bool:
        """Whether another process holds it; asking takes it from nobody."""
        import fcntl

        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return self._handle is not None

    def free(self) -> None:
        """Let another process drive; harmless when nothing is held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
