"""Which state of each record a tenant's flows have handled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from connector.store.rows import EventRow, RunRow
from connector.store.sql.backend import Statement, TenantRows


class Snapshots(TenantRows):
    """The newest handled state of each record, by flow."""

    async def handled(
        self, connection_id: str, account: str, resource: str, items: Sequence[str]
    ) -> Mapping[tuple[int, str], str]:
        """When each of these records was changed, as each flow last handled it: (flow, record)."""
        if not items:
            return {}
        marks = ",".join("?" * len(items))
        rows = await self._all(
            "SELECT flow_id, item_id, updated_at FROM resource_snapshot WHERE tenant = ?"
            f" AND connection_id = ? AND account = ? AND resource = ? AND item_id IN ({marks})",
            self.tenant,
            connection_id,
            account,
            resource,
            *items,
        )
        return {(row[0], row[1]): row[2] for row in rows}

    def _now_handled(self, event: EventRow, runs: Iterable[RunRow]) -> list[Statement]:
        """What keeps the states that these runs of an event handle."""
        return [
            (
                "INSERT INTO resource_snapshot (tenant, connection_id, account, resource, item_id,"
                " flow_id, updated_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (tenant, connection_id, account, resource, item_id, flow_id)"
                " DO UPDATE SET updated_at = excluded.updated_at, seen_at = excluded.seen_at",
                (
                    self.tenant, event.connection_id, event.account, event.resource, run.item_id,
                    run.flow_id, run.updated_at, run.created_at,
                ),
            )
            for run in runs
            if run.updated_at
        ]  # fmt: skip
