"""Connecting: the consent page, the token endpoint, and the address of an app."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from connector.connections import (
    Tokens,
    authorize_url,
    base_url_of,
    begin_consent,
    exchange_code,
    refresh_tokens,
    take_consent,
)
from connector.connections.oauth import CONSENT_SECONDS, pkce_challenge
from connector.errors import NotConnected, Refused, Throttled, Unauthorized, Unclear
from tests.connections.kit import BASE, FIC, NOW, PERFEX, Client, TokenServer

# --- tokens -------------------------------------------------------------------------------------


def test_tokens_do_not_show() -> None:
    tokens = Tokens(access_token=SecretStr("a/1"), refresh_token=SecretStr("r/1"))
    shown = f"{tokens!r} {tokens} {tokens.model_dump_json()}"
    assert "a/1" not in shown
    assert "r/1" not in shown


@pytest.mark.parametrize(
    "tokens",
    [
        Tokens(access_token=SecretStr("a")),
        Tokens(
            access_token=SecretStr("a/è"),
            refresh_token=SecretStr("r"),
            issued_at=1.5,
            expires_at=2.25,
            refreshing=True,
        ),
    ],
)
def test_tokens_are_packed_and_unpacked(tokens: Tokens) -> None:
    assert Tokens.unpack(tokens.pack()) == tokens


# --- consent ------------------------------------------------------------------------------------


class Consents:
    def __init__(self) -> None:
        self.kept: dict[str, tuple[Any, float]] = {}

    async def start_consent(self, state: str, request: Any, expires_at: float) -> None:
        self.kept[state] = (request, expires_at)

    async def take_consent(self, state: str, now: float) -> Any:
        request, expires_at = self.kept.pop(state, (None, 0))
        return request if expires_at >= now else None


def test_the_consent_address_says_what_is_asked() -> None:
    url = authorize_url(
        FIC,
        client_id="C ID",
        redirect_uri="http://localhost:8420/oauth/callback",
        scopes=("entity.clients:r", "settings:r"),
        state="st&te",
        base_url=BASE + "/",
        verifier="v" * 43,
    )
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{BASE}/oauth/authorize"
    assert dict(parse_qsl(parts.query)) == {
        "response_type": "code",
        "client_id": "C ID",
        "redirect_uri": "http://localhost:8420/oauth/callback",
        "scope": "entity.clients:r settings:r",
        "state": "st&te",
        "code_challenge": pkce_challenge("v" * 43),
        "code_challenge_method": "S256",
    }


def test_the_pkce_challenge_is_that_of_the_standard() -> None:
    """The example of RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert pkce_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_a_state_works_once_and_not_for_long() -> None:
    rows = Consents()
    given: dict[str, Any] = {
        "base_url": BASE,
        "redirect_uri": "http://localhost/cb",
        "scopes": ["a:r"],
        "request": {"name": "Acme"},
        "now": NOW,
    }
    consent = await begin_consent(rows, FIC, Client(), **given)
    other = await begin_consent(rows, FIC, Client(), pkce=True, **given)
    assert consent.state != other.state
    assert len(consent.state) >= 32
    assert f"state={consent.state}" in consent.url
    kept = await take_consent(rows, consent.state, NOW + CONSENT_SECONDS)
    assert kept["request"] == {"name": "Acme"}
    assert (kept["app"], kept["base_url"], kept["verifier"]) == ("fatture_in_cloud", BASE, None)
    with pytest.raises(NotConnected):
        await take_consent(rows, consent.state, NOW)
    with pytest.raises(NotConnected):
        await take_consent(rows, other.state, NOW + CONSENT_SECONDS + 1)


def test_an_app_with_tokens_has_no_consent_page() -> None:
    with pytest.raises(NotConnected):
        authorize_url(PERFEX, client_id="", redirect_uri="", scopes=(), state="", base_url=BASE)


# --- the token endpoint -------------------------------------------------------------------------


async def exchange(server: TokenServer, **changes: Any) -> Tokens:
    given = {"base_url": BASE, "redirect_uri": "http://localhost/cb", "code": "c/1", "now": NOW}
    return await exchange_code(server.client(), FIC, Client(), **{**given, **changes})


async def test_a_code_becomes_tokens() -> None:
    server = TokenServer()
    tokens = await exchange(server, verifier="v")
    assert server.asked == [
        {
            "grant_type": "authorization_code",
            "client_id": "CID",
            "client_secret": "s3cret-of-ours",
            "redirect_uri": "http://localhost/cb",
            "code": "c/1",
            "code_verifier": "v",
        }
    ]
    assert tokens.access_token.get_secret_value() == "a/2"
    assert tokens.refresh_token == SecretStr("r/2")
    assert (tokens.issued_at, tokens.expires_at) == (NOW, NOW + 86400)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"error": "invalid_grant"}), Unauthorized),
        ((401, {"error": "invalid_client"}), Unauthorized),
        ((400, {"error": "invalid_scope"}), Refused),
        ((429, {"error": {"message": "slow"}}), Throttled),
        ((500, {"error": "server_error"}), Unclear),
        ((502, b"<html>"), Unclear),
        ((302, b""), Unclear),
        ((200, b"<html>"), Unclear),
        ((200, {"token_type": "bearer"}), Unclear),
        ((200, {"access_token": "", "token_type": "bearer"}), Unclear),
        ((200, {"access_token": "a b", "token_type": "bearer"}), Unclear),
        ((200, {"access_token": "a\r\nx: 1", "token_type": "bearer"}), Unclear),
        ((200, {"access_token": 5, "token_type": "bearer"}), Unclear),
        ((200, {"access_token": "a", "token_type": "mac"}), Unclear),
    ],
)
async def test_other_answers_of_the_token_endpoint(
    answer: tuple[int, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        await exchange(TokenServer(answer=answer))
    assert type(caught.value) is kind


async def test_what_we_sent_never_comes_back_in_an_error() -> None:
    words = "bad code c/1 for s3cret-of-ours"
    server = TokenServer(answer=(400, {"error": "invalid_grant", "error_description": words}))
    with pytest.raises(Unauthorized) as caught:
        await exchange(server)
    shown = f"{caught.value} {caught.value.as_data()}"
    assert "s3cret-of-ours" not in shown
    assert "c/1" not in shown


async def test_a_refresh_keeps_the_old_refresh_token_when_none_is_sent() -> None:
    answer = (200, {"access_token": "a/9", "token_type": "Bearer", "expires_in": "60"})
    server = TokenServer(answer=answer)
    old = Tokens(access_token=SecretStr("a/1"), refresh_token=SecretStr("r/1"))
    got = await refresh_tokens(server.client(), FIC, Client(), old, base_url=BASE, now=NOW)
    assert got.refresh_token == SecretStr("r/1")
    assert got.expires_at == NOW + 60


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "address", "expected"),
    [
        (FIC, "", "https://api-v2.fattureincloud.it"),
        (FIC, "http://127.0.0.1:9001/", "http://127.0.0.1:9001"),
        (PERFEX, "https://crm.example.it", "https://crm.example.it/api"),
        (PERFEX, " https://crm.example.it/ ", "https://crm.example.it/api"),
        (PERFEX, "https://example.it/crm/", "https://example.it/crm/api"),
        (PERFEX, "https://example.it/crm/api", "https://example.it/crm/api"),
        (PERFEX, "http://localhost:9002", "http://localhost:9002/api"),
        (PERFEX, "http://[::1]:9002", "http://[::1]:9002/api"),
    ],
)
def test_addresses(app: Any, address: str, expected: str) -> None:
    assert base_url_of(app, address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        "crm.example.it",
        "http://crm.example.it",
        "http://127.0.0.1.evil.example",
        "ftp://crm.example.it",
        "https://",
        "https://user:pw@crm.example.it",
        "https://user@crm.example.it",
        "https://:pw@crm.example.it",
        "https://crm.example.it?x=1",
        "https://crm.example.it#x",
        "https://crm.example.it/../x",
        "https://crm.example.it//x",
        "https://crm.example.it:0",
        "https://crm.example.it:x",
        "https://crm.exa mple.it",
        "https://crm.example.it\\@evil.example",
        "https://crm.exämple.it",
        "https://[::1",
        "https://crm.example.it/\r\nx",
    ],
)
def test_addresses_that_would_leak_or_mislead_are_refused(address: str) -> None:
    with pytest.raises(NotConnected) as caught:
        base_url_of(PERFEX, address)
    assert caught.value.field == "address"
