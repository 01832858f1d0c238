"""One has the turn, one leads, and who falls silent or loses the session has neither."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from connector.errors import StoreBusy
from connector.store.postgres.database import Database
from connector.store.postgres.turns import Session, SharedTurns
from tests.store.claims.kit import silence


async def test_a_turn_is_held_by_one_process(one: Database, two: Database) -> None:
    order: list[str] = []

    async def write(database: Database, name: str) -> None:
        async with database.turn("client/1", "other") as turn:
            order.append(f"{name} begins")
            await asyncio.sleep(0.05)
            await turn.check()
            order.append(f"{name} ends")

    await asyncio.gather(write(one, "a"), write(two, "b"), write(one, "c"))
    for begin, end in zip(order[::2], order[1::2], strict=True):
        assert begin.split()[0] == end.split()[0]


async def test_a_turn_that_is_not_to_be_had_is_given_up(one: Database, postgres_url: str) -> None:
    async def connect() -> psycopg.AsyncConnection[object]:
        return await psycopg.AsyncConnection.connect(
            postgres_url, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
        )

    session = Session(connect)
    impatient = SharedTurns(session, patience=0.1)
    async with one.turn("client/1"):
        with pytest.raises(StoreBusy):
            async with impatient.take("client/1", "client/2"):
                raise AssertionError("two have it")
        async with impatient.take("client/2"):
            pass
    async with impatient.take("client/1"):
        pass
    await session.close()


async def test_a_process_that_falls_silent_loses_its_turns(
    one: Database, two: Database, postgres_url: str
) -> None:
    async with one.turn("client/1") as old:
        await old.check()
        silence(postgres_url)
        assert await two.claims.tend(20) == ["one"]
        async with two.turn("client/1") as new:
            await new.check()
            with pytest.raises(StoreBusy):
                await old.check()
    with pytest.raises(StoreBusy):
        await old.check()


async def test_one_leads_until_it_goes(one: Database, two: Database) -> None:
    assert await one.claims.lead("sweeps")
    assert not await two.claims.lead("sweeps")
    assert await one.claims.lead("sweeps"), "it still does"
    assert await two.claims.lead("something else")
    await one.close()
    async with asyncio.timeout(30):
        # The server notices in its own time that a connection has ended.
        while not await two.claims.lead("sweeps"):
            await asyncio.sleep(0.01)


class Torn(Session):
    """Loses its connection after the first lock that it takes."""

    torn = False

    async def ask(self, sql: str, *values: Any) -> Any:
        told = await super().ask(sql, *values)
        if not self.torn and "try_advisory" in sql:
            self.torn = True
            await self.close()
        return told


async def test_a_turn_that_was_begun_in_a_lost_session_is_begun_anew(
    one: Database, postgres_url: str
) -> None:
    async def connect() -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            postgres_url, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
        )

    session = Torn(connect)
    other = Session(connect)
    async with SharedTurns(session).take("client/1", "key") as turn:
        await turn.check()
        for name in ("client/1", "key"):
            with pytest.raises(StoreBusy):
                async with SharedTurns(other, patience=0).take(name):
                    raise AssertionError("two have it")
    await session.close()
    await other.close()


async def test_a_beat_comes_while_the_session_of_the_turns_waits(
    one: Database, postgres_url: str
) -> None:
    """A turn that the server does not answer holds up other turns, and nothing else."""
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        await other.execute("SELECT pg_advisory_lock(7)")
        stuck = asyncio.create_task(one._session.ask("SELECT pg_advisory_lock(7)"))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while True:
            row = await (await other.execute(waiting)).fetchone()
            if row == (1,):
                break
        before = "SELECT beat_at FROM worker WHERE id = %s"
        told = await (await other.execute(before, (one.claims.worker,))).fetchone()
        assert await one.claims.beat()
        assert not stuck.done(), "it must come before the turn, not after it"
        assert await (await other.execute(before, (one.claims.worker,))).fetchone() != told
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
