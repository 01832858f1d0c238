"""What was handled, where a record comes from, what sweeps found, and alarms."""

from __future__ import annotations

from dataclasses import replace

from connector.store.rows import HandledRow
from connector.store.sql.tenant import TenantStore
from tests.store.kit import NOW, accepted, alarm_row, event_row, origin_row, run_row


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
