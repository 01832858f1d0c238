"""Subscriptions, handshake and delivery contract of the emulated Fatture in Cloud."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from connector.sandbox.config import Deliveries
from connector.sandbox.fic.scopes import SCOPES, WELCOME, event_families

FIC = "http://fic.test"
SINK = "https://hub.test/hook"
PREFIX = "it.fattureincloud.webhooks."
CREATE = "entities.clients.create"
UPDATE = "entities.clients.update"


async def subscriptions(world: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.fic("GET", "C/subscriptions")).json()["data"]
    return found


def test_there_are_44_scopes_and_71_event_types() -> None:
    assert len(SCOPES) == 44
    assert len(event_families()) == 71


# --- subscriptions


async def test_type_taken_by_the_app_is_dropped_with_a_warning(world: Any) -> None:
    await world.subscribe(CREATE)
    second = await world.subscribe(CREATE, UPDATE)
    assert second["data"]["types"] == [PREFIX + UPDATE]
    assert second["warnings"] == [
        f"The '{PREFIX}{CREATE}' event is already registered for this application"
    ]


async def test_warnings_can_be_a_bare_string(make_world: Any) -> None:
    world = make_world(warnings_as_text=True)
    await world.subscribe(CREATE)
    assert isinstance((await world.subscribe(CREATE))["warnings"], str)


async def test_unknown_types_are_dropped_with_a_warning(world: Any) -> None:
    made = await world.subscribe("entities.create", CREATE)
    assert made["data"]["types"] == [PREFIX + CREATE]
    assert len(made["warnings"]) == 1
    assert "warnings" not in await world.subscribe(UPDATE)


async def test_group_is_expanded_for_good(world: Any) -> None:
    made = await world.subscribe("entities.all.create", "issued_documents.all.email_sent")
    assert len(made["data"]["types"]) == 2 + 11
    assert not any(".all." in type_ for type_ in (await subscriptions(world))[0]["types"])


async def test_another_app_and_another_company_may_have_the_same_type(world: Any) -> None:
    await world.subscribe(CREATE)
    body = {"data": {"sink": SINK, "types": [PREFIX + CREATE]}}
    other = await world.fic("POST", "/c/108101/subscriptions", body)
    assert "warnings" not in other.json()
    await world.control(FIC, "POST", "/apps", {"client_id": "other"})
    tokens = world.sandbox.fic.tokens
    token = tokens.manual(tokens.apps["other"], SCOPES)
    stranger = await world.fic("POST", "C/subscriptions", body, token=token)
    assert "warnings" not in stranger.json()
    assert len(await subscriptions(world)) == 1


@pytest.mark.parametrize("sink", ["http://hub.test/x", "ftp://a", "nonsense", 5, ""])
async def test_sink_must_be_https(world: Any, sink: Any) -> None:
    body = {"data": {"sink": sink, "types": [PREFIX + CREATE]}}
    answer = await world.fic("POST", "C/subscriptions", body)
    assert answer.status == 422
    assert "data.sink" in answer.json()["error"]["validation_result"]


async def test_http_is_for_loopback_only_and_can_be_switched_off(make_world: Any) -> None:
    body = {"data": {"sink": "http://127.0.0.1:9/x", "types": [PREFIX + CREATE]}}
    for allowed, status in ((True, 200), (False, 422)):
        world = make_world(loopback_sinks=allowed)
        assert (await world.fic("POST", "C/subscriptions", body)).status == status


async def test_read_scope_of_every_type_is_needed(world: Any) -> None:
    fic = world.sandbox.fic
    token = fic.tokens.manual(fic.app, frozenset({"entity.clients:r"}))
    ask = {"data": {"sink": SINK, "types": [PREFIX + "entities.all.create"]}}
    refused = await world.fic("POST", "C/subscriptions", ask, token=token)
    assert refused.status == 403
    ask["data"]["types"] = [PREFIX + CREATE]
    assert (await world.fic("POST", "C/subscriptions", ask, token=token)).status == 200


async def test_suspended_app_gets_403(world: Any) -> None:
    await world.control(FIC, "POST", "/subscriptions/suspend", {"suspended": True})
    body = {"data": {"sink": SINK, "types": [PREFIX + CREATE]}}
    answer = await world.fic("POST", "C/subscriptions", body)
    message = "This app is not enabled to register webhooks"
    assert answer.json() == {"error": {"message": message, "code": "NO_PERMISSION"}}


# --- handshake


@pytest.mark.parametrize("method", ["header", "query"])
async def test_challenge_comes_where_it_was_asked_for(world: Any, method: str) -> None:
    made = await world.subscribe(CREATE, verification_method=method)
    seen = world.sink.challenges[0]
    assert "x-fic-verification-challenge" in seen[{"header": "headers"}.get(method, method)]
    assert seen["headers"]["user-agent"] == "FattureInCloud/API-WEBHOOK"
    assert seen["headers"]["authorization"].startswith("Bearer ")
    assert made["data"]["verified"] is True
    assert (await subscriptions(world))[0]["verified"] is True


async def test_challenge_arrives_before_the_post_returns_unless_switched(make_world: Any) -> None:
    body = {"data": {"sink": SINK, "types": [PREFIX + CREATE]}}
    for before in (True, False):
        world = make_world(challenge_before_answer=before)
        answer = await world.fic("POST", "C/subscriptions", body)
        assert len(world.sink.challenges) == int(before)
        assert answer.json()["data"]["verified"] is before
        await world.sandbox.settle()
        assert len(world.sink.challenges) == 1


async def test_wrong_answer_leaves_it_unverified_and_without_events(world: Any) -> None:
    world.sink.answers_challenges = False
    await world.subscribe(CREATE)
    await world.client_record()
    await world.sandbox.settle()
    assert (await subscriptions(world))[0]["verified"] is False
    assert world.sink.received == []


async def test_verify_is_every_10_minutes_and_5_times_in_all(world: Any) -> None:
    world.sink.answers_challenges = False
    made = await world.subscribe(CREATE)
    path = f"C/subscriptions/{made['data']['id']}/verify"
    early = await world.fic("POST", path, {"data": {"verification_method": "header"}})
    assert early.status == 422
    for _ in range(4):
        world.clock.advance(600)
        assert (await world.fic("POST", path)).status == 200
    world.clock.advance(600)
    world.sink.answers_challenges = True
    assert (await world.fic("POST", path)).status == 422
    assert len(world.sink.challenges) == 5


async def test_verify_repairs_a_missed_handshake(world: Any) -> None:
    world.sink.answers_challenges = False
    made = await world.subscribe(CREATE)
    world.sink.answers_challenges = True
    world.clock.advance(600)
    path = f"C/subscriptions/{made['data']['id']}/verify"
    body = {"data": {"verification_method": "query"}}
    assert (await world.fic("POST", path, body)).status == 200
    assert "query" in world.sink.challenges[1]
    assert (await subscriptions(world))[0]["verified"] is True


async def test_new_sink_must_be_verified_again_new_types_not(world: Any) -> None:
    made = await world.subscribe(CREATE)
    path = f"C/subscriptions/{made['data']['id']}"
    await world.fic("PUT", path, {"data": {"types": [PREFIX + CREATE, PREFIX + UPDATE]}})
    found = (await world.fic("GET", path)).json()["data"]
    assert found["verified"] is True
    assert len(found["types"]) == 2
    world.sink.answers_challenges = False
    await world.fic("PUT", path, {"data": {"sink": "https://hub.test/new"}})
    assert (await world.fic("GET", path)).json()["data"]["verified"] is False
    assert world.sink.challenges[-1]["path"] == "/new"


async def test_deleted_subscription_is_404_and_frees_its_types(world: Any) -> None:
    made = await world.subscribe(CREATE)
    path = f"C/subscriptions/{made['data']['id']}"
    assert (await world.fic("DELETE", path)).body == b""
    assert (await world.fic("GET", path)).status == 404
    assert "warnings" not in await world.subscribe(CREATE)


async def test_welcome_event_follows_verification(world: Any) -> None:
    await world.subscribe(CREATE)
    assert [one["headers"]["ce-type"] for one in world.sink.received] == [WELCOME]


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
