"""What a tenant's flows write to apps, and what people decided about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from connector.errors import StoreError, TakenOver
from connector.store.rows import EFFECT, EffectRow
from connector.store.sql.backend import BUMP, Statement, TenantRows
from connector.store.sql.columns import EFFECT_COLUMNS, effect_row, json_text, json_value

_UNNAMED = (
    "(COALESCE(error, '') NOT LIKE ? AND NOT EXISTS (SELECT 1 FROM effect AS own"
    " WHERE own.run_id = run.id AND own.state = 'parked'))"
)
"""Parked on another run's write before runs named it: what still waits is parked anew."""


class Writes(TenantRows):
    """A tenant's effects and audit."""

    async def effect(self, key: str) -> EffectRow | None:
        """The write with this key."""
        row = await self._one(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ? AND key = ?", self.tenant, key
        )
        return effect_row(row) if row else None

    async def effects(
        self, *, run_id: int | None = None, state: str | None = None
    ) -> list[EffectRow]:
        """Writes of a run or in a state, oldest first."""
        # Only what is asked for: a condition that may be empty would hide the indexes.
        given = {"run_id": run_id, "state": state}
        asked = {name: value for name, value in given.items() if value is not None}
        rows = await self._all(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ?"
            f"{''.join(f' AND {name} = ?' for name in asked)}{_doubtful(state)}"
            " ORDER BY created_at, key",
            self.tenant,
            *asked.values(),
        )
        return [effect_row(row) for row in rows]

    async def count_parked(self) -> int:
        """How many writes wait for a person; asked for every page, so nothing else is read."""
        row = await self._one(
            f"SELECT count(*) FROM effect WHERE tenant = ? AND state = ?{_doubtful('parked')}",
            self.tenant,
            "parked",
        )
        return int(row[0])

    async def effects_about(
        self, connection_id: str, node: str, natural_key: str
    ) -> list[EffectRow]:
        """Writes of the same record by its natural key, the newest first."""
        rows = await self._all(
            f"SELECT {EFFECT_COLUMNS} FROM effect WHERE tenant = ? AND connection_id = ?"
            " AND node = ? AND natural_key = ? AND natural_key != ''"
            " ORDER BY created_at DESC LIMIT 20",
            self.tenant,
            connection_id,
            node,
            natural_key,
        )
        return [effect_row(row) for row in rows]

    async def claimed_ids(
        self, connection_id: str, node: str, ids: Sequence[str]
    ) -> Mapping[str, int]:
        """Those of these remote ids that a write of ours has made or adopted, with its run."""
        if not ids:
            return {}
        marks = ",".join("?" * len(ids))
        rows = await self._all(
            "SELECT remote_id, min(run_id) FROM effect WHERE tenant = ? AND connection_id = ?"
            f" AND node = ? AND state = 'done' AND remote_id IN ({marks}) GROUP BY remote_id",
            self.tenant,
            connection_id,
            node,
            *ids,
        )
        return {row[0]: row[1] for row in rows}

    async def audit(self, at: float, who: str, what: str, subject: str, details: Any) -> None:
        """Record what a person decided."""
        await self._backend.write(
            (
                "INSERT INTO audit (tenant, at, who, what, subject, details)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self.tenant, at, who, what, subject, json_text(details)),
            )
        )

    async def audits(self, limit: int = 100) -> list[dict[str, Any]]:
        """What people decided, the newest first."""
        rows = await self._all(
            "SELECT at, who, what, subject, details FROM audit WHERE tenant = ?"
            " ORDER BY id DESC LIMIT ?",
            self.tenant,
            limit,
        )
        names = ("at", "who", "what", "subject", "details")
        return [
            {**dict(zip(names, row, strict=True)), "details": json_value(row[4])} for row in rows
        ]

    async def save_effect(self, effect: EffectRow) -> None:
        """Store a write's present state durably, if nobody has since it was read.

        Raises TakenOver when somebody has: then the write must be looked at anew.
        """
        outcome = await self._backend.write(self._saving(effect))
        if not outcome[0][0]:
            await self._assert_stored(effect)
        effect.version += 1

    async def decide(
        self,
        effect: EffectRow,
        at: float,
        who: str,
        what: str,
        details: Any,
        unclaimed: Sequence[str] = (),
    ) -> list[int]:
        """Store what a person decided of a write, the audit of it, and that its runs go on.

        Gives those runs: the write's own, and every other that was parked on it.

        All of it in one commit, or nothing. Raises TakenOver when the write changed meanwhile, or
        when another write of one of the nodes `unclaimed` has its record.
        """
        evidence = json_text(effect.evidence)
        decided = (self.tenant, effect.key, effect.version + 1, evidence)
        is_decided = (
            "EXISTS (SELECT 1 FROM effect"
            " WHERE tenant = ? AND key = ? AND version = ? AND evidence = ?)"
        )
        outcome = await self._backend.write(
            # First: of two processes that decide, the second sees what the first has stored.
            BUMP,
            self._saving(effect, unclaimed),
            (
                "INSERT INTO audit (tenant, at, who, what, subject, details)"
                " SELECT CAST(? AS TEXT), CAST(? AS DOUBLE PRECISION), CAST(? AS TEXT),"
                f" CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT) WHERE {is_decided}",
                (
                    self.tenant, at, who, what, f"effect {effect.key}", json_text(details),
                    *decided,
                ),
            ),
            (
                "UPDATE run SET state = 'queued', reason = NULL, due_at = 0, finished_at = NULL"
                " WHERE tenant = ? AND state = 'parked' AND finished_at IS NOT NULL"
                f" AND (id = ? OR error LIKE ? OR {_UNNAMED}) AND {is_decided} RETURNING id",
                (
                    self.tenant, effect.run_id, f'%"{EFFECT}":"{effect.key}"%', f'%"{EFFECT}":"%',
                    *decided,
                ),
            ),
        )  # fmt: skip
        if not outcome[1][0]:
            await self._assert_stored(effect)
        effect.version += 1
        return sorted(row[0] for row in outcome[3][1])

    def _saving(self, effect: EffectRow, unclaimed: Sequence[str] = ()) -> Statement:
        values = [getattr(effect, one.name) for one in fields(EffectRow)]
        names = [one.name for one in fields(EffectRow)]
        for name in ("inputs", "known", "output", "evidence", "answer"):
            values[names.index(name)] = json_text(getattr(effect, name))
        values[names.index("tenant")] = self.tenant
        values[names.index("version")] = effect.version + 1
        marks = ",".join("?" * len(names))
        free = ""
        if unclaimed:
            free = (
                " AND NOT EXISTS (SELECT 1 FROM effect AS other WHERE other.tenant = ?"
                " AND other.connection_id = ? AND other.state = 'done' AND other.remote_id = ?"
                f" AND other.key <> ? AND other.node IN ({','.join('?' * len(unclaimed))}))"
            )
            own = (self.tenant, effect.connection_id, effect.remote_id, effect.key)
            values += [*own, *unclaimed]
        return (
            f"INSERT INTO effect ({', '.join(names)}) VALUES ({marks})"
            " ON CONFLICT (key) DO UPDATE SET state = excluded.state, run_id = excluded.run_id,"
            " natural_key = excluded.natural_key,"
            " inputs = excluded.inputs, known = excluded.known, request ="
            " excluded.request, payload_hash = excluded.payload_hash, sends = excluded.sends,"
            " searches = excluded.searches, due_at = excluded.due_at, sent_at ="
            " excluded.sent_at, remote_id = excluded.remote_id, output = excluded.output,"
            " evidence = excluded.evidence, answer = excluded.answer,"
            " updated_at = excluded.updated_at, version = excluded.version"
            " WHERE effect.tenant = excluded.tenant"
            f" AND effect.version = excluded.version - 1{free}",
            values,
        )

    async def _assert_stored(self, effect: EffectRow) -> None:
        """A commit whose answer was lost is there all the same: then the row is ours."""
        stored = await self.effect(effect.key)
        if stored is None:
            raise StoreError("This effect is not one of this tenant.")
        ours = (effect.version + 1, effect.run_id, effect.state, effect.sends, effect.updated_at)
        if ours != (
            stored.version, stored.run_id, stored.state, stored.sends, stored.updated_at
        ):  # fmt: skip
            raise TakenOver(f"Another process has changed the write {effect.key}.")


def _doubtful(state: str | None) -> str:
    """The words of the index of writes in doubt, without which it is not used."""
    return " AND state IN ('uncertain', 'parked')" if state in ("uncertain", "parked") else ""
