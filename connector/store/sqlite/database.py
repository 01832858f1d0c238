"""The SQLite back end: one file, one writer, a store for each tenant."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from connector.errors import StoreError
from connector.store.rows import EventRow, HookRow, RunRow
from connector.store.sqlite.columns import (
    EVENT_COLUMNS,
    HOOK_COLUMNS,
    RUN_COLUMNS,
    event_row,
    hook_row,
    run_row,
)
from connector.store.sqlite.files import Ownership, migrate, open_connection
from connector.store.sqlite.journal import LOCK_PATIENCE_SECONDS, Journal
from connector.store.sqlite.rows_of_tenant import read_all
from connector.store.sqlite.tenant import TenantStore

OPEN_PATIENCE_MS = 5_000
"""How long opening waits for another process that is writing."""


class Database:
    """One SQLite file: what crosses tenants (who drives, what is open) and the way to a tenant.

    Reads run on their own connection; `journal` is the only writer.
    """

    def __init__(self, path: Path, *, lock_patience: float = LOCK_PATIENCE_SECONDS) -> None:
        self.path = path
        self._ownership = Ownership(path)
        # Waiting in SQLite would hold up the event loop, so after this the journal waits itself.
        self._writer = open_connection(path, busy_ms=OPEN_PATIENCE_MS)
        try:
            migrate(self._writer)
            self._writer.execute("PRAGMA busy_timeout = 0")
            self.reader = open_connection(path, busy_ms=2_000)
        except StoreError:
            self._writer.close()
            raise
        self.journal = Journal(self._writer, lock_patience)
        self._tenants: dict[str, TenantStore] = {}

    def tenant(self, tenant: str) -> TenantStore:
        """The store of one tenant: there is no query without one."""
        store = self._tenants.get(tenant)
        if store is None:
            store = self._tenants[tenant] = TenantStore(tenant, self.reader, self.journal)
        return store

    def own(self) -> None:
        """Become the one process that drives the runs of this file. Raises StoreOwned."""
        self._ownership.take()

    def _one(self, sql: str, *values: Any) -> Any:
        return next(iter(read_all(self.reader, sql, *values)), None)

    async def ping(self) -> None:
        """Prove that a commit reaches the disk. Raises StoreBusy or StoreError."""
        await self.journal.write(
            ("INSERT OR REPLACE INTO instance (name, value) VALUES ('ping', ?)", (b"",))
        )

    async def revision(self) -> int:
        """A number that changes when what is set up changes, whichever process did it."""
        row = self._one("SELECT value FROM instance WHERE name = 'revision'")
        return int(row[0])

    async def hook(self, hook_id: str) -> HookRow | None:
        """The hook with this id, whoever's it is: the request that names it knows no tenant yet."""
        row = self._one(f"SELECT {HOOK_COLUMNS} FROM hook WHERE id = ?", hook_id)
        return hook_row(row) if row else None

    async def open_events(self) -> list[EventRow]:
        """Every event that was accepted and not yet matched, oldest first."""
        rows = read_all(
            self.reader, f"SELECT {EVENT_COLUMNS} FROM event WHERE state = 'received' ORDER BY id"
        )
        return [event_row(row) for row in rows]

    async def open_runs(self) -> list[tuple[str, int, int, str, float, str | None]]:
        """Tenant, run, flow, record, due time and reason of every unfinished run, in order."""
        return read_all(
            self.reader,
            "SELECT tenant, id, flow_id, item_id, due_at, reason FROM run"
            " WHERE finished_at IS NULL ORDER BY id",
        )

    async def run(self, run_id: int) -> RunRow:
        """An unfinished run with its context, for the dispatcher."""
        return run_row(self._one(f"SELECT {RUN_COLUMNS} FROM run WHERE id = ?", run_id))

    async def instance(self, name: str) -> bytes | None:
        """A value of this installation (the vault's canary)."""
        row = self._one("SELECT value FROM instance WHERE name = ?", name)
        return row[0] if row else None

    async def has_secrets(self) -> bool:
        """Whether any ciphertext exists: then the key must never be made anew."""
        row = self._one("SELECT EXISTS (SELECT 1 FROM connection WHERE secrets IS NOT NULL)")
        return bool(row[0])

    async def set_instance(self, name: str, value: bytes) -> None:
        """Keep a value of this installation."""
        await self.journal.write(
            ("INSERT OR REPLACE INTO instance (name, value) VALUES (?, ?)", (name, value))
        )

    async def close(self) -> None:
        """Finish the writes handed in, then close the file and let another process drive."""
        await self.journal.close()
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close)
        self.reader.close()
        self._ownership.free()
