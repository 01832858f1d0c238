"""Group commit: what is handed in together is stored together, and each caller hears the truth."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.errors import StoreBusy, StoreError
from connector.store.sqlite import journal as journal_module
from connector.store.sqlite.journal import Journal

INSERT = "INSERT INTO line (id, text) VALUES (?, ?)"


class Wire(sqlite3.Connection):
    """A connection that counts its commits and fails when told to."""

    commits = 0
    fail_commits = 0
    fail_rollbacks = 0

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.commits += 1
            if self.fail_commits:
                self.fail_commits -= 1
                raise sqlite3.OperationalError("disk I/O error")
        if sql == "ROLLBACK" and self.fail_rollbacks:
            self.fail_rollbacks -= 1
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)


@pytest.fixture
def wire(path: Path) -> Iterator[Wire]:
    wire = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Wire)
    wire.execute("PRAGMA journal_mode = wal")
    wire.execute("PRAGMA busy_timeout = 0")
    wire.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    yield wire
    wire.close()


@pytest.fixture
def other(path: Path, wire: Wire) -> Iterator[sqlite3.Connection]:
    """A second connection to the same file, as another process has."""
    other = sqlite3.connect(path, isolation_level=None)
    yield other
    other.close()


@pytest.fixture
async def journal(wire: Wire) -> AsyncIterator[Journal]:
    journal = Journal(wire)
    yield journal
    await journal.close()


def stored(other: sqlite3.Connection) -> list[int]:
    return [row[0] for row in other.execute("SELECT id FROM line ORDER BY id")]


def line(number: int, text: Any = "x") -> tuple[str, tuple[int, Any]]:
    return INSERT, (number, text)


async def all_of(*writes: Any) -> list[Any]:
    return await asyncio.gather(*writes, return_exceptions=True)


async def test_a_write_is_on_the_disk_when_it_returns(
    journal: Journal, other: sqlite3.Connection
) -> None:
    await journal.write(line(1))
    assert stored(other) == [1]


async def test_a_write_gives_the_rows_touched_and_returned(journal: Journal) -> None:
    outcome = await journal.write(
        (INSERT + " RETURNING id", (1, "a")), line(2), ("UPDATE line SET text = 'b'", ())
    )
    assert outcome[0][1] == [(1,)]
    assert outcome[2][0] == 2


async def test_many_writers_share_few_commits_and_all_are_stored(
    journal: Journal, wire: Wire, other: sqlite3.Connection
) -> None:
    await asyncio.gather(*(journal.write(line(number)) for number in range(500)))
    assert stored(other) == list(range(500))
    assert wire.commits == 1


async def test_writers_that_come_during_a_commit_are_stored_by_the_next(
    journal: Journal, wire: Wire, other: sqlite3.Connection
) -> None:
    async def chain(start: int) -> None:
        for number in range(start, start + 20):
            await journal.write(line(number))

    await asyncio.gather(*(chain(start * 20) for start in range(25)))
    assert stored(other) == list(range(500))
    assert wire.commits < 500 / 2


async def test_more_than_one_transaction_holds_is_stored_in_several(
    journal: Journal, wire: Wire, other: sqlite3.Connection
) -> None:
    many = journal_module.MAX_UNITS + 10
    await asyncio.gather(*(journal.write(line(number)) for number in range(many)))
    assert len(stored(other)) == many
    assert wire.commits == 2


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(line(3, None), id="a constraint"),
        pytest.param(line(0), id="a row that is there"),
        pytest.param(("INSERT INTO nothing VALUES (1)", ()), id="no such table"),
        pytest.param(line(1 << 70), id="a number too large"),
        pytest.param(line(3, "\ud800"), id="text that is no Unicode"),
        pytest.param(line(3, object()), id="a value of no known type"),
        pytest.param((INSERT, (1,)), id="too few values"),
    ],
)
async def test_one_bad_unit_fails_alone(
    journal: Journal, other: sqlite3.Connection, bad: Any
) -> None:
    await journal.write(line(0))
    good = [journal.write(line(number)) for number in range(10, 30)]
    outcomes = await all_of(*good[:10], journal.write(line(40), bad), *good[10:])
    assert [type(one) for one in outcomes[:10] + outcomes[11:]] == [list] * 20
    assert isinstance(outcomes[10], StoreError)
    assert stored(other) == [0, *range(10, 30)], "its unit is stored not at all, the others whole"
    await journal.write(line(50))
    assert stored(other)[-1] == 50, "and the next write works"


async def test_a_commit_that_fails_is_told_to_all_of_its_batch_and_stores_nothing(
    journal: Journal, wire: Wire, other: sqlite3.Connection
) -> None:
    wire.fail_commits = 1
    outcomes = await all_of(*(journal.write(line(number)) for number in range(20)))
    assert {type(one) for one in outcomes} == {StoreBusy}
    assert all(one.who == "wait" for one in outcomes)
    assert stored(other) == []
    await journal.write(line(7))
    assert stored(other) == [7]


async def test_a_failed_commit_overrules_the_error_of_a_bad_unit(
    journal: Journal, wire: Wire, other: sqlite3.Connection
) -> None:
    wire.fail_commits = 1
    outcomes = await all_of(journal.write(line(1)), journal.write(line(2, None)))
    assert {type(one) for one in outcomes} == {StoreBusy}
    assert stored(other) == []


async def test_a_rollback_that_fails_hangs_nobody(
    journal: Journal, wire: Wire, other: sqlite3.Connection
) -> None:
    wire.fail_commits = wire.fail_rollbacks = 1
    with pytest.raises(StoreBusy):
        await journal.write(line(1))
    await journal.write(line(2))
    assert stored(other) == [2]


async def test_a_full_database_is_busy_and_takes_writes_again_when_there_is_room(
    journal: Journal, wire: Wire, other: sqlite3.Connection
) -> None:
    pages = wire.execute("PRAGMA page_count").fetchone()[0]
    wire.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = "x" * 100_000
    outcomes = await all_of(*(journal.write(line(number, large)) for number in range(5)))
    assert {type(one) for one in outcomes} == {StoreBusy}
    assert "full" in str(outcomes[0])
    assert stored(other) == []
    wire.execute("PRAGMA max_page_count = 1000000")
    await journal.write(line(1, large))
    assert stored(other) == [1]


FULL_DISK = """
import asyncio, resource, sqlite3, sys
from pathlib import Path
from connector.errors import StoreBusy
from connector.store.rows import EventRow
from connector.store.sqlite.database import Database

def event(number):
    return EventRow(tenant="main", connection_id="c", delivery_id=str(number), type="t" * 9000,
                    resource="r", operation="update", ids=("1",), received_at=1.0)

async def main():
    path = Path(sys.argv[1])
    database = Database(path)
    store = database.tenant("main")
    await store.ensure(1.0)
    size = path.with_name(path.name + "-wal").stat().st_size
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, hard))
    refused = await asyncio.gather(*(store.accept(event(n)) for n in range(8)),
                                   return_exceptions=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    counted = database.reader.execute("SELECT count(*) FROM event").fetchone()[0]
    accepted = await store.accept(event(3))
    print(sorted({type(one).__name__ for one in refused}), counted, accepted)
    await database.close()

asyncio.run(main())
"""


def test_a_disk_that_refuses_the_bytes_of_a_commit_loses_nothing_acknowledged(path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False
    )
    assert told.stderr == ""
    assert told.stdout == "['StoreBusy'] 0 1\n"


async def test_a_lock_of_another_process_is_waited_for_without_blocking_the_loop(
    journal: Journal, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(journal.write(line(1)))
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert not waiting.done()
    other.execute("ROLLBACK")
    await waiting
    assert stored(other) == [1]


async def test_after_its_patience_a_locked_database_is_busy_for_all_that_wait(
    wire: Wire, other: sqlite3.Connection
) -> None:
    journal = Journal(wire, patience=0.05)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await all_of(*(journal.write(line(number)) for number in range(20)))
    assert {type(one) for one in outcomes} == {StoreBusy}
    assert "locked" in str(outcomes[0])
    other.execute("ROLLBACK")
    assert stored(other) == []
    await journal.write(line(2))
    assert stored(other) == [2]
    await journal.close()


async def test_who_comes_after_others_gave_up_is_as_patient_as_they_were(
    wire: Wire, other: sqlite3.Connection
) -> None:
    journal = Journal(wire, patience=0.05)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await journal.write(line(1))
    late = asyncio.create_task(journal.write(line(2)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not late.done()
    other.execute("ROLLBACK")
    await late
    assert stored(other) == [2]
    await journal.close()


async def test_patience_begins_anew_with_each_lock(wire: Wire, other: sqlite3.Connection) -> None:
    journal = Journal(wire, patience=0.05)
    for number in range(2):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            await journal.write(line(number))
        other.execute("ROLLBACK")
        await journal.write(line(10 + number))
    assert stored(other) == [10, 11]
    await journal.close()


async def test_closing_finishes_what_was_handed_in_and_refuses_more(
    wire: Wire, other: sqlite3.Connection
) -> None:
    journal = Journal(wire)
    writes = [asyncio.create_task(journal.write(line(number))) for number in range(50)]
    await asyncio.sleep(0)
    await journal.close()
    await asyncio.gather(*writes)
    assert stored(other) == list(range(50))
    with pytest.raises(StoreBusy, match="closing"):
        await journal.write(line(99))


async def test_a_caller_that_gives_up_changes_nothing_for_the_others(
    journal: Journal, other: sqlite3.Connection
) -> None:
    writes = [asyncio.create_task(journal.write(line(number))) for number in range(5)]
    await asyncio.sleep(0)
    writes[2].cancel()
    outcomes = await all_of(*writes)
    assert isinstance(outcomes[2], asyncio.CancelledError)
    assert stored(other) == [0, 1, 2, 3, 4], "it was handed in, so it is stored"


async def test_a_closed_file_is_an_error_for_the_caller_and_hangs_nobody(
    journal: Journal, wire: Wire
) -> None:
    wire.close()
    with pytest.raises(StoreError):
        await journal.write(line(1))
