"""Verifying the vendor's webhook token. Source: facts on security §3, on Fatture in Cloud §2.4.

One key of the vendor signs for every application, and the token covers neither body nor type. So
what protects us are the claims: this hook's address, this company, this application, this event.
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connector.apps.fatture_in_cloud.envelope import strict_json
from connector.errors import HookRefused
from connector.model import Hook, Inbound

ISSUER = "https://api-v2.fattureincloud.it"
LEEWAY = 120.0
"""With none at all, a clock one second ahead of ours would lose an event for good."""
LIFETIME = 3 * 3600.0
LATEST = 2**53
MAX_HEADER = 4096

VENDOR_KEY = b64decode(
    "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0FFL1JvSE"
    "lqZ1k3aGZYZlk1cC9KeStLL0ZndU1aNAozVHZaOXQ0ZU43K2t4UTBNSnpLdG93djRDY1lURnFyQm03aE1CNVpXS25x"
    "THoyNEQ2bFFqU0wwWXN3PT0KLS0tLS1FTkQgUFVCTElDIEtFWS0tLS0tCg=="
).decode("ascii")
"""The public key printed in the vendor's documentation; there is no key set to fetch."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Token:
    """The claims of a token, and whether a key of ours has signed them."""

    def __init__(self, claims: dict[str, Any], *, signed: bool) -> None:
        self.claims = claims
        self.signed = signed


class TokenReader:
    """Reads tokens signed with ES256 by one of these public keys (PEM)."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one public key is needed")
        self._pems = tuple(keys)
        self._keys: list[Any] = []

    def read(self, inbound: Inbound) -> Token:
        """The one bearer token of a request; raises HookRefused (401) when there is none to read.

        A signature that fits no key is reported, not raised: the caller judges the claims first.
        """
        text = _bearer(inbound)
        claims = _claims(text.split(".")[1])
        return Token(claims, signed=self._signed(text))

    def _signed(self, text: str) -> bool:
        from joserfc import jws
        from joserfc.errors import BadSignatureError, JoseError

        for key in self._loaded():
            try:
                # The key list and the algorithm are ours; nothing in the header chooses them.
                jws.deserialize_compact(text, key, algorithms=["ES256"])
            except BadSignatureError:
                continue
            except (JoseError, ValueError):
                raise refused("it is not signed with ES256") from None
            return True
        return False

    def _loaded(self) -> list[Any]:
        if not self._keys:
            from joserfc.jwk import ECKey

            self._keys = [ECKey.import_key(pem) for pem in self._pems]
        return self._keys


def refused(why: str) -> HookRefused:
    """The refusal of a token."""
    return HookRefused(f"The webhook token is not accepted: {why}.", status=401)


def check_claims(
    claims: dict[str, Any], hook: Hook, now: datetime, app_ids: frozenset[str], *, event: bool
) -> None:
    """Check that a token was made for this hook, now; raises HookRefused (401).

    A handshake (`event` false) has no event to name: there `sub` is checked only when present.
    """
    if claims.get("iss") != ISSUER:
        raise refused("another issuer")
    audience = claims.get("aud")
    if audience != hook.url and audience != [hook.url]:
        raise refused("made for another address")
    subject = claims.get("sub")
    if (event or subject is not None) and (
        not hook.account or subject != f"company:{hook.account}"
    ):
        raise refused("made for another company")
    if app_ids and str(claims.get("aid")) not in app_ids:
        raise refused("made for another application")
    if event and not isinstance(claims.get("jti"), str):
        raise refused("it names no event")
    _check_times(claims, now.timestamp())


def _check_times(claims: dict[str, Any], now: float) -> None:
    issued, expires = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    if issued > now + LEEWAY:
        raise refused("issued in the future")
    if expires <= now - LEEWAY:
        raise refused("expired")
    if not 0 < expires - issued <= LIFETIME + LEEWAY:
        raise refused("an unusual lifetime")
    if "nbf" in claims and _seconds(claims["nbf"]) > now + LEEWAY:
        raise refused("not valid yet")


def _seconds(value: Any) -> float:
    # NaN is not smaller either; and of a number that no float can hold, none is made.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST:
        raise refused("a time is missing")
    return float(value)


def _bearer(inbound: Inbound) -> str:
    values = [value for name, value in inbound.headers if name == "authorization"]
    if len(values) != 1:
        raise refused("there is not exactly one")
    if len(values[0]) > MAX_HEADER:
        raise refused("it is too long")
    scheme, _, token = values[0].partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or _COMPACT.fullmatch(token) is None:
        raise refused("it is not a signed bearer token")
    return token


def _claims(segment: str) -> dict[str, Any]:
    try:
        text = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        found = strict_json(text)
    except (ValueError, HookRefused):
        raise refused("its claims cannot be read") from None
    if not isinstance(found, dict):
        raise refused("its claims cannot be read")
    return found
