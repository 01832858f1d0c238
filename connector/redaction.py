"""Requests and answers as they may be kept and shown: without credentials, of bounded size."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from connector.model import Answer, HttpRequest

MAX_BODY = 64 * 1024
MASK = "•••"

# Whatever is not named here may be a secret of an app we do not know.
HEADERS = frozenset(
    {
        "accept",
        "content-length",
        "content-type",
        "date",
        "idempotency-replayed",
        "retry-after",
        "user-agent",
        "x-request-id",
    }
)
_NAMES = (
    r"access_token|refresh_token|authtoken|client_secret|code_verifier|id_token|password|secret"
    r"|attachment_token"
)
# A `code` or a `state` is a secret in a query, and a client's number or province in a body.
_IN_QUERY = re.compile(rf"{_NAMES}|code|state|token|signature", re.IGNORECASE)
_IN_JSON = re.compile(rf'("(?:{_NAMES})"\s*:\s*)"(?:[^"\\]|\\.)*+"?', re.IGNORECASE)
_IN_FORM = re.compile(rf"((?:^|&)(?:{_NAMES})=)[^&]*", re.IGNORECASE)


def redact(exchanged: HttpRequest | Answer) -> dict[str, Any]:
    """A request or an answer for run records: bodies as text, cut at 64 KiB, secrets masked."""
    headers = {name.lower(): value for name, value in exchanged.headers if _shown(name)}
    body, cut = _body(exchanged.body)
    found: dict[str, Any] = {"headers": headers, "body": body}
    if cut:
        found["cut"] = len(exchanged.body)
    if isinstance(exchanged, HttpRequest):
        return {"method": exchanged.method, "url": redact_url(exchanged.url), **found}
    return {"status": exchanged.status, **found}


def redact_url(url: str) -> str:
    """A URL with the values of secret-looking parameters masked, and no user name."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    # The rest stays letter for letter: it is shown as what was sent.
    query = "&".join(map(_masked, parts.query.split("&")))
    return f"{parts.scheme}://{host}{parts.path}{'?' + query if query else ''}"


def _masked(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and _IN_QUERY.fullmatch(unquote_plus(name)) else pair


def _shown(name: str) -> bool:
    return name.lower() in HEADERS or "ratelimit" in name.lower()


def _body(body: bytes) -> tuple[str, bool]:
    text = body[:MAX_BODY].decode("utf-8", errors="replace")
    masked = _IN_FORM.sub(rf"\1{MASK}", _IN_JSON.sub(rf'\1"{MASK}"', text))
    return masked, len(body) > MAX_BODY
