"""The move itself: copy and compare while the file is served, then a short stop and the switch."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from connector.errors import StoreBusy, StoreError, StoreOwned
from connector.store.moving.source import Source
from connector.store.moving.tables import Key, Row, Table, digest, matched, named
from connector.store.moving.target import Target
from connector.store.side_journal import SideJournal
from connector.store.sqlite.files import Ownership

LOOK_SECONDS = 0.2
"""How often it is looked whether the server has ended."""
_ALL = 1 << 128
Reached = dict[str, Key | None]
"""Up to which key each table is done; None is all of it, and one not named is not begun."""
BEGIN_AGAIN = "The file stays in use. Begin again with an empty database."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a move is: `copy`, `compare`, `wait` (for a process to end), `switch`."""

    phase: str
    done: int = 0
    total: int = 0
    holder: str = ""
    """While it waits: the process that serves the file."""


@dataclass(slots=True)
class Moved:
    """What was moved: rows and checksum of each table, equal in both databases."""

    place: str
    rows: dict[str, int] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    stopped_seconds: float = 0
    """How long no server could have answered because of the move."""


@dataclass(slots=True)
class Plan:
    """What a move would do."""

    place: str
    rows: dict[str, int]
    seconds: float
    continues: bool
    """Whether it would go on with an unfinished one."""


class Move:
    """One move of one file; it may be killed anywhere and made again."""

    def __init__(
        self,
        path: Path,
        url: str,
        *,
        side_journal: Path | None = None,
        report: Callable[[Progress], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._url = url
        self._side_journal = side_journal
        self._report = report
        self._clock = clock
        self._pause = pause
        self._tables: tuple[Table, ...] = ()
        self._change = 0
        self._copied: Reached = {}
        self._compared: Reached = {}
        # Of the rows that were compared: how many, and the sum of their digests.
        self._seen: dict[str, int] = {}
        self._sums: dict[str, int] = {}
        self._trimmed = 0

    def plan(self) -> Plan:
        """Look at both ends and change nothing but what opening the file changes."""
        with self._both() as (source, target):
            self._refuse_moved(source, target)
            target.check_durable()
            continues = self._continues(source, target)
            rows = {one.name: source.count(one.name) for one in named(source.file)}
            return Plan(target.place, rows, self._trial(source, target, rows), continues)

    def run(self) -> Moved:
        """Move everything. Raises StoreError, and the file stays in use; another run goes on."""
        began = self._clock()
        with self._both() as (source, target):
            self._refuse_moved(source, target)
            if source.told("moved_to") is not None:
                return self._finish(source, target, began)
            self._prepare(source, target)
            self._copy(source, target)
            self._compare(source, target)
            owner = self._wait(source, target)
            try:
                self._switch(source, target)
                return self._finish(source, target, began)
            finally:
                owner.free()

    # --- the phases -----------------------------------------------------------------------------

    def _prepare(self, source: Source, target: Target) -> None:
        if not self._continues(source, target):
            # First the file, then the target: a number that only one of them knows is no move.
            number = source.begin()
            target.begin(number, source.last_change())
        source.check_notes()
        target.prepare()
        self._tables = matched(source.file, target.columns())
        self._seen = dict.fromkeys((table.name for table in self._tables), 0)
        self._sums = dict(self._seen)
        self._change, self._copied = target.progress()

    def _copy(self, source: Source, target: Target) -> None:
        total = sum(source.count(table.name) for table in self._tables)
        done = 0
        for table in self._tables:
            while not _reaches(self._copied, table):
                self._report(Progress("copy", done, total))
                with source.snapshot():
                    # What changed comes first: rows that these point at may be among it.
                    self._follow(source, target)
                    rows, more = source.portion(table, self._copied.get(table.name))
                with target.transaction():
                    target.put(table, [table.fitted(row) for row in rows])
                    self._copied[table.name] = table.key_of(rows[-1]) if more else None
                    target.note(self._change, self._copied)
                done += len(rows)
            self._trim(source)

    def _compare(self, source: Source, target: Target) -> None:
        total = sum(source.count(table.name) for table in self._tables)
        done = 0
        for table in self._tables:
            while not _reaches(self._compared, table):
                self._report(Progress("compare", done, total))
                with source.snapshot():
                    self._follow(source, target)
                    rows, more = source.portion(table, self._compared.get(table.name))
                ours = {table.key_of(row): table.fitted(row) for row in rows}
                _must_equal(table, ours, target.rows(table, ours))
                self._compared[table.name] = table.key_of(rows[-1]) if more else None
                self._add(table, ours)
                done += len(rows)
            self._trim(source)

    def _wait(self, source: Source, target: Target) -> Ownership:
        """Follow what changes until nobody serves the file; then nobody else can begin to."""
        owner = Ownership(source.path)
        while True:
            with source.snapshot():
                self._follow(source, target)
            self._trim(source)
            try:
                owner.take()
            except StoreOwned as error:
                self._report(Progress("wait", holder=error.message))
                self._pause(LOOK_SECONDS)
            else:
                return owner

    def _switch(self, source: Source, target: Target) -> None:
        began = self._clock()
        self._report(Progress("switch"))
        self._refuse_unsettled()
        # Commands at the shell write without being the owner: nobody writes from here on.
        with source.transaction():
            with target.transaction():
                self._follow(source, target)
                target.set_sequences()
            for name, seen in self._seen.items():
                counts = source.count(name), target.count(name)
                if counts != (seen, seen):
                    raise StoreError(
                        f"{name} has {counts[0]} rows in the file, {counts[1]} in PostgreSQL, and"
                        f" {seen} were compared: nothing was switched.",
                        remedy=BEGIN_AGAIN,
                        who="developer",
                    )
            sums = {name: f"{total:032x}" for name, total in self._sums.items()}
            stopped = round(self._clock() - began, 3)
            proof = {"rows": self._seen, "checksums": sums, "stopped_seconds": stopped}
            source.seal(target.place, self._clock(), json.dumps(proof))

    def _finish(self, source: Source, target: Target, began: float) -> Moved:
        """The file is sealed: only now may the target be used."""
        if target.number() is not None:
            target.open()
        told = json.loads(source.told("proof") or "{}")
        return Moved(target.place, **told, seconds=self._clock() - began)

    # --- changes --------------------------------------------------------------------------------

    def _follow(self, source: Source, target: Target) -> None:
        """Bring over what changed up to the present snapshot of the file."""
        while True:
            change, changed = source.changes(self._change)
            if not changed:
                return
            # What is still to be copied is read later, as it will be then.
            keys = {
                table.name: {
                    key for key in changed.get(table.name, ()) if _reaches(self._copied, table, key)
                }
                for table in self._tables
            }
            present = {
                table.name: {
                    table.key_of(row): table.fitted(row)
                    for row in source.rows(table, keys[table.name])
                }
                for table in self._tables
            }
            with target.transaction():
                before = {
                    table.name: target.rows(table, keys[table.name]) for table in self._tables
                }
                for table in reversed(self._tables):
                    target.remove(table, keys[table.name] - set(present[table.name]))
                for table in self._tables:
                    target.put(table, list(present[table.name].values()))
                for table in self._tables:
                    _must_equal(table, present[table.name], target.rows(table, keys[table.name]))
                target.note(change, self._copied)
            self._change = change
            for table in self._tables:
                self._replace(table, before[table.name], present[table.name])

    def _trim(self, source: Source) -> None:
        """Keep the notes short: what is over there needs none."""
        if self._change > self._trimmed:
            source.drop_changes(self._change)
            self._trimmed = self._change

    def _replace(self, table: Table, before: Mapping[Key, Row], after: Mapping[Key, Row]) -> None:
        """Keep the sums true for rows that were compared and have changed since."""
        gone = {key: row for key, row in before.items() if _reaches(self._compared, table, key)}
        self._seen[table.name] -= len(gone)
        self._sums[table.name] -= sum(map(digest, gone.values()))
        self._add(
            table, {key: row for key, row in after.items() if _reaches(self._compared, table, key)}
        )

    def _add(self, table: Table, rows: Mapping[Key, Row]) -> None:
        self._seen[table.name] += len(rows)
        total = self._sums[table.name] + sum(map(digest, rows.values()))
        self._sums[table.name] = total % _ALL

    # --- refusals -------------------------------------------------------------------------------

    @contextmanager
    def _both(self) -> Iterator[tuple[Source, Target]]:
        """Both ends, open. Whatever fails there becomes an error of ours."""
        source = Source(self._path)
        try:
            target = Target(self._url)
            try:
                yield source, target
            finally:
                target.close()
        except psycopg.Error as error:
            raise StoreBusy(
                f"PostgreSQL did not do what was asked ({type(error).__name__}).",
                remedy="Do the same again: it goes on where it was.",
            ) from error
        except sqlite3.Error as error:
            raise StoreBusy(
                f"The file {self._path} did not do what was asked ({error}).",
                remedy="Do the same again: it goes on where it was.",
            ) from error
        finally:
            source.close()

    def _continues(self, source: Source, target: Target) -> bool:
        """Whether the target holds what this move has copied so far; else it must be empty."""
        number = target.number()
        if number is not None and number == source.told("id"):
            return True
        if number is not None:
            raise StoreError(
                f"{target.place} holds the unfinished move of another file, or one given up.",
                remedy="Empty it, or name another database.",
                who="user",
            )
        if not target.is_empty():
            raise StoreError(
                f"{target.place} is not empty.",
                remedy="Name an empty database; nothing is ever mixed or overwritten.",
                who="user",
            )
        return False

    def _refuse_moved(self, source: Source, target: Target) -> None:
        place = source.told("moved_to")
        number = target.number()
        if place is None or number == source.told("id"):
            return
        if number is not None or place != target.place:
            raise StoreError(
                f"{self._path.name} was moved before, to {place}.",
                remedy="There is nothing to move any more.",
                who="user",
            )

    def _refuse_unsettled(self) -> None:
        """What an app has confirmed must be in the file before the file is left."""
        if self._side_journal is not None and SideJournal(self._side_journal).entries:
            raise StoreError(
                f"{self._side_journal.name} holds writes that the database does not know yet.",
                remedy="Start `connector serve` once on the file: it takes them in. Then move.",
                who="user",
            )

    def _trial(self, source: Source, target: Target, rows: Mapping[str, int]) -> float:
        """About how long it takes to copy and compare, by sending a sample."""
        seconds = 0.0
        for table in named(source.file):
            began = time.perf_counter()
            sample, _ = source.portion(table, None)
            if sample:
                target.take_for_nothing(len(table.columns), sample)
                took = time.perf_counter() - began
                seconds += 2 * took * rows[table.name] / len(sample)
        return seconds


def _reaches(reached: Reached, table: Table, key: Key | None = None) -> bool:
    """Whether a row, or else all of a table, is done."""
    if table.name not in reached:
        return False
    end = reached[table.name]
    return end is None or (key is not None and key <= end)


def _must_equal(table: Table, ours: Mapping[Key, Row], theirs: Mapping[Key, Row]) -> None:
    if ours == theirs:
        return
    different = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    raise StoreError(
        f"{len(different)} row(s) of {table.name} differ after they were copied, such as"
        f" {table.shown(different[0])}.",
        remedy=BEGIN_AGAIN,
        who="developer",
    )
