"""What is set up is changed by one at a time, and kept alike on both back ends."""

from __future__ import annotations

from typing import Any

import pytest

from connector.store.sql.database import SqlDatabase
from connector.store.sql.tenant import TenantStore
from tests.store.kit import NOW, connection_row, event_row


@pytest.fixture
async def store(either: SqlDatabase) -> TenantStore:
    store = either.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main"))
    return store


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("Books", {"owner": "a"}), ("Books", {"owner": "main", "account": "7"})),
        (("Ledger", {"owner": "main"}), ("Books", {"owner": "main", "account": "7"})),
        (("Books", {"owner": "a"}), ("Ledger", {"owner": "main"})),
    ],
    ids=["settings", "name-then-settings", "settings-then-name"],
)
async def test_of_two_changes_of_one_connection_the_later_is_told_to_look_again(
    store: TenantStore, first: tuple[str, Any], second: tuple[str, Any]
) -> None:
    seen = await store.connection("conn-main")
    assert seen is not None
    assert await store.change_connection(seen, *first)
    assert not await store.change_connection(seen, *second)
    row = await store.connection("conn-main")
    assert row is not None
    assert (row.name, row.settings, row.secrets) == (*first, seen.secrets)


async def test_a_nul_in_a_text_is_kept_and_found_as_one_sign(store: TenantStore) -> None:
    number = await store.accept(event_row("main", "d\x00-1", type="a\x00b"))
    row = await store.event(number or 0)
    assert row is not None
    assert (row.delivery_id, row.type) == ("d\ufffd-1", "a\ufffdb")
    # As it was sent it is the same one: it comes again, and is known.
    assert await store.accept(event_row("main", "d\x00-1", type="a\x00b")) is None


async def test_a_nul_in_what_is_looked_for_is_the_same_sign(store: TenantStore) -> None:
    seen = await store.connection("conn-main")
    assert seen is not None
    await store.change_connection(seen, "Bo\x00oks", seen.settings)
    found = await store.connection("Bo\x00oks")
    assert found is not None
    assert found.name == "Bo\ufffdoks"
