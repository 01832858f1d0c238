"""The API that builds flows: forms, exact previews, suggestions with reasons, versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connector.runtime.trying import Trying
from connector.settings import Limits
from connector.web.app import make_app
from tests.loaded import the_catalog
from tests.web.kit import TOKEN, FakeRuntime, Reply, served, settings

CREATE = "perfex_crm.create_customer"
INVOICE = "fatture_in_cloud.create_issued_document"


@pytest.fixture(scope="module")
def catalog() -> Any:
    return the_catalog()


async def ask(catalog: Any, method: str, path: str, body: Any = None) -> Reply:
    runtime: Any = FakeRuntime()
    runtime.workshop = SimpleNamespace(trying=Trying(catalog, lambda: 1_772_000_000.0))
    async with served(make_app(runtime, settings()), Limits()) as site:
        if not isinstance(body, bytes):
            return await site.api(method, path, body, content_type="application/json")
        head = [("authorization", f"Bearer {TOKEN}"), ("content-type", "application/json")]
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
