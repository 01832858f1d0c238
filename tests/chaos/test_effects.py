"""The matrix of writes that go wrong: every fault × each kind × both stores × many seeds.

Whatever happens, a fact is written at most once, every write comes to an end that people can see,
and one that is DONE has its one record. `CONNECTOR_CHAOS_EFFECTS` says how many seeds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.engine.effects import Effects
from connector.engine.looking import Intent, Seen
from connector.engine.packing import pack
from connector.engine.proof import Find, criteria_of
from connector.store.rows import EffectRow
from connector.store.side_journal import SideJournal
from connector.store.sql.database import SqlDatabase
from connector.store.sql.turns import Turns
from connector.store.sqlite.database import Database
from tests.chaos.effects_faults import POINTS
from tests.chaos.effects_world import (
    ACTIONS,
    Build,
    Edited,
    InMemory,
    OnDatabase,
    Shelf,
    Tale,
    play,
)
from tests.engine.virtual import simulate
from tests.engine.wrong import (
    ForgetsItWasSending,
    LooksAtOnce,
    ParkedIsNoEnd,
    RetriesAfterTimeout,
    SendsBeforeStoring,
    TakesServerErrorsForNo,
)

SEEDS = int(os.environ.get("CONNECTOR_CHAOS_EFFECTS", "3"))
FIRST = int(os.environ.get("CONNECTOR_CHAOS_SEED", "0"))
pytestmark = pytest.mark.timeout(60 + 60 * SEEDS)
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
    for place, fault in enumerate(ends):
        for seed in seeds:
            tenant = f"{kind} {seed} {fault}"
            beside = SideJournal(journal / f"{kind}-{seed}-{place}.effects")
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
        simulate(lambda kind=kind: tell(InMemory(), kind, range(4), tmp_path))


# --- the proof of the proof: each of these is wrong in one way, and the matrix finds it -----------


class IgnoresTheMark(Effects):
    """Writes it nowhere, so it searches by the text alone."""

    async def _plan(self, intent: Intent, *rest: Any) -> EffectRow:
        identity = intent.action.identity.model_copy(update={"marker": None})
        bare = intent.action.model_copy(update={"identity": identity})
        return await super()._plan(replace(intent, action=bare), *rest)

    async def _found(self, intent: Intent, effect: EffectRow, find: Find) -> dict[str, Any]:
        return await find("", criteria_of(intent.action, effect.inputs))


class TakesNoTurns(Effects):
    """Two events about one fact go side by side."""

    async def perform(self, intent: Intent, store: Any, *rest: Any) -> Any:
        async with Turns().take("alone") as turn:
            return await self._perform(intent.key(store.tenant), intent, store, *rest, turn)


class RendersAtEachTry(Effects):
    """Sends what the flow says now."""

    async def _send(self, intent: Intent, effect: EffectRow, *rest: Any) -> None:
        effect.request = pack(rest[1].render(intent.action, intent.inputs))
        await super()._send(intent, effect, *rest)


class SuspectsNobody(Effects):
    """What was made since then and looks alike does not matter."""

    async def _seen(self, *given: Any) -> Seen:
        seen = await super()._seen(*given)
        return Seen(seen.found, seen.ours, [])


class AdoptsTheFirst(Effects):
    """Of several, the first will be it."""

    async def _seen(self, *given: Any) -> Seen:
        seen = await super()._seen(*given)
        return Seen(seen.found, seen.ours[:1], seen.alike)


class DoesNotSearchFirst(Effects):
    """Believes the database that came out of a backup."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **{**more, "search_first": False})


class KeyOfTheVersion(Edited):
    """The flow's version is part of the key."""

    def key(self, tenant: str) -> str:
        return super().key(f"{tenant}/{self.version}")


class KeyOfTheRun(Edited):
    """So is the run: a replay is another write."""

    def key(self, tenant: str) -> str:
        return super().key(f"{tenant}/{self.run_id}")


BROKEN: list[tuple[str, Build, str]] = [
    *((one.__name__, Build(effects=one), kind) for one, kind in (
        (RetriesAfterTimeout, "client"),
        (RetriesAfterTimeout, "email"),
        (RetriesAfterTimeout, "invoice"),
        (LooksAtOnce, "client"),
        (IgnoresTheMark, "invoice"),
        (SendsBeforeStoring, "client"),
        (SendsBeforeStoring, "invoice"),
        (TakesNoTurns, "client"),
        (TakesNoTurns, "invoice"),
        (ForgetsItWasSending, "client"),
        (ForgetsItWasSending, "invoice"),
        (TakesServerErrorsForNo, "client"),
        (TakesServerErrorsForNo, "invoice"),
        (RendersAtEachTry, "client"),
        (RendersAtEachTry, "invoice"),
        (SuspectsNobody, "client"),
        (AdoptsTheFirst, "client"),
        (AdoptsTheFirst, "invoice"),
        (DoesNotSearchFirst, "invoice"),
        (ParkedIsNoEnd, "invoice"),
    )),
    ("KeyOfTheVersion", Build(intent=KeyOfTheVersion), "invoice"),
    ("KeyOfTheRun", Build(intent=KeyOfTheRun), "invoice"),
    ("SendsPastItsLease", Build(keeps_its_lease=False), "client"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "kind"),
    [pytest.param(build, kind, id=f"{name}-{kind}") for name, build, kind in BROKEN],
)
def test_the_matrix_finds_effects_that(build: Build, kind: str, tmp_path: Path) -> None:
    """In a few seeds, and not by chance: the same tales are whole for the engine as it is."""
    with pytest.raises(AssertionError, match=r"seed \d+") as caught:
        simulate(lambda: tell(InMemory(), kind, range(4), tmp_path, build))
    print(caught.value)
