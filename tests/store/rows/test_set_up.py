"""What is set up: connections, secrets, hooks, flows, and the values of the installation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connector.errors import StoreBusy, StoreError, StoreOwned
from connector.store.sql.database import SqlDatabase
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import AWKWARD, NOW, accepted, connection_row, hook_row, run_row


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
