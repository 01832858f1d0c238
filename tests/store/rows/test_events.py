"""Events are stored once, and come back in the order they are asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import accepted, connection_row, event_row


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
