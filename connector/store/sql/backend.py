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

DUTIES = ("sweeps", "watches", "polls", "subscriptions")
"""What is done for a tenant beside its runs, and depends on what is set up."""
_DUE = (
    "INSERT INTO duty (tenant, what, due_at) VALUES "
    + ", ".join(f"(?1, '{what}', 0)" for what in DUTIES)
    # Another number each time: whoever is looking meanwhile finds that it was not all.
    + " ON CONFLICT (tenant, what) DO UPDATE SET due_at ="
    " CASE WHEN duty.due_at > 0 THEN 0 ELSE duty.due_at - 1 END"
)


def storable(text: str) -> str:
    """A text of an app as both back ends keep it: PostgreSQL takes no NUL, and refuses the row."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


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

    async def _change(self, *unit: Statement) -> Outcome:
        """Change what is set up, so that it is noticed and looked after; gives the unit's part."""
        outcome = await self._backend.write(BUMP, *unit, (_DUE, (self.tenant,)))
        return outcome[1:-1]

    async def _change_own(self, what: str, *unit: Statement) -> None:
        """Change with a last statement that must touch a row: not so when it is another's."""
        self._must_touch(what, await self._change(*unit))

    async def _write_own(self, what: str, *unit: Statement) -> None:
        """Write a unit whose last statement must touch a row: it does not when it is another's."""
        self._must_touch(what, await self._backend.write(*unit))

    def _must_touch(self, what: str, outcome: Outcome) -> None:
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
