"""What is refused: tokens and envelopes that prove nothing, or are not plain."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, strategies as st

from connector.apps.fatture_in_cloud import FattureWebhooks
from connector.apps.fatture_in_cloud.envelope import strict_json
from connector.errors import HookRefused, HookUnsure
from connector.model import Hook, Inbound
from tests.webhooks.kit import (
    KEY,
    LATER,
    NOW,
    OTHER_KEY,
    PEM,
    TYPE,
    URL,
    b64,
    binary,
    claims,
    hook,
    make_token,
    structured,
)


def refused(
    source: FattureWebhooks, inbound: Inbound, *, now: datetime = NOW, at: Hook | None = None
) -> int:
    with pytest.raises(HookRefused) as caught:
        source.receive(at or hook(), inbound, now)
    assert "Bearer" not in str(caught.value)
    return caught.value.status


# --- refused: the token -------------------------------------------------------------------------


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
