"""What there is to move: tables and columns as both databases have them, not as a list says."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connector.errors import StoreError

Key = tuple[Any, ...]
Row = tuple[Any, ...]

NOT_MOVED: Mapping[str, str] = {
    "move": "says of the file itself that it is being moved",
    "move_change": "which rows changed while it is being moved",
}
"""Tables of the file that are not copied, and why; every other one is."""

KINDS = frozenset({"text", "int2", "int4", "int8", "float8", "bytea", "bool"})
"""Types of PostgreSQL whose values are known to come back as they went in."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns with the types of the target, and what a row is known by."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    key: tuple[str, ...]
    referenced: bool = False
    """Whether rows of other tables point at its rows, which can then not be replaced."""

    def fitted(self, row: Sequence[Any]) -> Row:
        """A row in the target's types. Raises StoreError for a value that it cannot hold."""
        try:
            return tuple(
                None if value is None else _FIT[kind](value)
                for kind, value in zip(self.kinds, row, strict=True)
            )
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"A row of {self.name} cannot be stored in PostgreSQL ({error}):"
                f" {self.shown(self.key_of(row))}.",
                remedy="Nothing was changed; the file stays in use.",
                who="developer",
            ) from None

    def key_of(self, row: Sequence[Any]) -> Key:
        """What a row is known by."""
        return tuple(row[self.columns.index(name)] for name in self.key)

    def shown(self, key: Key) -> str:
        """A key for people."""
        return ", ".join(f"{name} {part}" for name, part in zip(self.key, key, strict=True))


def digest(row: Row) -> int:
    """A number that stands for a row; those of a table are added up, in whatever order."""
    return int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=16).digest(), "big")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in a text column")
    if "\x00" in value:
        raise ValueError("a NUL character")
    value.encode()
    return value


def _whole(value: Any) -> int:
    if int(value) != value:
        raise ValueError("a fraction in a column of whole numbers")
    return int(value)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


_FIT: Mapping[str, Callable[[Any], Any]] = {
    "text": _text,
    "int2": _whole,
    "int4": _whole,
    "int8": _whole,
    "float8": float,
    "bytea": _bytes,
    "bool": bool,
}


def names_in(file: sqlite3.Connection) -> list[str]:
    """The tables of a file that are to be moved; those that others point at come first."""
    found = file.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        " ORDER BY name"
    )
    left = [name for (name,) in found.fetchall() if name not in NOT_MOVED]
    ordered: list[str] = []
    while left:
        ready = [name for name in left if parents(file, name) <= {*ordered, name}]
        if not ready:
            raise StoreError(f"These tables point at each other: {', '.join(left)}.")
        ordered += ready
        left = [name for name in left if name not in ready]
    return ordered


def parents(file: sqlite3.Connection, name: str) -> set[str]:
    """The tables that a table points at."""
    return {row[2] for row in file.execute(f"PRAGMA foreign_key_list({name})")}


def columns_in(file: sqlite3.Connection, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of a table of a file, and those that a row is known by."""
    told = file.execute(f"PRAGMA table_info({name})").fetchall()
    keyed = sorted((row[5], row[1]) for row in told if row[5])
    blobs = {row[1] for row in told if row[2].upper() == "BLOB"}
    key = tuple(column for _, column in keyed)
    if not key or blobs & set(key):
        raise StoreError(
            f"The table {name} has no key by which its rows can be followed.", who="developer"
        )
    return tuple(row[1] for row in told), key


def named(file: sqlite3.Connection) -> Iterator[Table]:
    """The tables of a file that are to be moved, parents first; no types are known yet."""
    names = names_in(file)
    pointed = {one for name in names for one in parents(file, name)}
    for name in names:
        columns, key = columns_in(file, name)
        yield Table(name, columns, (), key, name in pointed)


def matched(file: sqlite3.Connection, target: Mapping[str, Mapping[str, str]]) -> tuple[Table, ...]:
    """The same with the target's types; `target` gives them by table and column.

    Raises StoreError when something of the file would have no place there.
    """
    found = []
    for table in named(file):
        there = target.get(table.name, {})
        lost = [one for one in table.columns if there.get(one) not in KINDS]
        if lost:
            raise StoreError(
                f"PostgreSQL has no place for this of the table {table.name}: {', '.join(lost)}.",
                remedy="Upgrade Connector everywhere to one release.",
                who="developer",
            )
        found.append(replace(table, kinds=tuple(there[one] for one in table.columns)))
    return tuple(found)
