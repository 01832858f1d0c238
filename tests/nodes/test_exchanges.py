"""Every node against a recorded exchange: what it sends byte for byte, what it gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from connector import paths
from connector.catalog import Catalog, load_catalog
from connector.codec import encode
from connector.expressions import evaluate
from connector.model import Action, Answer, Connection, HttpRequest, Search
from connector.plugins import build_plugins
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
            prepared = render_request(replay.app, replay.connection, node.request, case["input"])
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
