"""The API that builds flows: forms, exact previews, suggestions with reasons, versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connector.runtime.trying import Trying
from connector.settings import Limits
from connector.web.app import make_app
from tests.web.kit import TOKEN, FakeRuntime, Reply, served, settings

CREATE = "perfex_crm.create_customer"
INVOICE = "fatture_in_cloud.create_issued_document"


JSON = "application/json"


async def ask(catalog: Any, method: str, path: str, body: Any = None, kind: str = JSON) -> Reply:
    runtime: Any = FakeRuntime()
    runtime.workshop = SimpleNamespace(trying=Trying(catalog, lambda: 1_772_000_000.0))
    async with served(make_app(runtime, settings()), Limits()) as site:
        if not isinstance(body, bytes):
            return await site.api(method, path, body, content_type=JSON)
        head = [("authorization", f"Bearer {TOKEN}"), ("content-type", kind)]
        return await site.ask(method, f"/api/v1{path}", body, head)


async def test_a_preview_keeps_every_digit(catalog: Any) -> None:
    body = (
        b'{"node": "%s", "map": {"data.amount_due_discount": "{{ trigger.price }}"},'
        b' "context": {"trigger": {"price": 12345678901234567.10}}}' % INVOICE.encode()
    )
    reply = await ask(catalog, "POST", "/preview", body)
    told = reply.json()
    assert reply.status == 200, reply.body
    assert told["fields"]["data.amount_due_discount"]["value"] == "12345678901234567.10"
    assert b'"amount_due_discount":12345678901234567.10' in reply.body
    assert told["ok"] is False  # what else the invoice needs is told, and nothing is raised


async def test_one_field_is_previewed_alone(catalog: Any) -> None:
    body = {
        "node": CREATE,
        "map": {"data.vat": "{{ trigger.vatt }}"},
        "context": {"trigger": {"vat": "IT1"}},
        "only": "data.vat",
    }
    told = (await ask(catalog, "POST", "/preview", body)).json()
    assert list(told["fields"]) == ["data.vat"]
    assert "'vat'" in told["fields"]["data.vat"]["issue"]["remedy"]


async def test_suggestions_come_with_a_reason_and_how_sure_they_are(catalog: Any) -> None:
    body = {
        "node": CREATE,
        "context": {"trigger": {"resource": {"vat_number": "IT1", "name": "Rossi"}}},
        "language": "it",
    }
    told = (await ask(catalog, "POST", "/suggest", body)).json()
    found = {one["path"]: one for one in told["items"]}
    assert found["data.vat"]["value"] == "{{ trigger.resource.vat_number }}"
    assert "partita IVA" in found["data.vat"]["reason"]
    assert 0 < found["data.company"]["confidence"] < found["data.vat"]["confidence"] <= 1


async def test_a_form_comes_in_two_languages(catalog: Any) -> None:
    told = (await ask(catalog, "GET", f"/nodes/{CREATE}/form?language=it")).json()
    labels = {one["path"]: one["label"] for one in told["fields"]}
    assert labels["data.vat"] == "Partita IVA"
    assert (await ask(catalog, "GET", f"/nodes/{CREATE}/form?language=xx")).status == 422


@pytest.mark.parametrize("path", ["/preview", "/suggest"])
async def test_a_trigger_or_an_unknown_node_cannot_be_mapped_to(catalog: Any, path: str) -> None:
    for node in ("perfex_crm.create_custome", "fatture_in_cloud.enriched_event"):
        reply = await ask(catalog, "POST", path, {"node": node, "map": {}})
        assert reply.status >= 400
        assert reply.header("content-type") == "application/problem+json"


@pytest.mark.parametrize("path", ["/preview", "/suggest"])
async def test_a_body_that_is_no_json_is_told(catalog: Any, path: str) -> None:
    head = f'{{"node":"{CREATE}","map":{{}},"context":{{"a":'.encode()
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    values = (b"NaN", b'"\\ud800"', b"1" + b"0" * 5_000, deep, b"[" * 50_000)
    for body in (*(head + one + b"}}" for one in values), b"\xef\xbb\xbf" + head + b"1}}", b"[]"):
        reply = await ask(catalog, "POST", path, body)
        assert reply.status in (200, 400, 422), body[:200]
    form = b"node=perfex_crm.create_customer&map=%ED%A0%80"
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
        assert (await ask(catalog, "POST", path, form, kind)).status in (400, 415, 422), kind
    whole = head + b"1}}"
    kind = "application/x-www-form-urlencoded"
    assert (await ask(catalog, "POST", path, whole, kind)).status in (200, 400, 415, 422)
