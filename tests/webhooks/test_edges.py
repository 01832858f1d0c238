"""The webhook verifier at its edges: the last value that passes, and the first that does not.

Mutants found these places (`make mutate`): each test here is where a small fault went unnoticed.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from connector.apps.fatture_in_cloud import FattureWebhooks
from connector.apps.fatture_in_cloud.envelope import MAX_BODY, read_envelope, strict_json
from connector.apps.fatture_in_cloud.resources import PREFIX
from connector.apps.fatture_in_cloud.tokens import MAX_HEADER, TokenReader, check_claims
from connector.errors import HookRefused
from connector.model import Inbound
from tests.webhooks.kit import (
    CHALLENGE,
    NOW,
    PEM,
    TYPE,
    asking,
    binary,
    claims,
    hook,
    make_token,
    open_hook,
)

AT = int(NOW.timestamp())
LEEWAY = 120
LIFE = 3 * 3600


def refusal(changes: dict[str, Any]) -> str:
    """Why a token with these claims is refused; the empty text when it is not."""
    try:
        check_claims(claims(**changes), hook(), NOW, frozenset({"4711"}), event=True)
    except HookRefused as error:
        return f"{error.status} {error.message}"
    return ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iat": AT + LEEWAY, "exp": AT + 600}, ""),
        ({"iat": AT + LEEWAY + 1, "exp": AT + 600}, "issued in the future"),
        ({"iat": AT - 600, "exp": AT - LEEWAY + 1}, ""),
        ({"iat": AT - 600, "exp": AT - LEEWAY}, ": expired"),
        ({"iat": AT, "exp": AT + LIFE + LEEWAY}, ""),
        ({"iat": AT, "exp": AT + LIFE + LEEWAY + 0.5}, "an unusual lifetime"),
        ({"iat": AT, "exp": AT}, "an unusual lifetime"),
        ({"iat": AT, "exp": AT - 0.5}, "an unusual lifetime"),
        ({"iat": AT, "exp": AT + 0.5}, ""),
        ({"iat": 1e400}, "a time is missing"),
        ({"nbf": AT - 600}, ""),
        ({"nbf": AT + LEEWAY}, ""),
        ({"nbf": AT + LEEWAY + 1}, "not valid yet"),
        ({"nbf": True}, "a time is missing"),
        ({"nbf": -1e400}, "a time is missing"),
        ({"iss": "https://api-v2.fattureincloud.it."}, "another issuer"),
        ({"jti": None}, "it names no event"),
        ({"aid": "4711"}, ""),
    ],
)
def test_each_claim_has_its_edge_and_its_reason(changes: dict[str, Any], why: str) -> None:
    if why:
        assert re.fullmatch(f"401 .*{why}.*", refusal(changes))
    else:
        assert refusal(changes) == ""


def test_a_time_that_is_too_large_for_a_number_is_no_time() -> None:
    """JSON has no Infinity, but 1e999 is read as one."""
    text = json.dumps(claims(nbf=0)).replace('"nbf": 0', '"nbf": -1e999').encode()
    with pytest.raises(HookRefused, match="a time is missing"):
        FattureWebhooks([PEM]).receive(hook(), binary(make_token(text)), NOW)


def test_a_header_of_exactly_4_kib_is_read() -> None:
    assert MAX_HEADER == 4096
    head = "Bearer "
    for length, why in ((4096, "its claims cannot be read"), (4097, "it is too long")):
        token = "a.b." + "c" * (length - len(head) - 4)
        inbound = Inbound(method="POST", headers=(("authorization", head + token),))
        with pytest.raises(HookRefused, match=why) as caught:
            TokenReader([PEM]).read(inbound)
        assert caught.value.status == 401


@pytest.mark.parametrize("value", ["Bearer  {}", "bearer {} ", "BEARER {}"])
def test_the_scheme_is_read_in_any_case_and_blanks_around_the_token_do_not_count(
    value: str,
) -> None:
    token = value.format(make_token(claims()))
    read = TokenReader([PEM]).read(Inbound(method="POST", headers=(("authorization", token),)))
    assert read.claims == claims()
    assert read.signed is True


def test_a_token_of_an_unknown_key_is_read_and_not_signed() -> None:
    token = make_token(claims())
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    inbound = Inbound(method="POST", headers=(("authorization", f"Bearer {changed}"),))
    assert TokenReader([PEM]).read(inbound).signed is False


def test_claims_of_every_length_are_read() -> None:
    """base64 without padding leaves one, two or no characters to fill up."""
    lengths = set()
    for extra in range(4):
        token = make_token(claims(extra="x" * extra))
        lengths.add(len(token.split(".")[1]) % 4)
        inbound = Inbound(method="POST", headers=(("authorization", f"Bearer {token}"),))
        assert TokenReader([PEM]).read(inbound).claims["extra"] == "x" * extra
    assert lengths == {0, 2, 3}


def test_without_any_key_there_is_no_reader() -> None:
    with pytest.raises(ValueError, match="public key"):
        TokenReader([])


# --- the handshake ------------------------------------------------------------------------------


def test_a_handshake_may_come_until_the_last_moment() -> None:
    source = FattureWebhooks([PEM], app_ids=[4711])
    told = source.challenge(open_hook(verify_until=NOW), asking(), NOW)
    assert told == {"verification": CHALLENGE}
    late = NOW + timedelta(microseconds=1)
    with pytest.raises(HookRefused, match="No verification is expected") as caught:
        source.challenge(open_hook(verify_until=NOW), asking(), late)
    assert caught.value.status == 401


@pytest.mark.parametrize(("length", "good"), [(15, False), (16, True), (256, True), (257, False)])
def test_a_challenge_has_16_to_256_characters(length: int, good: bool) -> None:
    source = FattureWebhooks([PEM])
    inbound = asking(value="x" * length)
    if good:
        assert source.challenge(open_hook(), inbound, NOW) == {"verification": "x" * length}
    else:
        with pytest.raises(HookRefused, match="asks for no verification"):
            source.challenge(open_hook(), inbound, NOW)


# --- the envelope -------------------------------------------------------------------------------


def event(body: bytes = b'{"data":{"ids":[1]}}', **ce: Any) -> Inbound:
    return binary("x", body=body, **ce)


@pytest.mark.parametrize(("name", "why"), [("id", "its id"), ("subject", "its subject")])
def test_a_word_has_1_to_256_characters(name: str, why: str) -> None:
    for good in ("!", "~" * 256):
        assert read_envelope(event(**{name: good}))
    for bad in ("", "x" * 257, "a b", "\x7f", "\x20", "a\n"):
        with pytest.raises(HookRefused, match=why):
            read_envelope(event(**{name: bad}))


def test_a_type_has_1_to_256_characters() -> None:
    assert read_envelope(event(type="x" * 256)).type == "x" * 256
    for bad in ("x" * 257, "a/b", "a\n"):
        with pytest.raises(HookRefused, match="its type"):
            read_envelope(event(type=bad))
    with pytest.raises(HookRefused, match="it names no event type"):
        read_envelope(event(type=None))


def test_only_a_type_of_the_vendor_with_its_whole_prefix_is_known() -> None:
    assert read_envelope(event(type=TYPE)).known
    assert not read_envelope(event(type=TYPE.removeprefix(PREFIX))).known


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("2026-04-04", True),
        ("2026-04-0", False),
        ("2026-04-04t12:54:21z", True),
        ("2026-04-04T12:54:21.123456789+02:00" + "0" * 5, True),
        ("2026-04-04T12:54:21.123456789+02:00" + "0" * 6, False),
        ("2026-04-04 12:54", False),
    ],
)
def test_a_time_is_kept_when_it_looks_like_one(time: str, kept: bool) -> None:
    assert read_envelope(event(time=time)).time == (time if kept else "")


def test_ids_are_numbers_below_2_to_53_or_19_digits() -> None:
    body = {"data": {"ids": [1, 2**53 - 1, "9" * 19, "1"]}}
    ids = read_envelope(event(json.dumps(body).encode())).ids
    assert ids == ("1", str(2**53 - 1), "9" * 19)
    for bad in (0, 2**53, "9" * 20, "0", "01", "1\n"):
        with pytest.raises(HookRefused, match="one of its ids"):
            read_envelope(event(json.dumps({"data": {"ids": [bad]}}).encode()))


def test_there_are_10_000_ids_at_most() -> None:
    many = json.dumps({"data": {"ids": [*range(1, 10_001)]}}).encode()
    assert len(read_envelope(event(many)).ids) == 10_000


def test_a_body_of_exactly_1_mib_is_read() -> None:
    assert MAX_BODY == 2**20
    body = b'{"data":{"ids":[1]}}'
    assert read_envelope(event(body.ljust(MAX_BODY))).ids == ("1",)
    with pytest.raises(HookRefused, match="too long"):
        read_envelope(event(body.ljust(MAX_BODY + 1)))


def test_a_body_that_is_no_json_says_so() -> None:
    with pytest.raises(HookRefused, match="not plain JSON"):
        strict_json(b"{")
    with pytest.raises(HookRefused, match="not an object"):
        read_envelope(event(b"[]"))


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 40 + b"[]]",
        b"[" + b"{}," * 40 + b"{}]",
        b"[" + b'{"a":[]},' * 40 + b"{}]",
        b"[" * 31 + b"{}" + b"]" * 31,
        b"[" * 30 + b'["]","}"],' * 3 + b"[[1]]" + b"]" * 30,
        b'["\\"' + b"[" * 40 + b'"]',
    ],
)
def test_many_brackets_are_not_deep(text: bytes) -> None:
    assert strict_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'[{"a":' * 16 + b"[1]" + b"}]" * 16,
        b"[" + b"[]," * 40 + b"[" * 32 + b"]" * 33,
        b'["]]]]",' + b"[" * 32 + b"]" * 33,
        b'["\\"]]]]",' + b"[" * 32 + b"]" * 33,
        b'["\n]]]]",' + b"[" * 32 + b"]" * 33,
        b'["\\\n]]]]",' + b"[" * 32 + b"]" * 33,
    ],
)
def test_more_than_32_levels_are_refused_wherever_they_hide(text: bytes) -> None:
    with pytest.raises(HookRefused, match="nested deeper than 32"):
        strict_json(text)
