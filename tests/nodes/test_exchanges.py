"""Every node against a recorded exchange: what it sends byte for byte, what it gives."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from pytest_httpx import HTTPXMock

from connector import paths
from connector.caller import AppCaller
from connector.catalog import Catalog, load_catalog
from connector.codec import encode
from connector.expressions import evaluate
from connector.http import HttpClient
from connector.model import Action, Answer, Caller, Connection, HttpRequest, Search
from connector.plugins import build_plugins
from connector.quota import Limiter, MemoryLedger
from connector.rendering import build_request, render_request

HERE = Path(__file__).parent
BASE = "https://app.example"
RECORDED = sorted(HERE.glob("*/*.json"))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(build_plugins(entry_points=False))


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"), parse_float=Decimal)


def told(request: HttpRequest) -> dict[str, Any]:
    """A request as the recordings write it."""
    parts = urlsplit(request.url)
    found: dict[str, Any] = {"method": request.method, "path": parts.path}
    if parts.query:
        found["query"] = dict(parse_qsl(parts.query, keep_blank_values=True))
    kind = dict(request.headers).get("content-type", "")
    if kind.startswith("application/json"):
        found["json"] = json.loads(request.body, parse_float=Decimal)
    elif request.body:
        found["form"] = request.body.decode()
    return found


class Replay:
    """Answers the recorded requests in their order, and no other."""

    def __init__(self, catalog: Catalog, app: str, exchanges: list[Any]) -> None:
        self.app = catalog.app(app)
        self.connection = Connection(id="c1", app=app, name="Test", base_url=BASE)
        self._left = list(exchanges)

    def send(self, prepared: HttpRequest) -> Any:
        exchange = self._left.pop(0)
        assert told(prepared) == exchange["request"]
        recorded = exchange["answer"]
        answer = Answer(status=recorded["status"], body=encode(recorded["json"]))
        error = self.app.read_error(answer)
        if error is not None:
            raise error
        return answer.json()

    async def request(
        self,
        method: Any,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        encoding: Any = "json",
    ) -> Any:
        return self.send(
            build_request(self.app, self.connection, method, path, query or {}, body, encoding)
        )

    def is_over(self) -> bool:
        return not self._left


def test_every_action_and_search_is_recorded(catalog: Catalog) -> None:
    recorded = {f"{path.parent.name}.{path.stem}" for path in RECORDED}
    assert recorded == {*catalog.actions, *catalog.searches}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}.{path.stem}")
class TestRecorded:
    def node(self, catalog: Catalog, path: Path) -> Action | Search:
        return catalog.operation(f"{path.parent.name}.{path.stem}")

    async def test_sends_and_gives_what_was_recorded(self, catalog: Catalog, path: Path) -> None:
        node, case = self.node(catalog, path), read(path)
        replay = Replay(catalog, node.app, case["exchanges"])
        if node.run is not None:
            output = await node.run(replay, case["input"])
        else:
            assert node.request is not None
            inputs = await as_sent(node, replay, case["input"])
            prepared = render_request(replay.app, replay.connection, node.request, inputs)
            answer = replay.send(prepared)
            output = paths.get(answer, node.result) if node.result else answer
            if "proof" in case:
                # The answer names no record: what the search then finds is what steps get.
                output = await self.proven(catalog, node, case)
            if "record_id" in case:
                assert isinstance(node, Action)
                assert paths.get(answer, node.identity.record_id) == case["record_id"]
        assert replay.is_over()
        assert output == case["output"]

    async def proven(self, catalog: Catalog, node: Any, case: Any) -> Any:
        search = catalog.operation(f"{node.app}.{node.identity.find}")
        assert search.run is not None
        replay = Replay(catalog, node.app, case["proof"])
        inputs = {name: paths.get(case["input"], at) for name, at in node.identity.by.items()}
        found = await search.run(replay, inputs)
        assert replay.is_over()
        return found["record"]

    async def test_asks_first_what_was_recorded(self, catalog: Catalog, path: Path) -> None:
        node, case = self.node(catalog, path), read(path)
        check = getattr(node, "check", None)
        assert (check is not None) == ("checks" in case)
        if check is not None:
            replay = Replay(catalog, node.app, case["checks"])
            assert await check(replay, case["input"]) == {}
            assert replay.is_over()

    def test_input_and_output_fit_the_fields(self, catalog: Catalog, path: Path) -> None:
        node, case = self.node(catalog, path), read(path)
        inputs = {field.path for field in catalog.fields(node)}
        assert set(leaves(case["input"], inputs)) <= inputs
        required = {field.path for field in catalog.fields(node) if field.required}
        assert required <= set(leaves(case["input"], inputs))
        outputs = {field.path for field in catalog.output_fields(node)}
        unknown = [one for one in leaves(case["output"], outputs) if not begins(one, outputs)]
        assert unknown == []

    def test_summary_is_one_line(self, catalog: Catalog, path: Path) -> None:
        node, case = self.node(catalog, path), read(path)
        # The engine adds the id of the record where the answer names it otherwise.
        output = {"id": case.get("record_id"), **case["output"]}
        line = evaluate(node.summary, {"input": case["input"], "output": output})
        wanted = case.get("summary", "Customer 412: Officine Esempio S.r.l.")
        assert line == wanted


class Tokens:
    """Credentials that never end."""

    async def get(self) -> Any:
        return SimpleNamespace(access_token=SecretStr("t0ken"), refresh_token=None)

    async def replace(self, used: Any) -> Any:
        raise AssertionError("it was not refused")

    async def give_up(self) -> None:
        raise AssertionError("it was not refused")

    def headers(self, tokens: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {tokens.access_token.get_secret_value()}"),)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}.{path.stem}")
async def test_goes_through_httpx_as_it_was_recorded(
    catalog: Catalog, path: Path, httpx_mock: HTTPXMock
) -> None:
    node = catalog.operation(f"{path.parent.name}.{path.stem}")
    case, app = read(path), catalog.app(path.parent.name)
    for exchange in case["exchanges"]:
        httpx_mock.add_response(
            method=exchange["request"]["method"],
            url=re.compile(re.escape(f"{BASE}{exchange['request']['path']}") + r"(\?.*)?$"),
            status_code=exchange["answer"]["status"],
            content=encode(exchange["answer"]["json"]),
        )
    async with HttpClient(transport=httpx.AsyncHTTPTransport()) as client:
        caller = AppCaller(
            app.model_copy(update={"quotas": ()}),
            Connection(id="c1", app=app.key, name="Test", base_url=BASE),
            http=client,
            signer=Tokens(),
            limiter=Limiter(time.time, MemoryLedger()),
        )
        if node.run is not None:
            assert await node.run(caller, case["input"]) == case["output"]
        else:
            prepared = caller.render(node, await as_sent(node, caller, case["input"]))
            answer = await caller.send(prepared, write=isinstance(node, Action))
            assert caller.read_error(answer) is None
    sent = httpx_mock.get_requests()
    assert [told(as_ours(one)) for one in sent] == [one["request"] for one in case["exchanges"]]
    assert {one.headers["authorization"] for one in sent} == {"Bearer t0ken"}


async def as_sent(node: Action | Search, caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a node after it has read what it needs."""
    prepare = getattr(node, "prepare", None)
    return await prepare(caller, inputs) if prepare else inputs


def as_ours(request: httpx.Request) -> HttpRequest:
    headers = tuple(request.headers.multi_items())
    return HttpRequest(
        method=request.method, url=str(request.url), headers=headers, body=request.content
    )


def leaves(value: Any, known: set[str], path: str = "") -> list[str]:
    """The paths of all leaves, list rows without their index; free-form objects are leaves."""
    if isinstance(value, dict) and path not in known:
        return [
            leaf
            for key, inner in value.items()
            for leaf in leaves(inner, known, f"{path}.{key}" if path else key)
        ]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted({leaf for row in value for leaf in leaves(row, known, path)})
    return [path]


def begins(path: str, known: set[str]) -> bool:
    """Whether a path is a field, or an object of fields that is null."""
    return path in known or any(one.startswith(f"{path}.") for one in known)
