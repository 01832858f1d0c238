"""Which notifications of Fatture in Cloud are believed: handshake, token, envelope."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, strategies as st

from connector.apps.fatture_in_cloud import FattureWebhooks
from connector.apps.fatture_in_cloud.envelope import strict_json
from connector.apps.fatture_in_cloud.resources import EVENTS, PREFIX
from connector.apps.fatture_in_cloud.tokens import VENDOR_KEY
from connector.errors import HookRefused, HookUnsure
from connector.model import Hook, Inbound, WebhookSource

NOW = datetime(2026, 4, 4, 12, 0, tzinfo=UTC)
URL = "https://hub.example.it/hooks/7Q2x"
EVENT_ID = "198:f059b211-24f4-44ab-9859-b1613a9a0712"
TYPE = PREFIX + "entities.clients.create"
CHALLENGE = "0123456789abcdef0123456789abcdef"

Sign = Callable[[bytes], bytes]


def new_key() -> tuple[ec.EllipticCurvePrivateKey, str]:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, pem.decode()


KEY, PEM = new_key()
OTHER_KEY, OTHER_PEM = new_key()


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(private: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def make_token(
    claims: dict[str, Any] | bytes,
    *,
    private: ec.EllipticCurvePrivateKey = KEY,
    header: dict[str, Any] | None = None,
) -> str:
    head = b64(json.dumps(header or {"typ": "JWT", "alg": "ES256"}).encode())
    body = b64(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    return f"{head}.{body}.{b64(raw_signature(private, f'{head}.{body}'.encode()))}"


def claims(**changes: Any) -> dict[str, Any]:
    found = {
        "jti": EVENT_ID,
        "iss": "https://api-v2.fattureincloud.it",
        "sub": "company:108061",
        "aud": [URL],
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3 * 3600,
        "aid": 4711,
    }
    found.update(changes)
    return {name: value for name, value in found.items() if value is not None}


def hook(**changes: Any) -> Hook:
    return Hook(**{"id": "7Q2x", "connection_id": "c1", "url": URL, "account": "108061", **changes})


def binary(
    token: str | None = None, *, body: bytes = b'{"data":{"ids":[3062300]}}', **ce: Any
) -> Inbound:
    attributes = {
        "type": TYPE,
        "time": "2026-04-04T12:54:21+02:00",
        "subject": "company:108061",
        "specversion": "1.0",
        "source": "https://api-v2.fattureincloud.it",
        "id": EVENT_ID,
        **ce,
    }
    headers = [(f"ce-{name}", value) for name, value in attributes.items() if value is not None]
    bearer = make_token(claims()) if token is None else token
    headers += [("authorization", f"Bearer {bearer}"), ("content-type", "application/json")]
    return Inbound(method="POST", headers=tuple(headers), body=body)


def structured(
    content_type: str = "application/cloudevents+json", token: str | None = None, **changes: Any
) -> Inbound:
    envelope = {
        "id": EVENT_ID,
        "source": "https://api-v2.fattureincloud.it",
        "specversion": "1.0",
        "type": TYPE,
        "subject": "company:108061",
        "time": "2026-04-04T12:54:21+02:00",
        "datacontenttype": "application/json",
        "data": {"ids": [3062300]},
        **changes,
    }
    headers = (
        ("content-type", content_type),
        ("authorization", f"Bearer {token or make_token(claims())}"),
    )
    return Inbound(method="POST", headers=headers, body=json.dumps(envelope).encode())


@pytest.fixture
def source() -> FattureWebhooks:
    return FattureWebhooks([PEM], app_ids=[4711])


def refused(
    source: FattureWebhooks, inbound: Inbound, *, now: datetime = NOW, at: Hook | None = None
) -> int:
    with pytest.raises(HookRefused) as caught:
        source.receive(at or hook(), inbound, now)
    assert "Bearer" not in str(caught.value)
    return caught.value.status


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


# --- refused: the token -------------------------------------------------------------------------

LATER = int(NOW.timestamp())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": ["https://hub.example.it/hooks/other"]},
        {"aud": [URL, "https://evil.example"]},
        {"aud": [URL, URL]},
        {"aud": []},
        {"aud": URL + "/"},
        {"aud": None},
        {"aud": {URL: 1}},
        {"sub": "company:999"},
        {"sub": "108061"},
        {"sub": None},
        {"jti": "another"},
        {"jti": None},
        {"jti": 198},
        {"aid": 4712},
        {"aid": None},
        {"iat": None},
        {"exp": None},
        {"iat": "1775304000"},
        {"exp": True},
        {"iat": LATER + 121, "exp": LATER + 3600},
        {"iat": LATER - 3 * 3600, "exp": LATER - 121},
        {"exp": LATER + 3 * 3600 + 121},
        {"exp": 253402300800},
        {"iat": LATER + 60, "exp": LATER + 30},
        {"nbf": LATER + 121},
        {"nbf": "soon"},
        {"exp": 10**400},
        {"iat": -(10**400)},
        {"nbf": 10**400},
        {"exp": float("inf")},
        {"iat": float("nan")},
    ],
)
def test_claims_of_another_hook_or_time_are_refused(
    source: FattureWebhooks, changes: dict[str, Any]
) -> None:
    assert refused(source, binary(make_token(claims(**changes)))) == 401


@pytest.mark.parametrize(
    "changes",
    [{"sub": "company:999"}, {"jti": "another"}, {"aud": ["https://evil.example"]}, {"aid": 1}],
)
def test_a_forged_token_with_wrong_claims_is_refused_not_retried(
    source: FattureWebhooks, changes: dict[str, Any]
) -> None:
    assert refused(source, binary(make_token(claims(**changes), private=OTHER_KEY))) == 401


def test_a_right_token_of_an_unknown_key_is_asked_to_come_again(source: FattureWebhooks) -> None:
    with pytest.raises(HookUnsure) as caught:
        source.receive(hook(), binary(make_token(claims(), private=OTHER_KEY)), NOW)
    assert caught.value.status == 503


def test_a_changed_token_is_never_accepted(source: FattureWebhooks) -> None:
    token = make_token(claims(sub="company:1"))
    head, _, signature = token.split(".")
    body = b64(json.dumps(claims()).encode())
    assert refused(source, binary(f"{head}.{body}.{signature}")) == 503


def hs256_with_the_public_key() -> str:
    import hashlib
    import hmac

    head, body = b64(b'{"alg":"HS256","typ":"JWT"}'), b64(json.dumps(claims()).encode())
    mac = hmac.new(PEM.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{b64(mac)}"


def unsigned(alg: str) -> str:
    head, body = b64(json.dumps({"alg": alg}).encode()), b64(json.dumps(claims()).encode())
    return f"{head}.{body}.{b64(b'0' * 64)}"


def der_signed() -> str:
    head, body = b64(b'{"alg":"ES256"}'), b64(json.dumps(claims()).encode())
    der = KEY.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    return f"{head}.{body}.{b64(der)}"


@pytest.mark.parametrize(
    "token",
    [
        hs256_with_the_public_key(),
        unsigned("none"),
        unsigned("ES384"),
        make_token(claims(), header={"alg": "ES256", "crit": ["x"], "x": 1}),
        make_token(claims(), header={"typ": "JWT"}),
        make_token(b'{"iss":1,"iss":2}'),
        make_token(b"[]"),
        make_token(b"{"),
        make_token(b'{"a":' * 40 + b"1" + b"}" * 40),
        make_token(json.dumps(claims()).replace(str(claims()["exp"]), "1e999").encode()),
        make_token(claims()) + ".x",
        make_token(claims()).rpartition(".")[0] + ".",
        make_token(claims()) + "==",
        "x.y.z",
        "",
    ],
)
def test_tokens_that_are_not_plain_es256_are_refused(source: FattureWebhooks, token: str) -> None:
    assert refused(source, binary(token)) == 401


@pytest.mark.parametrize(
    "token", [der_signed(), unsigned("ES256")], ids=["DER signature", "zero signature"]
)
def test_a_signature_in_another_form_proves_nothing(source: FattureWebhooks, token: str) -> None:
    assert refused(source, binary(token)) in (401, 503)


def test_keys_named_by_the_token_are_not_used(source: FattureWebhooks) -> None:
    numbers = OTHER_KEY.public_key().public_numbers()
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": b64(numbers.x.to_bytes(32, "big")),
        "y": b64(numbers.y.to_bytes(32, "big")),
    }
    header = {"alg": "ES256", "jwk": jwk, "jku": "https://evil.example", "kid": "1"}
    token = make_token(claims(), private=OTHER_KEY, header=header)
    assert refused(source, binary(token)) in (401, 503)


def test_exactly_one_authorization_header(source: FattureWebhooks) -> None:
    good = binary()
    without = tuple(pair for pair in good.headers if pair[0] != "authorization")
    auth = next(pair for pair in good.headers if pair[0] == "authorization")
    assert refused(source, replace(good, headers=without)) == 401
    assert refused(source, replace(good, headers=(*without, auth, auth))) == 401
    basic = ("authorization", auth[1].replace("Bearer", "Basic"))
    assert refused(source, replace(good, headers=(*without, basic))) == 401


def test_a_long_authorization_header_is_not_even_read(source: FattureWebhooks) -> None:
    token = make_token(claims(padding="x" * 4096))
    assert refused(source, binary(token)) == 401


def test_a_hook_without_company_believes_nobody(source: FattureWebhooks) -> None:
    token = make_token(claims(sub="company:"))
    assert refused(source, binary(token, subject="company:"), at=hook(account="")) == 401


# --- refused: the envelope ----------------------------------------------------------------------


def test_the_token_must_name_this_event_and_subject(source: FattureWebhooks) -> None:
    assert refused(source, binary(id="199:other")) == 401
    assert refused(source, binary(subject="company:999")) == 401
    assert refused(source, structured(id="199:other")) == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"data":{"ids":[NaN]}}',
        b'{"data":{"ids":[1]},"more":NaN}',
        b'{"data":{"ids":[1]},"more":-Infinity}',
        b'{"data":{"ids":[1]},"data":{"ids":[2]}}',
        b'{"data":{"ids":[1],"ids":[2]}}',
        b'{"data":[1]}',
        b'{"data":{"ids":"1"}}',
        b'{"data":{"ids":{"0":1}}}',
        b'{"data":{"ids":[0]}}',
        b'{"data":{"ids":[-1]}}',
        b'{"data":{"ids":[1.0]}}',
        b'{"data":{"ids":[true]}}',
        b'{"data":{"ids":[null]}}',
        b'{"data":{"ids":[[1]]}}',
        b'{"data":{"ids":["x"]}}',
        b'{"data":{"ids":["01"]}}',
        b'{"data":{"ids":["1 or 1=1"]}}',
        b'{"data":{"ids":["../1"]}}',
        '{"data":{"ids":["١"]}}'.encode(),
        b'{"data":{"ids":[9007199254740992]}}',
        b'{"data":{"ids":[' + b"9" * 5000 + b"]}}",
        json.dumps({"data": {"ids": [1] * 10_001}}).encode(),
        b'{"data":' + b"[" * 40 + b"]" * 40 + b"}",
        b"\xff\xfe{\x00}\x00",
        '{"data":{}}'.encode("utf-16"),
        b'\xef\xbb\xbf{"data":{}}',
        b'{"a":"\xff"}',
        b'{"data":{}} x',
    ],
)
def test_malformed_bodies_are_400(source: FattureWebhooks, body: bytes) -> None:
    assert refused(source, binary(body=body)) == 400


def test_an_overlong_body_is_not_parsed(source: FattureWebhooks) -> None:
    assert refused(source, binary(body=b" " * (1024 * 1024 + 1))) == 413


@pytest.mark.parametrize(
    "ce",
    [
        {"id": None},
        {"id": "with space"},
        {"id": "x" * 257},
        {"id": "è"},
        {"type": "with space"},
        {"type": ""},
        {"type": "x" * 300},
        {"subject": None},
        {"subject": "a\nb"},
    ],
)
def test_malformed_attributes_are_refused(source: FattureWebhooks, ce: dict[str, Any]) -> None:
    assert refused(source, binary(**ce)) == 400


def test_attributes_stand_once(source: FattureWebhooks) -> None:
    good = binary()
    twice = replace(good, headers=(*good.headers, ("ce-type", TYPE)))
    assert refused(source, twice) == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "\u0000"},
        {"id": "\ud800"},
        {"type": 1},
        {"id": None},
        {"type": {"a": 1}},
        {"subject": 5},
    ],
)
def test_malformed_structured_attributes_are_refused(
    source: FattureWebhooks, changes: dict[str, Any]
) -> None:
    assert refused(source, structured(**changes)) == 400


def test_a_body_without_any_type_is_malformed(source: FattureWebhooks) -> None:
    assert refused(source, binary(type=None)) == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "GET"])
def test_events_come_by_post(source: FattureWebhooks, method: str) -> None:
    assert refused(source, replace(binary(), method=method)) == 405


@given(st.binary(max_size=200))
def test_no_body_makes_it_stumble(body: bytes) -> None:
    source = FattureWebhooks([PEM])
    try:
        source.receive(hook(), binary(body=body), NOW)
    except HookRefused as error:
        assert error.status in (400, 413)  # noqa: PT017 - a refusal is one of two right ends


@given(st.text(max_size=200))
def test_no_token_makes_it_stumble(text: str) -> None:
    source = FattureWebhooks([PEM])
    with pytest.raises(HookRefused) as caught:
        source.receive(hook(), binary(text), NOW)
    assert caught.value.status == 401


def test_an_open_string_full_of_quotes_is_read_once_not_from_every_quote() -> None:
    """A search from each quote would look at this a thousand million times."""
    with pytest.raises(HookRefused):
        strict_json(b"[" * 33 + b'"' + b'\\"' * 100_000)


@pytest.mark.parametrize("depth", [32, 33])
def test_depth_is_counted_outside_of_texts(depth: int) -> None:
    text = b"[" * depth + b'"[[[[{{{{"' + b"]" * depth
    if depth <= 32:
        assert strict_json(text)
    else:
        with pytest.raises(HookRefused):
            strict_json(text)


# --- the handshake ------------------------------------------------------------------------------


def asking(*, by: str = "header", value: str = CHALLENGE, token: str | None = None) -> Inbound:
    bearer = token or make_token(claims(jti=None))
    headers = [("authorization", f"Bearer {bearer}"), ("user-agent", "FattureInCloud/API-WEBHOOK")]
    query: list[tuple[str, str]] = []
    (headers if by == "header" else query).append(("x-fic-verification-challenge", value))
    return Inbound(method="GET", headers=tuple(headers), query=tuple(query))


def open_hook(**changes: Any) -> Hook:
    return hook(**{"verify_until": NOW + timedelta(minutes=15), **changes})


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
