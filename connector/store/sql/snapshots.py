"""Which state of each record a tenant's flows have handled, and how far sweeps have looked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector.store.rows import EventRow, HandledRow, RunRow, SweepRow
from connector.store.sql.backend import BUMP, Statement, TenantRows
from connector.store.sql.columns import json_text, json_value


class Snapshots(TenantRows):
    """The newest handled state of each record by flow, and the sweeps."""

    async def handled(
        self, connection_id: str, account: str, resource: str, items: Sequence[str]
    ) -> Mapping[tuple[int, str], HandledRow]:
        """What each flow has handled of each of these records, by flow and record."""
        if not items:
            return {}
        marks = ",".join("?" * len(items))
        rows = await self._all(
            "SELECT flow_id, item_id, updated_at, made, told_to, swept_to, swept_by"
            " FROM resource_snapshot WHERE tenant = ?"
            f" AND connection_id = ? AND account = ? AND resource = ? AND item_id IN ({marks})",
            self.tenant,
            connection_id,
            account,
            resource,
            *items,
        )
        return {(row[0], row[1]): HandledRow(*row[2:]) for row in rows}

    async def sweeps(self) -> list[SweepRow]:
        """How far each sweep has come."""
        rows = await self._all(
            "SELECT connection_id, account, resource, operations, newest, floor, swept_at,"
            " asked_at, told FROM sweep WHERE tenant = ? ORDER BY connection_id, account, resource",
            self.tenant,
        )
        return [SweepRow(*(*row[:-1], json_value(row[-1]))) for row in rows]

    async def save_sweep(self, row: SweepRow) -> None:
        """Store how far a sweep has come."""
        await self._backend.write(
            (
                "INSERT INTO sweep (tenant, connection_id, account, resource, operations, newest,"
                " floor, swept_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (tenant, connection_id, account, resource) DO UPDATE SET"
                " operations = excluded.operations, newest = excluded.newest,"
                " floor = excluded.floor, swept_at = excluded.swept_at",
                (
                    self.tenant, row.connection_id, row.account, row.resource, row.operations,
                    row.newest, row.floor, row.swept_at,
                ),
            )
        )  # fmt: skip

    async def ask_sweeps(self, now: float) -> None:
        """Let every sweep of this tenant look at once."""
        await self._backend.write(
            BUMP,
            ("UPDATE sweep SET asked_at = ? WHERE tenant = ?", (now, self.tenant)),
            (
                # Another number each time: who is looking meanwhile looks again.
                "UPDATE duty SET due_at = CASE WHEN due_at > 0 THEN 0 ELSE due_at - 1 END"
                " WHERE tenant = ? AND what = 'sweeps'",
                (self.tenant,),
            ),
        )

    async def tell_sweep(self, place: tuple[str, str, str], told: Any) -> None:
        """Keep what the last look at a place (connection, account, resource) showed."""
        await self._backend.write(
            (
                "UPDATE sweep SET told = ? WHERE tenant = ? AND connection_id = ?"
                " AND account = ? AND resource = ?",
                (json_text(told), self.tenant, *place),
            )
        )

    async def drop_sweep(self, row: SweepRow) -> None:
        """Forget a sweep: nobody follows its records any more."""
        await self._backend.write(
            (
                "DELETE FROM sweep WHERE tenant = ? AND connection_id = ? AND account = ?"
                " AND resource = ?",
                (self.tenant, row.connection_id, row.account, row.resource),
            )
        )

    def _now_handled(self, event: EventRow, runs: Iterable[RunRow]) -> list[Statement]:
        """What keeps the states that these runs of an event handle."""
        return [
            (
                "INSERT INTO resource_snapshot (tenant, connection_id, account, resource, item_id,"
                " flow_id, updated_at, made, told_to, swept_to, swept_by, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (tenant, connection_id, account, resource, item_id, flow_id)"
                " DO UPDATE SET updated_at = excluded.updated_at, seen_at = excluded.seen_at,"
                # Events of one record may be matched side by side: none takes back another's news.
                " made = CASE WHEN resource_snapshot.made = '' THEN excluded.made"
                " ELSE resource_snapshot.made END,"
                " told_to = CASE WHEN resource_snapshot.told_to > excluded.told_to"
                " THEN resource_snapshot.told_to ELSE excluded.told_to END,"
                " swept_to = CASE WHEN resource_snapshot.swept_to > excluded.swept_to"
                " THEN resource_snapshot.swept_to ELSE excluded.swept_to END,"
                " swept_by = CASE WHEN resource_snapshot.swept_to > excluded.swept_to"
                " THEN resource_snapshot.swept_by ELSE excluded.swept_by END",
                (
                    self.tenant, event.connection_id, event.account, event.resource, run.item_id,
                    run.flow_id, run.handled.updated_at, run.handled.made,
                    run.handled.told_to, run.handled.swept_to, run.handled.swept_by,
                    run.created_at,
                ),
            )
            for run in runs
            if run.handled is not None
        ]  # fmt: skip
