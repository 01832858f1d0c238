"""What crosses tenants, on any database that speaks SQL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from connector.store.claiming import Claims
from connector.store.rows import EventRow, HookRow, RunRow
from connector.store.sql.backend import Outcome, Statement
from connector.store.sql.columns import (
    EVENT_COLUMNS,
    HOOK_COLUMNS,
    INSERT_EVENT,
    RUN_COLUMNS,
    event_row,
    hook_row,
    run_row,
)
from connector.store.sql.duties import Duties
from connector.store.sql.quotas import Quotas
from connector.store.sql.tenant import TenantStore
from connector.store.sql.turns import Turn, Turns


class SqlDatabase(Quotas, Duties):
    """Who drives, what is open, and the way to a tenant; a back end adds reading and writing."""

    insert_event = INSERT_EVENT
    claims: Claims | None = None

    def __init__(self, turns: Turns) -> None:
        self._tenants: dict[str, TenantStore] = {}
        self._turns = turns

    def turn(self, *names: str) -> AbstractAsyncContextManager[Turn]:
        """Hold these names, alone among all who use this database. Raises StoreBusy."""
        return self._turns.take(*names)

    def tenant(self, tenant: str) -> TenantStore:
        """The store of one tenant: there is no query without one."""
        store = self._tenants.get(tenant)
        if store is None:
            store = self._tenants[tenant] = TenantStore(tenant, self)
        return store

    def own(self) -> None:
        """Become a process that drives this database; StoreOwned where there can be one only."""
        raise NotImplementedError

    async def is_owner(self) -> bool:
        """Whether this process still has that right."""
        raise NotImplementedError

    async def close(self) -> None:
        """Finish the writes handed in, then leave."""
        raise NotImplementedError

    async def open(self) -> None:
        """Make it ready for use. Raises StoreError."""

    async def all(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query. Raises StoreBusy when it cannot be read now."""
        raise NotImplementedError

    async def aside(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query that may take a moment: nothing else waits for it."""
        return await self.all(sql, *values)

    async def is_driven(self) -> bool:
        """Whether a process, this one or another, drives the runs of this database now."""
        raise NotImplementedError

    async def write(self, *unit: Statement) -> Outcome:
        """Store a unit whole or not at all; returns after its commit. Raises StoreBusy."""
        raise NotImplementedError

    async def _one(self, sql: str, *values: Any) -> Any:
        return next(iter(await self.all(sql, *values)), None)

    async def ping(self) -> None:
        """Prove that a commit reaches the disk. Raises StoreBusy or StoreError."""
        await self.write(("UPDATE counter SET value = value + 1 WHERE name = 'ping'", ()))

    async def revision(self) -> int:
        """A number that changes when what is set up changes, whichever process did it."""
        row = await self._one("SELECT value FROM counter WHERE name = 'revision'")
        return int(row[0])

    async def hook(self, hook_id: str) -> HookRow | None:
        """The hook with this id, whoever's it is: the request that names it knows no tenant yet."""
        row = await self._one(f"SELECT {HOOK_COLUMNS} FROM hook WHERE id = ?", hook_id)
        return hook_row(row) if row else None

    async def open_events(self) -> list[EventRow]:
        """Every event that was accepted and not yet matched, oldest first."""
        rows = await self.all(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE state = 'received' ORDER BY id"
        )
        return [event_row(row) for row in rows]

    async def open_runs(self) -> list[tuple[int, int, str, float, str | None, int, str]]:
        """Run, flow, record, due time, reason, whether ordered, tenant: of every open run."""
        return await self.all(
            "SELECT id, flow_id, item_id, due_at, reason, ordered, tenant FROM run"
            " WHERE finished_at IS NULL ORDER BY id",
        )

    async def run(self, run_id: int) -> RunRow:
        """An unfinished run with its context, for the dispatcher."""
        return run_row(await self._one(f"SELECT {RUN_COLUMNS} FROM run WHERE id = ?", run_id))

    async def instance(self, name: str) -> bytes | None:
        """A value of this installation (the vault's canary)."""
        row = await self._one("SELECT value FROM instance WHERE name = ?", name)
        return row[0] if row else None

    async def has_secrets(self) -> bool:
        """Whether any ciphertext exists: then the key must never be made anew."""
        row = await self._one("SELECT EXISTS (SELECT 1 FROM connection WHERE secrets IS NOT NULL)")
        return bool(row[0])

    async def sealed(self) -> list[tuple[str, str, bytes]]:
        """Tenant, connection id and ciphertext of every connection that has one."""
        return [
            (tenant, connection_id, bytes(secrets))
            for tenant, connection_id, secrets in await self.all(
                "SELECT tenant, id, secrets FROM connection WHERE secrets IS NOT NULL"
                " ORDER BY created_at, id"
            )
        ]

    async def reseal(
        self, tenant: str, connection_id: str, secrets: bytes, instead_of: bytes
    ) -> bool:
        """Put one ciphertext in the place of another, if that is still there.

        It is the same secret, so the version stays: who is renewing it must not lose to this.
        """
        outcome = await self.write(
            (
                "UPDATE connection SET secrets = ? WHERE tenant = ? AND id = ? AND secrets = ?",
                (secrets, tenant, connection_id, instead_of),
            )
        )
        return outcome[0][0] == 1

    async def set_instance(self, name: str, value: bytes) -> None:
        """Keep a value of this installation."""
        await self.write(
            (
                "INSERT INTO instance (name, value) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )
        )
