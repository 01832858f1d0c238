"""What a tenant is watched for: echoes of its own writes, lost events, alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.codec import decode_kept, encode_text
from connector.store.rows import AlarmRow, OriginRow
from connector.store.sql.backend import TenantRows
from connector.store.sql.columns import json_text, json_value

# Literal, because only then the index of the swept events is used.
_SWEPT = "delivery_id LIKE 'sweep:%'"


class Watching(TenantRows):
    """A tenant's origins, alarms, and what its sweeps found."""

    async def recovered(self, since: float) -> list[dict[str, Any]]:
        """How many changes sweeps have found for each place: `ever` (as far as kept), `lately`."""
        rows = await self._all(
            "SELECT connection_id, account, resource, count(*),"
            " sum(CASE WHEN received_at >= ? THEN 1 ELSE 0 END),"
            " min(CASE WHEN received_at >= ? THEN id END)"
            f" FROM event WHERE tenant = ? AND {_SWEPT}"
            " GROUP BY connection_id, account, resource"
            " ORDER BY connection_id, account, resource",
            since,
            since,
            self.tenant,
        )
        names = ("connection_id", "account", "resource", "ever", "lately", "first_id")
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def heard(self, connection_id: str, account: str, after: int) -> bool:
        """Whether the app has sent an event after the one with this id."""
        row = await self._one(
            "SELECT EXISTS (SELECT 1 FROM event WHERE tenant = ? AND id > ? AND connection_id = ?"
            f" AND account = ? AND NOT {_SWEPT} AND delivery_id NOT LIKE 'look:%'"
            " AND delivery_id NOT LIKE 'heal:%')",
            self.tenant,
            after,
            connection_id,
            account,
        )
        return bool(row[0])

    # --- origins ------------------------------------------------------------------------------

    async def origins(
        self, realm: str, place: str, items: Sequence[str]
    ) -> Mapping[str, list[OriginRow]]:
        """The writes of ours that made or changed these records, the newest first."""
        if not items:
            return {}
        marks = ",".join("?" * len(items))
        rows = await self._all(
            "SELECT realm, place, item_id, effect_key, run_id, depth, flows, made, sent_at,"
            " done_at, updated_at FROM origin WHERE tenant = ? AND realm = ? AND place = ?"
            f" AND item_id IN ({marks}) ORDER BY done_at DESC, effect_key",
            self.tenant,
            realm,
            place,
            *items,
        )
        found: dict[str, list[OriginRow]] = {}
        for row in rows:
            one = OriginRow(
                realm=row[0], place=row[1], item_id=row[2], effect_key=row[3], run_id=row[4],
                depth=row[5], flows=tuple(decode_kept(row[6])), made=bool(row[7]), sent_at=row[8],
                done_at=row[9], updated_at=row[10],
            )  # fmt: skip
            found.setdefault(one.item_id, []).append(one)
        return found

    async def save_origin(self, row: OriginRow, forget_before: float) -> None:
        """Keep where a record's change came from; those from before a time are forgotten."""
        await self._backend.write(
            (
                "INSERT INTO origin (tenant, realm, place, item_id, effect_key, run_id, depth,"
                " flows, made, sent_at, done_at, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                # The first to note a write: a replay, which writes nothing, did not make it.
                " ON CONFLICT DO NOTHING",
                (
                    self.tenant, row.realm, row.place, row.item_id, row.effect_key, row.run_id,
                    row.depth, encode_text(row.flows), int(row.made), row.sent_at, row.done_at,
                    row.updated_at,
                ),
            ),
            ("DELETE FROM origin WHERE tenant = ? AND done_at < ?", (self.tenant, forget_before)),
        )  # fmt: skip

    async def unheard(self, since: float) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Key, connection, node and inputs of writes since then whose origin is not kept yet."""
        rows = await self._all(
            "SELECT key, connection_id, node, inputs FROM effect"
            " WHERE tenant = ? AND updated_at >= ? AND sends > 0"
            " AND (state = 'sending' OR (state = 'done' AND NOT EXISTS ("
            "SELECT 1 FROM origin WHERE origin.tenant = effect.tenant"
            " AND origin.effect_key = effect.key)))",
            self.tenant,
            since,
        )
        return [(row[0], row[1], row[2], decode_kept(row[3])) for row in rows]

    # --- alarms -------------------------------------------------------------------------------

    async def alarms(self, *, ended: bool = False) -> list[AlarmRow]:
        """What lasts, the newest first; with `ended`, what is over as well."""
        rows = await self._all(
            "SELECT kind, connection_id, account, since, message, remedy, details, ended_at"
            f" FROM alarm WHERE tenant = ?{'' if ended else ' AND ended_at IS NULL'}"
            " ORDER BY id DESC LIMIT 100",
            self.tenant,
        )
        return [
            AlarmRow(
                kind=row[0], connection_id=row[1], account=row[2], since=row[3], message=row[4],
                remedy=row[5], details=json_value(row[6]), ended_at=row[7],
            )
            for row in rows
        ]  # fmt: skip

    async def raise_alarm(self, row: AlarmRow) -> bool:
        """Store an alarm, unless one of its kind and place lasts already; tells whether it did."""
        outcome = await self._backend.write(
            (
                "INSERT INTO alarm (tenant, kind, connection_id, account, since, message, remedy,"
                " details) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    self.tenant, row.kind, row.connection_id, row.account, row.since,
                    row.message, row.remedy, json_text(row.details),
                ),
            )
        )  # fmt: skip
        return outcome[0][0] == 1

    async def end_alarm(self, kind: str, connection_id: str, account: str, now: float) -> bool:
        """Note that it is over; tells whether it had lasted."""
        outcome = await self._backend.write(
            (
                "UPDATE alarm SET ended_at = ? WHERE tenant = ? AND kind = ?"
                " AND connection_id = ? AND account = ? AND ended_at IS NULL",
                (now, self.tenant, kind, connection_id, account),
            )
        )
        return outcome[0][0] > 0
