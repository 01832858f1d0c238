"""What every answer of the API must be."""

from __future__ import annotations

import re
from typing import Any

from connector.web.api import PREFIX, make_api
from connector.web.shapes import Problem
from tests.web.kit import TOKEN, FakeRuntime, Reply

AUTH = [("authorization", f"Bearer {TOKEN}")]


def document() -> dict[str, Any]:
    return make_api(FakeRuntime()).openapi()


def routes() -> list[tuple[str, str]]:
    """(method, path) of every route of the API, with ids filled in, and its document."""
    found = [
        (method.upper(), re.sub(r"\{\w+\}", "1", path))
        for path, operations in document()["paths"].items()
        for method in operations
    ]
    return [*found, ("GET", f"{PREFIX}/openapi.json")]


def assert_problem(reply: Reply, status: int) -> dict[str, Any]:
    assert reply.status == status, reply.body
    assert reply.header("content-type") == "application/problem+json"
    body: dict[str, Any] = reply.json()
    Problem.model_validate(body)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert_guarded(reply)
    return body


def assert_guarded(reply: Reply) -> None:
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("cache-control") == "no-store"
    assert "default-src 'none'" in (reply.header("content-security-policy") or "")
    names = [name for name, _ in reply.headers]
    assert len(names) == len(set(names))
