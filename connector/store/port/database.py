"""What crosses tenants: who drives, what is open, and the way to a tenant."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from connector.quota import Change
from connector.store.claiming import Claims, Turn
from connector.store.port.tenant import Store
from connector.store.rows import (
    EventRow,
    HookRow,
    RunAge,
    RunRow,
)


class Database(Protocol):
    """What crosses tenants: who drives, what is open, and the way to a tenant."""

    @property
    def claims(self) -> Claims | None:
        """How several processes share the work; None where one process drives all of it."""
        ...

    def turn(self, *names: str) -> AbstractAsyncContextManager[Turn]:
        """Hold these names, alone among all who use this database. Raises StoreBusy."""
        ...

    def tenant(self, tenant: str) -> Store:
        """The store of one tenant: there is no query without one."""
        ...

    async def open(self) -> None:
        """Make it ready for use. Raises StoreError."""
        ...

    async def is_driven(self) -> bool:
        """Whether a process, this one or another, drives the runs of this database now."""
        ...

    async def is_owner(self) -> bool:
        """Whether this process still has the right that `own` gave it."""
        ...

    def own(self) -> None:
        """Become a process that drives this database; StoreOwned where there can be one only."""
        ...

    async def ping(self) -> None:
        """Prove that a commit reaches the disk. Raises StoreBusy or StoreError."""
        ...

    async def revision(self) -> int:
        """A number that changes when what is set up changes, whichever process did it."""
        ...

    async def hook(self, hook_id: str) -> HookRow | None:
        """The hook with this id, whoever's it is: the request that names it knows no tenant yet."""
        ...

    async def open_events(self) -> list[EventRow]:
        """Every event that was accepted and not yet matched, oldest first."""
        ...

    async def open_runs(self) -> list[tuple[int, int, str, float, str | None, int, str]]:
        """Run, flow, record, due time, reason, whether ordered, tenant: of every open run."""
        ...

    async def run(self, run_id: int) -> RunRow:
        """An unfinished run with its context, for the dispatcher."""
        ...

    async def due(self, what: str, now: float, limit: int) -> list[tuple[str, float]]:
        """The tenants to look after, those that waited longest first, and since when."""
        ...

    async def looked_after(
        self, what: str, tenant: str, since: float, due_at: float | None
    ) -> bool:
        """Note when to look again (None: after a change); no, when one has come meanwhile."""
        ...

    async def due_by(self, what: str, latest: float) -> None:
        """Look after every tenant with a flow that is on by then: a release may want more."""
        ...

    async def moved_to(self, address: str) -> None:
        """Let everybody ask anew whose apps were told another address than this one."""
        ...

    async def run_ages(self, after: int, limit: int) -> list[RunAge]:
        """The next runs by number, whoever's: how old each is, and what is still kept of it."""
        ...

    async def old_events(
        self, after: int, before: float, limit: int
    ) -> tuple[int, list[tuple[str, int]]]:
        """Of the next events by number, whoever's, those that may go; and how far this looked."""
        ...

    async def with_old_samples(self, before: float) -> list[str]:
        """The tenants with samples or tests of flows that hold a record from before a time."""
        ...

    async def instance(self, name: str) -> bytes | None:
        """A value of this installation (the vault's canary)."""
        ...

    async def has_secrets(self) -> bool:
        """Whether any ciphertext exists: then the key must never be made anew."""
        ...

    async def sealed(self) -> list[tuple[str, str, bytes]]:
        """Tenant, connection id and ciphertext of every connection that has one."""
        ...

    async def reseal(
        self, tenant: str, connection_id: str, secrets: bytes, instead_of: bytes
    ) -> bool:
        """Put one ciphertext in the place of another, if that is still there."""
        ...

    async def change_quota(self, key: str, change: Change) -> None:
        """Let `change` count on an account of an app, one caller after the other, and keep it.

        Accounts cross tenants, since an app counts by its account. Raises StoreError.
        """
        ...

    async def set_instance(self, name: str, value: bytes) -> None:
        """Keep a value of this installation."""
        ...

    async def close(self) -> None:
        """Finish the writes handed in, then close the file and let another process drive."""
        ...
