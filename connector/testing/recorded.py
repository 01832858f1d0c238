"""Recorded exchanges: what a node sends, byte for byte, and what it makes of the answers.

A recording is a JSON file: `input`, `exchanges` (each a `request` and its `answer`), `output`, and
where it applies `summary`, `record_id`, `checks` (what the node's own check asks) and `proof` (what
its search answers when the app's answer names no record).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connector import paths
from connector.catalog import Catalog
from connector.codec import encode
from connector.expressions import evaluate
from connector.model import (
    Action,
    Answer,
    App,
    Caller,
    Connection,
    Encoding,
    HttpRequest,
    Method,
    Request,
    Search,
)
from connector.rendering import build_request, render_request
from connector.testing.subject import ADDRESS

STRANGE = "a_key_of_tomorrow"


def told(request: HttpRequest) -> dict[str, Any]:
    """A request as recordings write it."""
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


def body_of(answer: Mapping[str, Any], *, strange: bool = False) -> bytes:
    """The body of a recorded answer: its `json`, or its `text` as it is."""
    if "json" not in answer:
        return str(answer.get("text", "")).encode()
    return encode(with_strange_keys(answer["json"]) if strange else answer["json"])


async def asked_of(
    node: Action | Search, caller: Caller, inputs: Mapping[str, Any]
) -> tuple[Request, dict[str, Any]]:
    """A node's request and its inputs, after it has read what these depend on."""
    request, given = node.request, dict(inputs)
    if isinstance(node, Action) and node.prepare is not None:
        ready = await node.prepare(caller, given)
        request, given = ready.request or request, ready.inputs
    if request is None:
        raise AssertionError("the node has neither a request nor own code.")
    return request, given


class Replay:
    """A Caller that answers the recorded requests in their order, and no other."""

    def __init__(self, app: App, exchanges: Sequence[Any], *, strange: bool = False) -> None:
        self.app = app
        self.connection = Connection(id="c1", app=app.key, name="Test", base_url=ADDRESS)
        self._left = list(exchanges)
        self._strange = strange

    def send(self, request: HttpRequest) -> Any:
        """The recorded answer to exactly this request; raises the error that it means."""
        return self._answer(told(request)).json()

    async def download(
        self, where: str, *, query: Mapping[str, str] | None = None, most: int = 0
    ) -> Answer:
        """As a node's own code calls it; an address elsewhere is recorded as `url`."""
        if not where.startswith("/"):
            return self._answer({"method": "GET", "url": where}, elsewhere=True)
        asked = build_request(self.app, self.connection, "GET", where, query or {}, None)
        return self._answer(told(asked))

    def _answer(self, asked: Mapping[str, Any], *, elsewhere: bool = False) -> Answer:
        if not self._left:
            raise AssertionError(f"it asks more than was recorded: {asked}")
        exchange = self._left.pop(0)
        if asked != exchange["request"]:
            raise AssertionError(
                f"it sends another request.\n  recorded: {exchange['request']}\n  sent:     {asked}"
            )
        recorded = exchange["answer"]
        answer = Answer(
            status=recorded["status"],
            headers=tuple(recorded.get("headers", {}).items()),
            body=body_of(recorded, strange=self._strange),
        )
        error = None if elsewhere else self.app.read_error(answer)
        if error is not None:
            raise error
        return answer

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        encoding: Encoding = "json",
    ) -> Any:
        """As a node's own code calls it."""
        return self.send(
            build_request(self.app, self.connection, method, path, query or {}, body, encoding)
        )

    def end(self) -> None:
        """Raise AssertionError when something recorded was not asked."""
        if self._left:
            raise AssertionError(f"it did not ask: {[one['request'] for one in self._left]}")


@dataclass(frozen=True, slots=True)
class Recording:
    """One node's recorded exchange."""

    node: Action | Search
    case: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path, node: Action | Search) -> Recording:
        """The recording in a file, with exact decimals."""
        return cls(node, json.loads(path.read_text("utf-8"), parse_float=Decimal))

    async def play(self, catalog: Catalog, *, strange: bool = False) -> None:
        """Run the node against it. Raises AssertionError where either side differs."""
        node, case, app = self.node, self.case, catalog.app(self.node.app)
        replay = Replay(app, case["exchanges"], strange=strange)
        if node.run is not None:
            output = await node.run(replay, dict(case["input"]))
        else:
            output = await self._request(catalog, replay, strange)
        replay.end()
        _agree("output", without_strange_keys(output), case["output"])

    async def _request(self, catalog: Catalog, replay: Replay, strange: bool) -> Any:
        node, case = self.node, self.case
        asked, inputs = await asked_of(node, replay, case["input"])
        answer = replay.send(render_request(replay.app, replay.connection, asked, inputs))
        if isinstance(node, Action) and node.removes is not None:
            removed = paths.get(case["input"], node.removes)
            return {"id": removed, "deleted": True, "already_gone": False}
        if isinstance(node, Action) and answer is None and node.empty_means:
            return dict(node.empty_means)
        if "record_id" in case and isinstance(node, Action):
            _agree("record_id", paths.get(answer, node.identity.record_id), case["record_id"])
        if "proof" in case:
            # The answer names no record: what the search then finds is what steps get.
            return await self._proven(catalog, strange)
        if answer is None and isinstance(node, Action) and not node.identity.record_id:
            return {"done": True}
        return paths.get(answer, node.result) if node.result else answer

    async def _proven(self, catalog: Catalog, strange: bool) -> Any:
        node, case = self.node, self.case
        if not isinstance(node, Action) or node.identity.find is None:
            raise AssertionError("only an Action with a Search has a proof.")
        search = catalog.operation(f"{node.app}.{node.identity.find}")
        if search.run is None:
            raise AssertionError(f"{search.name} has no code of its own to replay.")
        replay = Replay(catalog.app(node.app), case["proof"], strange=strange)
        by = node.identity.by.items()
        found = await search.run(replay, {name: paths.get(case["input"], at) for name, at in by})
        replay.end()
        return found["record"]

    async def ask(self, catalog: Catalog) -> None:
        """Run the Action's own check against what was recorded of it."""
        check = self.node.check if isinstance(self.node, Action) else None
        if (check is not None) != ("checks" in self.case):
            raise AssertionError("`checks` must be recorded for an Action that checks, only.")
        if check is None:
            return
        replay = Replay(catalog.app(self.node.app), self.case["checks"])
        _agree("check", await check(replay, dict(self.case["input"])), {})
        replay.end()

    def fit(self, catalog: Catalog) -> None:
        """Raise AssertionError when its input or output has places that no field names."""
        given = catalog.fields(self.node)
        inputs = {field.path for field in given}
        found = set(leaves(self.case["input"], inputs))
        if found - inputs:
            raise AssertionError(f"its input has no such fields: {sorted(found - inputs)}")
        missing = {field.path for field in given if field.required and not field.array} - found
        if missing:
            raise AssertionError(f"its input lacks the required {sorted(missing)}")
        outputs = {field.path for field in catalog.output_fields(self.node)}
        strange = [one for one in leaves(self.case["output"], outputs) if not _is(one, outputs)]
        if outputs and strange:
            raise AssertionError(f"its output has places that no field names: {strange}")

    def sums_up(self) -> None:
        """Raise AssertionError when the summary is not the recorded one line."""
        # The engine adds the id of the record where the answer names it otherwise.
        output = {"id": self.case.get("record_id"), **self.case["output"]}
        line = str(evaluate(self.node.summary, {"input": self.case["input"], "output": output}))
        if "\n" in line or not line.strip():
            raise AssertionError(f"the summary is no line: {line!r}")
        if "summary" in self.case:
            _agree("summary", line, self.case["summary"])


def with_strange_keys(value: Any) -> Any:
    """The same data with one more key in each object, as an app may add tomorrow."""
    if isinstance(value, Mapping):
        return {**{key: with_strange_keys(inner) for key, inner in value.items()}, STRANGE: None}
    return [with_strange_keys(one) for one in value] if isinstance(value, list) else value


def without_strange_keys(value: Any) -> Any:
    """Undo `with_strange_keys`, wherever its keys went."""
    if isinstance(value, Mapping):
        return {key: without_strange_keys(inner) for key, inner in value.items() if key != STRANGE}
    return [without_strange_keys(one) for one in value] if isinstance(value, list) else value


def leaves(value: Any, known: set[str], path: str = "") -> list[str]:
    """The paths of all leaves, list rows without their index; free-form objects are leaves."""
    if isinstance(value, dict) and path not in known:
        return [
            leaf for key, inner in value.items() for leaf in leaves(inner, known, _below(path, key))
        ]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted({leaf for row in value for leaf in leaves(row, known, path)})
    return [path]


def _below(path: str, key: str) -> str:
    return f"{path}.{paths.join([key])}" if path else paths.join([key])


def _is(path: str, known: set[str]) -> bool:
    """Whether a path is a field, or an object of fields that is null."""
    return path in known or any(one.startswith(f"{path}.") for one in known)


def _agree(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"the {what} differs.\n  recorded: {wanted}\n  now:      {found}")
