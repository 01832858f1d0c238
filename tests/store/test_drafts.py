"""Drafts, samples and tests of flows, and what is left of a flow that was deleted."""

from __future__ import annotations

from decimal import Decimal

from connector.store.rows import DraftRow, SampleRow
from connector.store.sql.tenant import TenantStore
from tests.store.kit import NOW


async def test_one_change_of_a_draft_wins(store: TenantStore) -> None:
    first = DraftRow("sync", "one", 0, 3, "anna", NOW)
    assert await store.save_draft(first)
    assert not await store.save_draft(first), "somebody began one"
    second = DraftRow("sync", "two", 1, 4, "bea", NOW + 1)
    assert await store.save_draft(second)
    assert not await store.save_draft(DraftRow("sync", "late", 1, 3, "carlo", NOW + 2))
    assert await store.draft("sync") == DraftRow("sync", "two", 2, 4, "bea", NOW + 1)
    await store.save_draft(DraftRow("~1", "new", 0, 0, "anna", NOW + 2))
    assert [one.flow for one in await store.drafts()] == ["~1", "sync"]
    assert not await store.drop_draft("sync", 1)
    assert await store.drop_draft("sync", 2)
    assert await store.draft("sync") is None


async def test_a_sample_keeps_every_digit_and_goes_when_it_is_old(store: TenantStore) -> None:
    content = {"record": {"total": Decimal("12345678901234567.10"), "name": "Società"}}
    pinned = SampleRow("sync", "", content, True, "anna", NOW)
    test = SampleRow("sync", "a test", {"trigger": {}}, False, "bea", NOW)
    await store.save_sample(test)
    await store.save_sample(pinned)
    assert await store.samples("sync") == [pinned, test]
    assert await store.samples("other") == []
    assert await store.drop_old_samples(NOW) == 0
    assert await store.drop_old_samples(NOW + 1, really=False) == 1
    assert await store.drop_old_samples(NOW + 1) == 1
    assert await store.samples("sync") == [test]
    assert await store.drop_sample("sync", "a test")
    assert not await store.drop_sample("sync", "a test")


async def test_what_belongs_to_a_new_draft_goes_with_it(store: TenantStore) -> None:
    for flow in ("~1", "sync"):
        await store.save_draft(DraftRow(flow, "text", 0, 0, "anna", NOW))
        await store.save_sample(SampleRow(flow, "", {"run": 1}, False, "anna", NOW))
    assert not await store.drop_draft("~1", 9)
    assert await store.samples("~1")
    assert await store.drop_draft("~1", 1)
    assert await store.samples("~1") == []
    assert await store.drop_draft("sync", 1)
    assert await store.samples("sync"), "a stored flow keeps its sample"


async def test_a_deleted_flow_keeps_its_number_and_its_texts(store: TenantStore) -> None:
    before = await store.save_flow("sync", "one", NOW, enable=True)
    await store.save_flow("stays", "other", NOW, enable=True)
    assert await store.delete_flow("sync", NOW + 1)
    assert not await store.delete_flow("sync", NOW + 2)
    assert await store.flow("sync") is None
    assert [one.key for one in await store.flows()] == ["stays"]
    assert (await store.flow_keys())[before.id] == "sync"
    assert await store.flow_document(before.id, 1) == "one"
    assert not await store.enable_flow("sync", enabled=True)
    again = await store.save_flow("sync", "two", NOW + 3, None)
    assert (again.id, again.version, again.enabled) == (before.id, 2, False)
    await store.delete_flow("sync", NOW + 4)
    same = await store.save_flow("sync", "two", NOW + 5, enable=True)
    assert (same.id, same.version, same.enabled) == (before.id, 2, True)
