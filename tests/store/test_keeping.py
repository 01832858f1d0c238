"""What is removed of ended work, and above all what is not: on both back ends."""

from __future__ import annotations

from typing import Any

import pytest

from connector.engine.packing import pack, unpack
from connector.model import HttpRequest
from connector.store.rows import GONE, MASKED
from connector.store.sql.tenant import TenantStore
from tests.store.kit import NOW, effect_row, event_row, run_row, step_row

DAY = 86_400.0
ISSUES = [{"message": "x@ is no address", "field": "email"}]


async def ended(store: TenantStore, run_state: Any = "succeeded", /, **effect: Any) -> int:
    """A run of its own event, with a step and a write; gives the run's number."""
    count = len(await store.events(limit=1_000))
    event = event_row("main", f"d-{count}", received_at=NOW)
    event.id = await store.accept(event) or 0
    event.state = "matched"
    over = None if run_state in ("queued", "waiting") else NOW + 1
    error = {"kind": "Invalid", "message": "No.", "step": "write", "issues": ISSUES}
    row = run_row("main", event.id, state=run_state, finished_at=over, item_id=str(count),
                  error=error if run_state == "failed" else None)  # fmt: skip
    (run,) = await store.match(event, [row])
    exchange = {"warnings": ["told of somebody"]}
    await store.record_step(run, step_row(run.id, exchange=exchange, error={"issues": ISSUES}))
    written = {"key": f"key {count}", "natural_key": "data.code=7", "remote_id": "5",
               "output": {"id": 5, "name": "Rossi"}, "payload_hash": "abc",
               "evidence": [{"at": 1, "message": "found", "issues": ISSUES}]}  # fmt: skip
    await store.save_effect(effect_row("main", run.id, **{**written, **effect}))
    return run.id


async def told(store: TenantStore, run_id: int) -> str:
    """All that is stored of a run, as text."""
    effects = await store.effects(run_id=run_id)
    return repr((await store.run(run_id), await store.steps(run_id), effects))


async def test_payloads_of_an_ended_run_go_and_what_keeps_writes_single_stays(
    store: TenantStore,
) -> None:
    run_id = await ended(store, "failed")
    assert [one.kept for one in await store.run_ages(0, 10)] == ["whole"]
    assert await store.drop_payload(run_id, NOW + 2)
    run = await store.run(run_id)
    assert run is not None
    assert run.context == {GONE: NOW + 2}
    assert (run.state, run.finished_at, run.item_id) == ("failed", NOW + 1, "0")
    assert run.error == {"kind": "Invalid", "message": "No.", "step": "write"}
    (step,) = await store.steps(run_id)
    assert (step.output, step.summary, step.error, step.exchange) == (None, None, None, None)
    assert (step.id, step.state) == ("write", "done")
    effect = await store.effect("key 0")
    assert effect is not None
    assert (effect.state, effect.remote_id, effect.payload_hash) == ("done", "5", "abc")
    assert (effect.natural_key, effect.marker) == ("data.code=7", "#ABCDEFGHIJKL")
    assert (effect.inputs, effect.request, effect.output) == ({}, None, {"id": 5})
    assert effect.evidence == [{"at": 1, "message": "found"}]
    assert [one.kept for one in await store.run_ages(0, 10)] == ["gone"]
    before = await told(store, run_id)
    assert await store.drop_payload(run_id, NOW + 2)
    assert await told(store, run_id) == before


@pytest.mark.parametrize("state", ["queued", "waiting", "parked"])
async def test_an_open_or_parked_run_is_never_touched(store: TenantStore, state: str) -> None:
    run_id = await ended(store, state)
    before = await told(store, run_id)
    assert not await store.drop_payload(run_id, NOW)
    assert not await store.mask_payload(run_id, lambda _: {}, NOW)
    assert await told(store, run_id) == before


@pytest.mark.parametrize(
    "effect",
    [{"state": "sending"}, {"state": "uncertain"}, {"state": "parked"},
     {"state": "planned", "sends": 1}],
)  # fmt: skip
async def test_an_ended_run_whose_write_is_not_over_is_never_touched(
    store: TenantStore, effect: dict[str, Any]
) -> None:
    """A fault of ours can end a run in the middle of a write."""
    run_id = await ended(store, "failed", **effect)
    before = await told(store, run_id)
    assert not await store.drop_payload(run_id, NOW)
    assert await told(store, run_id) == before


@pytest.mark.parametrize("earlier", ["succeeded", "waiting", "parked"])
async def test_what_was_never_sent_goes_only_when_no_earlier_run_could_send_it(
    store: TenantStore, earlier: str
) -> None:
    """Two runs may share a write by their business key, and the earlier one takes it as it is."""
    await ended(store, earlier)
    run_id = await ended(store, "failed", state="planned", sends=0)
    assert await store.drop_payload(run_id, NOW) is (earlier == "succeeded")
    (effect,) = await store.effects(run_id=run_id)
    assert (effect.request is None) is (earlier == "succeeded")


async def test_only_asking_changes_nothing(store: TenantStore) -> None:
    run_id = await ended(store)
    before = await told(store, run_id)
    assert await store.drop_payload(run_id, NOW, really=False)
    assert await told(store, run_id) == before


async def test_a_write_that_a_later_run_took_over_is_that_ones(store: TenantStore) -> None:
    old = await ended(store, "failed", state="refused")
    new = await ended(store, "waiting", key="key 0", state="sending", version=1)
    assert await store.drop_payload(old, NOW)
    effect = await store.effect("key 0")
    assert effect is not None
    assert (effect.run_id, effect.request is None, effect.inputs) == (new, False, {"name": "main"})


async def test_masking_hides_in_run_steps_and_writes_and_keeps_what_a_write_answers(
    store: TenantStore,
) -> None:
    request = pack(
        HttpRequest(
            method="POST",
            url="https://x.example/c",
            headers=(("accept", "x"),),
            body=b"name=Rossi",
        )
    )
    run_id = await ended(store, request=request)

    def hide(value: Any) -> Any:
        return dict.fromkeys(value, "•••")

    assert await store.mask_payload(run_id, hide, NOW + 3)
    run = await store.run(run_id)
    assert run is not None
    assert run.context == {MASKED: NOW + 3, "trigger": "•••"}
    (step,) = await store.steps(run_id)
    assert step.output == {"id": "•••", "of": "•••"}
    assert step.summary is None
    assert step.exchange is None
    (effect,) = await store.effects(run_id=run_id)
    assert effect.inputs == {"name": "•••"}
    assert effect.output == {"id": 5, "name": "Rossi"}, "another event may meet this write"
    assert effect.request is not None
    assert (unpack(effect.request).url, unpack(effect.request).body) == ("https://x.example/c", b"")
    assert [one.kept for one in await store.run_ages(0, 10)] == ["masked"]
    assert await store.drop_payload(run_id, NOW + 4)
    assert [one.kept for one in await store.run_ages(0, 10)] == ["gone"]


# --- events --------------------------------------------------------------------------------------


async def old(store: TenantStore, before: float = NOW + DAY) -> list[int]:
    database: Any = store._backend
    found: list[int] = []
    after = 0
    while True:
        after, some = await database.old_events(after, before, 2)
        found += [number for _, number in some]
        if not after:
            return found


async def test_old_events_go_with_their_runs_and_the_writes_stay(store: TenantStore) -> None:
    runs = [await ended(store) for _ in range(5)]
    assert await old(store) == [], "payloads go first"
    for run_id in runs:
        await store.drop_payload(run_id, NOW)
    assert await old(store, NOW) == []
    assert await old(store, NOW + 0.5) == [], "their runs ended later"
    found = await old(store)
    # Not the last: SQLite would give its number, and that of its run, to the next one.
    assert found == [1, 2, 3, 4]
    for event_id in found:
        assert await store.drop_event(event_id)
        assert not await store.drop_event(event_id)
    assert [one.id for one in await store.events()] == [5]
    assert [one.id for one in await store.runs()] == [runs[-1]]
    assert await store.steps(runs[0]) == []
    assert [one.state for one in await store.effects()] == ["done"] * 5
    assert await ended(store, key="key of the next one") > runs[-1]
    assert (await store.events())[0].id > 5


async def test_an_event_that_is_open_or_has_an_open_run_stays(store: TenantStore) -> None:
    for state in ("succeeded", "waiting", "parked", "succeeded"):
        run_id = await ended(store, state)
        await store.drop_payload(run_id, NOW)
    await store.accept(event_row("main", "open"))
    await ended(store)
    assert await old(store) == [1, 4]
    assert await store.reopen_event(1)
    assert await old(store) == [4]
    assert not await store.drop_event(1), "it was offered again in this very moment"
    assert await store.runs(event_id=1)


async def test_the_number_of_the_newest_run_is_never_given_out_again(store: TenantStore) -> None:
    """A replay of an old event makes the newest run."""
    run_id = await ended(store)
    await ended(store, "failed")
    row = await store.run(run_id)
    assert row is not None
    row.state = "succeeded"
    again = await store.add_run(row)
    again.finished_at = NOW
    await store.record_run(again)
    for one in await store.run_ages(0, 10):
        await store.drop_payload(one.id, NOW)
    await store.accept(event_row("main", "the newest", state="silent"))
    assert await old(store) == [2]
