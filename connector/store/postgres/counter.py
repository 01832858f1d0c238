"""Counting on the quotas that all processes share: a locked row, and the database's own time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from connector.quota import Account, Change, Clock
from connector.store.postgres.journal import translated_error
from connector.store.postgres.marks import translated
from connector.store.sql.quotas import READ_QUOTA, account_of, count_on

COUNTERS = 2
PATIENCE_SECONDS = 3
ANSWER_SECONDS = 10.0
"""A server that does not answer must not be waited for: all calls of an account come here."""
LOCK_QUOTA = f"{READ_QUOTA} FOR UPDATE"
# A statement of its own, sent behind the first: it is answered when the row is ours.
READ_TIME = "SELECT extract(epoch FROM clock_timestamp())::float8"


class Counter:
    """Connections of their own: who waits for a row holds up neither the journal nor a reader."""

    def __init__(self, url: str, clock: Clock | None, manner: Mapping[str, Any]) -> None:
        self._clock = clock
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=COUNTERS,
            open=False,
            timeout=PATIENCE_SECONDS,
            reconnect_timeout=PATIENCE_SECONDS,
            kwargs=dict(manner),
            configure=_configure,
        )

    async def open(self) -> None:
        """Be ready; a connection is made when it is needed."""
        await self._pool.open()

    async def close(self) -> None:
        """Leave."""
        await self._pool.close()

    async def change(self, key: str, change: Change) -> None:
        """Let `change` count on a row that nobody else has meanwhile, and keep it.

        Raises StoreBusy or StoreError.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._pool.connection() as connection:
                while not await self._count(connection, key, change):
                    pass  # somebody else has made the row at the same moment
        except (psycopg.Error, TimeoutError) as error:
            raise translated_error(error) from error

    async def _count(self, connection: AsyncConnection[Any], key: str, change: Change) -> bool:
        async with connection.pipeline(), connection.transaction():
            locking = await connection.execute(translated(LOCK_QUOTA), (key,))
            timing = await connection.execute(READ_TIME)
            row, (time,) = await locking.fetchone(), await timing.fetchone() or (0.0,)
            account, version = account_of(row) if row else (Account(), 0)
            # The clocks of several machines differ, that of their database is one.
            if not change(account, self._clock() if self._clock else time):
                return True
            sql, values = count_on(key, account, version)
            kept = await connection.execute(translated(sql), values)
        return kept.rowcount == 1


async def _configure(connection: AsyncConnection[Any]) -> None:
    """A process that stops in the middle must not hold up the others for long."""
    await connection.execute(f"SET lock_timeout = '{PATIENCE_SECONDS}s'")
    await connection.execute(f"SET idle_in_transaction_session_timeout = '{PATIENCE_SECONDS}s'")
