"""The matrix of writes that go wrong: every fault × each kind × both stores × many seeds.

Whatever happens, a fact is written at most once, every write comes to an end that people can see,
and one that is DONE has its one record. `CONNECTOR_CHAOS_EFFECTS` says how many seeds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.store.side_journal import SideJournal
from connector.store.sql.database import SqlDatabase
from connector.store.sqlite.database import Database
from tests.chaos.effects_faults import POINTS
from tests.chaos.effects_world import ACTIONS, Build, InMemory, OnDatabase, Shelf, Tale, play
from tests.engine.virtual import simulate
from tests.store.conftest import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

SEEDS = int(os.environ.get("CONNECTOR_CHAOS_EFFECTS", "3"))
FIRST = int(os.environ.get("CONNECTOR_CHAOS_SEED", "0"))
KINDS = sorted(ACTIONS)
STORES = ("sqlite", "postgres")
Ends = dict[str, Counter[str]]

table: dict[tuple[str, str], Ends] = {}


async def tell(
    shelf: Shelf,
    kind: str,
    seeds: Iterable[int],
    journal: Path,
    build: Build | None = None,
    faults: Iterable[str] = POINTS.scripts,
) -> Ends:
    """Tell every tale of a kind; gives how they ended. Raises AssertionError for a broken one."""
    ends: Ends = {fault: Counter() for fault in faults}
    for fault in ends:
        for seed in seeds:
            tenant = f"{kind} {seed} {fault}"
            beside = SideJournal(journal / f"{abs(hash(tenant))}.effects")
            tale = Tale(fault, kind, seed, shelf, build or Build(), tenant, beside)
            await play(tale, POINTS.scripts[fault])
            unexpected = set(tale.ends) - POINTS.ends[fault][kind]
            assert not unexpected, f"{fault!r}, {kind}, seed {seed} ended {tale.ends}"
            ends[fault].update(tale.ends)
    return ends


@asynccontextmanager
async def opened(make: Callable[[], SqlDatabase]) -> AsyncIterator[Shelf]:
    database = make()
    await database.open()
    try:
        yield OnDatabase(database)
    finally:
        await database.close()


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], SqlDatabase]:
    def made(store: str) -> SqlDatabase:
        if store == "sqlite":
            return Database(tmp_path / "connector.db")
        from connector.store.postgres.database import Database as Postgres

        return Postgres(request.getfixturevalue("postgres_url"))

    return made


@pytest.fixture(scope="module", autouse=True)
def shown(request: pytest.FixtureRequest) -> Any:
    """At the end, with -s: how everything ended."""
    yield
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not table:
        return
    columns = sorted(table)
    reporter.write_line("")
    reporter.write_line(f"seeds {FIRST} to {FIRST + SEEDS - 1}: done / refused / parked")
    heads = "".join(f"{kind + ' ' + store:>19}" for kind, store in columns)
    reporter.write_line(f"{'':44}{heads}")
    for fault in POINTS.scripts:
        cells = [table[column].get(fault, Counter()) for column in columns]
        told = [" / ".join(str(one[end]) for end in ("done", "refused", "parked")) for one in cells]
        reporter.write_line(f"{fault:44}" + "".join(f"{one:>19}" for one in told))


def test_there_are_at_least_25_points() -> None:
    assert len(POINTS.scripts) >= 25


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written_twice_or_lost_silently(
    kind: str, store: str, make: Callable[[str], SqlDatabase], tmp_path: Path
) -> None:
    print(f"seeds {FIRST} to {FIRST + SEEDS - 1}")

    async def story() -> Ends:
        async with opened(lambda: make(store)) as shelf:
            return await tell(shelf, kind, range(FIRST, FIRST + SEEDS), tmp_path)

    table[kind, store] = simulate(story)


def test_memory_tells_the_same_tales(tmp_path: Path) -> None:
    for kind in KINDS:
        simulate(lambda kind=kind: tell(InMemory(), kind, range(2), tmp_path))
