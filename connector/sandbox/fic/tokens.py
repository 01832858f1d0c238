"""Apps, codes and tokens: who may do what, and for how long (facts §1)."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlsplit

from connector.sandbox.clock import Clock
from connector.sandbox.fic.problem import OAuthProblem

CODE_LIFE = timedelta(seconds=60)
ACCESS_LIFE = timedelta(seconds=86_400)
REFRESH_LIFE = timedelta(days=365)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class AppRecord:
    """One registered application."""

    id: int
    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...] = ()

    def may_redirect(self, uri: str) -> bool:
        """Plain string equality; without registered addresses any on this machine will do."""
        if self.redirect_uris:
            return uri in self.redirect_uris
        parts = urlsplit(uri)
        return parts.scheme == "http" and parts.hostname in LOOPBACK


@dataclass
class Grant:
    """What a user allowed an app; its token pairs follow one another."""

    app: AppRecord
    scopes: frozenset[str]
    alive: bool = True


@dataclass
class Code:
    """An authorization code: one use within a minute."""

    grant: Grant
    redirect_uri: str
    challenge: str
    expires: datetime
    used: bool = False


@dataclass
class Token:
    """An access token; without `expires` it was made by hand and lives until revoked."""

    grant: Grant
    expires: datetime | None
    alive: bool = True


@dataclass
class Refresh:
    """A refresh token: good for one exchange."""

    grant: Grant
    expires: datetime
    used: bool = False


@dataclass
class TokenStore:
    """Every app, code and token of the sandbox."""

    clock: Clock
    random: Random
    reuse_revokes_family: bool
    apps: dict[str, AppRecord] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    access: dict[str, Token] = field(default_factory=dict)
    refreshes: dict[str, Refresh] = field(default_factory=dict)

    def secret(self, prefix: str = "") -> str:
        """A new random text."""
        return prefix + self.random.randbytes(24).hex()

    def new_code(
        self, app: AppRecord, scopes: frozenset[str], redirect_uri: str, challenge: str
    ) -> str:
        """A code for a consent just given."""
        code = self.secret("c/")
        expires = self.clock() + CODE_LIFE
        self.codes[code] = Code(Grant(app, scopes), redirect_uri, challenge, expires)
        return code

    def manual(self, app: AppRecord, scopes: frozenset[str], token: str | None = None) -> str:
        """A token made by hand: never expires."""
        token = token or self.secret("a/")
        self.access[token] = Token(Grant(app, scopes), None)
        return token

    def exchange(self, app: AppRecord, code: str, redirect_uri: str, verifier: str) -> Grant:
        """The grant behind a code, once; raises OAuthProblem."""
        found = self.codes.get(code)
        if found is None or found.grant.app is not app or found.used:
            raise OAuthProblem("invalid_grant", "The authorization code is invalid.")
        found.used = True
        if found.expires <= self.clock():
            raise OAuthProblem("invalid_grant", "The authorization code has expired.")
        if found.redirect_uri != redirect_uri:
            raise OAuthProblem("invalid_grant", "The redirect URI does not match.")
        if found.challenge and found.challenge != _s256(verifier):
            raise OAuthProblem("invalid_grant", "The code verifier does not match.")
        return found.grant

    def rotate(self, app: AppRecord, refresh_token: str) -> Grant:
        """The grant behind a refresh token, once; a second use may end it altogether."""
        found = self.refreshes.get(refresh_token)
        if found is None or found.grant.app is not app:
            raise OAuthProblem("invalid_grant", "The refresh token is invalid.")
        if found.used and self.reuse_revokes_family:
            found.grant.alive = False
        if found.used or not found.grant.alive or found.expires <= self.clock():
            raise OAuthProblem("invalid_grant", "The refresh token has been revoked or expired.")
        found.used = True
        return found.grant

    def pair(self, grant: Grant) -> dict[str, object]:
        """A new token pair, as the token endpoint answers it."""
        access, refresh = self.secret("a/"), self.secret("r/")
        now = self.clock()
        self.access[access] = Token(grant, now + ACCESS_LIFE)
        self.refreshes[refresh] = Refresh(grant, now + REFRESH_LIFE)
        return {
            "token_type": "bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": int(ACCESS_LIFE.total_seconds()),
        }

    def grant_of(self, token: str) -> Grant | None:
        """The grant of a live access token."""
        found = self.access.get(token)
        if found is None or not found.alive or not found.grant.alive:
            return None
        if found.expires is not None and found.expires <= self.clock():
            return None
        return found.grant

    def expire_access(self) -> int:
        """Let every exchanged access token run out now; gives their number."""
        live = [token for token in self.access.values() if token.expires is not None]
        for token in live:
            token.expires = self.clock()
        return len(live)

    def revoke_everything(self) -> None:
        """What a user does in the list of connected apps: every grant ends."""
        grants = [token.grant for token in self.access.values()]
        grants += [refresh.grant for refresh in self.refreshes.values()]
        grants += [code.grant for code in self.codes.values()]
        for grant in grants:
            grant.alive = False


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
