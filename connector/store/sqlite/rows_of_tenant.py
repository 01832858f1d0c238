"""The store of one tenant."""

from __future__ import annotations

import sqlite3
from typing import Any

from connector.store.sqlite.journal import Journal, Statement

BUMP: Statement = ("UPDATE instance SET value = value + 1 WHERE name = 'revision'", ())
"""Goes with every change that another process must notice: what is set up, and replays."""


class TenantRows:
    """One tenant's rows; every method that writes returns after its commit."""

    def __init__(self, tenant: str, reader: sqlite3.Connection, journal: Journal) -> None:
        self.tenant = tenant
        self._reader = reader
        self._journal = journal

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self._reader.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> Any:
        return self._reader.execute(sql, values).fetchone()

    async def ensure(self, now: float) -> None:
        """Make the tenant's own row."""
        await self._journal.write(
            (
                "INSERT OR IGNORE INTO tenant (id, created_at) VALUES (?, ?)",
                (self.tenant, now),
            )
        )
