"""Visiting tenants: nobody waits for another one, and nobody is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from connector.engine.rounds import AGAIN_SECONDS, AT_ONCE, LOOK_SECONDS, Rounds
from connector.errors import BundleError, StoreBusy
from connector.store.sqlite.database import Database
from tests.engine.virtual import simulate
from tests.store.kit import NOW, connection_row


class Told:
    """What is done for a tenant: what the test says."""

    def __init__(self, tenant: str, does: Callable[[str], Awaitable[float | None]]) -> None:
        self.tenant, self.does, self.stopped = tenant, does, False

    async def round(self) -> float | None:
        return await self.does(self.tenant)

    async def stop(self) -> None:
        self.stopped = True


class World:
    """A database with some tenants who are due, and a process that visits them."""

    def __init__(self, folder: Path, does: Callable[[str], Awaitable[float | None]]) -> None:
        self.database = Database(folder / "connector.db")
        self.made: list[Told] = []
        self.rounds = Rounds("sweeps", self.database, clock, lambda tenant, _: self._make(tenant))
        self.does = does

    def _make(self, tenant: str) -> Told:
        self.made.append(Told(tenant, self.does))
        return self.made[-1]

    async def due(self, *tenants: str) -> None:
        for name in tenants:
            store = self.database.tenant(name)
            await store.ensure(NOW)
            await store.save_connection(connection_row(name))

    async def close(self) -> None:
        await self.rounds.stop()
        await self.database.close()


def clock() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def world(
    folder: Path, does: Callable[[str], Awaitable[float | None]]
) -> AsyncIterator[World]:
    one = World(folder, does)
    try:
        yield one
    finally:
        await one.close()


def test_those_whose_app_is_slow_hold_up_nobody_else(tmp_path: Path) -> None:
    async def story() -> None:
        visited: list[str] = []

        async def does(tenant: str) -> None:
            if tenant.startswith("slow"):
                await asyncio.Event().wait()
            visited.append(tenant)

        async with world(tmp_path, does) as w:
            await w.due(*(f"slow{one}" for one in range(AT_ONCE - 1)), "a", "b", "c")
            w.rounds.start()
            await asyncio.sleep(1)
            assert visited == ["a", "b", "c"]

    simulate(story)


def test_a_fault_of_one_is_tried_again_later_and_stops_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        visited: list[str] = []

        async def does(tenant: str) -> None:
            visited.append(tenant)
            if tenant == "a":
                raise TypeError("Anna Rossi")
            if tenant == "b":
                raise BundleError("No.")

        async with world(tmp_path, does) as w:
            await w.due("a", "b", "c")
            w.rounds.start()
            await asyncio.sleep(AGAIN_SECONDS - 1)
            assert visited == ["a", "b", "c"]
            await asyncio.sleep(LOOK_SECONDS + 2)
            assert visited == ["a", "b", "c", "a", "b"]

    simulate(story)


def test_a_change_during_a_visit_brings_another_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        visits = 0

        async def does(tenant: str) -> None:
            nonlocal visits
            visits += 1
            if visits == 1:
                await w.due("a")

        async with world(tmp_path, does) as w:
            await w.due("a")
            w.rounds.start()
            await asyncio.sleep(1)
            assert visits == 2
            await asyncio.sleep(AGAIN_SECONDS * 100)
            assert visits == 2, "and then only after a change"
            await w.due("a")
            w.rounds.look()
            await asyncio.sleep(1)
            assert visits == 3

    simulate(story)


def test_whoever_was_being_visited_when_it_stopped_is_visited_by_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        reached = asyncio.Event()

        async def does(tenant: str) -> None:
            reached.set()
            await asyncio.Event().wait()

        async with world(tmp_path, does) as w:
            await w.due("a")
            w.rounds.start()
            await reached.wait()
            await w.rounds.stop()
            assert [one.stopped for one in w.made] == [True]
            assert [one[0] for one in await w.database.due("sweeps", clock(), 10)] == ["a"]

    simulate(story)


def test_while_the_database_is_away_everybody_stays_due(tmp_path: Path) -> None:
    async def story() -> None:
        away = True
        visits = 0

        async def does(tenant: str) -> None:
            nonlocal visits
            visits += 1
            if away:
                raise StoreBusy("Away.")

        async with world(tmp_path, does) as w:
            await w.due("a")
            w.rounds.start()
            await asyncio.sleep(3 * LOOK_SECONDS - 1)
            assert visits == 3
            away = False
            await asyncio.sleep(10 * LOOK_SECONDS)
            assert visits == 4

    simulate(story)


def test_a_change_at_the_very_moment_of_the_stop_does_not_hold_it_up(tmp_path: Path) -> None:
    async def story() -> None:
        async def does(tenant: str) -> None:
            return None

        async with world(tmp_path, does) as w:
            for ticks in range(30):
                w.rounds.start()
                await asyncio.sleep(1)
                w.rounds.look()
                for _ in range(ticks):
                    await asyncio.sleep(0)
                async with asyncio.timeout(LOOK_SECONDS):
                    await w.rounds.stop()

    simulate(story)
