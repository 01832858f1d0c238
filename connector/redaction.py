"""Requests and answers as they may be kept and shown: without credentials, of bounded size."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

from connector.errors import ConnectorError
from connector.model import Answer, HttpRequest

MAX_BODY = 64 * 1024
MASK = "•••"
SHORTEST = 8
"""A shorter value is no secret, and masking it would garble innocent words."""

E = TypeVar("E", bound=ConnectorError)

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
_HEX = re.compile(r"%[0-9A-F]{2}")
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


def is_secret(name: str) -> bool:
    """Whether a field of this name is a secret by its name alone."""
    return re.search(_NAMES, name, re.IGNORECASE) is not None


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


def mask_fields(value: Any, names: Sequence[str], trail: tuple[str, ...] = ()) -> Any:
    """A value with the named fields masked, wherever they are: `email` below anything,
    `resource.email` only below a `resource`; lists count for nothing."""
    ends = [tuple(name.split(".")) for name in names]
    if isinstance(value, Mapping):
        return {
            name: MASK
            if inner is not None and any((*trail, name)[-len(end) :] == end for end in ends)
            else mask_fields(inner, names, (*trail, name))
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [mask_fields(one, names, trail) for one in value]
    return value


class Scrubber:
    """Masks known secrets wherever they turn up: some apps repeat in an error what they were sent.

    Found are the plain value, and what URLs, JSON and base64 make of it.
    """

    def __init__(self, secrets: Iterable[str], *, shortest: int = SHORTEST) -> None:
        given = [one for one in secrets if len(one) >= shortest]
        found = {form for one in given for form in _forms(one) if len(form) >= shortest}
        # The longest first: a plain value must not cut the middle out of an encoded one.
        self._forms = sorted(found, key=len, reverse=True)

    def text(self, text: str) -> str:
        """A text without the secrets."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def answer(self, answer: Answer) -> Answer:
        """An answer without the secrets, in its body and its headers."""
        body = answer.body
        for form in self._forms:
            body = body.replace(form.encode(), MASK.encode())
        headers = tuple((name, self.text(value)) for name, value in answer.headers)
        if body == answer.body and headers == answer.headers:
            return answer
        return replace(answer, headers=headers, body=body)

    def error(self, error: E) -> E:
        """The same error, its words without the secrets."""
        error.message, error.remedy = self.text(error.message), self.text(error.remedy)
        error.args = (error.message,)
        error.issues = tuple(
            issue.model_copy(
                update={"message": self.text(issue.message), "remedy": self.text(issue.remedy)}
            )
            for issue in error.issues
        )
        return error


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield _HEX.sub(lambda found: found[0].lower(), quoted)
    yield secret.replace("/", "\\/")
    data = secret.encode()
    for before in range(3):
        # In the middle of other bytes its first and last characters depend on the neighbours.
        middle = slice((0, 2, 3)[before], -1 if (before + len(data)) % 3 else None)
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(before) + data).decode().rstrip("=")[middle]
