"""Effects: no byte and no digit is lost, and one record belongs to one write."""

from __future__ import annotations

import asyncio
import contextlib
import random
import string
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connector.errors import StoreBusy, StoreError, TakenOver
from connector.store.sql.database import SqlDatabase
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import AWKWARD, NOW, accepted, connection_row, effect_row, run_row, step_row


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
    assert sorted(type(one).__name__ for one in told) == ["TakenOver", "list"]
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


async def test_a_decision_lets_go_of_each_run_that_waits_for_this_write(
    store: TenantStore,
) -> None:
    event = await accepted(store)
    other = {"error": {"effect": "k1"}}
    waiting: list[dict[str, Any]] = [{}, {"error": {"effect": "k0"}}, {"error": {"step": "s"}}]
    ended = [*waiting, other, {"state": "failed", "error": {"effect": "k0"}}]
    runs = await store.match(
        event,
        [
            run_row("main", event.id, item_id=str(number),
                    **{"state": "parked", "finished_at": NOW, **told})
            for number, told in enumerate(ended)
        ],
    )  # fmt: skip
    for number, run in ((0, runs[0]), (1, runs[3])):
        await store.save_effect(effect_row("main", run.id, key=f"k{number}", state="parked"))
    effect = await store.effect("k0")
    assert effect is not None
    effect.state, effect.evidence = "refused", [{"message": "dropped, decided by Ada"}]
    # The third waited before runs named what they wait for, and has no write of its own.
    freed = [run.id for run in runs[:3]]
    assert await store.decide(effect, NOW, "Ada", "drop", None) == freed
    states = [(await store.run(run.id) or run).state for run in runs]
    assert states == ["queued", "queued", "queued", "parked", "failed"]


async def test_a_run_that_comes_after_the_decision_goes_on(store: TenantStore) -> None:
    """It has read the write in doubt, and a person decided before it could be stored as parked."""
    event = await accepted(store)
    for number, state in enumerate(["planned", "parked"]):
        (run,) = await store.match(event, [run_row("main", event.id, item_id=str(number))])
        await store.save_effect(effect_row("main", 1, key=f"k{number}", state=state))
        run.state, run.finished_at = "parked", NOW
        assert await store.park_run(run, f"k{number}") is (state == "parked")
        stored = await store.run(run.id)
        assert stored is not None
        ends = ("parked", NOW) if state == "parked" else ("queued", None)
        assert (stored.state, stored.finished_at) == (run.state, run.finished_at) == ends


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


async def test_what_no_index_holds_is_refused_once_and_never_called_busy(
    store: TenantStore,
) -> None:
    """PostgreSQL refuses it for ever: whoever waited for the database would wait for ever."""
    letters = random.Random(3).choices(string.ascii_letters, k=16_000)
    long = replace(effect_row("main", 1, key="long"), natural_key="".join(letters))
    others = [effect_row("main", 1, key=f"other-{number}") for number in range(5)]
    told = await asyncio.gather(*map(store.save_effect, [*others, long]), return_exceptions=True)
    assert told[:5] == [None] * 5
    assert all([await store.effect(one.key) for one in others])
    assert not isinstance(told[5], StoreBusy)
    assert told[5] is None or type(told[5]) is StoreError
    assert (await store.effect("long") is not None) == (told[5] is None)
