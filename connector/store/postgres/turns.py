"""Turns among processes: advisory locks of one session, which end with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection

from connector.errors import StoreBusy
from connector.store.postgres.journal import translated_error
from connector.store.postgres.marks import translated
from connector.store.sql.turns import Turn, Turns

PATIENCE_SECONDS = 5.0
ANSWER_SECONDS = 15.0
"""A server that vanished without a word must not be waited for."""
PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_FREE = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"


class Session:
    """The connection whose locks stand for this process; a new one holds none of the old one's.

    Each statement is a transaction: a pause of this process leaves none open.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[AsyncConnection[Any]]], setting: str = ""
    ) -> None:
        self._connect = connect
        self._setting = setting
        self._connection: AsyncConnection[Any] | None = None
        self._alone = asyncio.Lock()
        self.number = 0
        """Counts the sessions: what was locked in an earlier one is locked no more."""

    async def ask(self, sql: str, *values: Any) -> Any:
        """The first value of a query. Raises StoreBusy when the session is gone."""
        rows = await self.all(sql, *values)
        return rows[0][0] if rows else None

    async def all(self, sql: str, *values: Any, lock: int | None = None) -> list[Any]:
        """The rows of a query, alone under `lock` if any. Raises StoreBusy when it is gone."""
        async with self._alone:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await self._ask(sql, values, lock)
            except (psycopg.Error, TimeoutError) as error:
                await self._drop()
                raise translated_error(error) from error
            except asyncio.CancelledError:
                # The answer would meet the next question.
                await self._drop()
                raise

    async def _ask(self, sql: str, values: Sequence[Any], lock: int | None) -> list[Any]:
        connection = self._connection or await self._open()
        if lock is None:
            return await (await connection.execute(translated(sql), values)).fetchall()
        # All in one message, so that a pause of this process holds up nobody.
        async with connection.pipeline(), connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", (lock,))
            cursor = await connection.execute(translated(sql), values)
        return await cursor.fetchall()

    async def close(self) -> None:
        """End the session, and with it every lock."""
        async with self._alone:
            await self._drop()

    async def _open(self) -> AsyncConnection[Any]:
        connection = await self._connect()
        await connection.execute("SET lock_timeout = '5s'")
        if self._setting:
            await connection.execute(self._setting)
        self._connection = connection
        self.number += 1
        return connection

    async def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                await self._connection.close()
        self._connection = None


class SharedTurn(Turn):
    """A turn that lasts as long as the session in which it was taken."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self._number = number

    async def check(self) -> None:
        """Raise StoreBusy when another process may have the turn by now."""
        await self._session.ask("SELECT 1")
        if self._session.number != self._number:
            raise StoreBusy(
                "The connection that held this process's turns was lost.",
                remedy="Nothing was sent; it is tried again.",
            )


class SharedTurns(Turns):
    """Turns among all processes of one database."""

    def __init__(self, session: Session, patience: float = PATIENCE_SECONDS) -> None:
        super().__init__()
        self._session = session
        self._patience = patience

    @contextlib.asynccontextmanager
    async def take(self, *names: str) -> AsyncIterator[Turn]:
        """Hold these names. Raises StoreBusy when others hold one of them for too long."""
        # Here first: a session may take its own locks again.
        async with super().take(*names):
            held = await self._lock(sorted(set(names)))
            try:
                yield held
            finally:
                await asyncio.shield(self._free(names))

    async def _lock(self, names: Sequence[str]) -> SharedTurn:
        waited, pauses = 0.0, iter(PAUSES)
        while True:
            held = await self._try(names)
            if held is not None:
                return held
            if waited >= self._patience:
                raise StoreBusy(
                    "Another process is writing the same record.",
                    remedy="It goes on by itself.",
                )
            pause = next(pauses, PAUSES[-1])
            await asyncio.sleep(pause)
            waited += pause

    async def _try(self, names: Sequence[str]) -> SharedTurn | None:
        """All of the names in one session, or none."""
        taken: list[str] = []
        number = 0
        try:
            for name in names:
                if not await self._session.ask(TRY_LOCK, name):
                    break
                number = number or self._session.number
                taken.append(name)
            # Those of an earlier session went with it.
            if len(taken) == len(names) and self._session.number == number:
                return SharedTurn(self._session, number)
        except BaseException:
            await asyncio.shield(self._free(taken))
            raise
        await self._free(taken)
        return None

    async def _free(self, names: Sequence[str]) -> None:
        for name in names:
            # A session that is gone has freed them.
            with contextlib.suppress(StoreBusy):
                await self._session.ask(_FREE, name)
