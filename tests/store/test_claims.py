"""Several processes on one PostgreSQL database: who has what in hand, and who may store it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from connector.errors import StoreBusy, TakenOver
from connector.store.postgres import claims as claims_module
from connector.store.postgres.claims import _CLAIM_RUNS
from connector.store.postgres.database import Database
from connector.store.postgres.marks import translated
from connector.store.postgres.turns import Session, SharedTurns
from connector.store.rows import EventRow, RunRow
from tests.store.kit import NOW, accepted, connection_row, effect_row, event_row, run_row, step_row


@pytest.fixture
async def one(postgres_url: str) -> AsyncIterator[Database]:
    """A process that has joined."""
    async for database in _joined(postgres_url, "one"):
        for tenant in ("main", "quiet"):
            await database.tenant(tenant).ensure(NOW)
            await database.tenant(tenant).save_connection(connection_row(tenant))
        yield database


@pytest.fixture
async def two(postgres_url: str, one: Database) -> AsyncIterator[Database]:
    """Another one on the same database."""
    async for database in _joined(postgres_url, "two"):
        yield database


async def _joined(url: str, name: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.open()
    await database.claims.join(name)
    yield database
    await database.close()


async def matched(
    database: Database, *items: str, tenant: str = "main", **more: Any
) -> list[RunRow]:
    """One event with a run for each of these records."""
    store = database.tenant(tenant)
    event = await accepted(store, f"d-{tenant}-{'-'.join(items)}-{more}")
    event.state = "matched"
    rows = [run_row(tenant, event.id, item_id=item, **more) for item in items]
    return await store.match(event, rows)


def silence(url: str) -> None:
    """Make it look as if "one" had not been heard of for a minute."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE worker SET beat_at = beat_at - 60 WHERE name = 'one'")


def ids(rows: list[RunRow] | list[EventRow]) -> list[int]:
    return sorted(row.id for row in rows)


# --- runs -------------------------------------------------------------------------------------


async def test_a_run_is_in_one_hand_only(one: Database, two: Database) -> None:
    made = await matched(one, *(str(number) for number in range(20)))
    halves = await asyncio.gather(one.claims.runs(10, NOW), two.claims.runs(10, NOW))
    assert sorted(ids(halves[0]) + ids(halves[1])) == ids(made)
    assert await one.claims.runs(10, NOW) == []
    assert {run.epoch for run in halves[0]} == {1}


async def test_each_claim_comes_with_the_whole_run(one: Database) -> None:
    (made,) = await matched(one, "7")
    (claimed,) = await one.claims.runs(5, NOW)
    assert claimed == replace(made, epoch=1, owner=one.claims.worker)


async def test_the_second_of_a_lane_waits_for_the_first_whoever_has_it(
    one: Database, two: Database
) -> None:
    (first,) = await matched(one, "7")
    (second,) = await matched(one, "7", created_at=NOW + 1)
    (held,) = await one.claims.runs(5, NOW)
    assert held.id == first.id
    assert await two.claims.runs(5, NOW) == []
    held.state, held.finished_at = "succeeded", NOW
    await one.tenant("main").record_run(held)
    assert ids(await two.claims.runs(5, NOW)) == [second.id]


async def test_a_waiting_run_keeps_its_lane_and_an_unordered_one_has_none(one: Database) -> None:
    (first,) = await matched(one, "7", due_at=NOW + 60)
    (second,) = await matched(one, "7", created_at=NOW + 1)
    (free,) = await matched(one, "7", ordered=False)
    assert ids(await one.claims.runs(5, NOW)) == [free.id]
    assert ids(await one.claims.runs(5, NOW + 61)) == [first.id]
    assert second.id not in ids(await one.claims.runs(5, NOW + 61))


async def test_a_noisy_tenant_does_not_starve_a_quiet_one(one: Database) -> None:
    await matched(one, *(str(number) for number in range(300)))
    (quiet,) = await matched(one, "1", tenant="quiet", flow_id=2)
    claimed = await one.claims.runs(4, NOW)
    assert len(claimed) == 4
    assert quiet.id in ids(claimed)


async def test_what_is_taken_over_is_stored_by_its_new_holder_only(
    one: Database, two: Database, postgres_url: str
) -> None:
    await matched(one, "7")
    (old,) = await one.claims.runs(5, NOW)
    assert await two.claims.tend(3_600) == []
    silence(postgres_url)
    assert await two.claims.tend(20) == ["one"]
    (new,) = await two.claims.runs(5, NOW)
    assert (new.id, new.epoch) == (old.id, old.epoch + 1)
    store = one.tenant("main")
    # Its connections were ended; with new ones it learns why.
    for call in (store.ensure(NOW), one.claims.runs(5, NOW)):
        with pytest.raises(StoreBusy):
            await call
    with pytest.raises(TakenOver):
        await store.record_step(old, step_row(old.id))
    old.state, old.finished_at = "failed", NOW
    with pytest.raises(TakenOver):
        await store.record_run(old, step_row(old.id))
    assert await store.steps(old.id) == []
    await one.claims.give_back(old, 0)
    assert await one.claims.runs(5, NOW) == [], "it is declared dead, and must join anew"
    with pytest.raises(StoreBusy):
        await one.claims.beat()
    assert not await one.claims.beat()
    new.state, new.finished_at = "succeeded", NOW
    await two.tenant("main").record_run(new, step_row(new.id))
    stored = await store.run(new.id)
    assert stored is not None
    assert stored.state == "succeeded"


async def test_what_one_gives_back_another_takes_when_it_is_due(
    one: Database, two: Database
) -> None:
    await matched(one, "7")
    (run,) = await one.claims.runs(5, NOW)
    await one.claims.give_back(run, NOW + 5)
    assert await two.claims.runs(5, NOW + 4) == []
    (again,) = await two.claims.runs(5, NOW + 5)
    assert (again.id, again.epoch, again.owner) == (run.id, 2, two.claims.worker)


async def test_a_run_that_waits_is_in_nobodys_hand(one: Database, two: Database) -> None:
    await matched(one, "7")
    (run,) = await one.claims.runs(5, NOW)
    run.state, run.reason, run.due_at = "waiting", "quota", NOW + 5
    await one.tenant("main").record_run(run)
    assert await two.claims.runs(5, NOW + 4) == []
    assert ids(await two.claims.runs(5, NOW + 5)) == [run.id]


async def test_a_run_that_waits_for_an_owner_goes_on_when_the_connection_works(
    one: Database, two: Database
) -> None:
    (run,) = await matched(one, "7", state="waiting", reason="connection:conn-main")
    await one.tenant("main").set_connection_status("conn-main", "reconnect")
    assert await two.claims.release_mended() == 0
    assert await two.claims.runs(5, NOW) == []
    await one.tenant("main").set_connection_status("conn-main", "active")
    assert await two.claims.release_mended() == 1
    assert ids(await two.claims.runs(5, NOW)) == [run.id]


async def test_who_leaves_gives_everything_back(one: Database, two: Database) -> None:
    made = await matched(one, "7", "8")
    event = await accepted(one.tenant("main"), "open")
    assert ids(await one.claims.runs(5, NOW)) == ids(made)
    assert ids(await one.claims.events(5, NOW)) == [event.id]
    assert [worker["runs"] for worker in await two.claims.workers()] == [2, 0]
    await one.claims.leave()
    assert ids(await two.claims.runs(5, NOW)) == ids(made)
    assert ids(await two.claims.events(5, NOW)) == [event.id]
    assert [worker["name"] for worker in await two.claims.workers()] == ["two"]


async def test_a_claim_whose_answer_was_lost_does_not_lie_there_for_ever(
    one: Database, two: Database
) -> None:
    kept, lost = await matched(one, "7", "8")
    await one.claims.runs(5, NOW)
    await one.claims.hold_only([kept.id], [])
    assert ids(await two.claims.runs(5, NOW)) == [lost.id]


# --- events -----------------------------------------------------------------------------------


async def test_events_of_one_place_are_in_one_hand(one: Database, two: Database) -> None:
    store = one.tenant("main")
    here = [await accepted(store, f"here-{number}") for number in range(3)]
    there = await accepted(store, "there", account="8")
    assert ids(await one.claims.events(2, NOW)) == ids(here[:2])
    assert ids(await two.claims.events(9, NOW)) == [there.id]
    here[0].owner = one.claims.worker
    here[0].state = "matched"
    await store.match(here[0], [])
    assert await two.claims.events(9, NOW) == [], "the other still has one of the same place"
    here[1].owner = one.claims.worker
    here[1].state, here[1].due_at = "received", NOW + 9
    await store.match(here[1], [])
    assert ids(await two.claims.events(9, NOW)) == [here[2].id], "it waits in nobody's hand"


async def test_who_lost_an_event_does_not_say_what_it_becomes(one: Database, two: Database) -> None:
    await accepted(one.tenant("main"))
    (old,) = await one.claims.events(5, NOW)
    await one.claims.give_back_events([old], 0)
    (new,) = await two.claims.events(5, NOW)
    old.state = "failed"
    with pytest.raises(TakenOver):
        await one.tenant("main").match(old, [])
    new.state = "matched"
    await two.tenant("main").match(new, [run_row("main", new.id)])
    stored = await one.tenant("main").event(new.id)
    assert stored is not None
    assert (stored.state, stored.owner) == ("matched", "")


async def test_who_waits_is_told_of_an_event_stored_elsewhere(one: Database, two: Database) -> None:
    told = asyncio.Event()
    listening = asyncio.create_task(two.claims.woken(told.set))
    await asyncio.wait_for(_until_told(one, told), 30)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _until_told(database: Database, told: asyncio.Event) -> None:
    number = 0
    while not told.is_set():
        # It may not have begun to listen yet.
        number += 1
        await database.tenant("main").accept(event_row(delivery=f"told-{number}"))
        await asyncio.sleep(0.02)


# --- turns and leading ------------------------------------------------------------------------


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


# --- effects ----------------------------------------------------------------------------------


async def test_of_two_who_read_the_same_state_of_a_write_one_goes_on(
    one: Database, two: Database
) -> None:
    await one.tenant("main").save_effect(effect_row("main", 1, key="k"))
    mine = await one.tenant("main").effect("k")
    theirs = await two.tenant("main").effect("k")
    assert mine is not None
    assert theirs is not None
    mine.state = "sending"
    await one.tenant("main").save_effect(mine)
    theirs.state, theirs.updated_at = "sending", NOW + 1
    with pytest.raises(TakenOver):
        await two.tenant("main").save_effect(theirs)
    mine.state = "done"
    await one.tenant("main").save_effect(mine)
    stored = await two.tenant("main").effect("k")
    assert stored == mine


async def test_a_state_whose_confirmation_was_lost_may_be_stored_again(one: Database) -> None:
    store = one.tenant("main")
    effect = effect_row("main", 1, key="k")
    await store.save_effect(effect)
    again = replace(effect, version=effect.version - 1)
    await store.save_effect(again)
    assert again.version == effect.version
    assert await store.effect("k") == effect


async def test_a_claim_that_the_database_forgot_in_a_power_cut_stores_nothing(
    one: Database, two: Database, postgres_url: str
) -> None:
    await matched(one, "7")
    (lost,) = await one.claims.runs(5, NOW)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE run SET owner = '', epoch = epoch - 1")
    (held,) = await two.claims.runs(5, NOW)
    assert held.epoch == lost.epoch, "the number comes again"
    lost.state, lost.finished_at = "failed", NOW
    with pytest.raises(TakenOver):
        await one.tenant("main").record_step(lost, step_row(lost.id))
    with pytest.raises(TakenOver):
        await one.tenant("main").record_run(lost)
    held.state, held.finished_at = "succeeded", NOW
    await two.tenant("main").record_run(held)


async def test_a_run_that_has_steps_is_not_taken_for_a_fresh_one(one: Database) -> None:
    (made,) = await matched(one, "7")
    await one.tenant("main").record_step(made, step_row(made.id))
    (claimed,) = await one.claims.runs(5, NOW)
    assert not claimed.fresh


async def test_a_run_that_goes_on_after_a_person_waits_for_a_later_one_at_work(
    one: Database, two: Database
) -> None:
    (parked,) = await matched(one, "7", state="parked", finished_at=NOW)
    (later,) = await matched(one, "7", created_at=NOW + 1)
    (held,) = await one.claims.runs(5, NOW)
    assert held.id == later.id
    await one.tenant("main").decide(effect_row("main", parked.id), NOW, "me", "drop", None)
    assert await two.claims.runs(5, NOW) == []
    held.state, held.finished_at = "succeeded", NOW
    await one.tenant("main").record_run(held)
    assert ids(await two.claims.runs(5, NOW)) == [parked.id]


async def test_a_held_place_with_many_events_hides_no_other_place(
    one: Database, two: Database
) -> None:
    store = one.tenant("main")
    for number in range(220):
        await accepted(store, f"here-{number}")
    there = await accepted(store, "there", account="8")
    await one.claims.events(5, NOW)
    assert ids(await two.claims.events(5, NOW)) == [there.id]


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


# --- long lanes ---------------------------------------------------------------------------------

LANES, LONG = 10, 3_000


async def crowded(database: Database, *, due_at: float = 0, owner: str = "") -> int:
    """Lanes full of runs behind a first one; and one run that is free, the newest of all."""
    await matched(database, "free")
    made = (
        "INSERT INTO run (tenant, flow_id, flow_version, event_id, item_id, state, context,"
        " due_at, owner, created_at) SELECT 'main', 1, 1, -n, CAST(n % ?1 AS TEXT), 'queued',"
        " '{}', CASE WHEN n < ?1 THEN CAST(?2 AS float8) ELSE 0 END,"
        " CASE WHEN n < ?1 THEN ?3 ELSE '' END, 0 FROM generate_series(0, ?4 - 1) AS n ORDER BY n"
    )
    await database.write((made, (LANES, due_at, owner, LANES * LONG)))
    await database.write(("UPDATE run SET id = 1000000 WHERE item_id = 'free'", ()))
    await database.write(("ANALYZE run", ()))
    return 1_000_000


def rows_read(plan: dict[str, Any]) -> float:
    """How many rows of tables a plan has looked at."""
    seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    here = seen * plan["Actual Loops"] if "Relation Name" in plan else 0
    return here + sum(rows_read(one) for one in plan.get("Plans", ()))


@pytest.mark.parametrize("held", [False, True])
async def test_a_free_run_behind_long_lanes_is_found_without_reading_them(
    one: Database, held: bool
) -> None:
    free = await crowded(one, due_at=0 if held else NOW + 60, owner="somebody" if held else "")
    asked: list[tuple[str, Any]] = []
    real = one.claims._claiming.all

    async def spy(sql: str, *values: Any, lock: int | None = None) -> Any:
        asked.append((sql, values))
        return await real(sql, *values, lock=lock)

    one.claims._claiming.all = spy  # type: ignore[method-assign]
    assert ids(await one.claims.runs(64, NOW)) == [free]
    read = 0.0
    for sql, values in asked:
        async with await one._connect() as connection, connection.transaction(force_rollback=True):
            explained = await connection.execute(
                translated(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"), values
            )
            row = await explained.fetchone()
            assert row is not None
            read += rows_read(row[0][0]["Plan"])
    assert read < LANES * LONG / 2, asked


async def test_the_head_of_a_long_lane_is_claimed_without_reading_those_behind_it(
    one: Database,
) -> None:
    await crowded(one)
    values = (NOW, 64, one.claims.worker)
    async with await one._connect() as connection, connection.transaction(force_rollback=True):
        explained = await connection.execute(
            translated(f"EXPLAIN (ANALYZE, FORMAT JSON) {_CLAIM_RUNS}"), values
        )
        row = await explained.fetchone()
    assert row is not None
    assert rows_read(row[0][0]["Plan"]) < LANES * LONG / 2
    heads = await one.claims.runs(64, NOW)
    assert len(heads) == LANES + 1


async def test_every_free_run_is_found_however_many_lanes_stand_before_it(
    one: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks go on from lane to lane, and begin anew at the end."""
    for number in range(12):
        await matched(one, str(number), due_at=NOW + 60)
        await matched(one, str(number), created_at=NOW + 1)
    (free,) = await matched(one, "5x")
    for _ in range(3):
        await matched(one, "0", created_at=NOW + 2 + _)
    short = {
        name: value.replace("500", "3").replace("499", "2")
        for name, value in vars(claims_module).items()
        if name in ("_CLAIM_RUNS", "_CLAIM_AMONG", "_CROWDED", "_LANES", "_NEWEST", "_DUE_AGAIN")
    }
    for name, value in (*short.items(), ("RUNS_AHEAD", 3)):
        monkeypatch.setattr(claims_module, name, value)
    found: list[int] = []
    for _ in range(7):
        found += ids(await one.claims.runs(2, NOW))
    assert found == [free.id]


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
