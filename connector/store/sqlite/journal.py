"""Group commit on SQLite: many callers, one transaction, one fsync.

Statements run on the event loop's thread and only COMMIT (which waits for the disk) runs in a
worker thread. Running the statements in a thread as well would be slower: `sqlite3` gives the GIL
away at every one of them and a busy loop returns it only after its switch interval.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from connector.errors import Raced, StoreBusy, StoreError
from connector.store.sql.backend import Outcome, Statement, storable
from connector.surprises import log_surprise

logger = logging.getLogger("connector.store")

MAX_UNITS = 2_000
LOCK_PATIENCE_SECONDS = 3.0
LOCK_RETRY_SECONDS = 0.01
RETURNING_ID = " RETURNING id"
_THERE = (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE)


class Journal:
    """The one writer of a SQLite file; a unit of statements is stored whole or not at all."""

    def __init__(
        self, connection: sqlite3.Connection, patience: float = LOCK_PATIENCE_SECONDS
    ) -> None:
        self._connection = connection
        # One for all statements: making a cursor for each would cost a tenth of them.
        self._cursor = connection.cursor()
        self._plain: dict[str, str] = {}
        self._patience = patience
        self._pending: list[tuple[Sequence[Statement], asyncio.Future[Outcome]]] = []
        self._busy = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: asyncio.Future[None] | None = None
        self._locked_since: float | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="connector-commit")

    async def write(self, *statements: Statement) -> Outcome:
        """Store a unit durably; returns after its commit. Raises StoreBusy or StoreError."""
        if self._closed:
            raise StoreBusy("The database is closing.", remedy="Try again in a moment.")
        loop = self._loop
        if loop is None or not loop.is_running():
            # Asked once: which loop runs is a question to the operating system.
            loop = self._loop = asyncio.get_running_loop()
        done: asyncio.Future[Outcome] = loop.create_future()
        self._pending.append((statements, done))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._flush)
        return await done

    async def close(self) -> None:
        """Finish what was handed in, then refuse more."""
        self._closed = True
        if self._busy:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        self._thread.shutdown(wait=True)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._begin(loop):
            return
        units, self._pending = self._pending[:MAX_UNITS], self._pending[MAX_UNITS:]
        try:
            outcomes: list[Outcome | Exception] = [self._run(unit) for unit, _ in units]
        except Exception:  # noqa: BLE001 - binding fails with errors that are not SQLite's own
            # One unit is at fault: give each its own savepoint so that the others are stored.
            try:
                self._roll_back()
                self._connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._run_apart(unit) for unit, _ in units]
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                self._fail([done for _, done in units], error)
                self._next(loop)
                return
        commit = loop.run_in_executor(self._thread, self._connection.execute, "COMMIT")
        waiting = [done for _, done in units]
        commit.add_done_callback(lambda result: self._committed(loop, result, waiting, outcomes))

    def _begin(self, loop: asyncio.AbstractEventLoop) -> bool:
        try:
            self._roll_back()
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            # Another process (a command at the shell) writes: come back without holding the loop.
            since = self._locked_since = self._locked_since or loop.time()
            if _locked(error) and loop.time() - since < self._patience:
                loop.call_later(LOCK_RETRY_SECONDS, self._flush)
            else:
                self._fail([done for _, done in self._pending], error)
                self._pending = []
                self._locked_since = None
                self._rest()
            return False
        self._locked_since = None
        return True

    def _run(self, unit: Sequence[Statement]) -> Outcome:
        cursor = self._cursor
        outcome: Outcome = []
        for sql, given in unit:
            values = bound(given)
            if sql.endswith(RETURNING_ID) and sql.startswith("INSERT"):
                outcome.append(self._insert(sql, values))
                continue
            cursor.execute(sql, values)
            rows = cursor.fetchall() if cursor.description else []
            outcome.append((cursor.rowcount, rows))
        return outcome

    def _insert(self, sql: str, values: Sequence[Any]) -> tuple[int, list[Any]]:
        """A new row with its number, which SQLite tells anyway: RETURNING doubles the cost."""
        plain = self._plain.get(sql)
        if plain is None:
            plain = self._plain[sql] = sql.removesuffix(RETURNING_ID)
        self._cursor.execute(plain, values)
        count = self._cursor.rowcount
        return count, [(self._cursor.lastrowid,)] if count else []

    def _run_apart(self, unit: Sequence[Statement]) -> Outcome | Exception:
        self._connection.execute("SAVEPOINT unit")
        try:
            outcome = self._run(unit)
        except Exception as error:
            # Not only SQLite's own errors: a number too large, text that is no Unicode.
            if not self._connection.in_transaction:
                # A full disk ends the whole transaction, and with it the units before this one.
                raise
            self._connection.execute("ROLLBACK TO unit")
            self._connection.execute("RELEASE unit")
            return _translated(error)
        self._connection.execute("RELEASE unit")
        return outcome

    def _committed(
        self,
        loop: asyncio.AbstractEventLoop,
        result: asyncio.Future[Any],
        waiting: Sequence[asyncio.Future[Outcome]],
        outcomes: Sequence[Outcome | Exception],
    ) -> None:
        error = result.exception()
        if error is None:
            for done, outcome in zip(waiting, outcomes, strict=True):
                if done.done():
                    continue
                if isinstance(outcome, Exception):
                    done.set_exception(outcome)
                else:
                    done.set_result(outcome)
        else:
            self._fail(waiting, error)
        self._next(loop)

    def _fail(self, waiting: Sequence[asyncio.Future[Outcome]], error: BaseException) -> None:
        try:
            self._roll_back()
        except sqlite3.Error as fault:
            # The callers must hear of it all the same; the next BEGIN says what is wrong.
            log_surprise(logger, "a failed write could not be rolled back", fault)
        for done in waiting:
            if not done.done():
                done.set_exception(_translated(error))

    def _roll_back(self) -> None:
        # SQLite ends some transactions by itself when the disk fails.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._pending:
            loop.call_soon(self._flush)
        else:
            self._rest()

    def _rest(self) -> None:
        self._busy = False
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)


def bound(values: Sequence[Any]) -> Sequence[Any]:
    """Values as they are stored and looked for: a text without NUL, and bytes as they are."""
    for one in values:
        if type(one) is str and "\0" in one:
            return [storable(text) if isinstance(text, str) else text for text in values]
    return values


def _locked(error: sqlite3.Error) -> bool:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _translated(error: BaseException) -> StoreError:
    if isinstance(error, sqlite3.OperationalError):
        return StoreBusy(
            f"The database cannot write now ({error}).",
            remedy="Check the disk; what was asked has not been stored and may be tried again.",
        )
    if isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorcode in _THERE:
        return Raced(f"Such a row is there already ({error}).")
    return StoreError(f"The database refused a row ({type(error).__name__}: {error}).")
