"""What the derived triggers of a tenant's flows have seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector.codec import decode_kept, encode_text
from connector.store.rows import RunRow, StateRow, WatchRow
from connector.store.sql.backend import Statement, TenantRows

_INSERT = (
    "INSERT INTO derived_state (tenant, flow_id, place, item_id, version, state, updated_at,"
    " seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Derived(TenantRows):
    """Since when flows watch, and the states of records that they have judged."""

    async def watches(self) -> dict[int, WatchRow]:
        """Since when each flow of a derived trigger watches, by flow."""
        rows = await self._all(
            "SELECT flow_id, subject, since, ready_at, looked_on FROM derived_watch"
            " WHERE tenant = ?",
            self.tenant,
        )
        return {row[0]: WatchRow(*row) for row in rows}

    async def save_watch(self, row: WatchRow) -> None:
        """Store since when a flow watches, or how far it has come."""
        await self._backend.write(
            (
                "INSERT INTO derived_watch (tenant, flow_id, subject, since, ready_at, looked_on)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, flow_id) DO UPDATE SET"
                " subject = excluded.subject, since = excluded.since,"
                " ready_at = excluded.ready_at, looked_on = excluded.looked_on",
                (
                    self.tenant, row.flow_id, row.subject, row.since, row.ready_at, row.looked_on,
                ),
            )
        )  # fmt: skip

    async def drop_watch(self, flow_id: int) -> None:
        """Forget what a flow has seen: it watches no more, or begins anew."""
        of = (self.tenant, flow_id)
        await self._backend.write(
            ("DELETE FROM derived_watch WHERE tenant = ? AND flow_id = ?", of),
            ("DELETE FROM derived_state WHERE tenant = ? AND flow_id = ?", of),
        )

    async def states(
        self, place: str, flows: Sequence[int], items: Sequence[str]
    ) -> dict[tuple[int, str], StateRow]:
        """The newest states of these records, by flow and record."""
        if not items or not flows:
            return {}
        wanted, ours = ",".join("?" * len(items)), ",".join("?" * len(flows))
        rows = await self._all(
            "SELECT flow_id, item_id, state, updated_at, version FROM derived_state"
            f" WHERE tenant = ? AND flow_id IN ({ours}) AND place = ? AND item_id IN ({wanted})"
            " ORDER BY version",
            self.tenant,
            *flows,
            place,
            *items,
        )
        return {
            (row[0], row[1]): StateRow(place, decode_kept(row[2]), row[3], row[4]) for row in rows
        }

    async def add_states(
        self, flow_id: int, place: str, states: Mapping[str, tuple[Any, str]], now: float
    ) -> None:
        """Store where records stood when a flow began to watch; what it has seen since stays."""
        await self._backend.write(
            *(
                (
                    f"{_INSERT} ON CONFLICT DO NOTHING",
                    (self.tenant, flow_id, place, item, 1, encode_text(state), dated, now),
                )
                for item, (state, dated) in states.items()
            )
        )

    def _now_derived(self, runs: Iterable[RunRow]) -> list[Statement]:
        """What keeps the states that come with these runs: refused where a newer one is there."""
        found: list[Statement] = []
        for run in runs:
            row = run.derived
            if row is None:
                continue
            at = (self.tenant, run.flow_id, row.place, run.item_id)
            found.append(
                (
                    _INSERT,
                    (*at, row.version, encode_text(row.state), row.updated_at, run.created_at),
                )
            )
            found.append(
                (
                    "DELETE FROM derived_state WHERE tenant = ? AND flow_id = ? AND place = ?"
                    " AND item_id = ? AND version < ?",
                    (*at, row.version),
                )
            )
        return found
