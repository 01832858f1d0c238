"""What a tenant has set up: connections, hooks, consents, flows."""

from __future__ import annotations

from typing import Any

from connector.codec import decode_kept, encode_text
from connector.errors import StoreError
from connector.store.rows import ConnectionRow, FlowRow, FlowVersionRow, HookRow
from connector.store.sql.backend import BUMP, Statement, TenantRows
from connector.store.sql.columns import (
    CONNECTION_COLUMNS,
    FLOW_COLUMNS,
    FLOW_FROM,
    HOOK_COLUMNS,
    connection_row,
    flow_row,
    hook_row,
    json_text,
)


class SetUp(TenantRows):
    """A tenant's connections, hooks, consents and flows."""

    # --- connections and hooks --------------------------------------------------------------

    async def connections(self) -> list[ConnectionRow]:
        """Every connection, by name."""
        rows = await self._all(
            f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE tenant = ? ORDER BY name",
            self.tenant,
        )
        return [connection_row(row) for row in rows]

    async def connection(self, id_or_name: str) -> ConnectionRow | None:
        """The connection with this id or name."""
        row = await self._one(
            f"SELECT {CONNECTION_COLUMNS} FROM connection"
            " WHERE tenant = ?1 AND (id = ?2 OR name = ?2) ORDER BY id = ?2 DESC LIMIT 1",
            self.tenant,
            id_or_name,
        )
        return connection_row(row) if row else None

    async def save_connection(self, row: ConnectionRow) -> None:
        """Add a connection, or replace what one of the same id says (its secrets included)."""
        await self._change_own(
            "connection",
            (
                "INSERT INTO connection (id, tenant, app, name, base_url, settings, status,"
                " secrets, version, created_at) VALUES (?,?,?,?,?,?,?,?,?,?)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, base_url ="
                " excluded.base_url, settings = excluded.settings, status = excluded.status,"
                " secrets = excluded.secrets, version = connection.version + 1"
                " WHERE connection.tenant = excluded.tenant",
                (
                    row.id, self.tenant, row.app, row.name, row.base_url,
                    encode_text(row.settings), row.status, row.secrets, row.version,
                    row.created_at,
                ),
            ),
        )  # fmt: skip

    async def save_secrets(self, connection_id: str, secrets: bytes, version: int) -> bool:
        """Replace the secrets if nobody has since `version`; tells whether it was done."""
        outcome = await self._change(
            (
                "UPDATE connection SET secrets = ?, version = version + 1, status = 'active'"
                " WHERE tenant = ? AND id = ? AND version = ?",
                (secrets, self.tenant, connection_id, version),
            ),
        )
        return outcome[0][0] == 1

    async def set_connection_status(self, connection_id: str, status: str) -> None:
        """Mark a connection as usable or as waiting for its owner."""
        await self._change(
            (
                "UPDATE connection SET status = ? WHERE tenant = ? AND id = ?",
                (status, self.tenant, connection_id),
            ),
        )

    async def change_connection(self, was: ConnectionRow, name: str, settings: Any) -> bool:
        """Replace name and settings, unless somebody has changed them since the row was read.

        The secrets stay, whoever renews them meanwhile.
        """
        # As stored: encoded anew, a number may be written in another way.
        stored = await self._one(
            "SELECT settings FROM connection WHERE tenant = ? AND id = ?", self.tenant, was.id
        )
        if stored is None or decode_kept(stored[0]) != was.settings:
            return False
        outcome = await self._change(
            (
                "UPDATE connection SET name = ?, settings = ?"
                " WHERE tenant = ? AND id = ? AND name = ? AND settings = ?",
                (name, encode_text(settings), self.tenant, was.id, was.name, stored[0]),
            ),
        )
        return outcome[-1][0] > 0

    async def drop_hooks(self, connection_id: str) -> None:
        """Forget the hooks of a connection: what comes to them is unknown from now on."""
        await self._change(self._no_hooks(connection_id))

    async def drop_connection(self, connection_id: str, now: float) -> bool:
        """Remove a connection with its secrets, hooks and sweeps; tells whether it was there.

        Its events, runs and writes stay. Its alarms end.
        """
        own = (self.tenant, connection_id)
        outcome = await self._change(
            self._no_hooks(connection_id),
            ("DELETE FROM sweep WHERE tenant = ? AND connection_id = ?", own),
            (
                "UPDATE alarm SET ended_at = ? WHERE tenant = ? AND connection_id = ?"
                " AND ended_at IS NULL",
                (now, *own),
            ),
            ("DELETE FROM connection WHERE tenant = ? AND id = ?", own),
        )
        return outcome[-1][0] > 0

    def _no_hooks(self, connection_id: str) -> Statement:
        return (
            "DELETE FROM hook WHERE tenant = ? AND connection_id = ?",
            (self.tenant, connection_id),
        )

    async def hooks(self) -> list[HookRow]:
        """Every hook."""
        rows = await self._all(f"SELECT {HOOK_COLUMNS} FROM hook WHERE tenant = ?", self.tenant)
        return [hook_row(row) for row in rows]

    async def save_hook(self, row: HookRow) -> None:
        """Add a hook or replace what it says."""
        await self._write_own(
            "hook",
            BUMP,
            (
                f"INSERT INTO hook ({HOOK_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)"
                " ON CONFLICT (id) DO UPDATE SET url = excluded.url, verify_until ="
                " excluded.verify_until, subscription = excluded.subscription"
                " WHERE hook.tenant = excluded.tenant",
                (
                    row.id, self.tenant, row.connection_id, row.url, row.account,
                    row.verify_until, json_text(row.subscription), row.created_at,
                ),
            ),
        )  # fmt: skip

    async def start_consent(self, state: str, request: Any, expires_at: float) -> None:
        """Remember what a one-time consent state stands for."""
        await self._backend.write(
            (
                "INSERT INTO consent (state, tenant, request, expires_at) VALUES (?,?,?,?)",
                (state, self.tenant, encode_text(request), expires_at),
            )
        )

    async def take_consent(self, state: str, now: float) -> Any:
        """Give back what a state stands for, once; None when it is unknown, used or too old."""
        outcome = await self._backend.write(
            (
                "DELETE FROM consent WHERE tenant = ? AND state = ? RETURNING request, expires_at",
                (self.tenant, state),
            ),
            ("DELETE FROM consent WHERE expires_at < ?", (now,)),
        )
        rows = outcome[0][1]
        return decode_kept(rows[0][0]) if rows and rows[0][1] >= now else None

    async def has_consent(self, state: str) -> bool:
        """Whether a state waits for its answer."""
        row = await self._one(
            "SELECT EXISTS (SELECT 1 FROM consent WHERE tenant = ? AND state = ?)",
            self.tenant,
            state,
        )
        return bool(row[0])

    # --- flows ------------------------------------------------------------------------------

    async def flows(self) -> list[FlowRow]:
        """Every flow, by key."""
        rows = await self._all(
            f"SELECT {FLOW_COLUMNS} {FLOW_FROM} WHERE flow.tenant = ?"
            " AND flow.deleted_at IS NULL ORDER BY flow.key",
            self.tenant,
        )
        return [flow_row(row) for row in rows]

    async def flow_keys(self) -> dict[int, str]:
        """The key of every flow there is or was, by its number."""
        rows = await self._all("SELECT id, key FROM flow WHERE tenant = ?", self.tenant)
        return dict(rows)

    async def flow(self, key: str) -> FlowRow | None:
        """The flow with this key."""
        return await self._flow(key, "AND flow.deleted_at IS NULL")

    async def _flow(self, key: str, more: str = "") -> FlowRow | None:
        row = await self._one(
            f"SELECT {FLOW_COLUMNS} {FLOW_FROM} WHERE flow.tenant = ? AND flow.key = ? {more}",
            self.tenant,
            key,
        )
        return flow_row(row) if row else None

    async def flow_document(self, flow_id: int, version: int) -> str | None:
        """The text of one version of a flow."""
        row = await self._one(
            "SELECT document FROM flow_version JOIN flow ON flow.id = flow_version.flow_id"
            " WHERE flow.tenant = ? AND flow_id = ? AND flow_version.version = ?",
            self.tenant,
            flow_id,
            version,
        )
        return row[0] if row else None

    async def flow_versions(self, key: str) -> list[FlowVersionRow]:
        """Every version of a flow without its text, the newest first."""
        rows = await self._all(
            "SELECT flow_version.version, flow_version.created_at, flow_version.who"
            " FROM flow_version"
            " JOIN flow ON flow.id = flow_version.flow_id WHERE flow.tenant = ? AND flow.key = ?"
            " ORDER BY flow_version.version DESC",
            self.tenant,
            key,
        )
        return [FlowVersionRow(version=row[0], created_at=row[1], who=row[2]) for row in rows]

    async def save_flow(
        self, key: str, document: str, now: float, enable: bool | None, who: str = ""
    ) -> FlowRow:
        """Store a flow; a changed document becomes its next version, the old ones stay.

        One that was deleted goes on where it ended: off, and its writes known.
        """
        existing = await self._flow(key)
        if existing is not None and await self.flow(key) is None:
            enable = bool(enable)
        if existing is None:
            await self._change(
                (
                    "INSERT INTO flow (tenant, key, enabled, version, created_at)"
                    " VALUES (?,?,?,1,?)",
                    (self.tenant, key, int(bool(enable)), now),
                ),
                (
                    "INSERT INTO flow_version (flow_id, version, document, created_at, who)"
                    " SELECT id, 1, ?, ?, ? FROM flow WHERE tenant = ? AND key = ?",
                    (document, now, who, self.tenant, key),
                ),
            )
        else:
            changes: list[Statement] = []
            if existing.document != document:
                changes = [
                    (
                        "INSERT INTO flow_version (flow_id, version, document, created_at, who)"
                        " VALUES (?,?,?,?,?)",
                        (existing.id, existing.version + 1, document, now, who),
                    ),
                    (
                        "UPDATE flow SET version = ? WHERE id = ?",
                        (existing.version + 1, existing.id),
                    ),
                ]
            if enable is not None:
                changes.append(
                    (
                        "UPDATE flow SET enabled = ?, deleted_at = NULL WHERE id = ?",
                        (int(enable), existing.id),
                    )
                )
            if changes:
                await self._change(*changes)
        saved = await self.flow(key)
        if saved is None:
            raise StoreError(f"The flow {key!r} vanished while it was stored.")
        return saved

    async def enable_flow(self, key: str, enabled: bool) -> bool:
        """Switch a flow on or off; tells whether there is such a flow."""
        outcome = await self._change(
            (
                "UPDATE flow SET enabled = ? WHERE tenant = ? AND key = ? AND deleted_at IS NULL",
                (int(enabled), self.tenant, key),
            ),
        )
        return outcome[0][0] == 1
