"""A copy of a SQLite file while it is in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from connector.errors import StoreError
from connector.store.sqlite.files import open_connection, refuse_moved

PATIENCE_MS = 10_000


def back_up(path: Path, to: Path) -> int:
    """Copy one state of the file into a new one, whole or not at all; gives its size.

    Writers go on meanwhile. Raises StoreError.
    """
    if not path.is_file():
        raise StoreError(f"There is no database {path} to copy.", who="user")
    if to.exists():
        raise StoreError(
            f"{to} is there already.", remedy="Name a new file: none is overwritten.", who="user"
        )
    draft = to.with_name(f"{to.name}.part")
    source = open_connection(path, busy_ms=PATIENCE_MS)
    try:
        refuse_moved(source)
        draft.unlink(missing_ok=True)
        # Private before anything is in it. SQLite takes an empty file for a new one.
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        # What was deleted, of a customer for instance, is not in such a copy.
        source.execute("VACUUM INTO ?", (str(draft),))
        _check(draft)
        _sync(draft)
        # Unlike renaming, linking never takes the place of a file that came meanwhile.
        os.link(draft, to)
        _sync(to.parent)
        return to.stat().st_size
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"The copy {to} could not be made ({error}).",
            remedy="Its folder must be writable, with room for the whole database.",
            who="user",
        ) from error
    finally:
        source.close()
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _check(draft: Path) -> None:
    """A backup that cannot be read is worse than none."""
    from connector.store.moving.source import forget_move

    copy = sqlite3.connect(draft, isolation_level=None)
    try:
        # The copy is no part of a move under way: put back later, it would miss its notes.
        forget_move(copy)
        told = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if told != "ok":
            raise StoreError(f"The copy is damaged, and perhaps the database is: {told}.")
    finally:
        copy.close()


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
