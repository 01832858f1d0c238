"""The SQLite back end: one file, one writer, a store for each tenant."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector.errors import StoreBusy, StoreError
from connector.store.sql.backend import Outcome, Statement
from connector.store.sql.database import SqlDatabase
from connector.store.sql.turns import Turns
from connector.store.sqlite.files import Ownership, migrate, open_connection, refuse_moved
from connector.store.sqlite.journal import LOCK_PATIENCE_SECONDS, Journal, bound

OPEN_PATIENCE_MS = 5_000
"""How long opening waits for another process that is writing."""


class Database(SqlDatabase):
    """One SQLite file: what crosses tenants (who drives, what is open) and the way to a tenant.

    Reads run on their own connection; `journal` is the only writer.
    """

    def __init__(self, path: Path, *, lock_patience: float = LOCK_PATIENCE_SECONDS) -> None:
        super().__init__(Turns())
        self.path = path
        self._ownership = Ownership(path)
        # Waiting in SQLite would hold up the event loop, so after this the journal waits itself.
        self._writer = open_connection(path, busy_ms=OPEN_PATIENCE_MS)
        try:
            refuse_moved(self._writer)
            migrate(self._writer)
            self._writer.execute("PRAGMA busy_timeout = 0")
            self.reader = open_connection(path, busy_ms=2_000)
        except StoreError:
            self._writer.close()
            raise
        self.journal = Journal(self._writer, lock_patience)

    async def is_owner(self) -> bool:
        """Whether this process still has the right: a lock on a file is kept until its end."""
        return self._ownership.held

    def own(self) -> None:
        """Become the one process that drives the runs of this file. Raises StoreOwned."""
        self._ownership.take()

    async def all(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query. Raises StoreBusy when the file cannot be read now."""
        try:
            return self.reader.execute(sql, bound(values)).fetchall()
        except sqlite3.Error as error:
            raise StoreBusy(
                f"The database cannot be read now ({error}).",
                remedy="Check the disk; what waits for it goes on by itself.",
            ) from error

    async def aside(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query, read in a thread: the loop, and with it the intake, goes on."""
        return await asyncio.get_running_loop().run_in_executor(None, self._read, sql, values)

    def _read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        try:
            with contextlib.closing(open_connection(self.path, busy_ms=2_000)) as connection:
                return connection.execute(sql, bound(values)).fetchall()
        except sqlite3.Error as error:
            raise StoreBusy(
                f"The database cannot be read now ({error}).",
                remedy="Check the disk; what waits for it goes on by itself.",
            ) from error

    async def is_driven(self) -> bool:
        """Whether a process, this one or another, drives the runs of this file now."""
        return self._ownership.held or self._ownership.taken()

    async def write(self, *unit: Statement) -> Outcome:
        """Store a unit whole or not at all; returns after its commit. Raises StoreBusy."""
        return await self.journal.write(*unit)

    async def close(self) -> None:
        """Finish the writes handed in, then close the file and let another process drive."""
        await self.journal.close()
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close)
        self.reader.close()
        self._ownership.free()
