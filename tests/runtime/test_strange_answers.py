"""An app says "under maintenance" as a success: that is no list, so it proves nobody missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.codec import encode
from connector.sandbox.perfex.app import add_row
from connector.sandbox.perfex.tables import kinds
from tests.runtime.kit import CLIENTS, CREATE, World, client, flow, story, world
from tests.runtime.test_perfex_events import SEEN, add, flow as perfex_flow, on

AWAY = {"message": "The site is under maintenance, please come back later"}
BOMB = {"userid": Decimal("1E+1000000"), "company": "Officine Adda S.r.l.", "vat": "IT09876543217"}


@contextmanager
def strange(
    house: Any, path: str, said: Any = AWAY, *, once: Callable[[], bool] = lambda: True
) -> Iterator[list[str]]:
    """While it lasts, an app answers the reads of a path with a success that is none."""
    real, asked = house.app, []

    async def app(scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
        if scope["method"] == "GET" and path in scope["path"] and once():
            asked.append(scope["path"])
            body = said if isinstance(said, bytes) else encode(said)
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await real(scope, receive, send)

    house.app = app
    try:
        yield asked
    finally:
        house.app = real


async def settled(w: World) -> None:
    """Long enough for everything that is tried again."""
    for _ in range(12):
        await asyncio.sleep(300)
        await w.quiet()


@pytest.mark.parametrize("said", [AWAY, {"data": AWAY}, [AWAY], ["later"], {"data": None}, [BOMB]])
@story
async def test_a_search_that_is_no_list_makes_no_second_customer(tmp_path: Path, said: Any) -> None:
    async with world(tmp_path) as w:
        known = {"company": "Officine Adda S.r.l.", "vat": "IT09876543217"}
        add_row(w.sandbox.perfex, kinds()["customers"], known)
        before = len(w.customers)
        await w.follow(CLIENTS)
        with strange(w.perfex, "/customers", said) as asked:
            w.person.create("clients", client())
            await asyncio.sleep(5)
            assert asked
            assert len(w.customers) == before
        await settled(w)
        assert [run["state"] for run in await w.runs()] == ["succeeded"]
        assert len(w.customers) == before


@story
async def test_a_look_that_is_no_list_sends_nothing_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(types="[create]", steps=CREATE))
        w.sandbox.perfex.faults.add(kind="reset_after", method="POST", path="/api/customers")
        before = len(w.customers)
        with strange(w.perfex, "/customers", once=lambda: len(w.customers) > before) as asked:
            w.person.create("clients", client("Adda"))
            await asyncio.sleep(3600)
            assert len(asked) > 1
            assert len(w.customers) == before + 1
        await settled(w)
        assert [run["state"] for run in await w.runs()] == ["succeeded"]
        assert len(w.customers) == before + 1


@story
async def test_a_first_look_that_is_no_list_makes_no_old_customer_new(tmp_path: Path) -> None:
    async with world(tmp_path, generation="2.x") as w:
        for number in range(3):
            add(w, "customers", company=f"C{number}")
        with strange(w.perfex, "/customers") as asked:
            await on(w, perfex_flow("new_customer"))
            assert asked
        await asyncio.sleep(2 * SEEN)
        assert await w.runs() == []
        add(w, "customers", company="Really new")
        await asyncio.sleep(2 * SEEN)
        assert len(await w.runs()) == 1


FROM_PERFEX = """\
flow: back
trigger:
  node: perfex_crm.new_customer
  connection: perfex
steps:
  - id: create
    node: fatture_in_cloud.create_client
    connection: fatture
    map:
      company_id: 108061
      data.name: "{{ trigger.resource.company }}"
      data.code: K1
"""


@pytest.mark.parametrize("said", [{}, AWAY, {"data": [1]}, [], b"", b'"soon"'])
@story
async def test_a_list_of_the_vendor_that_is_none_makes_no_second_client(
    tmp_path: Path, said: Any
) -> None:
    async with world(tmp_path) as w:
        w.person.create("clients", {"name": "Known", "code": "K1"})
        table = w.sandbox.fic.first_company.tables["clients"]
        before = len(table.view())
        await on(w, FROM_PERFEX)
        with strange(w.fic, "/entities/clients", said) as asked:
            add(w, "customers", company="Known")
            await asyncio.sleep(5)
            assert asked
        await settled(w)
        # The client that is found is none of ours to follow: its own event is filtered.
        assert {run["state"] for run in await w.runs()} <= {"succeeded", "filtered"}
        assert len(table.view()) == before
