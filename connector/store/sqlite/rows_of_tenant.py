"""The store of one tenant."""

from __future__ import annotations

import sqlite3
from typing import Any

from connector.errors import StoreBusy, StoreError
from connector.store.sqlite.journal import Journal, Statement

BUMP: Statement = ("UPDATE instance SET value = value + 1 WHERE name = 'revision'", ())
"""Goes with every change that another process must notice: what is set up, and replays."""


def read_all(reader: sqlite3.Connection, sql: str, *values: Any) -> list[Any]:
    """The rows of a query. Raises StoreBusy when the file cannot be read now."""
    try:
        return reader.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise StoreBusy(
            f"The database cannot be read now ({error}).",
            remedy="Check the disk; what waits for it goes on by itself.",
        ) from error


class TenantRows:
    """One tenant's rows; every method that writes returns after its commit."""

    def __init__(self, tenant: str, reader: sqlite3.Connection, journal: Journal) -> None:
        self.tenant = tenant
        self._reader = reader
        self._journal = journal

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return read_all(self._reader, sql, *values)

    def _one(self, sql: str, *values: Any) -> Any:
        return next(iter(read_all(self._reader, sql, *values)), None)

    async def _write_own(self, what: str, *unit: Statement) -> None:
        """Write a unit whose last statement must touch a row: it does not when it is another's."""
        outcome = await self._journal.write(*unit)
        if outcome[-1][0] == 0:
            raise StoreError(f"This {what} is not one of this tenant.")

    async def ensure(self, now: float) -> None:
        """Make the tenant's own row."""
        await self._journal.write(
            (
                "INSERT OR IGNORE INTO tenant (id, created_at) VALUES (?, ?)",
                (self.tenant, now),
            )
        )
