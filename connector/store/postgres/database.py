"""The PostgreSQL back end: any number of processes on one database."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.adapt import AdaptersMap, Buffer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import AsyncConnectionPool

from connector.errors import StoreBusy, StoreError
from connector.paths import did_you_mean
from connector.quota import Change, Clock
from connector.store.postgres.claims import CHANNEL, Claims
from connector.store.postgres.counter import Counter
from connector.store.postgres.journal import Journal, translated_error
from connector.store.postgres.marks import translated
from connector.store.postgres.turns import Session, SharedTurns
from connector.store.sql.backend import Outcome, Statement, storable
from connector.store.sql.columns import INSERT_EVENT
from connector.store.sql.database import SqlDatabase

READERS = 8
"""More let many small tenants wait less beside a busy one; each is a connection of the server."""
CONNECT_SECONDS = 5
READ_SECONDS = 30.0
"""A server that does not answer must not be waited for."""
HEARD_SECONDS = 60.0
"""A process that was silent for longer drives nothing."""
MIGRATION_LOCK = 7_220_318_846_410_923
"""Any number, as long as every release uses this one."""
_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")


class Database(SqlDatabase):
    """One PostgreSQL database: reads from a small pool, one writer for each process."""

    # Notices of one commit are one: that of a batch of events costs nothing more.
    insert_event = f"WITH new AS ({INSERT_EVENT}) SELECT id, pg_notify('{CHANNEL}', '') FROM new"

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._session = Session(self._connect)
        super().__init__(SharedTurns(self._session))
        self._url = url
        self._name = f"connector-{secrets.token_hex(8)}"
        """Of all connections of this process, by which others can end them."""
        self._counter = Counter(url, clock, self._manner())
        self.journal = Journal(self._connect)
        self.claims: Claims = Claims(self._connect, self._session, self._name)
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] | None = None

    async def open(self) -> None:
        """Connect, refuse a server that does not keep what it commits, and migrate.

        Raises StoreError.
        """
        try:
            connection = await self._connect()
        except psycopg.Error as error:
            raise await self._unreachable(error) from None
        try:
            await assert_durable(connection)
            await migrate(connection)
            await refuse_half_moved(connection)
        finally:
            await connection.close()
        self._pool = AsyncConnectionPool(
            self._url,
            min_size=1,
            max_size=READERS,
            open=False,
            timeout=CONNECT_SECONDS,
            # Or it would try ever more rarely, and be late when the server is back.
            reconnect_timeout=CONNECT_SECONDS,
            kwargs=self._manner(),
        )
        await self._pool.open()
        await self._counter.open()

    async def _unreachable(self, error: psycopg.Error) -> StoreError:
        """Why it could not be opened: most often it is a name that the server does not have."""
        name = str(conninfo_to_dict(self._url).get("dbname") or "")
        with contextlib.suppress(psycopg.Error):
            others = await _databases(make_conninfo(self._url, dbname="postgres"), self._manner())
            if name and name not in others:
                return StoreError(
                    f"There is no database {name!r} on this PostgreSQL server.",
                    remedy=f"{did_you_mean(name, others)} Correct the name in CONNECTOR_DATABASE,"
                    f" or make it: `createdb {shlex.quote(name)}`.".strip(),
                    who="user",
                )
        return StoreError(
            f"The database cannot be reached ({type(error).__name__}).",
            remedy="Check CONNECTOR_DATABASE: host, port, name, user and password.",
            who="user",
        )

    def own(self) -> None:
        """Any number of processes drive it: each claims what it does."""

    async def is_driven(self) -> bool:
        """Whether a process drives runs here, as far as the living say so."""
        return any(one["silent_seconds"] < HEARD_SECONDS for one in await self.claims.workers())

    async def is_owner(self) -> bool:
        """Always: what was claimed, and lost to another, is found out where it is stored."""
        return True

    async def all(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query. Raises StoreBusy when the database cannot be read now."""
        if self._pool is None:
            raise StoreBusy("The database is not open.")
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await self._all(self._pool, sql, values)
        except (psycopg.Error, TimeoutError) as error:
            raise translated_error(error) from error

    async def _all(
        self, pool: AsyncConnectionPool[AsyncConnection[Any]], sql: str, values: Sequence[Any]
    ) -> list[Any]:
        try:
            return await self._read(pool, sql, values)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            # After a restart of the server the pool still holds what was cut; reading twice does
            # no harm.
            await pool.check()
            return await self._read(pool, sql, values)

    async def _read(
        self, pool: AsyncConnectionPool[AsyncConnection[Any]], sql: str, values: Sequence[Any]
    ) -> list[Any]:
        async with pool.connection() as connection:
            cursor = await connection.execute(translated(sql), values)
            return await cursor.fetchall()

    async def write(self, *unit: Statement) -> Outcome:
        """Store a unit whole or not at all; returns after its commit. Raises StoreBusy."""
        return await self.journal.write(*unit)

    async def change_quota(self, key: str, change: Change) -> None:
        """Let `change` count on an account and keep it; processes take turns. Raises StoreError."""
        await self._counter.change(key, change)

    async def close(self) -> None:
        """Finish the writes handed in, then leave."""
        await self.journal.close()
        await self._counter.close()
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        await self.claims.close()
        await self._session.close()

    async def _connect(self) -> AsyncConnection[Any]:
        connection = await AsyncConnection.connect(self._url, **self._manner())
        # One that stops in the middle of a transaction must not keep its rows.
        await connection.execute("SET idle_in_transaction_session_timeout = '15s'")
        return connection

    def _manner(self) -> dict[str, Any]:
        """How to connect: to a server that takes writes, and not waiting for one that vanished."""
        return {
            "autocommit": True,
            "cursor_factory": AsyncRawCursor,
            "context": _Adapting(),
            "connect_timeout": CONNECT_SECONDS,
            "application_name": self._name,
            "target_session_attrs": "read-write",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }


class _Text(StrDumperUnknown):
    """Text for a server that takes no NUL, as an app may send one: refused, it came for ever."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(storable(obj))


class _Adapting:
    """How values go to the server, as psycopg asks for it."""

    connection = None

    def __init__(self) -> None:
        self.adapters = AdaptersMap(psycopg.adapters)
        self.adapters.register_dumper(str, _Text)


async def _databases(conninfo: str, manner: Mapping[str, Any]) -> list[str]:
    """The databases of a server that we may connect to, as its own one tells."""
    connection = await AsyncConnection.connect(conninfo, **manner)
    try:
        told = await connection.execute(
            "SELECT datname::text FROM pg_database WHERE datallowconn AND NOT datistemplate"
            " AND datname <> 'postgres' AND has_database_privilege(oid, 'CONNECT')"
            " ORDER BY datname LIMIT 200"
        )
        return [row[0] for row in await told.fetchall()]
    finally:
        await connection.close()


async def refuse_half_moved(connection: AsyncConnection[Any]) -> None:
    """Raise StoreError while an installation is being moved here: half of it is none."""
    row = await (await connection.execute("SELECT to_regclass('move') IS NOT NULL")).fetchone()
    if row is not None and row[0]:
        raise StoreError(
            "An installation is being moved into this database, and not all of it is here.",
            remedy="Let `connector migrate-store` end, or do it again: it goes on where it was.",
            who="user",
        )


async def assert_durable(connection: AsyncConnection[Any]) -> None:
    """Raise StoreError for a server that may lose what it has confirmed."""
    for name in ("fsync", "full_page_writes"):
        row = await (await connection.execute(f"SHOW {name}")).fetchone()
        if row is None or row[0] != "on":
            raise StoreError(
                f"The database runs with {name}=off: it would lose acknowledged events.",
                remedy=f"Set {name}=on in its configuration.",
                who="user",
            )
    row = await (await connection.execute("SHOW synchronous_commit")).fetchone()
    if row is None or row[0] == "off":
        raise StoreError(
            "The database runs with synchronous_commit=off: it would lose acknowledged events.",
            remedy="Set synchronous_commit=on for this database.",
            who="user",
        )


def migrations() -> Iterator[tuple[int, str]]:
    """The numbered SQL files of this release, in order."""
    folder = resources.files("connector.store.postgres").joinpath("migrations")
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        match = _NUMBERED.match(entry.name)
        if match:
            yield int(match[1]), entry.read_text(encoding="utf-8")


async def migrate(connection: AsyncConnection[Any]) -> None:
    """Bring a database to this release's tables; processes that start together take turns."""
    known = 0
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", (MIGRATION_LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY)"
        )
        row = await (
            await connection.execute("SELECT coalesce(max(number), 0) FROM migration")
        ).fetchone()
        found = row[0] if row else 0
        for number, script in migrations():
            known = number
            if number > found:
                for statement in _statements(script):
                    await connection.execute(statement)
                await connection.execute("INSERT INTO migration (number) VALUES ($1)", (number,))
    if found > known:
        raise StoreError(
            f"The database is from a newer release (tables {found}, this one knows {known}).",
            remedy="Upgrade Connector, or restore a backup made by this release.",
            who="user",
        )


def _statements(script: str) -> Iterator[str]:
    lines = (line for line in script.splitlines() if not line.lstrip().startswith("--"))
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            yield statement
