"""OAuth 2 consent and refresh: the four requests we need, sent through our own HttpClient.

authlib's client is a subclass of httpx's: it would be a second door to the network, with its own
redirects, logs and error classes. What we need of it is two form posts.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, SecretStr

from connector.apps.answers import body_json, plain
from connector.connections.addresses import is_built_in
from connector.errors import ApiError, NotConnected, Refused, Unauthorized, Unclear
from connector.forms import encode_form
from connector.model import Answer, App, HttpRequest, Json, OAuth2
from connector.redaction import Scrubber

if TYPE_CHECKING:
    from connector.http import HttpClient

CONSENT_SECONDS = 600.0
DEFAULT_LIFE = 3600.0
"""When the app does not say how long its access token lives."""

SECRETS = ("client_secret", "code", "refresh_token", "code_verifier")
"""What we send to a token endpoint and it must not repeat."""
_DEAD = frozenset({"invalid_grant", "access_denied", "unauthorized_client", "invalid_client"})


class OAuthClient(Protocol):
    """What identifies our installation at an app."""

    @property
    def client_id(self) -> str: ...

    @property
    def client_secret(self) -> SecretStr: ...

    def may_go_to(self, base_url: str) -> bool:
        """Whether the operator lets its secret go to an address that is not the app's own."""


class Tokens(BaseModel):
    """The secrets of one connection; `expires_at` in seconds since 1970, None: never."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    issued_at: float = 0
    expires_at: float | None = None
    refreshing: bool = False
    """A refresh was begun; if it still says so later, nobody heard its answer."""

    def pack(self) -> bytes:
        """The tokens in clear, to be sealed."""
        from connector.codec import encode

        refresh = self.refresh_token.get_secret_value() if self.refresh_token else None
        return encode(
            {
                **self.model_dump(exclude={"access_token", "refresh_token"}),
                "access_token": self.access_token.get_secret_value(),
                "refresh_token": refresh,
            }
        )

    @classmethod
    def unpack(cls, clear: bytes) -> Tokens:
        """The tokens that `pack` wrote."""
        return cls.model_validate_json(clear)


class ConsentRows(Protocol):
    """Where one-time states of one tenant are kept."""

    async def start_consent(self, state: str, request: Any, expires_at: float) -> None: ...

    async def take_consent(self, state: str, now: float) -> Any: ...


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent under way: where to send the browser, and the state that comes back with it."""

    state: str
    url: str


def authorize_url(
    app: App,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    base_url: str,
    verifier: str | None = None,
) -> str:
    """The consent page's address; with a `verifier` it carries a PKCE challenge (RFC 7636)."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
    }
    if verifier is not None:
        query |= {"code_challenge": pkce_challenge(verifier), "code_challenge_method": "S256"}
    return f"{base_url.rstrip('/')}{_auth(app).authorize_path}?{urlencode(query)}"


def pkce_challenge(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def begin_consent(
    rows: ConsentRows,
    app: App,
    client: OAuthClient,
    *,
    base_url: str,
    redirect_uri: str,
    scopes: Sequence[str],
    request: Mapping[str, Json],
    now: float,
    pkce: bool = False,
    draw: Callable[[], str] = lambda: secrets.token_urlsafe(32),
) -> Consent:
    """Start a consent; `request` is what `finish_consent` gives back (name, settings …)."""
    check_client_may_go(app, client, base_url)
    state = draw()
    verifier = draw() if pkce else None
    url = authorize_url(
        app,
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        scopes=scopes,
        state=state,
        base_url=base_url,
        verifier=verifier,
    )
    kept = {
        "app": app.key,
        "base_url": base_url,
        "redirect_uri": redirect_uri,
        "scopes": list(scopes),
        "verifier": verifier,
        "request": dict(request),
    }
    await rows.start_consent(state, kept, now + CONSENT_SECONDS)
    return Consent(state, url)


def check_client_may_go(app: App, client: OAuthClient, base_url: str) -> None:
    """Raise NotConnected when the secret of our client has no business at this address.

    It is the whole installation's secret, and the address is what one of its tenants has entered.
    """
    if is_built_in(app, base_url) or client.may_go_to(base_url):
        return
    raise NotConnected(
        f"This installation may not show its OAuth client of {app.title} to that address.",
        field="address",
        value_type="text",
        remedy="Leave the address out, or let whoever runs Connector name it in "
        "CONNECTOR_OAUTH_ADDRESSES.",
        who="developer",
    )


async def take_consent(rows: ConsentRows, state: str, now: float) -> dict[str, Any]:
    """What a state stands for, once, for this tenant only. Raises NotConnected."""
    kept = await rows.take_consent(state, now)
    if not isinstance(kept, dict):
        raise NotConnected(
            "This consent was not asked for here, was used already, or took too long.",
            remedy="Start connecting again.",
            who="user",
        )
    return kept


async def exchange_code(
    http: HttpClient,
    app: App,
    client: OAuthClient,
    *,
    base_url: str,
    redirect_uri: str,
    code: str,
    now: float,
    verifier: str | None = None,
) -> Tokens:
    """Turn the code of a consent into tokens; a code lives for a minute and works once.

    Raises Unauthorized when the app does not accept it, or another ApiError.
    """
    check_client_may_go(app, client, base_url)
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret.get_secret_value(),
        "redirect_uri": redirect_uri,
        "code": code,
    }
    if verifier is not None:
        form["code_verifier"] = verifier
    return await _ask(http, app, base_url, form, now, None)


async def refresh_tokens(
    http: HttpClient, app: App, client: OAuthClient, tokens: Tokens, *, base_url: str, now: float
) -> Tokens:
    """Renew an access token; the refresh token is replaced whenever the app sends a new one.

    Raises Unauthorized when the owner must consent again, or another ApiError.
    """
    if tokens.refresh_token is None:
        raise _dead(app, "it cannot be renewed")
    check_client_may_go(app, client, base_url)
    form = {
        "grant_type": "refresh_token",
        "client_id": client.client_id,
        "client_secret": client.client_secret.get_secret_value(),
        "refresh_token": tokens.refresh_token.get_secret_value(),
    }
    return await _ask(http, app, base_url, form, now, tokens.refresh_token)


async def _ask(
    http: HttpClient,
    app: App,
    base_url: str,
    form: dict[str, str],
    now: float,
    refresh: SecretStr | None,
) -> Tokens:
    request = HttpRequest(
        method="POST",
        url=f"{base_url.rstrip('/')}{_auth(app).token_path}",
        headers=(("content-type", "application/x-www-form-urlencoded"),),
        body=encode_form(form),
    )
    answer = await http.send(request, fresh=True, trusted=is_built_in(app, base_url))
    told = body_json(answer)
    if answer.status != 200 or not isinstance(told, dict):
        answer = Scrubber((form.get(name, "") for name in SECRETS), shortest=3).answer(answer)
        raise _error(app, answer, body_json(answer))
    return _tokens(app, answer, told, now, refresh)


def _tokens(
    app: App, answer: Answer, told: dict[str, Any], now: float, refresh: SecretStr | None
) -> Tokens:
    access, renewed, life = (
        told.get(name) for name in ("access_token", "refresh_token", "expires_in")
    )
    kind = str(told.get("token_type", "bearer")).lower()
    if not isinstance(access, str) or not _usable(access) or kind != "bearer":
        raise Unclear(
            f"{app.title} gave no usable access token.",
            status=answer.status,
            remedy="Try again; if it stays so, connect the account again.",
        )
    if isinstance(renewed, str) and renewed:
        refresh = SecretStr(renewed)
    text = str(life)
    seconds = float(text) if text.isascii() and text.isdecimal() else DEFAULT_LIFE
    return Tokens(
        access_token=SecretStr(access),
        refresh_token=refresh,
        issued_at=now,
        expires_at=now + seconds,
    )


def _usable(token: str) -> bool:
    return 0 < len(token) <= 8192 and token.isascii() and token.isprintable() and " " not in token


def _error(app: App, answer: Answer, told: Any) -> ApiError:
    """The error of a token endpoint."""
    code = told.get("error") if isinstance(told, dict) else None
    if not isinstance(code, str):
        found = app.read_error(answer)
        if found is not None:
            return found
        return Unclear(f"{app.title} gave no tokens.", status=answer.status)
    words = plain(told.get("error_description") or code)
    if answer.status >= 500:
        return Unclear(f"{app.title} gave no tokens: {words}", status=answer.status)
    if code == "invalid_client":
        return Unauthorized(
            f"{app.title} does not know this installation: {words}",
            status=answer.status,
            remedy="Check the client id and the client secret.",
            who="developer",
        )
    if code in _DEAD:
        return _dead(app, words, answer.status)
    return Refused(f"{app.title} gave no tokens: {words}", status=answer.status)


def _dead(app: App, words: str, status: int | None = None) -> Unauthorized:
    return Unauthorized(
        f"The consent at {app.title} is not valid any more: {words}",
        status=status,
        remedy="Its owner must connect the account again.",
    )


def _auth(app: App) -> OAuth2:
    if not isinstance(app.auth, OAuth2):
        raise NotConnected(
            f"{app.title} is connected with a token, not by consent.",
            remedy="Copy the token from the app.",
            who="user",
        )
    return app.auth
