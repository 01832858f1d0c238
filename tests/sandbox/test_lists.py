"""Paging, sorting, filtering and projections as the vendor really has them."""

from __future__ import annotations

from typing import Any

import pytest


async def fill(world: Any, count: int) -> None:
    rows = [{"name": f"Client {number:03}", "code": f"C{number}"} for number in range(count)]
    world.sandbox.person.import_clients(rows)


async def test_page_has_50_rows_unless_said(world: Any) -> None:
    await fill(world, 60)
    page = (await world.fic("GET", "C/entities/clients")).json()
    assert (page["per_page"], len(page["data"]), page["total"]) == (50, 50, 60)
    assert (page["current_page"], page["last_page"]) == (1, 2)
    assert page["next_page_url"] == "page=2"
    assert page["prev_page_url"] is None
    last = (await world.fic("GET", "C/entities/clients", page=2)).json()
    assert (last["from"], last["to"], last["next_page_url"]) == (51, 60, None)


@pytest.mark.parametrize("per_page", ["4", "101", "0", "many"])
async def test_page_size_outside_5_to_100_is_422(world: Any, per_page: str) -> None:
    answer = await world.fic("GET", "C/entities/clients", per_page=per_page)
    assert answer.status == 422
    assert "per_page" in answer.json()["error"]["validation_result"]


async def test_page_size_5_and_100_are_fine(world: Any) -> None:
    await fill(world, 101)
    for per_page in (5, 100):
        page = (await world.fic("GET", "C/entities/clients", per_page=per_page)).json()
        assert len(page["data"]) == per_page


async def test_page_beyond_the_last_is_empty(world: Any) -> None:
    page = (await world.fic("GET", "C/entities/clients", page=9)).json()
    assert (page["data"], page["from"], page["to"]) == ([], None, None)


async def test_sort_takes_listed_columns_only(world: Any) -> None:
    await fill(world, 3)
    rows = (await world.fic("GET", "C/entities/clients", sort="-name")).json()["data"]
    assert [row["code"] for row in rows] == ["C2", "C1", "C0"]
    assert (await world.fic("GET", "C/entities/clients", sort="id")).status == 422
    answer = await world.fic("GET", "C/issued_documents", type="invoice", sort="-updated_at")
    assert answer.status == 422


async def test_many_ids_come_in_one_call(world: Any) -> None:
    await fill(world, 60)
    ids = [row["id"] for row in world.sandbox.fic.first_company.tables["clients"]][5:45]
    text = " or ".join(f"id = {id_}" for id_ in ids)
    world.sandbox.fic.ledger.clear()
    query = {"q": text, "fieldset": "detailed", "per_page": 100}
    page = (await world.fic("GET", "C/entities/clients", **query)).json()
    assert [row["id"] for row in page["data"]] == ids
    assert world.sandbox.fic.ledger.requests == {"GET /c/{company_id}/entities/clients": 1}


async def test_issued_documents_cannot_be_filtered_by_id(world: Any, invoice: Any) -> None:
    await world.fic("POST", "C/issued_documents", invoice(subject="run:8f2c"))
    answer = await world.fic("GET", "C/issued_documents", type="invoice", q="id = 9150077")
    assert answer.status == 422
    found = await world.fic(
        "GET", "C/issued_documents", type="invoice", q="any_subject contains '8f2c'"
    )
    assert found.json()["total"] == 1


async def test_bad_filter_can_be_400_too(make_world: Any) -> None:
    world = make_world(bad_filter_status=400)
    assert (await world.fic("GET", "C/entities/clients", q="id in (1)")).status == 400


async def test_issued_documents_need_their_type(world: Any, invoice: Any) -> None:
    assert (await world.fic("GET", "C/issued_documents")).status == 422
    await world.fic("POST", "C/issued_documents", invoice())
    quotes = await world.fic("GET", "C/issued_documents", type="quote")
    assert quotes.json()["total"] == 0


async def test_lists_are_slim_unless_detailed(world: Any, invoice: Any) -> None:
    await world.fic("POST", "C/issued_documents", invoice())
    for query, has in (({}, False), ({"fieldset": "detailed"}, True)):
        answer = await world.fic("GET", "C/issued_documents", type="invoice", **query)
        row = answer.json()["data"][0]
        for name in ("items_list", "payments_list", "ei_status"):
            assert (name in row) is has


async def test_items_list_alone_breaks_the_server(world: Any, invoice: Any) -> None:
    await world.fic("POST", "C/issued_documents", invoice())
    alone = await world.fic("GET", "C/issued_documents", type="invoice", fields="items_list")
    assert alone.status == 500
    both = await world.fic("GET", "C/issued_documents", type="invoice", fields="id,items_list")
    assert set(both.json()["data"][0]) == {"id", "items_list"}


async def test_fields_and_fieldset_exclude_each_other(world: Any) -> None:
    query = {"fields": "name", "fieldset": "basic"}
    assert (await world.fic("GET", "C/entities/clients", **query)).status == 422


async def test_cashbook_has_dates_instead_of_pages(world: Any) -> None:
    body = {
        "data": {
            "date": "2026-03-04",
            "description": "Prelievo",
            "kind": "cashbook",
            "type": "out",
            "amount_out": 250,
            "payment_account_out": {"id": 333},
        }
    }
    made = (await world.fic("POST", "C/cashbook", body)).json()["data"]
    assert isinstance(made["id"], str)
    assert made["payment_account_out"]["name"] == "Cassa"
    assert (await world.fic("GET", "C/cashbook")).status == 422
    dates = {"date_from": "2026-03-01", "date_to": "2026-03-31"}
    answer = (await world.fic("GET", "C/cashbook", **dates)).json()
    assert [row["id"] for row in answer["data"]] == [made["id"]]
    assert set(answer) == {"data"}


async def test_list_lag_hides_a_new_record_from_lists_only(make_world: Any) -> None:
    world = make_world(list_lag=5)
    made = await world.client_record()
    assert (await world.fic("GET", "C/entities/clients")).json()["total"] == 0
    assert (await world.fic("GET", f"C/entities/clients/{made['id']}")).status == 200
    world.clock.advance(5)
    assert (await world.fic("GET", "C/entities/clients")).json()["total"] == 1


async def test_list_lag_shows_the_old_version_and_deleted_records(world: Any) -> None:
    made = await world.client_record()
    world.clock.advance(60)
    path = f"C/entities/clients/{made['id']}"
    await world.fic("PUT", path, {"data": {"name": "New"}})
    world.sandbox.fic.faults.add(kind="list_lag", seconds=10, times=2)
    rows = (await world.fic("GET", "C/entities/clients")).json()["data"]
    assert rows[0]["name"] == "Officine Adda"
    await world.fic("DELETE", path)
    world.sandbox.fic.faults.rules.clear()
    world.sandbox.fic.list_lag = 10
    assert (await world.fic("GET", "C/entities/clients")).json()["total"] == 1
    world.clock.advance(10)
    assert (await world.fic("GET", "C/entities/clients")).json()["total"] == 0
