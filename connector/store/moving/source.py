"""The file that is moved: notes what changes while it is read, and is sealed at the end."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from connector.errors import StoreError
from connector.store.moving.tables import Key, Row, Table, columns_in, names_in
from connector.store.sqlite.files import migrate, open_connection

PATIENCE_MS = 10_000
MOST_ROWS = 2_000
MOST_BYTES = 4 * 1024 * 1024
"""Of one portion: what is held in memory, and how long one transaction lasts."""
MOST_CHANGES = 5_000

_HAPPENS = ("insert", "update", "delete")


class Source:
    """One open file; reading it holds up nobody."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(
                f"There is no database {path} to move.",
                remedy="CONNECTOR_DATABASE names the SQLite file that is moved.",
                who="user",
            )
        self.path = path
        self.file = open_connection(path, busy_ms=PATIENCE_MS)
        try:
            if self.told("moved_to") is None:
                migrate(self.file)
        except (StoreError, sqlite3.Error):
            self.file.close()
            raise

    def close(self) -> None:
        """Leave the file; an open transaction never was."""
        self.file.close()

    def told(self, name: str) -> str | None:
        """What the file says of its own move."""
        if not self._has("move"):
            return None
        row = self.file.execute("SELECT value FROM move WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def begin(self) -> str:
        """Note every change from now on, under a new number; gives it."""
        number = uuid.uuid4().hex
        with self.transaction():
            forget_move(self.file)
            self.file.execute("CREATE TABLE move (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self.file.execute(
                "CREATE TABLE move_change"
                " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL)"
            )
            self.file.execute("INSERT INTO move VALUES ('id', ?)", (number,))
            for name, script in self._notes().items():
                self.file.execute(f"CREATE TRIGGER {name} {script}")
        return number

    def check_notes(self) -> None:
        """Raise StoreError when changes may have gone unnoticed since the move began."""
        if set(self._notes()) - set(self._triggers()):
            raise StoreError(
                "The file has got other tables since this move began.",
                remedy="Begin again with an empty database.",
                who="user",
            )

    def seal(self, place: str, now: float, proof: str) -> None:
        """Say where all of it is now, and refuse every write, of whoever has the file open.

        Part of the transaction that is open; `proof` is kept with it.
        """
        for name in self._triggers():
            self.file.execute(f"DROP TRIGGER {name}")
        self.file.execute("DROP TABLE move_change")
        self.file.executemany(
            "INSERT INTO move VALUES (?, ?)",
            [("moved_to", place), ("moved_at", str(now)), ("proof", proof)],
        )
        said = f"this installation was moved to {place}".replace("'", "''")
        for table in names_in(self.file):
            for verb in _HAPPENS:
                self.file.execute(
                    f"CREATE TRIGGER move_{table}_{verb} BEFORE {verb} ON {table}"
                    f" BEGIN SELECT RAISE(ABORT, '{said}'); END"
                )

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One state of the file for several reads."""
        self.file.execute("BEGIN")
        try:
            yield
        finally:
            self.file.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Alone, until the end; whatever breaks off leaves the file as it was."""
        self.file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.file.execute("COMMIT")
        except BaseException:
            if self.file.in_transaction:
                self.file.execute("ROLLBACK")
            raise

    # --- reading --------------------------------------------------------------------------------

    def portion(self, table: Table, after: Key | None) -> tuple[list[Row], bool]:
        """The next rows of a table in the order of its key, and whether more follow."""
        where, marks = "", ",".join("?" * len(table.key))
        if after is not None:
            where = f" WHERE ({', '.join(table.key)}) > ({marks})"
        found: list[Row] = []
        size = 0
        for row in self.file.execute(
            f"SELECT {', '.join(table.columns)} FROM {table.name}{where}"
            f" ORDER BY {', '.join(table.key)} LIMIT {MOST_ROWS}",
            after or (),
        ):
            found.append(row)
            size += sum(len(one) for one in row if isinstance(one, str | bytes))
            if size > MOST_BYTES:
                return found, True
        return found, len(found) == MOST_ROWS

    def rows(self, table: Table, keys: Iterable[Key]) -> list[Row]:
        """Those of these rows that are there."""
        where = " AND ".join(f"{name} = ?" for name in table.key)
        query = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {where}"
        found = (self.file.execute(query, key).fetchone() for key in keys)
        return [row for row in found if row is not None]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        number: int = self.file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return number

    def last_change(self) -> int:
        """The number of the newest change."""
        number: int = self.file.execute(
            "SELECT coalesce(max(number), 0) FROM move_change"
        ).fetchone()[0]
        return number

    def changes(self, after: int) -> tuple[int, dict[str, set[Key]]]:
        """The next rows that changed, by table, and the number of the last change among them."""
        last, changed = after, dict[str, set[Key]]()
        for number, name, key in self.file.execute(
            "SELECT number, name, key FROM move_change WHERE number > ? ORDER BY number LIMIT ?",
            (after, MOST_CHANGES),
        ):
            last = number
            changed.setdefault(name, set()).add(tuple(json.loads(key)))
        return last, changed

    def drop_changes(self, up_to: int) -> None:
        """Forget changes that are over there; never the newest, or the numbers would begin anew."""
        with self.transaction():
            self.file.execute(
                "DELETE FROM move_change WHERE number <= ?"
                " AND number < (SELECT max(number) FROM move_change)",
                (up_to,),
            )

    # --- inside ---------------------------------------------------------------------------------

    def _has(self, name: str) -> bool:
        query = "SELECT 1 FROM sqlite_schema WHERE name = ?"
        return self.file.execute(query, (name,)).fetchone() is not None

    def _triggers(self) -> list[str]:
        query = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'move@_%'"
        return [name for (name,) in self.file.execute(f"{query} ESCAPE '@'").fetchall()]

    def _notes(self) -> dict[str, str]:
        """The triggers that note changes, by name."""
        found = {}
        for table in names_in(self.file):
            _, key = columns_in(self.file, table)

            def note(which: str, table: str = table, key: tuple[str, ...] = key) -> str:
                told = ", ".join(f"{which}.{name}" for name in key)
                return (
                    f"BEGIN INSERT INTO move_change (name, key)"
                    f" VALUES ('{table}', json_array({told})); END"
                )

            differs = " OR ".join(f"old.{name} IS NOT new.{name}" for name in key)
            found[f"move_{table}_insert"] = f"AFTER INSERT ON {table} {note('new')}"
            found[f"move_{table}_update"] = f"AFTER UPDATE ON {table} {note('new')}"
            found[f"move_{table}_delete"] = f"AFTER DELETE ON {table} {note('old')}"
            found[f"move_{table}_rename"] = f"AFTER UPDATE ON {table} WHEN {differs} {note('old')}"
        return found


def forget_move(file: sqlite3.Connection) -> None:
    """Take the traces of an unfinished move out of a file. Raises StoreError when it is over."""
    rows = file.execute(
        "SELECT type, name FROM sqlite_schema WHERE name IN ('move', 'move_change')"
        " OR (type = 'trigger' AND name LIKE 'move@_%' ESCAPE '@')"
    ).fetchall()
    if ("table", "move") in rows and file.execute(
        "SELECT 1 FROM move WHERE name = 'moved_to'"
    ).fetchone():
        raise StoreError("This file was moved, for good.", who="user")
    for kind, name in sorted(rows, reverse=True):
        if kind in ("table", "trigger"):
            file.execute(f"DROP {kind} {name}")


def give_up(path: Path) -> None:
    """Leave an unfinished move: the file is as before. Raises StoreError when it is over."""
    source = Source(path)
    try:
        with source.transaction():
            forget_move(source.file)
    finally:
        source.close()
