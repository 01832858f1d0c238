"""What a browser must prove: where a request comes from, and that our own page made it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from connector.codec import decode, encode

FIELD = "csrf"
HEADER = "x-csrf-token"
SIZE = 32


def from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site's page made this request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    # The scheme is the proxy's affair: it may end TLS before us.
    return origin.partition("://")[2].lower() != request.headers.get("host", "").lower()


def names_itself(request: Request) -> bool:
    """Whether the browser says at all where the request comes from; all of today do."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


def secret_of(key: bytes, whose: str) -> bytes:
    """What a page's forms prove: it belongs to one session (or to one vouched-for person)."""
    return hmac.digest(key, b"csrf\0" + whose.encode(), hashlib.sha256)


def masked(secret: bytes) -> str:
    """The secret under a fresh mask: a compressed page that also shows foreign text would leak
    one that never changes."""
    mask = secrets.token_bytes(SIZE)
    return base64.urlsafe_b64encode(mask + _xor(mask, secret)).decode("ascii")


def fits(given: str, secret: bytes) -> bool:
    """Whether a masked secret is this one."""
    try:
        told = base64.urlsafe_b64decode(given.encode("ascii"))
    except ValueError:
        return False
    return len(told) == 2 * SIZE and hmac.compare_digest(_xor(told[:SIZE], told[SIZE:]), secret)


def sealed(key: bytes, value: Any) -> str:
    """A small value that a browser keeps for us and cannot change."""
    body = base64.urlsafe_b64encode(encode(value)).decode("ascii")
    return f"{body}.{_tag(key, body)}"


def unsealed(key: bytes, text: str) -> Any:
    """The value again; None when it is not ours."""
    body, _, tag = text.rpartition(".")
    if not body or not hmac.compare_digest(tag.encode(), _tag(key, body).encode()):
        return None
    return decode(base64.urlsafe_b64decode(body))


async def given_token(request: Request) -> str:
    """The token that a request brings: a header of fetch, or a field of a form."""
    header = request.headers.get(HEADER)
    if header is not None:
        return header
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form: Mapping[str, Any] = await request.form(max_fields=10_000)
        return str(form.get(FIELD, ""))
    return ""


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _tag(key: bytes, body: str) -> str:
    return hmac.digest(key, b"sealed\0" + body.encode(), hashlib.sha256).hex()
