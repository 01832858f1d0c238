"""A disk that can lose power, fill up and fail its syncs, under the product's own SQLite code.

`Disk` is an SQLite file system (apsw) over real files. What was written is seen by everybody at
once, as by the page cache of a real machine, and is certain only after `xSync`. When the power
goes, of all else a drawn part survives, in sectors of 512 bytes, in any order, torn ones included.

`Wire` gives one of its connections the shape and the errors of `sqlite3.Connection`, so that
`connector.store.sqlite` runs on it unchanged (see `mounted`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest

apsw = pytest.importorskip("apsw")

SECTOR = 512
NO_POWER = "no power"
SHARES = (0.0, 0.1, 0.5, 0.9)
"""How much of what was not synced survives a cut: drawn for each cut."""


class _File:
    """What is certain about one file, and which of its sectors are not."""

    def __init__(self, certain: bytes) -> None:
        self.certain = bytearray(certain)
        self.dirty: set[int] = set()
        self.shrunk = False
        self.listed = True
        """Whether its name is certain, too."""


class Disk(apsw.VFS):  # type: ignore[misc, name-defined]
    """The files of one machine; `cut_at` is the write or sync at which its power goes."""

    def __init__(self, name: str, draw: Random) -> None:
        super().__init__(name, "")
        self.name = name
        self.draw = draw
        self.lock = threading.RLock()
        self.files: dict[str, _File] = {}
        self.gone: dict[str, _File] = {}
        self.operations = self.syncs = self.faults = 0
        self.cut_at = 0
        self.survived: dict[str, bytes] | None = None
        self.fault: str | None = None
        self.fault_share = 1.0
        self.heal_after = 0
        """At how many more faults the disk is well again by itself; 0 for never."""

    @property
    def off(self) -> bool:
        return self.survived is not None

    # --- what SQLite asks of a file system ---

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        if self.off:
            raise _io_error(apsw.SQLITE_IOERR, NO_POWER)
        path = name.filename() if hasattr(name, "filename") else name
        with self.lock:
            new = path is not None and not Path(path).exists()
            opened = _Handle(self, path, flags)
            if path is not None and path not in self.files:
                # Whatever lay there before the machine was switched on is certain.
                file = self.files[path] = _File(Path(path).read_bytes())
                file.listed = not new
        return opened

    def xDelete(self, name: str, sync: bool) -> None:
        with self.lock:
            if self.off:
                raise _io_error(apsw.SQLITE_IOERR_DELETE, NO_POWER)
            file = self.files.pop(name, None)
            if file is not None and not sync:
                # Only its folder's sync makes that certain: it may come back.
                self.gone[name] = file
            super().xDelete(name, sync)

    # --- what happens to the machine ---

    def step(self) -> bool:
        """Count one operation; tells whether the power goes in the middle of it."""
        if self.off:
            raise _io_error(apsw.SQLITE_IOERR, NO_POWER)
        self.operations += 1
        return self.operations == self.cut_at

    def trouble(self, kind: str) -> bool:
        """Whether the fault of the moment strikes this write or sync."""
        struck = self.fault == kind and self.draw.random() < self.fault_share
        self.faults += struck
        if struck and self.heal_after:
            self.heal_after -= 1
            if not self.heal_after:
                self.fault = None
        return struck

    def cut(self) -> None:
        """The power goes: what is certain stays, and a drawn part of the rest."""
        with self.lock:
            if self.off:
                return
            share = self.draw.choice(SHARES)
            survived = {
                path: self._left(path, file, share)
                for path, file in self.files.items()
                if file.listed or self.draw.random() < 0.5
            }
            for path, file in self.gone.items():
                if path not in survived and self.draw.random() < 0.5:
                    survived[path] = bytes(file.certain)
            self.survived = survived

    def sync_folder(self) -> None:
        """The names in the folder become certain: new ones, and that old ones are gone."""
        for file in self.files.values():
            file.listed = True
        self.gone.clear()

    def _left(self, path: str, file: _File, share: float) -> bytes:
        now = Path(path).read_bytes()
        left = bytearray(file.certain)
        if file.shrunk and self.draw.random() < 0.5:
            del left[len(now) :]
        for sector in sorted(file.dirty):
            if self.draw.random() < share:
                _put(left, sector, now)
        return bytes(left)

    def lay_down(self, folder: Path) -> None:
        """Write what survived into a folder, as the next start of the machine finds it."""
        assert self.survived is not None
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in self.survived.items():
            (folder / Path(path).name).write_bytes(content)


class _Handle(apsw.VFSFile):  # type: ignore[misc, name-defined]
    """One open file of a disk; shared memory and locks are the real system's."""

    def __init__(self, disk: Disk, path: str, flags: list[int]) -> None:
        super().__init__("", path, flags)
        self._disk = disk
        self._path = path
        # As SQLite's own file system does: the first sync of a journal syncs its folder as well.
        created = flags[0] & apsw.SQLITE_OPEN_CREATE
        journal = flags[0] & (apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL)
        self._sync_folder = bool(created and journal)

    def xRead(self, amount: int, offset: int) -> bytes:
        if self._disk.off:
            raise _io_error(apsw.SQLITE_IOERR_READ, NO_POWER)
        found: bytes = super().xRead(amount, offset)
        return found

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._disk.lock:
            cut = self._disk.step()
            if self._disk.trouble("full"):
                raise _error(apsw.FullError, apsw.SQLITE_FULL, "the disk is full")
            if self._disk.trouble("write"):
                raise _io_error(apsw.SQLITE_IOERR_WRITE, "the disk does not write")
            if cut:
                data = data[: self._disk.draw.randrange(len(data) + 1)]
            super().xWrite(data, offset)
            first, end = offset // SECTOR, -(-(offset + len(data)) // SECTOR)
            self._disk.files[self._path].dirty.update(range(first, end))
            self._stop_if(cut)

    def xTruncate(self, size: int) -> None:
        with self._disk.lock:
            cut = self._disk.step()
            super().xTruncate(size)
            file = self._disk.files[self._path]
            file.shrunk = True
            file.dirty = {one for one in file.dirty if one * SECTOR < size}
            self._stop_if(cut)

    def xSync(self, flags: int) -> None:
        with self._disk.lock:
            self._disk.syncs += 1
            self._stop_if(self._disk.step())
            file = self._disk.files[self._path]
            now = Path(self._path).read_bytes()
            if self._disk.trouble("fsync"):
                # As Linux does: a part is on the disk, the rest counts as clean and never will be.
                for sector in file.dirty:
                    if self._disk.draw.random() < 0.5:
                        _put(file.certain, sector, now)
                file.dirty.clear()
                raise _io_error(apsw.SQLITE_IOERR_FSYNC, "the disk does not sync")
            for sector in file.dirty:
                _put(file.certain, sector, now)
            if file.shrunk:
                del file.certain[len(now) :]
            file.dirty, file.shrunk = set(), False
            if self._sync_folder:
                self._disk.sync_folder()
                self._sync_folder = False

    def _stop_if(self, cut: bool) -> None:
        if cut:
            self._disk.cut()
            raise _io_error(apsw.SQLITE_IOERR, NO_POWER)


def _put(content: bytearray, sector: int, now: bytes) -> None:
    """Copy one sector as it stands now; what lies before it and was never written is zero."""
    start = sector * SECTOR
    part = now[start : start + SECTOR]
    if len(content) < start + len(part):
        content.extend(bytes(start + len(part) - len(content)))
    content[start : start + len(part)] = part


def _error(kind: Any, code: int, text: str) -> Exception:
    error: Exception = kind(text)
    error.extendedresult = code  # type: ignore[attr-defined]
    return error


def _io_error(code: int, text: str) -> Exception:
    return _error(apsw.IOError, code, text)


# --- the shape of sqlite3 -----------------------------------------------------------------------

_CLASSES: tuple[tuple[Any, type[sqlite3.Error]], ...] = (
    (apsw.ConstraintError, sqlite3.IntegrityError),
    (apsw.MismatchError, sqlite3.IntegrityError),
    (apsw.CorruptError, sqlite3.DatabaseError),
    (apsw.NotADBError, sqlite3.DatabaseError),
    (apsw.TooBigError, sqlite3.DataError),
    (apsw.BindingsError, sqlite3.ProgrammingError),
    (apsw.Error, sqlite3.OperationalError),
)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        kind = next(ours for theirs, ours in _CLASSES if isinstance(error, theirs))
        twin = kind(str(error))
        twin.sqlite_errorcode = getattr(error, "extendedresult", sqlite3.SQLITE_ERROR)
        raise twin from error


class _Cursor:
    """What the journal uses of a cursor; rows are fetched at once."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid = 0

    def execute(self, sql: str, values: Sequence[Any] = ()) -> _Cursor:
        with _translated():
            cursor = self._connection.cursor()
            cursor.execute(sql, values)
            self._rows = cursor.fetchall()
        self.description = True if self._rows else None
        self.rowcount = self._connection.changes()
        self.lastrowid = self._connection.last_insert_rowid()
        return self

    def fetchall(self) -> list[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None


class Wire:
    """One connection of a disk, in the shape of `sqlite3.Connection`."""

    def __init__(self, disk: Disk, path: Path) -> None:
        with _translated():
            self._connection = apsw.Connection(str(path), vfs=disk.name)

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> _Cursor:
        return self.cursor().execute(sql, values)

    def close(self) -> None:
        with contextlib.suppress(apsw.Error):
            self._connection.close(True)


@contextlib.contextmanager
def mounted(draw: Random) -> Iterator[Disk]:
    """A disk on which every SQLite file that is opened meanwhile lies."""
    disk = Disk(f"disk{os.urandom(6).hex()}", draw)

    def connect(path: Path, **_: Any) -> Wire:
        return Wire(disk, path)

    with mock.patch("connector.store.sqlite.files.sqlite3.connect", connect):
        yield disk
    disk.unregister()
