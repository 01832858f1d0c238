"""What is stored is what was given, once, and in the order it is asked for."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.errors import StoreBusy, StoreError, StoreOwned, TakenOver
from connector.store.rows import EventRow, HandledRow
from connector.store.sql.database import SqlDatabase
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import (
    NOW,
    alarm_row,
    connection_row,
    effect_row,
    event_row,
    hook_row,
    origin_row,
    run_row,
    step_row,
)


@pytest.fixture
def database(either: SqlDatabase) -> SqlDatabase:
    """Each kind of database in turn."""
    return either


@pytest.fixture
async def store(either: SqlDatabase) -> TenantStore:
    """The store of a tenant that has one connection."""
    store = either.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main"))
    return store


async def accepted(store: TenantStore, delivery: str = "d-1", **changes: Any) -> EventRow:
    event = event_row("main", delivery, **changes)
    event.id = await store.accept(event) or 0
    assert event.id
    return event


# --- events -----------------------------------------------------------------------------------


async def test_an_event_comes_back_as_it_was_accepted(store: TenantStore) -> None:
    event = await accepted(store)
    assert await store.event(event.id) == event


async def test_a_delivery_that_was_here_before_is_accepted_once(store: TenantStore) -> None:
    first = await accepted(store)
    assert await store.accept(event_row("main", ids=("3",))) is None
    kept = await store.event(first.id)
    assert kept is not None
    assert kept.ids == ("1", "2"), "the first one is kept, whatever the second says"


async def test_the_same_delivery_at_once_is_accepted_once(store: TenantStore) -> None:
    ids = await asyncio.gather(*(store.accept(event_row("main")) for _ in range(20)))
    assert len([one for one in ids if one is not None]) == 1


async def test_the_same_delivery_id_on_two_connections_is_two_events(store: TenantStore) -> None:
    await store.save_connection(connection_row("main", id="second", name="Second"))
    one = await accepted(store)
    two = await accepted(store, connection_id="second")
    assert one.id != two.id


async def test_events_are_given_newest_first_page_by_page(store: TenantStore) -> None:
    for number in range(7):
        await accepted(store, f"d-{number}")
    pages: list[list[str]] = []
    before: int | None = None
    while page := await store.events(limit=3, before=before):
        pages.append([event.delivery_id for event in page])
        before = page[-1].id
    assert pages == [["d-6", "d-5", "d-4"], ["d-3", "d-2", "d-1"], ["d-0"]]


async def test_only_received_events_are_open_oldest_first(
    database: Database, store: TenantStore
) -> None:
    first, second = await accepted(store, "d-1"), await accepted(store, "d-2")
    await accepted(store, "d-3", state="silent")
    done = await accepted(store, "d-4")
    await store.match(replace(done, state="unmatched"), [])
    assert [event.id for event in await database.open_events()] == [first.id, second.id]


async def test_an_event_is_found_by_its_delivery(store: TenantStore) -> None:
    event = await accepted(store)
    assert await store.event_of("conn-main", "d-1") == event
    assert await store.event_of("conn-main", "d-2") is None
    assert await store.event_of("other", "d-1") is None


# --- runs -------------------------------------------------------------------------------------


async def test_matching_stores_the_runs_and_the_state_of_the_event_together(
    store: TenantStore,
) -> None:
    event = await accepted(store)
    event.state, event.attempts, event.due_at, event.error = "received", 2, NOW + 9, {"a": 1}
    runs = await store.match(event, [run_row("main", event.id, item_id=one) for one in "12"])
    assert [run.item_id for run in runs] == ["1", "2"]
    assert all(run.id for run in runs)
    assert await store.event(event.id) == event
    assert await store.items_with_runs(event.id) == {(1, "1"), (1, "2")}
    assert await store.run_counts([event.id, 999]) == {event.id: 2}


async def test_matching_twice_gives_no_run_twice(store: TenantStore) -> None:
    event = await accepted(store)
    first = await store.match(event, [run_row("main", event.id)])
    again = await store.match(
        event, [run_row("main", event.id), run_row("main", event.id, item_id="2")]
    )
    assert [run.item_id for run in again] == ["2"]
    assert len(await store.runs()) == 2
    kept = await store.run(first[0].id)
    assert kept is not None
    assert kept.item_id == "1"


async def test_an_id_named_twice_in_one_event_gets_one_run(store: TenantStore) -> None:
    event = await accepted(store)
    fresh = await store.match(event, [run_row("main", event.id), run_row("main", event.id)])
    assert len(fresh) == 1
    assert fresh[0].id


async def test_a_run_comes_back_as_it_was_stored(database: Database, store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    run.state, run.reason, run.attempts = "waiting", "retry", 3
    run.due_at, run.error = NOW + 60, {"kind": "NotSent"}
    await store.record_run(run)
    stored = replace(run, fresh=False)
    assert await store.run(run.id) == stored
    assert await database.run(run.id) == stored


async def test_only_a_run_made_by_this_process_is_fresh(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    replayed = await store.add_run(run_row("main", event.id))
    assert run.fresh
    assert replayed.fresh
    stored = await store.run(run.id)
    assert stored is not None
    assert not stored.fresh


async def test_open_runs_are_those_without_an_end_in_the_order_they_came(
    database: Database, store: TenantStore
) -> None:
    event = await accepted(store)
    one, two, three = await store.match(
        event, [run_row("main", event.id, item_id=item) for item in "abc"]
    )
    two.state, two.finished_at = "succeeded", NOW
    three.state, three.reason, three.due_at = "waiting", "quota", NOW + 5
    await store.record_run(two)
    await store.record_run(three)
    assert await database.open_runs() == [
        (one.id, 1, "a", 0.0, None, 1, "main"),
        (three.id, 1, "c", NOW + 5, "quota", 1, "main"),
    ]


async def test_a_replay_is_one_more_run_of_the_same_record(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    replays = [await store.add_run(run_row("main", event.id)) for _ in range(2)]
    assert [one.replay for one in (run, *replays)] == [0, 1, 2]
    assert len({run.id, *(one.id for one in replays)}) == 3


async def test_of_two_replays_at_once_one_is_told_to_wait(store: TenantStore) -> None:
    event = await accepted(store)
    outcomes = await asyncio.gather(
        *(store.add_run(run_row("main", event.id)) for _ in range(2)), return_exceptions=True
    )
    # Where reading takes its time one of them may come second, and is simply the next replay.
    refused = [one for one in outcomes if isinstance(one, StoreError)]
    assert [one.who for one in refused] == ["wait"] * len(refused)
    replays = [run.replay for run in await store.runs()]
    assert sorted(replays) == list(range(2 - len(refused)))


async def test_runs_are_listed_by_state_flow_and_event_page_by_page(store: TenantStore) -> None:
    flow = await store.save_flow("sync", "text", NOW, enable=True)
    other = await store.save_flow("other", "text", NOW, enable=True)
    first, second = await accepted(store, "d-1"), await accepted(store, "d-2")
    for event in (first, second):
        rows = [
            run_row("main", event.id, flow_id=flow.id, item_id="1"),
            run_row("main", event.id, flow_id=flow.id, item_id="2", state="filtered"),
            run_row("main", event.id, flow_id=other.id, item_id="1"),
        ]
        await store.match(event, rows)
    assert len(await store.runs()) == 6
    assert [run.state for run in await store.runs(state="filtered")] == ["filtered"] * 2
    assert {run.flow_id for run in await store.runs(flow="other")} == {other.id}
    assert await store.runs(flow="nothing") == []
    assert {run.event_id for run in await store.runs(event_id=second.id)} == {second.id}
    top = await store.runs(limit=4)
    rest = await store.runs(limit=4, before=top[-1].id)
    ids = [run.id for run in (*top, *rest)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6


async def test_releasing_makes_due_only_what_waits_for_this_reason(
    database: Database, store: TenantStore
) -> None:
    event = await accepted(store)
    rows = [
        run_row("main", event.id, item_id="a", state="waiting", reason="connection:x"),
        run_row("main", event.id, item_id="b", state="waiting", reason="quota", due_at=NOW),
        run_row("main", event.id, item_id="c", state="waiting", reason="connection:x"),
        run_row("main", event.id, item_id="d", state="failed", reason="connection:x",
                finished_at=NOW),
    ]  # fmt: skip
    a, _, c, _ = await store.match(event, rows)
    before = await database.revision()
    assert await store.count_waiting("connection:x", 100) == 2
    assert await store.count_waiting("connection:x", 1) == 1
    assert await store.release_runs("connection:x") == [(a.id, 1, "a"), (c.id, 1, "c")]
    assert await store.release_runs("connection:x") == []
    assert await store.count_waiting("connection:x", 100) == 0
    assert await database.revision() != before, "another process drives them"
    released = await store.run(a.id)
    assert released is not None
    assert (released.state, released.reason, released.due_at) == ("queued", None, 0)


# --- steps ------------------------------------------------------------------------------------


async def test_steps_come_back_in_their_order(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    second = step_row(run.id, position=1, id="b", error={"kind": "X"}, exchange={"status": 200})
    first = step_row(run.id, position=0, id="a", output=None, summary=None)
    await store.record_step(run, second)
    await store.record_step(run, first)
    assert await store.steps(run.id) == [first, second]


async def test_the_end_of_a_step_replaces_its_failure(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    await store.record_step(
        run, step_row(run.id, state="failed", error={"kind": "NotSent"}, output=None)
    )
    done = step_row(run.id)
    await store.record_step(run, done)
    assert await store.steps(run.id) == [done]


async def test_a_step_and_the_end_of_its_run_are_stored_together_or_not_at_all(
    database: Database, store: TenantStore
) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    broken = replace(run, state="succeeded", finished_at=NOW, due_at=None)
    with pytest.raises(StoreError):
        await store.record_run(broken, step_row(run.id))
    assert await store.steps(run.id) == []
    assert len(await database.open_runs()) == 1


async def test_a_run_is_summed_up_by_its_last_step_that_says_something(
    store: TenantStore,
) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    for position, summary in enumerate(("first", "second", None)):
        await store.record_step(run, step_row(run.id, position=position, summary=summary))
    assert await store.summaries([run.id]) == {run.id: "second"}
    assert await store.summaries([]) == {}
    assert await store.run_counts([]) == {}


# --- effects ----------------------------------------------------------------------------------

AWKWARD = bytes(range(256)) + "è\n\r\x00'\"—".encode() + b"\xff\xfe"


async def test_the_bytes_of_an_effect_come_back_exactly(store: TenantStore) -> None:
    event = await accepted(store)
    effect = effect_row("main", event.id, request=AWKWARD)
    await store.save_effect(effect)
    kept = await store.effect(effect.key)
    assert kept == effect
    assert kept is not None
    assert type(kept.request) is bytes


async def test_an_effect_is_replaced_by_its_later_state(store: TenantStore) -> None:
    effect = effect_row("main", 1, state="sending", sends=1, sent_at=NOW)
    await store.save_effect(effect)
    later = replace(
        effect,
        state="done",
        run_id=2,
        inputs={"name": "mended"},
        request=b"other bytes",
        payload_hash="ff",
        sends=2,
        searches=1,
        due_at=NOW + 5,
        sent_at=NOW + 1,
        remote_id="77",
        output={"id": 77},
        evidence=[{"at": NOW, "message": "looked"}],
        updated_at=NOW + 2,
    )
    await store.save_effect(later)
    assert await store.effect(effect.key) == later
    assert await store.effects() == [later]


async def test_effects_about_one_record_are_found_by_its_natural_key(store: TenantStore) -> None:
    for place, key in enumerate(["vat=1", "vat=1", "vat=2", ""]):
        await store.save_effect(
            effect_row("main", 1, key=f"k{place}", natural_key=key, created_at=NOW + place)
        )

    async def about(key: str, node: str = "books.create_client") -> list[str]:
        return [one.key for one in await store.effects_about("conn-main", node, key)]

    assert await about("vat=1") == ["k1", "k0"]
    assert await about("vat=3") == []
    assert await about("") == [], "no natural key is no common one"
    assert await about("vat=1", "books.create_invoice") == []


async def test_only_the_ids_of_done_writes_are_claimed(store: TenantStore) -> None:
    for number, state in enumerate(["done", "parked", "done"]):
        await store.save_effect(
            effect_row("main", 1, key=f"k{number}", state=state, remote_id=str(number))
        )
    node = "books.create_client"
    assert await store.claimed_ids("conn-main", node, ["0", "1", "9"]) == {"0": 1}
    assert await store.claimed_ids("conn-main", "books.other", ["0"]) == {}
    assert await store.claimed_ids("conn-main", node, []) == {}


async def test_a_text_with_a_nul_is_stored_and_found_again(store: TenantStore) -> None:
    """An app may send any: a run that could not be stored would be tried for ever."""
    event = await accepted(store, ids=("a\0b",))
    (run,) = await store.match(event, [run_row("main", event.id, item_id="a\0b")])
    await store.save_effect(effect_row("main", run.id, natural_key="name=a\0b"))
    (found,) = await store.effects_about("conn-main", effect_row("main", 1).node, "name=a\0b")
    assert found.run_id == run.id
    run.state, run.finished_at = "succeeded", NOW
    step = step_row("main", run.id, summary="Client a\0b")
    await store.record_run(run, step)
    stored = await store.run(run.id)
    assert stored is not None
    assert (stored.state, stored.item_id.partition("a")[2][-1:]) == ("succeeded", "b")


async def test_of_two_that_give_one_record_to_two_writes_the_second_is_refused(
    either: SqlDatabase, beside: SqlDatabase
) -> None:
    """Both have looked before either decided, in two processes."""
    one, two = either.tenant("main"), beside.tenant("main")
    await one.ensure(NOW)
    await one.save_connection(connection_row("main"))
    event = await accepted(one)
    (run,) = await one.match(event, [run_row("main", event.id, state="parked", finished_at=NOW)])
    for key in ("k0", "k1", "k2"):
        await one.save_effect(effect_row("main", run.id, key=key, state="parked"))
    found = [await store.effect(key) for store, key in ((one, "k0"), (two, "k1"), (two, "k2"))]
    effects = [effect for effect in found if effect is not None]
    for effect in effects:
        effect.state, effect.remote_id = "done", "4711"
        effect.evidence = [{"message": f"adopted by {effect.key}"}]
    nodes = [effects[0].node, "books.ensure"]
    told = await asyncio.gather(
        one.decide(effects[0], NOW, "Ada", "adopt", None, nodes),
        two.decide(effects[1], NOW, "Bea", "adopt", None, nodes),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in told) == ["NoneType", "TakenOver"]
    assert len(await one.effects(state="done")) == len(await one.audits()) == 1
    await two.decide(effects[2], NOW, "Bea", "adopt", None)
    assert len(await one.effects(state="done")) == 2, "insisted on"


async def test_a_decision_its_audit_and_the_run_that_goes_on_are_one_commit(
    database: Database, store: TenantStore
) -> None:
    event = await accepted(store)
    parked, failed = await store.match(
        event,
        [
            run_row("main", event.id, item_id="a", state="parked", finished_at=NOW),
            run_row("main", event.id, item_id="b", state="failed", finished_at=NOW),
        ],
    )
    for number, run in enumerate((parked, failed)):
        effect = effect_row("main", run.id, key=f"k{number}", state="parked")
        await store.save_effect(effect)
    before = await database.revision()
    first, again = await store.effect("k0"), await store.effect("k0")
    assert first is not None
    assert again is not None
    first.state, first.evidence = "planned", [{"message": "sent again, decided by Ada"}]
    await store.decide(first, NOW, "Ada", "send_again", {"run": parked.id})
    assert [one[0] for one in await database.open_runs()] == [parked.id]
    assert await database.revision() != before, "another process drives it"

    again.state, again.evidence = "refused", [{"message": "dropped, decided by Bea"}]
    with pytest.raises(TakenOver):
        await store.decide(again, NOW, "Bea", "drop", {"run": parked.id})
    other = await store.effect("k1")
    assert other is not None
    other.state = "refused"
    await store.decide(other, NOW, "Bea", "drop", None)
    assert [one[0] for one in await database.open_runs()] == [parked.id], "it had failed"
    assert [(one["who"], one["what"], one["subject"]) for one in await store.audits()] == [
        ("Bea", "drop", "effect k1"),
        ("Ada", "send_again", "effect k0"),
    ], "who came too late decided nothing, and no audit says otherwise"


async def test_what_people_decided_is_listed_newest_first(store: TenantStore) -> None:
    for number in range(3):
        await store.audit(NOW + number, "anna", "adopt", f"effect {number}", {"id": number})
    newest, middle = await store.audits(limit=2)
    assert newest == {
        "at": NOW + 2,
        "who": "anna",
        "what": "adopt",
        "subject": "effect 2",
        "details": {"id": 2},
    }
    assert middle["subject"] == "effect 1"


async def test_a_result_is_written_only_by_the_owner_of_the_run(store: TenantStore) -> None:
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id)])
    stale = replace(run, epoch=run.epoch + 1, state="succeeded", finished_at=NOW)
    with contextlib.suppress(StoreError):
        await store.record_run(stale)
    kept = await store.run(run.id)
    assert kept is not None
    assert kept.state == "queued"


async def test_effects_are_listed_by_run_and_state_oldest_first(store: TenantStore) -> None:
    rows = [
        effect_row("main", run, key=f"k{place}", state=state, created_at=NOW - place)
        for place, (run, state) in enumerate([(1, "done"), (1, "parked"), (2, "parked")])
    ]
    for row in rows:
        await store.save_effect(row)
    assert [one.key for one in await store.effects()] == ["k2", "k1", "k0"]
    assert [one.key for one in await store.effects(state="parked")] == ["k2", "k1"]
    assert [one.key for one in await store.effects(run_id=1)] == ["k1", "k0"]
    assert await store.effect("unknown") is None


DIGITS = ["0.10", "1234567.89", "-0.005", "1E+2", "123456789012345678901234567890.12", "0.30"]


@pytest.mark.parametrize("digits", DIGITS)
async def test_no_digit_of_an_amount_is_lost(store: TenantStore, digits: str) -> None:
    amount = {"net": Decimal(digits), "rows": [Decimal(digits)], "whole": 12345678901234567890}
    event = await accepted(store)
    (run,) = await store.match(event, [run_row("main", event.id, context=amount)])
    await store.record_step(run, step_row(run.id, output=amount))
    await store.save_effect(effect_row("main", run.id, inputs=amount, output=amount))
    stored_run = await store.run(run.id)
    (step,) = await store.steps(run.id)
    (effect,) = await store.effects()
    assert stored_run is not None
    for kept in (stored_run.context, step.output, effect.inputs, effect.output):
        assert kept == amount
        assert str(kept["net"]) == str(kept["rows"][0]) == digits
        assert type(kept["net"]) is Decimal


# --- what is set up ---------------------------------------------------------------------------


async def test_a_connection_is_found_by_id_and_by_name_and_the_id_wins(
    store: TenantStore,
) -> None:
    await store.save_connection(connection_row("main", id="Books", name="Other"))
    by_id = await store.connection("Books")
    by_name = await store.connection("Other")
    assert by_id is not None
    assert by_id == by_name
    first = await store.connection("conn-main")
    assert first == connection_row("main")
    assert await store.connection("nothing") is None


async def test_secrets_are_replaced_only_by_who_knows_their_version(store: TenantStore) -> None:
    row = await store.connection("conn-main")
    assert row is not None
    await store.set_connection_status(row.id, "reconnect")
    assert await store.save_secrets(row.id, b"new", row.version)
    assert not await store.save_secrets(row.id, b"late", row.version)
    kept = await store.connection("conn-main")
    assert kept is not None
    assert (kept.secrets, kept.version, kept.status) == (b"new", row.version + 1, "active")


async def test_a_secret_is_sealed_anew_only_in_the_place_of_the_one_that_was_read(
    either: SqlDatabase,
) -> None:
    for tenant in ("main", "other"):
        await either.tenant(tenant).ensure(NOW)
        await either.tenant(tenant).save_connection(connection_row(tenant, status="reconnect"))
    found = await either.sealed()
    assert sorted(found) == [
        (tenant, f"conn-{tenant}", f"sealed for {tenant}".encode()) for tenant in ("main", "other")
    ]
    before = await either.tenant("main").connection("conn-main")
    assert not await either.reseal("other", "conn-main", b"new", b"sealed for main")
    assert not await either.reseal("main", "conn-main", b"new", b"another")
    assert await either.reseal("main", "conn-main", b"new", b"sealed for main")
    assert not await either.reseal("main", "conn-main", b"late", b"sealed for main")
    assert before is not None
    kept = await either.tenant("main").connection("conn-main")
    assert kept == replace(before, secrets=b"new"), "neither its version nor its state"
    other = await either.tenant("other").connection("conn-other")
    assert other is not None
    assert other.secrets == b"sealed for other"


async def test_the_database_knows_whether_any_secret_exists(path: Path) -> None:
    database = Database(path)
    store = database.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main", secrets=None))
    assert not await database.has_secrets()
    await store.save_connection(connection_row("main"))
    assert await database.has_secrets()
    await database.close()


async def test_a_hook_is_found_by_its_id_alone(database: Database, store: TenantStore) -> None:
    row = hook_row("main", verify_until=NOW + 900)
    await store.save_hook(row)
    assert await database.hook(row.id) == row
    assert await database.hook("nothing") is None
    await store.save_hook(replace(row, subscription=None, verify_until=None))
    changed = await database.hook(row.id)
    assert changed == replace(row, subscription=None, verify_until=None)


async def test_a_hook_of_no_connection_is_refused(store: TenantStore) -> None:
    with pytest.raises(StoreError) as caught:
        await store.save_hook(hook_row("main", connection_id="nothing"))
    assert not isinstance(caught.value, StoreBusy)


async def test_a_consent_is_given_back_once(store: TenantStore) -> None:
    await store.start_consent("state", {"verifier": "v"}, NOW + 60)
    assert await store.has_consent("state")
    assert await store.take_consent("state", NOW) == {"verifier": "v"}
    assert await store.take_consent("state", NOW) is None
    assert not await store.has_consent("state")


async def test_a_consent_that_is_too_old_is_given_back_never(store: TenantStore) -> None:
    await store.start_consent("old", {}, NOW - 1)
    await store.start_consent("older", {}, NOW - 2)
    assert await store.take_consent("old", NOW) is None
    assert not await store.has_consent("older")


async def test_a_changed_flow_is_its_next_version_and_the_old_one_stays(
    store: TenantStore,
) -> None:
    first = await store.save_flow("sync", "one", NOW, enable=None)
    assert (first.version, first.enabled) == (1, False)
    same = await store.save_flow("sync", "one", NOW + 1, enable=True)
    assert (same.version, same.enabled, same.created_at) == (1, True, NOW)
    second = await store.save_flow("sync", "two", NOW + 2, enable=None)
    assert (second.id, second.version, second.enabled) == (first.id, 2, True)
    assert await store.flow_document(first.id, 1) == "one"
    assert await store.flow_document(first.id, 2) == "two"
    assert await store.flow_document(first.id, 3) is None
    assert await store.flow("sync") == second
    assert await store.flow("nothing") is None


async def test_a_flow_is_switched_off_and_an_unknown_one_is_not(store: TenantStore) -> None:
    await store.save_flow("sync", "one", NOW, enable=True)
    assert await store.enable_flow("sync", enabled=False)
    assert not await store.enable_flow("nothing", enabled=False)
    (flow,) = await store.flows()
    assert not flow.enabled


async def test_another_process_notices_what_was_set_up(
    either: SqlDatabase, store: TenantStore, beside: SqlDatabase
) -> None:
    seen = {await beside.revision()}
    await store.save_flow("sync", "one", NOW, enable=True)
    seen.add(await beside.revision())
    await store.enable_flow("sync", enabled=False)
    seen.add(await beside.revision())
    await store.set_connection_status("conn-main", "reconnect")
    seen.add(await beside.revision())
    assert len(seen) == 4
    before = await beside.revision()
    await accepted(store)
    assert await beside.revision() == before, "work is no set-up"


async def test_a_second_driver_of_a_file_is_refused_until_the_first_has_gone(path: Path) -> None:
    first, second = Database(path), Database(path)
    first.own()
    assert await first.is_owner()
    with pytest.raises(StoreOwned):
        second.own()
    assert not await second.is_owner()
    await first.close()
    second.own()
    assert await second.is_owner()
    await second.close()


async def test_values_of_the_installation_are_kept(database: Database) -> None:
    assert await database.instance("canary") is None
    await database.set_instance("canary", AWKWARD)
    await database.set_instance("canary", AWKWARD + b"2")
    assert await database.instance("canary") == AWKWARD + b"2"
    await database.ping()


async def test_counts_are_by_table_and_state(store: TenantStore) -> None:
    event = await accepted(store)
    await accepted(store, "d-2", state="silent")
    await store.match(event, [run_row("main", event.id)])
    assert await store.counts() == {
        "event": {"received": 1, "silent": 1},
        "run": {"queued": 1},
        "effect": {},
    }


async def test_a_read_that_fails_is_an_error_to_wait_for(path: Path) -> None:
    database = Database(path)
    store = database.tenant("main")
    database.reader.close()
    for read in (store.events(), database.open_runs(), database.run(1), database.hook("h")):
        with pytest.raises(StoreBusy, match="cannot be read"):
            await read
    await database.close()


async def test_a_read_sees_every_commit(database: Database, store: TenantStore) -> None:
    for number in range(20):
        event = await accepted(store, f"d-{number}")
        assert await store.event(event.id) is not None
        assert len(await database.open_events()) == number + 1


# --- what was handled -------------------------------------------------------------------------


async def test_the_state_that_a_run_handles_is_stored_with_it(store: TenantStore) -> None:
    event = await accepted(store)
    place = (event.connection_id, event.account, event.resource)
    await store.match(
        event, [run_row("main", event.id, item_id="1", handled=HandledRow("2026-03-04"))]
    )
    later = run_row("main", event.id, item_id="1", replay=1, handled=HandledRow("2026-03-05"))
    other = run_row("main", event.id, item_id="2", flow_id=2, handled=HandledRow("2026-03-06"))
    undated = run_row("main", event.id, item_id="3")
    await store.match(event, [later, other, undated])
    told = await store.handled(*place, ["1", "2", "3", "4"])
    assert told == {(1, "1"): HandledRow("2026-03-05"), (2, "2"): HandledRow("2026-03-06")}
    assert await store.handled(*place, ["1"]) == {(1, "1"): HandledRow("2026-03-05")}
    assert await store.handled(*place, []) == {}
    assert await store.handled(event.connection_id, "another", event.resource, ["1"]) == {}


# --- what is watched for ----------------------------------------------------------------------


async def test_who_told_what_of_a_record_is_stored_with_its_run(store: TenantStore) -> None:
    event = await accepted(store)
    place = (event.connection_id, event.account, event.resource)
    told = HandledRow("2026-03-04", "sweep", 1_772_612_102.5, 1_772_612_103.25, event.id)
    await store.match(event, [run_row("main", event.id, handled=told)])
    assert await store.handled(*place, ["1"]) == {(1, "1"): told}
    # What stood beside it in one batch did not know of it.
    beside = HandledRow("2026-03-05", "event", 1_772_612_102.75)
    await store.match(event, [run_row("main", event.id, replay=1, handled=beside)])
    merged = replace(told, updated_at="2026-03-05", told_to=beside.told_to)
    assert await store.handled(*place, ["1"]) == {(1, "1"): merged}


async def test_the_first_who_notes_a_write_is_its_origin(store: TenantStore) -> None:
    first = origin_row("main", 5, flows=(3, 9), depth=2)
    await store.save_origin(first, NOW - 60)
    await store.save_origin(replace(first, run_id=6), NOW - 60)
    later = origin_row("main", 7, effect_key="another", made=False, done_at=NOW + 5)
    await store.save_origin(later, NOW - 60)
    assert await store.origins(first.realm, first.place, ["1", "2"]) == {"1": [later, first]}
    assert await store.origins(first.realm, "/elsewhere", ["1"]) == {}
    assert await store.origins(first.realm, first.place, []) == {}


async def test_old_origins_are_forgotten(store: TenantStore) -> None:
    old, new = (origin_row("main", 5, effect_key=key, done_at=at) for key, at in AGES)
    await store.save_origin(old, NOW - 60)
    await store.save_origin(new, NOW)
    assert await store.origins(old.realm, old.place, ["1"]) == {"1": [new]}


AGES = (("old", NOW - 1), ("new", NOW))


async def test_what_sweeps_found_is_counted_by_place_and_age(store: TenantStore) -> None:
    for number, at in enumerate((NOW - 90, NOW, NOW + 1)):
        await store.accept(event_row("main", f"sweep:7:client:{number}", received_at=at))
    third = await store.event_of("conn-main", "sweep:7:client:1")
    assert third is not None
    await store.accept(event_row("main", "sweep:8:client:1", account="8", received_at=NOW - 90))
    place = {"connection_id": "conn-main", "resource": "client"}
    found = await store.recovered(NOW)
    assert found == [
        {**place, "account": "7", "ever": 3, "lately": 2, "first_id": third.id},
        {**place, "account": "8", "ever": 1, "lately": 0, "first_id": None},
    ]
    assert not await store.heard("conn-main", "7", third.id)
    await store.accept(event_row("main", "real"))
    assert await store.heard("conn-main", "7", third.id)
    assert not await store.heard("conn-main", "8", third.id)


async def test_an_alarm_is_raised_once_until_it_is_over(store: TenantStore) -> None:
    alarm = alarm_row("main", remedy="Look.")
    assert await store.raise_alarm(alarm)
    assert not await store.raise_alarm(replace(alarm, message="again"))
    assert await store.alarms() == [alarm]
    assert not await store.end_alarm(alarm.kind, alarm.connection_id, "8", NOW)
    assert await store.end_alarm(alarm.kind, alarm.connection_id, "7", NOW + 1)
    assert not await store.end_alarm(alarm.kind, alarm.connection_id, "7", NOW + 2)
    assert await store.alarms() == []
    assert await store.raise_alarm(alarm)
    assert await store.alarms(ended=True) == [alarm, replace(alarm, ended_at=NOW + 1)]
