"""No tenant reads or overwrites what belongs to another, by any method there is."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connector.errors import StoreError
from connector.store.rows import (
    DraftRow,
    EventFilter,
    HandledRow,
    PersonRow,
    PolledRow,
    RunFilter,
    SampleRow,
    SessionRow,
    WatchRow,
)
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import (
    NOW,
    Filled,
    alarm_row,
    connection_row,
    effect_row,
    event_row,
    fill,
    hook_row,
    origin_row,
    run_row,
    step_row,
    sweep_row,
)

ALL = (0.0, NOW + 1_000)
Call = Callable[[TenantStore, Filled], Awaitable[Any]]

# What each method tells when it is asked, by the store given, about the rows of `whose`.
READS: dict[str, Call] = {
    "connection": lambda store, whose: store.connection(f"conn-{whose.tenant}"),
    "connections": lambda store, _: store.connections(),
    "hooks": lambda store, _: store.hooks(),
    "has_consent": lambda store, whose: store.has_consent(f"state-{whose.tenant}"),
    "flow": lambda store, _: store.flow("sync"),
    "flows": lambda store, _: store.flows(),
    "flow_document": lambda store, whose: store.flow_document(whose.flow.id, 1),
    "event": lambda store, whose: store.event(whose.event),
    "events": lambda store, _: store.events(),
    "event_of": lambda store, whose: store.event_of(f"conn-{whose.tenant}", "d-1"),
    "handled": lambda store, whose: store.handled(
        f"conn-{whose.tenant}", "7", "client", ["1", "2"]
    ),
    "sweeps": lambda store, _: store.sweeps(),
    "watches": lambda store, _: store.watches(),
    "polled": lambda store, whose: store.polled((f"conn-{whose.tenant}", "", "client")),
    "polled_places": lambda store, _: store.polled_places(),
    "states": lambda store, whose: store.states("7:/c", [whose.flow.id], ["1"]),
    "recovered": lambda store, _: store.recovered(0),
    "heard": lambda store, whose: store.heard(f"conn-{whose.tenant}", "7", 0),
    "origins": lambda store, _: store.origins("books:7", "/c/{}/clients", ["1"]),
    "alarms": lambda store, _: store.alarms(),
    "items_with_runs": lambda store, whose: store.items_with_runs(whose.event),
    "run": lambda store, whose: store.run(whose.run),
    "runs": lambda store, whose: store.runs(event_id=whose.event),
    "run_counts": lambda store, whose: store.run_counts([whose.event]),
    "summaries": lambda store, whose: store.summaries([whose.run]),
    "steps": lambda store, whose: store.steps(whose.run),
    "effect": lambda store, whose: store.effect(f"key-{whose.tenant}"),
    "effects": lambda store, whose: store.effects(run_id=whose.run),
    "effects_about": lambda store, whose: store.effects_about(
        f"conn-{whose.tenant}", "books.create_client", "data.code=7"
    ),
    "claimed_ids": lambda store, whose: store.claimed_ids(
        f"conn-{whose.tenant}", "books.create_client", [f"id in {whose.tenant}"]
    ),
    "audits": lambda store, _: store.audits(),
    "unheard": lambda store, _: store.unheard(0),
    "quotas": lambda store, _: store.quotas(),
    "run_ages": lambda store, _: store.run_ages(0, 10),
    "counts": lambda store, _: store.counts(),
    "count_parked": lambda store, _: store.count_parked(),
    "flow_versions": lambda store, _: store.flow_versions("sync"),
    "flow_keys": lambda store, _: store.flow_keys(),
    "drafts": lambda store, _: store.drafts(),
    "draft": lambda store, whose: store.draft(f"~{whose.tenant}"),
    "samples": lambda store, _: store.samples("sync"),
    "people": lambda store, _: store.people(),
    "login_failures": lambda store, whose: store.login_failures(
        (f"guess-{whose.tenant}",), NOW - 9
    ),
    "person": lambda store, whose: store.person(f"person-{whose.tenant}"),
    "session": lambda store, whose: store.session(f"session-{whose.tenant}"),
    "look_up_runs": lambda store, _: store.look_up_runs(RunFilter(), 50),
    "look_up_events": lambda store, _: store.look_up_events(EventFilter(), 50),
    "count_runs": lambda store, whose: store.count_runs(RunFilter(ids=(whose.run,)), ["queued"]),
    "ends_of_events": lambda store, whose: store.ends_of_events([whose.event]),
    "account": lambda store, _: store.account(ALL),
    "over_time": lambda store, _: store.over_time([ALL], None),
    "accepted_over_time": lambda store, _: store.accepted_over_time([ALL]),
    "seconds_taken": lambda store, _: store.seconds_taken([ALL], None),
}
# Counts name nobody: another tenant's are known by being others.
COUNTS = {
    "flow_keys",
    "counts",
    "count_parked",
    "account",
    "over_time",
    "accepted_over_time",
    "seconds_taken",
}
# What each method does when the store given is told to change the rows of `whose`.
WRITES: dict[str, Call] = {
    "ensure": lambda store, _: store.ensure(NOW + 1),
    "save_connection": lambda store, whose: store.save_connection(
        connection_row(store.tenant, id=f"conn-{whose.tenant}", name="Stolen")
    ),
    "save_secrets": lambda store, whose: store.save_secrets(f"conn-{whose.tenant}", b"stolen", 0),
    "set_connection_status": lambda store, whose: store.set_connection_status(
        f"conn-{whose.tenant}", "reconnect"
    ),
    "save_hook": lambda store, whose: store.save_hook(
        hook_row(store.tenant, id=f"hook-{whose.tenant}", account="stolen")
    ),
    "start_consent": lambda store, whose: store.start_consent(f"state-{whose.tenant}", {}, NOW),
    "take_consent": lambda store, whose: store.take_consent(f"state-{whose.tenant}", NOW),
    "save_flow": lambda store, _: store.save_flow("sync", "stolen", NOW, enable=False),
    "enable_flow": lambda store, _: store.enable_flow("sync", enabled=False),
    "accept": lambda store, whose: store.accept(
        event_row(store.tenant, connection_id=f"conn-{whose.tenant}")
    ),
    "match": lambda store, whose: store.match(
        event_row(store.tenant, id=whose.event, state="failed"),
        [
            run_row(
                store.tenant, whose.event, flow_id=whose.flow.id, handled=HandledRow("2099-01-01")
            )
        ],
    ),
    "add_run": lambda store, whose: store.add_run(
        run_row(store.tenant, whose.event, flow_id=whose.flow.id)
    ),
    "record_step": lambda store, whose: store.record_step(
        run_row(store.tenant, whose.event, id=whose.run), step_row(whose.run, store.tenant)
    ),
    "record_run": lambda store, whose: store.record_run(
        run_row(store.tenant, whose.event, id=whose.run, state="failed", finished_at=NOW),
        step_row(whose.run, store.tenant),
    ),
    "park_run": lambda store, whose: store.park_run(
        run_row(store.tenant, whose.event, id=whose.run, state="parked", finished_at=NOW), "stolen"
    ),
    "hurry_events": lambda store, whose: store.hurry_events(f"conn-{whose.tenant}"),
    "save_watch": lambda store, whose: store.save_watch(WatchRow(whose.flow.id, "stolen", NOW)),
    "drop_watch": lambda store, whose: store.drop_watch(whose.flow.id),
    "save_polled": lambda store, whose: store.save_polled(
        (f"conn-{whose.tenant}", "", "client"), {"1": PolledRow("stolen", 9)}
    ),
    "drop_polled": lambda store, whose: store.drop_polled((f"conn-{whose.tenant}", "", "client")),
    "add_states": lambda store, whose: store.add_states(
        whose.flow.id, "7:/c", {"1": ({"of": "a thief"}, "")}, NOW
    ),
    "save_sweep": lambda store, whose: store.save_sweep(
        sweep_row(whose.tenant, newest="stolen", floor="stolen")
    ),
    "ask_sweeps": lambda store, _: store.ask_sweeps(NOW),
    "tell_sweep": lambda store, whose: store.tell_sweep(
        (f"conn-{whose.tenant}", "7", "client"), {"stolen": 1}
    ),
    "drop_sweep": lambda store, whose: store.drop_sweep(sweep_row(whose.tenant)),
    "save_origin": lambda store, whose: store.save_origin(
        origin_row(whose.tenant, whose.run, effect_key="stolen"), NOW + 60
    ),
    "raise_alarm": lambda store, whose: store.raise_alarm(
        alarm_row(whose.tenant, message="stolen")
    ),
    "end_alarm": lambda store, whose: store.end_alarm(
        "webhooks_silent", f"conn-{whose.tenant}", "7", NOW
    ),
    "count_waiting": lambda store, _: store.count_waiting("connection:one", 9),
    "release_runs": lambda store, _: store.release_runs("connection:one"),
    "reopen_event": lambda store, whose: store.reopen_event(whose.event),
    "decide": lambda store, whose: store.decide(
        effect_row(store.tenant, whose.parked, key=f"key-{whose.tenant}", state="refused"),
        NOW,
        "me",
        "drop",
        None,
    ),
    "drop_payload": lambda store, whose: store.drop_payload(whose.ended, NOW),
    "mask_payload": lambda store, whose: store.mask_payload(whose.ended, lambda _: {}, NOW),
    "drop_event": lambda store, whose: store.drop_event(whose.event),
    "audit": lambda store, _: store.audit(NOW, "me", "drop", "effect", None),
    "change_connection": lambda store, whose: store.change_connection(
        connection_row(whose.tenant), "Stolen", {"stolen": True}
    ),
    "drop_connection": lambda store, whose: store.drop_connection(f"conn-{whose.tenant}", NOW),
    "drop_hooks": lambda store, whose: store.drop_hooks(f"conn-{whose.tenant}"),
    "save_draft": lambda store, whose: store.save_draft(
        DraftRow(f"~{whose.tenant}", "stolen", 1, 0, "a thief", NOW)
    ),
    "drop_draft": lambda store, whose: store.drop_draft(f"~{whose.tenant}", 1),
    "save_sample": lambda store, _: store.save_sample(
        SampleRow("sync", "", {"of": "a thief"}, False, "a thief", NOW)
    ),
    "drop_sample": lambda store, _: store.drop_sample("sync", ""),
    "drop_old_samples": lambda store, _: store.drop_old_samples(NOW + 1),
    "delete_flow": lambda store, _: store.delete_flow("sync", NOW),
    "save_person": lambda store, whose: store.save_person(
        PersonRow(f"person-{whose.tenant}", "owner", "stolen")
    ),
    "drop_person": lambda store, whose: store.drop_person(f"person-{whose.tenant}"),
    "save_session": lambda store, whose: store.save_session(
        SessionRow(f"session-{whose.tenant}", "stolen", "owner", NOW, NOW), NOW - 60
    ),
    "see_session": lambda store, whose: store.see_session(f"session-{whose.tenant}", NOW + 9),
    "drop_session": lambda store, whose: store.drop_session(f"session-{whose.tenant}"),
    "save_link": lambda store, whose: store.save_link(
        f"link-{whose.tenant}", "stolen", "owner", NOW + 60
    ),
    "count_login": lambda store, whose: store.count_login(
        (f"guess-{whose.tenant}",), NOW, NOW - 9, 0
    ),
    "forgive_login": lambda store, whose: store.forgive_login(
        f"guess-{whose.tenant}", f"other-{whose.tenant}"
    ),
    "knows_link": lambda store, whose: store.knows_link(f"link-{whose.tenant}", NOW),
    "take_link": lambda store, whose: store.take_link(f"link-{whose.tenant}", NOW),
    "save_effect": lambda store, whose: store.save_effect(
        effect_row(store.tenant, whose.run, key=f"key-{whose.tenant}", state="parked")
    ),
}
TABLES = {
    "tenant": "id = ?",
    "connection": "tenant = ?",
    "hook": "tenant = ?",
    "consent": "tenant = ?",
    "flow": "tenant = ?",
    "flow_version": "flow_id IN (SELECT id FROM flow WHERE tenant = ?)",
    "event": "tenant = ?",
    "run": "tenant = ?",
    "step": "run_id IN (SELECT id FROM run WHERE tenant = ?)",
    "effect": "tenant = ?",
    "audit": "tenant = ?",
    "resource_snapshot": "tenant = ?",
    "sweep": "tenant = ?",
    "duty": "tenant = ?",
    "derived_watch": "tenant = ?",
    "derived_state": "tenant = ?",
    "polled": "tenant = ?",
    "origin": "tenant = ?",
    "alarm": "tenant = ?",
    "flow_draft": "tenant = ?",
    "flow_sample": "tenant = ?",
    "person": "tenant = ?",
    "session": "tenant = ?",
    "login_link": "tenant = ?",
    "login_failure": "tenant = ?",
}


def rows_of(database: Database, tenant: str) -> dict[str, list[Any]]:
    return {
        table: database.reader.execute(
            f"SELECT * FROM {table} WHERE {where} ORDER BY 1", (tenant,)
        ).fetchall()
        for table, where in TABLES.items()
    }


async def both(database: Database) -> tuple[Filled, Filled]:
    """Two tenants that look alike but for their names."""
    alfa, beta = await fill(database.tenant("alfa")), await fill(database.tenant("beta"))
    waiting = run_row("alfa", alfa.event, item_id="2", state="waiting", reason="connection:one")
    parked = run_row("alfa", alfa.event, item_id="3", state="parked", finished_at=NOW)
    await alfa.store.accept(event_row("alfa", "sweep:7:client:9:then", state="silent"))
    event = event_row("alfa", id=alfa.event, state="matched")
    _, alone = await alfa.store.match(event, [waiting, parked])
    alfa.parked = alone.id
    await database.change_quota("books/alfa", lambda account, _: account.reached("alfa"))
    over = run_row("alfa", alfa.event, item_id="4", state="succeeded", finished_at=NOW)
    (ended,) = await alfa.store.match(event, [over])
    alfa.ended = ended.id
    await alfa.store.record_step(ended, step_row(ended.id, "alfa"))
    await alfa.store.save_effect(effect_row("alfa", alfa.parked, key="parked", state="parked"))
    await alfa.store.save_effect(
        effect_row("alfa", alfa.ended, key="key of the ended one", sends=1)
    )
    for one in (alfa, beta):
        await one.store.save_person(PersonRow(f"person-{one.tenant}", "owner", "hash"))
        await one.store.save_session(
            SessionRow(f"session-{one.tenant}", f"person-{one.tenant}", "owner", NOW, NOW), NOW - 60
        )
        await one.store.save_link(f"link-{one.tenant}", "", "owner", NOW + 60)
        await one.store.count_login(
            (f"guess-{one.tenant}", f"other-{one.tenant}"), NOW, NOW - 9, 10
        )
        await one.store.save_draft(DraftRow(f"~{one.tenant}", "flow: x", 0, 0, one.tenant, NOW))
        await one.store.save_sample(
            SampleRow("sync", "", {"of": one.tenant}, True, one.tenant, NOW)
        )
    return alfa, beta


def test_every_method_of_a_tenant_is_walked_here() -> None:
    public = {
        name
        for name, _ in inspect.getmembers(TenantStore, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public == set(READS) | set(WRITES)


async def test_every_table_that_holds_rows_of_tenants_is_compared_here(database: Database) -> None:
    tables = database.reader.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    # An app counts its quota by account; a tenant is shown those that it has reached.
    assert {row[0] for row in tables} == set(TABLES) | {"counter", "instance", "quota"}


@pytest.mark.parametrize("method", sorted(READS))
async def test_a_read_tells_nothing_of_another_tenant(database: Database, method: str) -> None:
    alfa, beta = await both(database)
    own = await READS[method](alfa.store, alfa)
    theirs = await READS[method](beta.store, alfa)
    assert own
    if method == "counts":
        assert theirs == {"event": {"matched": 1}, "run": {"queued": 1}, "effect": {"done": 1}}
    elif method == "flow_versions":
        # Both have a flow of this key: a version of another tenant's would be one more.
        assert [one.version for one in theirs] == [1]
    elif method in COUNTS:
        assert theirs != own
    else:
        assert "alfa" not in repr(theirs)
        assert theirs != own


@pytest.mark.parametrize("method", sorted(WRITES))
async def test_a_write_changes_nothing_of_another_tenant(database: Database, method: str) -> None:
    alfa, beta = await both(database)
    before = rows_of(database, "alfa")
    with contextlib.suppress(StoreError):
        await WRITES[method](beta.store, alfa)
    assert rows_of(database, "alfa") == before


@pytest.mark.parametrize("method", ["save_connection", "save_hook", "save_effect"])
async def test_a_row_with_the_id_of_another_tenants_is_refused_without_naming_it(
    database: Database, method: str
) -> None:
    alfa, beta = await both(database)
    with pytest.raises(StoreError) as caught:
        await WRITES[method](beta.store, alfa)
    assert "alfa" not in str(caught.value)


async def test_a_tenants_store_is_one_object(database: Database) -> None:
    assert database.tenant("alfa") is database.tenant("alfa")
    assert database.tenant("alfa") is not database.tenant("beta")
