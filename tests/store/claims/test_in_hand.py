"""Several processes on one PostgreSQL database: who has what in hand, and who may store it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import psycopg
import pytest

from connector.errors import StoreBusy, TakenOver
from connector.store.postgres.database import Database
from tests.store.claims.kit import ids, matched, silence
from tests.store.kit import NOW, accepted, effect_row, event_row, run_row, step_row

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


async def test_of_one_tenant_a_process_has_no_more_than_its_share(
    one: Database, two: Database
) -> None:
    await matched(one, *"abcdefgh")
    first = await one.claims.runs(4, NOW, 3)
    assert [run.tenant for run in first] == ["main"] * 3
    (mine,) = await matched(one, "z", tenant="quiet")
    assert ids(await one.claims.runs(4, NOW, 3)) == [mine.id]
    assert len(await one.claims.runs(9, NOW, 5)) == 2, "what it has in hand counts"
    assert len(await two.claims.runs(9, NOW, 3)) == 3, "another process has a share of its own"
    for number in range(4):
        await accepted(one.tenant("main"), f"e-{number}", resource=f"r{number}")
    assert len(await one.claims.events(9, NOW, 3)) == 3
    assert await one.claims.events(9, NOW, 3) == []
    assert len(await one.claims.events(9, NOW, 4)) == 1


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
