"""Which tenants are to be looked after now, and rows of any tenant that have become old."""

from __future__ import annotations

from typing import Any

from connector.store.rows import RunAge
from connector.store.sql.backend import Outcome, Statement
from connector.store.sql.keeping import old_events, run_ages

NEVER = 1e12
"""Only after a change; a number, because not every database compares infinities alike."""


class Duties:
    """What is due, across tenants; a back end adds reading and writing."""

    async def all(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query. Raises StoreBusy when it cannot be read now."""
        raise NotImplementedError

    async def write(self, *unit: Statement) -> Outcome:
        """Store a unit whole or not at all; returns after its commit. Raises StoreBusy."""
        raise NotImplementedError

    async def due(self, what: str, now: float, limit: int) -> list[tuple[str, float]]:
        """The tenants to look after, those that waited longest first, and since when."""
        return await self.all(
            "SELECT tenant, due_at FROM duty WHERE what = ? AND due_at <= ?"
            " ORDER BY due_at LIMIT ?",
            what,
            now,
            limit,
        )

    async def looked_after(
        self, what: str, tenant: str, since: float, due_at: float | None
    ) -> bool:
        """Note when to look again (None: after a change); no, when one has come meanwhile."""
        outcome = await self.write(
            (
                "UPDATE duty SET due_at = ? WHERE tenant = ? AND what = ? AND due_at = ?",
                (NEVER if due_at is None else due_at, tenant, what, since),
            )
        )
        return outcome[0][0] == 1

    async def due_by(self, what: str, latest: float) -> None:
        """Look after every tenant with a flow that is on by then: a release may want more."""
        await self.write(
            (
                "UPDATE duty SET due_at = ? WHERE what = ? AND due_at > ? AND EXISTS ("
                "SELECT 1 FROM flow WHERE flow.tenant = duty.tenant AND flow.enabled = 1)",
                (latest, what, latest),
            )
        )

    async def moved_to(self, address: str) -> None:
        """Let everybody ask anew whose apps were told another address than this one."""
        await self.write(
            (
                "UPDATE duty SET due_at = 0 WHERE what = 'subscriptions' AND due_at > 0"
                " AND tenant IN (SELECT tenant FROM hook WHERE url <> ? || id)",
                (f"{address}/hooks/",),
            )
        )

    async def run_ages(self, after: int, limit: int) -> list[RunAge]:
        """The next runs by number, whoever's: how old each is, and what is still kept of it."""
        return await run_ages(self.all, after, limit)

    async def old_events(
        self, after: int, before: float, limit: int
    ) -> tuple[int, list[tuple[str, int]]]:
        """Of the next events by number, whoever's, those that may go; and how far this looked."""
        return await old_events(self.all, after, before, limit)

    async def with_old_samples(self, before: float) -> list[str]:
        """The tenants with samples or tests of flows that hold a record from before a time."""
        rows = await self.all(
            "SELECT DISTINCT tenant FROM flow_sample WHERE personal = 1 AND saved_at < ?", before
        )
        return [row[0] for row in rows]
