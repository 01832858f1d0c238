"""What is accepted: events of both modes, and the handshake that was asked for."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connector.apps.fatture_in_cloud import FattureWebhooks
from connector.apps.fatture_in_cloud.resources import EVENTS, PREFIX
from connector.apps.fatture_in_cloud.tokens import VENDOR_KEY
from connector.errors import HookRefused, HookUnsure
from connector.model import Inbound, WebhookSource
from tests.webhooks.kit import (
    CHALLENGE,
    EVENT_ID,
    LATER,
    NOW,
    OTHER_KEY,
    OTHER_PEM,
    PEM,
    TYPE,
    URL,
    asking,
    b64,
    binary,
    claims,
    hook,
    make_token,
    open_hook,
    structured,
)

# --- accepted -----------------------------------------------------------------------------------


def test_it_is_a_webhook_source(source: FattureWebhooks) -> None:
    assert isinstance(source, WebhookSource)


@pytest.mark.parametrize(
    "inbound",
    [binary(), structured(), structured("application/json")],
    ids=["binary", "structured", "structured as plain json"],
)
def test_both_modes_give_the_same_delivery(source: FattureWebhooks, inbound: Inbound) -> None:
    got = source.receive(hook(), inbound, NOW)
    assert got.delivery_id == EVENT_ID
    assert (got.type, got.resource, got.operation) == (TYPE, "entities.clients", "create")
    assert got.ids == ("3062300",)
    assert (got.subject, got.time) == ("company:108061", "2026-04-04T12:54:21+02:00")
    assert got.silent is False


@pytest.mark.parametrize("event", [*sorted(EVENTS), "issued_documents.self_invoices.update"])
def test_every_documented_event_starts_runs(source: FattureWebhooks, event: str) -> None:
    got = source.receive(hook(), binary(type=PREFIX + event), NOW)
    assert f"{got.resource}.{got.operation}" == event
    assert not got.silent


@pytest.mark.parametrize(
    "unknown",
    [
        PREFIX + "subscriptions.welcome",
        PREFIX + "issued_documents.invoices.paid",
        "it.example.other",
        PREFIX + "entities.clients",
        "x",
    ],
)
def test_unknown_types_are_kept_and_start_nothing(source: FattureWebhooks, unknown: str) -> None:
    assert source.receive(hook(), binary(type=unknown, body=b"{}"), NOW).silent


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 3], ("1", "2", "3")),
        ([5, 5, 4], ("5", "4")),
        (["54321", 7], ("54321", "7")),
        ([2**53 - 1], (str(2**53 - 1),)),
        ([], ()),
        (list(range(1, 10_001)), tuple(map(str, range(1, 10_001)))),
    ],
)
def test_all_ids_arrive_each_once(
    source: FattureWebhooks, ids: list[Any], expected: tuple[str, ...]
) -> None:
    body = json.dumps({"data": {"ids": ids}}).encode()
    assert source.receive(hook(), binary(body=body), NOW).ids == expected


@pytest.mark.parametrize(
    "body", [b"{}", b'{"data":null}', b'{"data":{}}', b'{"data":{"ids":null}}']
)
def test_missing_ids_are_normal(source: FattureWebhooks, body: bytes) -> None:
    assert source.receive(hook(), binary(body=body), NOW).ids == ()


def test_an_odd_time_does_not_lose_the_event(source: FattureWebhooks) -> None:
    assert source.receive(hook(), binary(time="yesterday"), NOW).time == ""
    assert source.receive(hook(), binary(time=None), NOW).time == ""


@pytest.mark.parametrize("seconds", [-119, 0, 3 * 3600 + 119])
def test_clocks_may_differ_by_two_minutes(source: FattureWebhooks, seconds: int) -> None:
    assert source.receive(hook(), binary(), NOW + timedelta(seconds=seconds))


def test_any_of_several_keys_will_do() -> None:
    source = FattureWebhooks([OTHER_PEM, PEM], app_ids=["4711"])
    assert source.receive(hook(), binary(), NOW)


def test_the_vendors_published_key_is_the_default_and_is_p256() -> None:
    key = serialization.load_pem_public_key(VENDOR_KEY.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    # Signed by a stranger with otherwise right claims: not proven false, so not lost either.
    with pytest.raises(HookUnsure):
        FattureWebhooks().receive(hook(), binary(), NOW)


def test_an_audience_as_text_is_the_same_as_a_list_of_one(source: FattureWebhooks) -> None:
    assert source.receive(hook(), binary(make_token(claims(aud=URL))), NOW)


def test_without_an_application_id_any_application_of_ours_passes() -> None:
    assert FattureWebhooks([PEM]).receive(hook(), binary(make_token(claims(aid=None))), NOW)


# --- the handshake ------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["header", "query"])
def test_a_handshake_we_asked_for_is_answered(source: FattureWebhooks, by: str) -> None:
    assert source.challenge(open_hook(), asking(by=by), NOW) == {"verification": CHALLENGE}


def test_an_event_is_no_handshake(source: FattureWebhooks) -> None:
    assert source.challenge(open_hook(), binary(), NOW) is None


@pytest.mark.parametrize("until", [None, NOW - timedelta(seconds=1)])
def test_a_handshake_nobody_asked_for_is_refused(
    source: FattureWebhooks, until: datetime | None
) -> None:
    with pytest.raises(HookRefused) as caught:
        source.challenge(open_hook(verify_until=until), asking(), NOW)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "company:999"},
        {"aid": 1},
        {"aud": ["https://evil.example"]},
        {"iss": "x"},
        {"exp": LATER - 200, "iat": LATER - 3600},
    ],
)
def test_a_strangers_handshake_for_our_address_is_refused(
    source: FattureWebhooks, changes: dict[str, Any]
) -> None:
    with pytest.raises(HookRefused) as caught:
        source.challenge(open_hook(), asking(token=make_token(claims(**changes))), NOW)
    assert caught.value.status == 401


def test_a_handshake_without_subject_is_judged_by_its_other_claims(
    source: FattureWebhooks,
) -> None:
    token = make_token(claims(sub=None, jti=None))
    assert source.challenge(open_hook(), asking(token=token), NOW)


def test_a_handshake_of_an_unknown_key_is_asked_to_come_again(source: FattureWebhooks) -> None:
    token = make_token(claims(), private=OTHER_KEY)
    with pytest.raises(HookUnsure):
        source.challenge(open_hook(), asking(token=token), NOW)


@pytest.mark.parametrize(
    "value", ["", "short", "x" * 257, "<script>alert(1)</script>", "0123456789abcdef\n", "à" * 20]
)
def test_only_plain_challenges_are_echoed(source: FattureWebhooks, value: str) -> None:
    with pytest.raises(HookRefused) as caught:
        source.challenge(open_hook(), asking(value=value), NOW)
    assert caught.value.status == 400
    assert value == "" or value not in str(caught.value)


def test_two_different_challenges_are_malformed(source: FattureWebhooks) -> None:
    both = replace(asking(), query=(("x-fic-verification-challenge", "f" * 32),))
    with pytest.raises(HookRefused) as caught:
        source.challenge(open_hook(), both, NOW)
    assert caught.value.status == 400
    same = replace(asking(), query=(("x-fic-verification-challenge", CHALLENGE),))
    assert source.challenge(open_hook(), same, NOW) == {"verification": CHALLENGE}


def test_a_get_without_challenge_is_malformed(source: FattureWebhooks) -> None:
    with pytest.raises(HookRefused) as caught:
        source.challenge(open_hook(), Inbound(method="GET", headers=()), NOW)
    assert caught.value.status == 400


def test_another_spelling_of_a_signature_is_the_same_event(source: FattureWebhooks) -> None:
    """(r, n-s) verifies as well, which is why nothing is ever deduplicated by the token's text."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    token = make_token(claims())
    head, _, signature = token.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    other = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    respelled = f"{head}.{b64(other)}"
    assert respelled != token
    assert source.receive(hook(), binary(respelled), NOW) == source.receive(
        hook(), binary(token), NOW
    )
