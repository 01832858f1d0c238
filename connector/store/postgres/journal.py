"""Group commit on PostgreSQL: many callers, one pipeline, one commit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection

from connector.errors import Raced, StoreBusy, StoreError
from connector.store.postgres.marks import translated
from connector.store.sql.backend import Outcome, Statement

logger = logging.getLogger("connector.store")

MAX_UNITS = 500
RECONNECT_SECONDS = 0.5
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # A server that was made a standby, or is to be promoted.
    psycopg.errors.ReadOnlySqlTransaction,
    TimeoutError,
)
TOO_MUCH = (
    # psycopg counts them among the failures of a server that is away, but they come again with
    # the same row for ever: a text that is too long for an index, too many of something.
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyColumns,
    psycopg.errors.TooManyArguments,
)
STORE_SECONDS = 30.0
"""A server that vanished without a word must not be waited for."""
Connect = Callable[[], Awaitable[AsyncConnection[Any]]]


class Journal:
    """The writer of one process; a unit of statements is stored whole or not at all.

    One connection on purpose: two that write batches of the same rows in another order would
    block each other.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: AsyncConnection[Any] | None = None
        self._pending: list[tuple[Sequence[Statement], asyncio.Future[Outcome]]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def write(self, *unit: Statement) -> Outcome:
        """Store a unit durably; returns after its commit. Raises StoreBusy or StoreError.

        StoreBusy may come after a commit whose answer was lost: whoever writes again must find
        his own row there and not mind.
        """
        if self._closed:
            raise StoreBusy("The database is closing.", remedy="Try again in a moment.")
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="connector-journal")
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending.append((unit, done))
        self._wake.set()
        return await done

    async def close(self) -> None:
        """Finish what was handed in, then refuse more."""
        self._closed = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._disconnect()

    async def _work(self) -> None:
        while self._pending or not self._closed:
            if not self._pending:
                self._wake.clear()
                await self._wake.wait()
                continue
            units, self._pending = self._pending[:MAX_UNITS], self._pending[MAX_UNITS:]
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    await self._store(units)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                fault = translated_error(error)
                for _, done in units:
                    _fail(done, fault)
                await self._disconnect()
                if is_away(error):
                    await asyncio.sleep(RECONNECT_SECONDS)

    async def _store(
        self, units: Sequence[tuple[Sequence[Statement], asyncio.Future[Outcome]]]
    ) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = await self._connect()
        try:
            outcomes = await self._together(connection, [unit for unit, _ in units])
        except psycopg.errors.ReadOnlySqlTransaction:
            raise
        except TOO_MUCH:
            await self._apart(connection, units)
            return
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not connection.closed and len(units) > 1:
                # A deadlock with another process, not a lost connection.
                await self._apart(connection, units)
                return
            raise
        except Exception:  # noqa: BLE001 - one unit is at fault: store the others without it
            await self._apart(connection, units)
            return
        for (_, done), outcome in zip(units, outcomes, strict=True):
            if not done.done():
                done.set_result(outcome)

    async def _together(
        self, connection: AsyncConnection[Any], units: Sequence[Sequence[Statement]]
    ) -> list[Outcome]:
        cursors = []
        async with connection.transaction(), connection.pipeline():
            for unit in units:
                row = []
                for sql, values in unit:
                    cursor = connection.cursor()
                    await cursor.execute(translated(sql), values)
                    row.append(cursor)
                cursors.append(row)
        return [
            [
                (cursor.rowcount, await cursor.fetchall() if cursor.description else [])
                for cursor in row
            ]
            for row in cursors
        ]

    async def _apart(
        self,
        connection: AsyncConnection[Any],
        units: Sequence[tuple[Sequence[Statement], asyncio.Future[Outcome]]],
    ) -> None:
        for unit, done in units:
            try:
                outcome = (await self._together(connection, [unit]))[0]
            except Exception as error:
                _fail(done, translated_error(error))
                if connection.closed:
                    raise
            else:
                if not done.done():
                    done.set_result(outcome)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                await self._connection.close()
        self._connection = None


def _fail(done: asyncio.Future[Outcome], error: StoreError) -> None:
    if not done.done():
        done.set_exception(error)


def is_away(error: BaseException) -> bool:
    """Whether it passes by itself: the server is away or busy, and the row is not at fault."""
    return isinstance(error, AWAY) and not isinstance(error, TOO_MUCH)


def translated_error(error: BaseException) -> StoreError:
    """Ours for theirs; the text names neither values nor the address."""
    name = type(error).__name__
    if is_away(error):
        return StoreBusy(
            f"The database cannot be reached or cannot write now ({name}).",
            remedy="It goes on by itself when the database is back.",
        )
    if isinstance(error, psycopg.errors.UniqueViolation):
        return Raced(f"Such a row is there already ({name}).")
    return StoreError(f"The database refused a row ({name}).")
