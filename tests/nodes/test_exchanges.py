"""Every recorded exchange once more through httpx: what leaves us is what was recorded."""

from __future__ import annotations

import json
import re
import time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pytest_httpx import HTTPXMock

from connector.caller import AppCaller
from connector.catalog import Catalog
from connector.http import HttpClient
from connector.model import Action, Connection, HttpRequest
from connector.quota import Limiter, MemoryLedger
from connector.testing import told
from connector.testing.recorded import asked_of, body_of

HERE = Path(__file__).parent
BASE = "https://app.example"
RECORDED = sorted(HERE.glob("*/*.json"))


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"), parse_float=Decimal)


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
    if any("url" in exchange["request"] for exchange in case["exchanges"]):
        pytest.skip("it reads a file elsewhere, without credentials: tests of its own")
    for exchange in case["exchanges"]:
        httpx_mock.add_response(
            method=exchange["request"]["method"],
            url=re.compile(re.escape(f"{BASE}{exchange['request']['path']}") + r"(\?.*)?$"),
            status_code=exchange["answer"]["status"],
            content=body_of(exchange["answer"]),
            headers=exchange["answer"].get("headers", {}),
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
            request, inputs = await asked_of(node, caller, case["input"])
            prepared = caller.render(node.model_copy(update={"request": request}), inputs)
            answer = await caller.send(prepared, write=isinstance(node, Action))
            assert caller.read_error(answer) is None
    sent = httpx_mock.get_requests()
    assert [told(as_ours(one)) for one in sent] == [one["request"] for one in case["exchanges"]]
    assert {one.headers["authorization"] for one in sent} == {"Bearer t0ken"}


def as_ours(request: httpx.Request) -> HttpRequest:
    headers = tuple(request.headers.multi_items())
    return HttpRequest(
        method=request.method, url=str(request.url), headers=headers, body=request.content
    )
