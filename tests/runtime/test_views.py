"""Rows as they are shown: what was sent may be read, what is secret may not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.engine.packing import pack
from connector.model import HttpRequest
from connector.redaction import MASK, MAX_BODY
from connector.runtime.views import request_view

SECRET = "t0p-secret"


def shown(body: bytes, url: str = "https://x.example/y", **headers: str) -> dict[str, Any]:
    """A stored request as it is shown."""
    request = HttpRequest(method="POST", url=url, headers=tuple(headers.items()), body=body)
    return request_view(pack(request))


def test_a_json_body_is_shown_as_json_with_its_secrets_masked() -> None:
    body = {"data": {"name": "A", "attachment_token": SECRET, "password": SECRET}}
    told = shown(json.dumps(body).encode())
    assert told["body"] == {"data": {"name": "A", "attachment_token": MASK, "password": MASK}}


def test_a_form_is_shown_as_text_with_its_secrets_masked() -> None:
    told = shown(f"company=A&password={SECRET}".encode())
    assert told["body"] == f"company=A&password={MASK}"


@pytest.mark.parametrize("name", ["Authorization", "authtoken", "Cookie", "X-Api-Key", "X-Other"])
def test_only_headers_that_hold_no_secret_are_shown(name: str) -> None:
    told = shown(b"{}", **{name: SECRET, "Content-Type": "application/json"})
    assert told["headers"] == {"content-type": "application/json"}


def test_a_secret_in_the_address_is_masked() -> None:
    told = shown(b"", url=f"https://u:{SECRET}@x.example/y?authtoken={SECRET}&q=1")
    assert told["url"] == f"https://x.example/y?authtoken={MASK}&q=1"
    assert told["method"] == "POST"


def test_a_body_that_is_cut_is_shown_as_text() -> None:
    body = b'{"a":"' + b"x" * MAX_BODY + b'"}'
    told = shown(body)
    assert isinstance(told["body"], str)
    assert told["cut"] == len(body)
