"""connector.redaction: what may be kept of an exchange."""

from __future__ import annotations

import json

import pytest

from connector.model import Answer, HttpRequest
from connector.redaction import MASK, MAX_BODY, redact, redact_url


def test_credentials_and_unknown_headers_are_left_out() -> None:
    names = ("Authorization", "authtoken", "Cookie", "X-API-KEY", "Proxy-Authorization", "X-New")
    headers = tuple((name, "t0psecret") for name in names)
    request = HttpRequest(
        method="POST",
        url="https://x.example/y",
        headers=(*headers, ("Content-Type", "application/json")),
        body=b'{"a":1}',
    )
    assert redact(request) == {
        "method": "POST",
        "url": "https://x.example/y",
        "headers": {"content-type": "application/json"},
        "body": '{"a":1}',
    }


def test_an_answer_keeps_what_explains_it() -> None:
    answer = Answer(
        status=429,
        headers=(
            ("retry-after", "5"),
            ("set-cookie", "s=1"),
            ("ratelimit-hourlyremaining", "0"),
            ("x-ratelimit-reset", "9"),
        ),
        body=b"slow",
    )
    assert redact(answer) == {
        "status": 429,
        "headers": {
            "retry-after": "5",
            "ratelimit-hourlyremaining": "0",
            "x-ratelimit-reset": "9",
        },
        "body": "slow",
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a?authtoken=s3", f"https://x.example/a?authtoken={MASK}"),
        (
            "https://x.example/a?CODE=s3&q=id%20%3D%201",
            f"https://x.example/a?CODE={MASK}&q=id%20%3D%201",
        ),
        ("https://user:s3@x.example/a", "https://x.example/a"),
        ("https://x.example/a#s3", "https://x.example/a"),
        ("https://x.example/a?q=", "https://x.example/a?q="),
        ("https://x.example/a?auth%74oken=s3", f"https://x.example/a?auth%74oken={MASK}"),
        ("http://127.0.0.1:90/a", "http://127.0.0.1:90/a"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_the_companies_long_lived_tokens_are_masked() -> None:
    body = b'{"data":{"companies":[{"id":1,"name":"A","access_token" : "s3\\"cret"}]}}'
    shown = redact(Answer(status=200, body=body))["body"]
    assert "s3" not in shown
    assert json.loads(shown)["data"]["companies"][0] == {"id": 1, "name": "A", "access_token": MASK}


def test_a_secret_that_is_cut_off_in_the_middle_is_masked() -> None:
    body = b" " * (MAX_BODY - 24) + b'{"access_token":"s3cret-and-more"}'
    shown = redact(Answer(status=200, body=body))
    assert "s3" not in shown["body"]
    assert shown["cut"] == len(body)


def test_form_secrets_are_masked_and_codes_of_records_are_not() -> None:
    body = b"grant_type=x&client_secret=s3&refresh_token=r%2F1&code=AB12&state=LC&password=p%26"
    request = HttpRequest(method="POST", url="https://x.example/", body=body)
    shown = redact(request)["body"]
    assert shown == (
        f"grant_type=x&client_secret={MASK}&refresh_token={MASK}&code=AB12&state=LC&password={MASK}"
    )


def test_a_record_keeps_its_code_and_province() -> None:
    body = b'{"data":{"code":"AE86","state":"LC","ei_code":"111111"}}'
    assert redact(Answer(status=200, body=body))["body"] == body.decode()


def test_bodies_that_are_no_text_are_shown_as_well_as_possible() -> None:
    assert redact(Answer(status=200, body=b"\xff\xfea"))["body"] == "\ufffd\ufffda"
