"""The delivery contract of the emulated Fatture in Cloud: what is sent, and what becomes of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from connector.sandbox.config import Deliveries
from tests.sandbox.kit import CREATE, FIC, PREFIX, SINK, UPDATE, subscriptions

# --- what is sent


async def test_binary_event_carries_its_attributes_in_headers(world: Any) -> None:
    await world.subscribe(CREATE)
    made = await world.client_record()
    await world.sandbox.settle()
    (seen,) = world.sink.events
    headers = seen["headers"]
    assert seen["body"] == {"data": {"ids": [made["id"]]}}
    assert headers["ce-type"] == PREFIX + CREATE
    assert headers["ce-time"] == "2026-03-04T09:15:02+01:00"
    assert headers["ce-subject"] == "company:108061"
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-source"] == "https://api-v2.fattureincloud.it"
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["user-agent"] == "FattureInCloud/API-WEBHOOK"


async def test_structured_event_carries_them_in_the_body(world: Any) -> None:
    await world.subscribe(CREATE, config={"mapping": "structured"})
    made = await world.client_record()
    await world.sandbox.settle()
    (seen,) = world.sink.events
    assert seen["headers"]["content-type"] == "application/cloudevents+json"
    assert seen["body"]["data"] == {"ids": [made["id"]]}
    assert set(seen["body"]) == {
        "id",
        "source",
        "specversion",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "data",
    }


async def test_token_is_es256_with_all_claims(world: Any) -> None:
    await world.subscribe(CREATE)
    await world.client_record()
    await world.sandbox.settle()
    headers = world.sink.events[0]["headers"]
    pem = world.sandbox.fic.webhooks.signer.public_pem
    told = await world.control(FIC, "GET", "/public_key")
    assert base64.b64decode(told["base64"]).decode() == pem
    token = jwt.decode(
        headers["authorization"].removeprefix("Bearer "),
        ECKey.import_key(pem),
        algorithms=["ES256"],
    )
    now = int(world.clock().timestamp())
    assert token.claims == {
        "jti": headers["ce-id"],
        "iss": "https://api-v2.fattureincloud.it",
        "sub": headers["ce-subject"],
        "aud": [SINK],
        "iat": now,
        "exp": now + 3 * 3600,
        "aid": 4711,
    }


async def test_given_key_signs(make_world: Any) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
    )
    world = make_world(signing_key=pem)
    assert world.sandbox.fic.webhooks.signer.public_pem == public.decode()
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    with pytest.raises(ValueError, match="P-256"):
        make_world(signing_key=other.decode())


async def test_import_is_one_event_with_all_ids(world: Any) -> None:
    await world.subscribe(CREATE)
    told = await world.control(FIC, "POST", "/import", {"count": 50})
    await world.sandbox.settle()
    assert world.sink.ids == [told["ids"]]
    assert len(told["ids"]) == 50


async def test_every_way_of_writing_is_an_event(world: Any, invoice: Any) -> None:
    await world.subscribe("entities.clients.create", UPDATE, "entities.clients.delete")
    await world.subscribe(
        "issued_documents.quotes.create",
        "issued_documents.invoices.email_sent",
        "issued_documents.e_invoices.status_update",
        "cashbook.create",
    )
    made = await world.client_record()
    path = f"C/entities/clients/{made['id']}"
    await world.fic("PUT", path, {"data": {"name": "B"}})
    await world.fic("DELETE", path)
    await world.fic("POST", "C/issued_documents", invoice(type="quote"))
    bill = (await world.fic("POST", "C/issued_documents", invoice())).json()["data"]
    mail = {
        "sender_id": 0,
        "recipient_email": "a@b.example",
        "subject": "s",
        "body": "b",
        "include": dict.fromkeys(
            ("document", "delivery_note", "attachment", "accompanying_invoice"), False
        ),
        "attach_pdf": True,
        "send_copy": False,
    }
    await world.fic("POST", f"C/issued_documents/{bill['id']}/email", {"data": mail})
    await world.control(
        FIC, "PUT", f"/records/issued_documents/{bill['id']}", {"ei_status": "accepted"}
    )
    entry = {"date": "2026-03-04", "description": "d", "kind": "cashbook", "type": "in"}
    await world.fic("POST", "C/cashbook", {"data": entry | {"amount_in": 1}})
    await world.sandbox.settle()
    types = [one["headers"]["ce-type"].removeprefix(PREFIX) for one in world.sink.events]
    assert types == [
        "entities.clients.create",
        "entities.clients.update",
        "entities.clients.delete",
        "issued_documents.quotes.create",
        "issued_documents.invoices.email_sent",
        "issued_documents.e_invoices.status_update",
        "cashbook.create",
    ]
    assert isinstance(world.sink.ids[-1][0], str)


# --- what becomes of it


@pytest.fixture
def quick(make_world: Any) -> Any:
    return make_world(deliveries=Deliveries(gaps=(10, 60, 300), timeout=1))


async def outcomes(world: Any) -> list[tuple[str, list[str]]]:
    told = await world.control(FIC, "GET", "/deliveries")
    return [(one["state"], one["outcomes"]) for one in told["deliveries"]][1:]


async def settle_after(world: Any, *seconds: float) -> None:
    await world.sandbox.settle()
    for wait in seconds:
        world.clock.advance(wait)
        await world.sandbox.settle()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 102])
async def test_listed_answers_mean_delivered(quick: Any, status: int) -> None:
    await quick.subscribe(CREATE)
    quick.sink.statuses = [status]
    await quick.client_record()
    await settle_after(quick)
    assert await outcomes(quick) == [("delivered", [str(status)])]


async def test_5xx_is_retried_four_times_in_all_with_one_id(quick: Any) -> None:
    await quick.subscribe(CREATE)
    quick.sink.statuses = [500, 502, 503, 599, 202]
    await quick.client_record()
    await settle_after(quick, 10, 60, 300, 3000)
    assert await outcomes(quick) == [("dropped", ["500", "502", "503", "599"])]
    assert len({one["headers"]["ce-id"] for one in quick.sink.events}) == 1


async def test_retry_waits_for_its_gap(quick: Any) -> None:
    await quick.subscribe(CREATE)
    quick.sink.statuses = [503]
    await quick.client_record()
    await settle_after(quick, 9)
    assert len(quick.sink.events) == 1
    await settle_after(quick, 1)
    assert await outcomes(quick) == [("delivered", ["503", "202"])]


@pytest.mark.parametrize("status", [203, 206, 301, 302, 307, 400, 401, 403, 404, 408, 409, 429])
async def test_any_other_answer_drops_it_at_once(quick: Any, status: int) -> None:
    await quick.subscribe(CREATE)
    quick.sink.statuses = [status]
    await quick.client_record()
    await settle_after(quick, 10, 60, 300)
    assert await outcomes(quick) == [("dropped", [str(status)])]


async def test_410_deletes_the_subscription(quick: Any) -> None:
    await quick.subscribe(CREATE)
    quick.sink.statuses = [410]
    await quick.client_record()
    await settle_after(quick)
    assert await subscriptions(quick) == []


async def test_first_loss_starts_ten_days_and_one_success_ends_them(quick: Any) -> None:
    await quick.subscribe(CREATE)
    day = 86_400
    for status, wait in ((404, 9 * day), (202, 0), (404, 10 * day + 1)):
        quick.sink.statuses = [status]
        await quick.client_record()
        await settle_after(quick)
        quick.clock.advance(wait)
    assert len(await subscriptions(quick)) == 1
    quick.sink.statuses = [404]
    await quick.client_record()
    await settle_after(quick)
    assert await subscriptions(quick) == []


async def test_errors_within_ten_days_do_not_move_the_date(quick: Any) -> None:
    await quick.subscribe(CREATE)
    for wait in (6 * 86_400, 5 * 86_400):
        quick.sink.statuses = [404]
        await quick.client_record()
        await settle_after(quick)
        quick.clock.advance(wait)
    quick.sink.statuses = [404]
    await quick.client_record()
    await settle_after(quick)
    assert await subscriptions(quick) == []


@pytest.mark.parametrize(("rule", "attempts"), [("retry", 4), ("drop", 1)])
async def test_silence_counts_as_configured(make_world: Any, rule: str, attempts: int) -> None:
    world = make_world(deliveries=Deliveries(gaps=(1, 1, 1), on_silence=rule))
    await world.subscribe(CREATE)
    world.sink.silent = True
    await world.client_record()
    await settle_after(world, 1, 1, 1)
    assert await outcomes(world) == [("dropped", ["Unclear"] * attempts)]


async def test_duplicate_has_the_same_id(quick: Any) -> None:
    await quick.subscribe(CREATE)
    await quick.control(FIC, "POST", "/faults", {"kind": "duplicate", "type": "*clients*"})
    await quick.client_record()
    await settle_after(quick)
    one, two = quick.sink.events
    assert one["headers"]["ce-id"] == two["headers"]["ce-id"]
    assert one["body"] == two["body"]


async def test_reordered_event_comes_after_the_next_one(quick: Any) -> None:
    await quick.subscribe(CREATE)
    await quick.control(FIC, "POST", "/faults", {"kind": "reorder"})
    first = await quick.client_record()
    second = await quick.client_record(name="B")
    await settle_after(quick)
    assert quick.sink.ids == [[second["id"]], [first["id"]]]


async def test_reordered_event_comes_late_when_nothing_follows(quick: Any) -> None:
    await quick.subscribe(CREATE)
    await quick.control(FIC, "POST", "/faults", {"kind": "reorder"})
    await quick.client_record()
    await settle_after(quick, 4)
    assert quick.sink.events == []
    await settle_after(quick, 1)
    assert len(quick.sink.events) == 1


async def test_dropped_event_never_comes(quick: Any) -> None:
    await quick.subscribe(CREATE)
    await quick.control(FIC, "POST", "/faults", {"kind": "drop"})
    await quick.client_record()
    second = await quick.client_record(name="B")
    await settle_after(quick, 100_000)
    assert quick.sink.ids == [[second["id"]]]
    assert await outcomes(quick) == [("lost", []), ("delivered", ["202"])]


async def test_paused_deliveries_wait_for_resume(quick: Any) -> None:
    await quick.subscribe(CREATE)
    await quick.control(FIC, "POST", "/deliveries/pause")
    made = [await quick.client_record(name=name) for name in ("A", "B")]
    await settle_after(quick, 1000)
    assert quick.sink.events == []
    await quick.control(FIC, "POST", "/deliveries/resume")
    await settle_after(quick)
    assert quick.sink.ids == [[one["id"]] for one in made]


async def test_same_seed_gives_the_same_requests(make_world: Any) -> None:
    seen = []
    for _ in range(2):
        world = make_world()
        await world.subscribe(CREATE)
        await world.client_record()
        await world.sandbox.settle()
        for one in world.sink.received:
            one["headers"].pop("authorization")  # ECDSA draws its own randomness
        seen.append(json.dumps(world.sink.received))
    assert seen[0] == seen[1]
