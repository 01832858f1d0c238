"""The database that takes the rows: empty at first, and closed to everybody until all is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, Connection, sql
from psycopg.conninfo import conninfo_to_dict

from connector.errors import StoreBusy, StoreError
from connector.store.moving.tables import Key, Row, Table
from connector.store.postgres.database import CONNECT_SECONDS, assert_durable, migrate

MOVE_LOCK = 7_220_318_846_410_930
SEEDED = ("migration", "counter")
"""What a database has rows in that was only ever opened."""


def place_of(url: str) -> str:
    """A database for people: without user, password and options."""
    told = conninfo_to_dict(url)
    host = str(told.get("host") or told.get("hostaddr") or "this machine")
    port = f":{told['port']}" if told.get("port") and not host.startswith("/") else ""
    return f"the PostgreSQL database {told.get('dbname') or '?'} on {host}{port}"


class Target:
    """One session that alone writes to the database of a move."""

    def __init__(self, url: str) -> None:
        try:
            self.place = place_of(url)
            self._url = url
            self._db: Connection[Any] = psycopg.connect(
                url, autocommit=True, connect_timeout=CONNECT_SECONDS
            )
        except psycopg.Error as error:
            raise StoreError(
                f"The database to move to cannot be reached ({type(error).__name__}).",
                remedy="Check the address after --to: host, port, name, user and password.",
                who="user",
            ) from None
        try:
            self._alone()
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Leave; an open transaction never was."""
        self._db.close()

    def transaction(self) -> Any:
        """Everything inside at once, or nothing."""
        return self._db.transaction()

    # --- whose it is ----------------------------------------------------------------------------

    def number(self) -> str | None:
        """The number of the unfinished move whose rows it holds."""
        if not self._one("SELECT to_regclass('move') IS NOT NULL"):
            return None
        return str(self._one("SELECT id FROM move"))

    def is_empty(self) -> bool:
        """Whether it holds nothing, or our tables without a row."""
        tables = self._tables()
        if tables and "migration" not in tables:
            return False
        return not any(
            self._one(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(sql.Identifier(name)))
            for name in tables - set(SEEDED)
        )

    def begin(self, number: str, change: int) -> None:
        """Close an empty database to all but this move."""
        with self.transaction():
            self._db.execute("DROP TABLE IF EXISTS move")
            self._db.execute("CREATE TABLE move (id TEXT, change BIGINT, copied TEXT)")
            self._db.execute("INSERT INTO move VALUES (%s, %s, '{}')", (number, change))

    def prepare(self) -> None:
        """Give it this release's tables. Raises StoreError for a server that loses commits."""
        asyncio.run(_prepare(self._url))

    def check_durable(self) -> None:
        """Raise StoreError for a server that loses commits."""
        asyncio.run(_prepare(self._url, only_check=True))

    def open(self) -> None:
        """The end of a move: let servers use it."""
        self._db.execute("DROP TABLE move")

    # --- how far it is --------------------------------------------------------------------------

    def progress(self) -> tuple[int, dict[str, Key | None]]:
        """The last change that is here, and the last key of each table that is copied so far."""
        row = self._db.execute("SELECT change, copied FROM move").fetchone()
        change, copied = row or (0, "{}")
        return change, {
            name: None if key is None else tuple(key) for name, key in json.loads(copied).items()
        }

    def note(self, change: int, copied: Mapping[str, Key | None]) -> None:
        """Keep how far it is, in the transaction that is open."""
        self._db.execute("UPDATE move SET change = %s, copied = %s", (change, json.dumps(copied)))

    # --- rows -----------------------------------------------------------------------------------

    def columns(self) -> dict[str, dict[str, str]]:
        """The columns of every table, with their types."""
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in self._db.execute(
            "SELECT table_name, column_name, udt_name FROM information_schema.columns"
            " WHERE table_schema = current_schema()"
        ).fetchall():
            found.setdefault(table, {})[column] = kind
        return found

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        """Store rows in the place of those with the same keys."""
        if not rows:
            return
        name = sql.Identifier(table.name)
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        if not table.referenced:
            self.remove(table, [table.key_of(row) for row in rows])
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)
            with self._db.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(table.kinds)
                for row in rows:
                    copy.write_row(row)
            return
        update = sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(one)) for one in table.columns
        )
        insert = sql.SQL(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}"
        ).format(
            name,
            columns,
            sql.SQL(", ").join(sql.Placeholder() * len(table.columns)),
            sql.SQL(", ").join(map(sql.Identifier, table.key)),
            update,
        )
        with self._db.cursor() as cursor:
            cursor.executemany(insert, rows)

    def remove(self, table: Table, keys: Collection[Key]) -> None:
        """Remove those of these rows that are there."""
        if keys:
            self._db.execute(
                sql.SQL("DELETE FROM {} USING {} WHERE {}").format(
                    sql.Identifier(table.name), *_keyed(table)
                ),
                _arrays(keys),
            )

    def rows(self, table: Table, keys: Collection[Key]) -> dict[Key, Row]:
        """Those of these rows that are there, by key."""
        if not keys:
            return {}
        columns = (sql.Identifier(table.name, one) for one in table.columns)
        found = self._db.execute(
            sql.SQL("SELECT {} FROM {}, {} WHERE {}").format(
                sql.SQL(", ").join(columns), sql.Identifier(table.name), *_keyed(table)
            ),
            _arrays(keys),
        ).fetchall()
        return {table.key_of(row): table.fitted(row) for row in found}

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self._one(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))))

    def set_sequences(self) -> None:
        """Let every number that the database gives out be higher than those that came along."""
        for table, column, sequence in self._db.execute(
            "SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name),"
            " column_name) FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND (is_identity = 'YES' OR column_default LIKE 'nextval(%')"
        ).fetchall():
            if sequence is not None:
                self._db.execute(
                    sql.SQL("SELECT setval(%s, coalesce((SELECT max({}) FROM {}), 0) + 1, false)")
                    .format(sql.Identifier(column), sql.Identifier(table)),
                    (sequence,),
                )  # fmt: skip

    def take_for_nothing(self, columns: int, rows: Iterable[Row]) -> None:
        """Receive rows and throw them away, to learn how long it takes."""
        with self.transaction() as rolled:
            names = sql.SQL(", ").join(sql.SQL(f"c{place} TEXT") for place in range(columns))
            self._db.execute(sql.SQL("CREATE TEMPORARY TABLE trial ({})").format(names))
            with self._db.cursor() as cursor, cursor.copy("COPY trial FROM STDIN") as copy:
                for row in rows:
                    copy.write_row([None if one is None else str(one) for one in row])
            raise psycopg.Rollback(rolled)

    # --- inside ---------------------------------------------------------------------------------

    def _alone(self) -> None:
        if not self._one(f"SELECT pg_try_advisory_lock({MOVE_LOCK})"):
            raise StoreBusy(
                f"Another process is moving an installation into {self.place}.",
                remedy="Let it end, or stop it.",
            )

    def _tables(self) -> set[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        return {name for (name,) in self._db.execute(query).fetchall()}

    def _one(self, query: Any) -> Any:
        row = self._db.execute(query).fetchone()
        return None if row is None else row[0]


def _keyed(table: Table) -> tuple[sql.Composable, sql.Composable]:
    """The wanted keys as a table, and the condition that joins it: by index, however many."""
    kinds = dict(zip(table.columns, table.kinds, strict=True))
    arrays = sql.SQL(", ").join(sql.SQL(f"%s::{kinds[one]}[]") for one in table.key)
    names = sql.SQL(", ").join(map(sql.Identifier, table.key))
    joined = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(table.name, one), sql.Identifier("wanted", one))
        for one in table.key
    )
    return sql.SQL("unnest({}) AS wanted ({})").format(arrays, names), joined


def _arrays(keys: Collection[Key]) -> list[list[Any]]:
    return [list(parts) for parts in zip(*keys, strict=True)]


async def _prepare(url: str, *, only_check: bool = False) -> None:
    connection = await AsyncConnection.connect(
        url, autocommit=True, cursor_factory=AsyncRawCursor, connect_timeout=CONNECT_SECONDS
    )
    try:
        await assert_durable(connection)
        if not only_check:
            await migrate(connection)
    finally:
        await connection.close()
