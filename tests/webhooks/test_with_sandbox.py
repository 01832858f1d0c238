"""Fatture in Cloud's side and ours together: subscribe, handshake, event, read, within one process.

The sandbox signs with joserfc what we verify, so this shows that both read the documents alike.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from connector.apps import fatture_in_cloud
from connector.caller import AppCaller
from connector.connections import Tokens, auth_headers
from connector.errors import HookRefused, Invalid, Missing, Unauthorized
from connector.http import asgi_client
from connector.model import Answer, Connection, Delivery, Hook, HttpRequest, Inbound
from connector.quota import Limiter
from connector.sandbox import ManualClock, Sandbox, SandboxConfig

FIC = "https://fic.example"
HUB = "https://hub.example"
COMPANY = "108061"


class Signer:
    """One manual token, for the caller under test."""

    def __init__(self, app: Any, token: str) -> None:
        self.app = app
        self.token = token

    async def get(self) -> Tokens:
        return Tokens(access_token=SecretStr(self.token))

    async def replace(self, used: Tokens) -> Tokens:
        raise Unauthorized("There is only one.")

    async def give_up(self) -> None:
        return None

    def headers(self, tokens: Tokens) -> tuple[tuple[str, str], ...]:
        return auth_headers(self.app, tokens.access_token)


class Hub:
    """Our edge, reduced to what the webhook source decides."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sandbox = Sandbox(SandboxConfig(seed=7), clock=self.clock, http=self._send)
        self.http = asgi_client({FIC: self.sandbox.fic_app, HUB: self})
        signer = self.sandbox.fic.webhooks.signer
        self.app = fatture_in_cloud.build(keys=[signer.public_pem], app_ids=[4711])
        assert self.app.webhook is not None
        self.source = self.app.webhook
        self.hook = Hook(
            id="h1",
            connection_id="c1",
            url=f"{HUB}/hooks/h1",
            account=COMPANY,
            verify_until=self.clock() + timedelta(minutes=15),
        )
        self.caller = AppCaller(
            self.app,
            Connection(
                id="c1",
                app=self.app.key,
                name="Acme",
                base_url=FIC,
                settings={"company_id": COMPANY},
            ),
            http=self.http,
            signer=Signer(self.app, self.sandbox.fic.manual_token),
            limiter=Limiter(lambda: self.clock().timestamp()),
        )
        self.received: list[Delivery] = []
        self.refused: list[int] = []

    async def _send(self, request: HttpRequest) -> Answer:
        return await self.http.send(request)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        inbound = Inbound(
            method=scope["method"],
            headers=tuple((name.decode(), value.decode()) for name, value in scope["headers"]),
            body=body,
        )
        status, told = 202, b"{}"
        try:
            reply = self.source.challenge(self.hook, inbound, self.clock())
            if reply is None:
                self.received.append(self.source.receive(self.hook, inbound, self.clock()))
            else:
                status, told = 200, json.dumps(reply).encode()
        except HookRefused as error:
            self.refused.append(error.status)
            status = error.status
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": told})

    @property
    def events(self) -> list[Delivery]:
        """What would start runs."""
        return [one for one in self.received if not one.silent]

    async def subscribe(self, *events: str) -> Any:
        record = await self.source.subscribe(self.caller, self.hook, events)
        await self.sandbox.settle()
        return record

    async def create(self, **fields: Any) -> Any:
        path = f"/c/{COMPANY}/entities/clients"
        told = await self.caller.request("POST", path, body={"data": fields})
        await self.sandbox.settle()
        return told["data"]


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    one = Hub()
    yield one
    await one.http.aclose()


async def test_from_subscription_to_record(hub: Hub) -> None:
    record = await hub.subscribe("entities.all.create", "entities.clients.update")
    assert record["missing"] == []
    assert set(record["types"]) == {
        "entities.clients.create",
        "entities.suppliers.create",
        "entities.clients.update",
    }
    made = await hub.create(name="Officine Adda", vat_number="IT01234567890")
    assert [(one.resource, one.operation, one.ids) for one in hub.events] == [
        ("entities.clients", "create", (str(made["id"]),))
    ]
    reader = hub.app.readers[hub.events[0].resource]
    read = await hub.caller.read(reader.get, {"id": hub.events[0].ids[0]})
    assert read["data"]["name"] == "Officine Adda"
    assert hub.refused == []


async def test_the_welcome_event_is_kept_and_starts_nothing(hub: Hub) -> None:
    await hub.subscribe("products.create")
    assert [one.type.rpartition(".")[2] for one in hub.received] == ["welcome"]
    assert hub.received[0].silent


async def test_asking_twice_changes_nothing_and_finds_it_verified(hub: Hub) -> None:
    first = await hub.subscribe("products.create")
    again = await hub.subscribe("products.create")
    assert again["id"] == first["id"]
    assert again["verified"] is True
    more = await hub.subscribe("entities.clients.create")
    assert (more["id"], more["verified"]) == (first["id"], True)
    await hub.create(name="A")
    assert [one.resource for one in hub.events] == ["entities.clients"]


async def test_a_handshake_that_came_too_late_is_refused_and_asked_for_again(hub: Hub) -> None:
    open_hook = hub.hook
    hub.hook = open_hook.model_copy(update={"verify_until": None})
    await hub.subscribe("products.create")
    assert 401 in hub.refused
    hub.hook = open_hook
    hub.clock.advance(11 * 60)
    record = await hub.subscribe("products.create")
    assert record["types"] == ["products.create"]
    assert (await hub.subscribe("products.create"))["verified"] is True


async def test_many_ids_are_read_by_one_list(hub: Hub) -> None:
    ids = tuple([str((await hub.create(name=f"Client {n}"))["id"]) for n in range(7)])
    reader = hub.app.readers["entities.clients"]
    assert reader.batch is not None
    assert hub.app.id_filter is not None
    read = await hub.caller.read(reader.batch, {"q": hub.app.id_filter(ids)})
    assert {str(row["id"]) for row in read["data"]} == set(ids)


async def test_received_documents_are_listed_by_type(hub: Hub) -> None:
    reader = hub.app.readers["received_documents"]
    assert reader.batch is not None
    for name, values in reader.batch_each.items():
        for value in values:
            read = await hub.caller.read(reader.batch, {"q": "id = 1", name: value})
            assert read["data"] == []


async def test_errors_of_the_other_side_are_understood(hub: Hub) -> None:
    reader = hub.app.readers["entities.clients"]
    with pytest.raises(Missing):
        await hub.caller.read(reader.get, {"id": "999999999"})
    path = f"/c/{COMPANY}/entities/clients"
    with pytest.raises(Invalid) as caught:
        await hub.caller.request("POST", path, body={"data": {"code": "x"}})
    assert [issue.field for issue in caught.value.issues] == ["data.name"]


async def test_a_check_proves_the_token(hub: Hub) -> None:
    await hub.caller.check()
    other = AppCaller(
        hub.app,
        hub.caller.connection,
        http=hub.http,
        signer=Signer(hub.app, "wrong"),
        limiter=Limiter(lambda: 0.0),
    )
    with pytest.raises(Unauthorized):
        await other.check()
