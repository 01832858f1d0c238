"""Reading the records behind an event: few calls, and no id suffers for another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from connector.engine.enrich import Found, enrich
from connector.errors import (
    ConnectorError,
    Forbidden,
    Invalid,
    MappingError,
    Missing,
    NotConnected,
    NotSent,
    Refused,
    StoreBusy,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import Poll, Reader, Request

GET = Request(method="GET", path="/clients/{id}")
LIST = Request(method="GET", path="/clients", query={"q": "{q}"})
BATCHED = Reader(get=GET, batch=LIST, batch_size=40)
SINGLY = Reader(get=GET)
FIFTY = [str(number) for number in range(1, 51)]


def by_ids(ids: tuple[str, ...]) -> str:
    return " or ".join(f"id = {one}" for one in ids)


class App:
    """Answers reads; faults are of a list's n-th call, or of an id."""

    def __init__(self, **faults: Any) -> None:
        self.lists: list[dict[str, Any]] = []
        self.singles: list[str] = []
        self.list_faults: list[ConnectorError | None] = faults.get("lists", [])
        self.id_faults: dict[str, ConnectorError] = faults.get("ids", {})
        self.unlisted: set[str] = faults.get("unlisted", set())
        self.answer: Any = faults.get("answer")

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
        if "q" in inputs:
            place = len(self.lists)
            self.lists.append(dict(inputs))
            fault = self.list_faults[place] if place < len(self.list_faults) else None
            if fault is not None:
                raise fault
            if self.answer is not None:
                return self.answer
            ids = [part.removeprefix("id = ") for part in inputs["q"].split(" or ")]
            return {"data": [record(one) for one in ids if one not in self.unlisted]}
        one = str(inputs["id"])
        self.singles.append(one)
        if one in self.id_faults:
            raise self.id_faults[one]
        return {"data": record(one)}


def record(one: str) -> dict[str, Any]:
    return {"id": int(one), "name": f"client {one}"}


async def read(app: App, ids: Any, reader: Reader = BATCHED, **given: Any) -> dict[str, Found]:
    return await enrich(app, reader, ids, {"company": "7"}, by_ids, **given)


async def test_fifty_ids_take_two_calls() -> None:
    app = App()
    found = await read(app, FIFTY)
    assert (len(app.lists), len(app.singles)) == (2, 0)
    assert {one: each.resource for one, each in found.items()} == {
        one: record(one) for one in FIFTY
    }
    assert {each.enrichment for each in found.values()} == {"ok"}
    assert app.lists[0]["company"] == "7"


async def test_one_id_takes_one_single_read() -> None:
    app = App()
    await read(app, ["5"])
    assert (app.lists, app.singles) == ([], ["5"])


async def test_no_id_takes_no_call() -> None:
    app = App()
    assert await read(app, []) == {}
    assert (app.lists, app.singles) == ([], [])


async def test_an_id_named_twice_is_read_once() -> None:
    app = App()
    await read(app, ["1", "2", "1", "2", "1"])
    assert [one["q"] for one in app.lists] == ["id = 1 or id = 2"]


@pytest.mark.parametrize("reader", [SINGLY, BATCHED.model_copy(update={"batch": None})])
async def test_a_resource_without_a_list_filter_is_read_singly(reader: Reader) -> None:
    app = App()
    found = await read(app, FIFTY, reader)
    assert sorted(app.singles) == sorted(FIFTY)
    assert len(found) == 50


async def test_an_app_without_a_filter_language_is_read_singly() -> None:
    app = App()
    await enrich(app, BATCHED, ["1", "2"], {}, None)
    assert (app.lists, app.singles) == ([], ["1", "2"])


async def test_what_a_list_does_not_give_is_asked_for_singly() -> None:
    app = App(unlisted={"3", "4"}, ids={"3": Missing("no such client", status=404)})
    found = await read(app, ["1", "2", "3", "4"])
    assert sorted(app.singles) == ["3", "4"]
    assert [found[one].enrichment for one in "1234"] == ["ok", "ok", "gone", "ok"]
    assert found["3"].resource is None


@pytest.mark.parametrize(
    ("error", "became"),
    [
        (Missing("gone", status=404), "gone"),
        (Forbidden("not yours", status=403), "denied"),
        (Refused("no", status=400), "denied"),
        (MappingError("not an id"), "denied"),
        (Unclear("broken", status=500), "deferred"),
    ],
)
async def test_one_bad_id_fails_no_sibling(error: ConnectorError, became: str) -> None:
    app = App(ids={"3": error})
    found = await read(app, ["1", "2", "3", "4", "5"], SINGLY)
    assert found["3"].enrichment == became
    assert found["3"].resource is None
    assert {found[one].enrichment for one in "1245"} == {"ok"}
    assert len(app.singles) == 5
    if became != "gone":
        assert found["3"].cause is error


@pytest.mark.parametrize(
    "error",
    [
        Throttled("used up", retry_after=30),
        Unauthorized("dead"),
        NotSent("unreachable"),
        NotConnected("no connection"),
    ],
)
async def test_what_every_id_would_meet_is_met_once_and_waits_for_all(
    error: ConnectorError,
) -> None:
    app = App(ids=dict.fromkeys(FIFTY, error))
    found = await read(app, FIFTY, SINGLY)
    assert {each.enrichment for each in found.values()} == {"deferred"}
    assert {each.cause for each in found.values()} == {error}
    assert len(app.singles) <= 4, "those that were under way side by side, and no more"


@pytest.mark.parametrize(
    "error",
    [
        Throttled("used up", retry_after=30),
        Unauthorized("dead"),
        NotSent("unreachable"),
        Unclear("broken", status=500),
        StoreBusy("away"),
    ],
)
async def test_a_list_that_passes_for_now_waits_without_single_reads(
    error: ConnectorError,
) -> None:
    app = App(lists=[None, error])
    found = await read(app, FIFTY)
    became = [found[one].enrichment for one in FIFTY]
    assert became == ["ok"] * 40 + ["deferred"] * 10
    assert found["50"].cause is error
    assert app.singles == []


async def test_a_list_that_may_not_be_read_denies_its_ids() -> None:
    app = App(lists=[Forbidden("a scope is missing", status=403)])
    found = await read(app, ["1", "2"])
    assert {each.enrichment for each in found.values()} == {"denied"}
    assert app.singles == []


@pytest.mark.parametrize(
    "error", [Invalid("bad filter"), Missing("no such list"), Refused("what?")]
)
async def test_a_list_that_does_not_take_the_filter_falls_back_to_single_reads(
    error: ConnectorError,
) -> None:
    app = App(lists=[error])
    found = await read(app, ["1", "2", "3"])
    assert {each.enrichment for each in found.values()} == {"ok"}
    assert sorted(app.singles) == ["1", "2", "3"]


async def test_an_id_that_no_filter_can_name_fails_no_sibling() -> None:
    def strict(ids: tuple[str, ...]) -> str:
        if not all(one.isdecimal() for one in ids):
            raise MappingError("not an id", field="id")
        return by_ids(ids)

    app = App(ids={"x'y": MappingError("not an id", field="id")})
    found = await enrich(app, BATCHED, ["1", "x'y", "2"], {}, strict)
    assert [found[one].enrichment for one in ("1", "x'y", "2")] == ["ok", "denied", "ok"]


@pytest.mark.parametrize(
    "answer",
    [
        {"data": None},
        {"else": []},
        [],
        "text",
        {"data": [None, 3, {"no": "id"}]},
        {"data": {"id": 1}},
    ],
)
async def test_a_list_of_another_shape_falls_back_to_single_reads(answer: Any) -> None:
    app = App(answer=answer)
    found = await read(app, ["1", "2"])
    assert {each.enrichment for each in found.values()} == {"ok"}
    assert sorted(app.singles) == ["1", "2"]


async def test_records_that_nobody_asked_for_are_left_out() -> None:
    app = App(answer={"data": [record("1"), record("2"), record("99")]})
    assert set(await read(app, ["1", "2"])) == {"1", "2"}


async def test_a_record_that_is_nothing_is_gone() -> None:
    class Empty(App):
        async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
            return {"data": None}

    found = await read(Empty(), ["1", "2"], SINGLY)
    assert {each.enrichment for each in found.values()} == {"gone"}


@pytest.mark.parametrize("said", [None, {}, [], {"message": "back at noon"}, {"data": "later"}])
async def test_what_is_no_record_says_nothing_of_one(said: Any) -> None:
    class Strange(App):
        async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
            return said

    bare = Reader(get=GET, result="", poll=Poll(request=LIST, key="userid"))
    for reader in (SINGLY, BATCHED, bare):
        found = await read(Strange(), ["1", "2"], reader)
        assert {each.enrichment for each in found.values()} == {"deferred"}
        assert {type(each.cause) for each in found.values()} == {Unclear}


async def test_a_list_that_wants_a_kind_is_asked_for_each_until_all_are_found() -> None:
    reader = BATCHED.model_copy(update={"batch_each": {"type": ("expense", "credit", "note")}})

    class Typed(App):
        async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
            told = await super().read(request, inputs)
            if "q" not in inputs:
                return told
            odd = inputs["type"] == "expense"
            return {"data": [one for one in told["data"] if (one["id"] % 2 == 1) == odd]}

    app = Typed()
    found = await read(app, ["1", "2", "3"], reader)
    assert [each["type"] for each in app.lists] == ["expense", "credit"]
    assert {each.enrichment for each in found.values()} == {"ok"}
    assert app.singles == []


async def test_what_one_kind_gave_is_kept_when_the_next_cannot_be_read() -> None:
    reader = BATCHED.model_copy(update={"batch_each": {"type": ("expense", "credit")}})
    app = App(lists=[None, Throttled("used up", retry_after=9)], unlisted={"2"})
    found = await read(app, ["1", "2"], reader)
    assert [found[one].enrichment for one in "12"] == ["ok", "deferred"]


async def test_ids_that_are_set_apart_are_read_singly_and_the_rest_together() -> None:
    app = App(ids={"2": Unclear("broken", status=500)})
    found = await read(app, ["1", "2", "3", "4"], apart={"2", "4"})
    assert [one["q"] for one in app.lists] == ["id = 1 or id = 3"]
    assert [found[one].enrichment for one in "1234"] == ["ok", "deferred", "ok", "ok"]
