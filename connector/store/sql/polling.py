"""What the lists of apps that send no events showed last."""

from __future__ import annotations

from collections.abc import Mapping

from connector.store.rows import PolledRow
from connector.store.sql.backend import TenantRows


class Polling(TenantRows):
    """A tenant's polled records, by place: connection, account, resource."""

    async def polled(self, place: tuple[str, str, str]) -> dict[str, PolledRow]:
        """What was seen of each record of a place."""
        rows = await self._all(
            "SELECT item_id, digest, version FROM polled WHERE tenant = ? AND connection_id = ?"
            " AND account = ? AND resource = ?",
            self.tenant,
            *place,
        )
        return {row[0]: PolledRow(row[1], row[2]) for row in rows}

    async def polled_places(self) -> list[tuple[str, str, str]]:
        """Every place that was looked at."""
        rows = await self._all(
            "SELECT DISTINCT connection_id, account, resource FROM polled WHERE tenant = ?",
            self.tenant,
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def save_polled(self, place: tuple[str, str, str], seen: Mapping[str, PolledRow]) -> None:
        """Store what was seen of these records."""
        await self._backend.write(
            *(
                (
                    "INSERT INTO polled (tenant, connection_id, account, resource, item_id,"
                    " digest, version) VALUES (?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (tenant, connection_id, account, resource, item_id)"
                    " DO UPDATE SET digest = excluded.digest, version = excluded.version",
                    (self.tenant, *place, item, row.digest, row.version),
                )
                for item, row in seen.items()
            )
        )

    async def drop_polled(self, place: tuple[str, str, str]) -> None:
        """Forget a place: nobody follows its records any more."""
        await self._backend.write(
            (
                "DELETE FROM polled WHERE tenant = ? AND connection_id = ? AND account = ?"
                " AND resource = ?",
                (self.tenant, *place),
            )
        )
