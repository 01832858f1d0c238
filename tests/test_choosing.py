"""Lists of apps, apart from any app: read once, page by page, forgotten in order, never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.choosing import Chooser, Option, pick
from connector.choosing.chooser import MOST_LISTS, MOST_OPTIONS
from connector.errors import BundleError, MappingError, Throttled
from connector.fields import SchemaStore
from connector.model import Choice, ChoiceSource, Connection, Request, SchemaRef, Search
from tests.loaded import the_catalog

OPTIONS = (
    Option(0, "22.00%", ("22.00%",)),
    Option(4, "4% Ridotta", ("4%", "Ridotta")),
    Option(22, "0% Escluso", ("0%", "Escluso")),
    Option(23, "0% Esente", ("0%", "Esente")),
)


class Door:
    """An app with one list; it counts how often it is asked."""

    def __init__(self, rows: int = 3, connection: str = "one", tenant: str = "main") -> None:
        self.connection = Connection(
            id=connection, tenant=tenant, app="app", name=connection, base_url="https://app.example"
        )
        self.rows = rows
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None

    async def request(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it is read by its request")

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
        self.asked.append(dict(inputs))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        first = (inputs["page"] - 1) * 100
        last = min(first + 100, self.rows)
        return {"data": [{"id": n, "name": f"Store {n}"} for n in range(first, last)]}


def app_of(**source: Any) -> Any:
    given = {
        "title": "stores",
        "request": Request(method="GET", path="/c/{company_id}/stores", query={"p": "{page}"}),
        "page_size": 100,
        **source,
    }
    app = the_catalog().app("perfex_crm")
    return app.model_copy(update={"choices": {"stores": ChoiceSource(**given)}})


HERE = {"company_id": 7}


async def test_many_who_ask_at_once_are_answered_by_one_reading() -> None:
    door, chooser, app = Door(250), Chooser(lambda: 0.0), app_of()
    told = await asyncio.gather(*(chooser.listing(app, "stores", door, HERE) for _ in range(20)))
    assert {len(one.options) for one in told} == {250}
    assert [one["page"] for one in door.asked] == [1, 2, 3]


async def test_each_tenant_connection_and_company_has_its_own() -> None:
    chooser, app = Chooser(lambda: 0.0), app_of()
    doors = [Door(), Door(connection="two"), Door(tenant="other")]
    for door in doors:
        for company in (7, 8):
            await chooser.listing(app, "stores", door, {"company_id": company})
            await chooser.listing(app, "stores", door, {"company_id": company})
    assert [len(door.asked) for door in doors] == [2, 2, 2]


async def test_no_more_lists_are_kept_than_so_many() -> None:
    door, chooser, app = Door(), Chooser(lambda: 0.0), app_of()
    for company in range(MOST_LISTS + 1):
        await chooser.listing(app, "stores", door, {"company_id": company + 1})
    asked = len(door.asked)
    await chooser.listing(app, "stores", door, {"company_id": MOST_LISTS + 1})
    assert len(door.asked) == asked
    await chooser.listing(app, "stores", door, {"company_id": 1})
    assert len(door.asked) == asked + 1, "the oldest went"


async def test_in_a_part_of_a_list_no_name_is_believed_to_be_the_only_one() -> None:
    door, chooser, app = Door(MOST_OPTIONS + 500), Chooser(lambda: 0.0), app_of()
    told = await chooser.listing(app, "stores", door, HERE)
    assert len(told.options) == MOST_OPTIONS
    assert not told.whole
    with pytest.raises(MappingError, match="More than 2000 stores"):
        await chooser.named(app, "stores", door, HERE, "Store 5", "data.store")


async def test_a_reading_that_fails_is_tried_again_by_the_next() -> None:
    door, chooser, app = Door(), Chooser(lambda: 0.0), app_of()
    door.error = Throttled("No room.", retry_after=60)
    with pytest.raises(Throttled):
        await chooser.listing(app, "stores", door, HERE)
    door.error = None
    assert len((await chooser.listing(app, "stores", door, HERE)).options) == 3


async def test_what_is_looked_for_is_written_in_the_apps_own_language() -> None:
    door, chooser = Door(), Chooser(lambda: 0.0)
    app = app_of(searched=True, search_filter=lambda text: f"name = <{text}>")
    found = await chooser.named(app, "stores", door, HERE, " store 2 ", "data.store")
    assert found.value == 2
    assert {one["search"] for one in door.asked} == {"name = <store 2>"}


async def test_a_list_that_is_known_is_not_asked_for() -> None:
    door, chooser = Door(), Chooser(lambda: 0.0)
    app = app_of(request=None, fixed=(Choice(value="it", label="Italian"),))
    assert (await chooser.named(app, "stores", door, {}, "italian", "data.x")).value == "it"
    assert door.asked == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22", 22),
        ("22.00%", 0),
        ("22,00 %", 0),
        ("22%", 0),
        ("ridotta", 4),
        ("4% RIDOTTA", 4),
        (" 4 % ", 4),
        ("Esente", 23),
    ],
)
def test_an_id_counts_before_a_name_and_a_name_before_its_look(text: str, value: int) -> None:
    assert pick("VAT types", OPTIONS, text, "vat").value == value


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (
            "0%",
            "'0%' is the name of 2 of the VAT types: 0% Escluso (id 22); 0% Esente (id 23).",
            "Give the id of the one that is meant.",
        ),
        (
            "Esent",
            "None of the VAT types is named 'Esent'.",
            "Did you mean 'Esente' or '0% Esente'?",
        ),
    ],
)
def test_what_is_not_one_is_refused_with_what_there_is(
    text: str, message: str, remedy: str
) -> None:
    with pytest.raises(MappingError) as caught:
        pick("VAT types", OPTIONS, text, "vat")
    assert (caught.value.message, caught.value.remedy) == (message, remedy)
    assert caught.value.field == "vat"


def test_every_digit_of_a_code_matters() -> None:
    options = (Option(1, "Screw", ("1.1",)), Option(2, "Bolt", ("7",)))
    with pytest.raises(MappingError):
        pick("products", options, "1.10", "product")


def test_people_are_told_by_their_ids_only() -> None:
    with pytest.raises(MappingError) as caught:
        pick("clients", OPTIONS, "0%", "client", people=True)
    assert caught.value.message == "This text is the name of 2 of the clients: id 22; id 23."
    with pytest.raises(MappingError) as caught:
        pick("clients", OPTIONS, "Esent", "client", people=True)
    assert "Esent" not in str(caught.value)


def test_a_list_that_no_app_has_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    from connector.catalog import load_catalog
    from connector.catalog.checks import check_node

    catalog = load_catalog()  # its own, as it is changed
    (tmp_path / "perfex_crm").mkdir()
    (tmp_path / "perfex_crm" / "odd.json").write_text(
        '{"type": "object", "properties": {"a": {"type": "integer", "x-choices": "cuontries"}}}'
    )
    catalog.schemas = SchemaStore([tmp_path])
    node = Search(
        app="perfex_crm",
        key="find_odd",
        noun="Odd",
        label="Find Odd",
        description="Finds.",
        inputs=(SchemaRef(schema_name="perfex_crm/odd", prefix="data"),),
        request=Request(method="GET", path="/odd"),
    )
    with pytest.raises(BundleError) as caught:
        check_node(node, catalog)
    assert "is chosen from 'cuontries'" in str(caught.value)
    assert "Did you mean 'countries'" in str(caught.value)
