"""What the statements ask of a database, and what every tenant's rows share.

Statements are written for both back ends: `?` (or `?1`, `?2` …) marks a value, conflicts are named,
JSON is text. A back end translates the marks, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from connector.errors import StoreError

Statement = tuple[str, Sequence[Any]]
Outcome = list[tuple[int, list[Any]]]
"""For each statement of a unit: how many rows it touched, and the rows it returned."""

BUMP: Statement = ("UPDATE counter SET value = value + 1 WHERE name = 'revision'", ())
"""Goes with every change that another process must notice: what is set up, and replays."""


class Backend(Protocol):
    """Reads at once, writes durably; both raise StoreBusy when the database is not there."""

    insert_event: str
    """Stores an event and gives its id; where other processes wait for one, it wakes them."""

    async def all(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query, as tuples."""
        ...

    async def aside(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query that may take a moment: nothing else waits for it."""
        ...

    async def write(self, *unit: Statement) -> Outcome:
        """Store a unit whole or not at all; returns after its commit."""
        ...


class TenantRows:
    """One tenant's rows; every method that writes returns after its commit."""

    def __init__(self, tenant: str, backend: Backend) -> None:
        self.tenant = tenant
        self._backend = backend

    async def _all(self, sql: str, *values: Any) -> list[Any]:
        return await self._backend.all(sql, *values)

    async def _one(self, sql: str, *values: Any) -> Any:
        return next(iter(await self._backend.all(sql, *values)), None)

    async def _write_own(self, what: str, *unit: Statement) -> None:
        """Write a unit whose last statement must touch a row: it does not when it is another's."""
        outcome = await self._backend.write(*unit)
        if outcome[-1][0] == 0:
            raise StoreError(f"This {what} is not one of this tenant.")

    async def ensure(self, now: float) -> None:
        """Make the tenant's own row."""
        await self._backend.write(
            (
                "INSERT INTO tenant (id, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (self.tenant, now),
            )
        )
