"""Subscriptions and their handshake at the emulated Fatture in Cloud."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox.fic.scopes import SCOPES, WELCOME, event_families
from tests.sandbox.kit import CREATE, FIC, PREFIX, SINK, UPDATE, subscriptions


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
