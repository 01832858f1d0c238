"""How we answer: one problem shape, and the headers that every answer carries."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from connector import errors, surprises
from connector.codec import encode
from connector.web.ports import Send

log = logging.getLogger("connector.web")

JSON = b"application/json"
PROBLEM = b"application/problem+json"
HTML = b"text/html; charset=utf-8"
GUARDS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
Header = tuple[bytes, bytes]

_STATUS: tuple[tuple[type[errors.ConnectorError], int], ...] = (
    # The first class that fits decides, so children stand before their parents.
    (errors.StoreError, 503),
    (errors.Throttled, 503),
    (errors.Missing, 404),
    (errors.Conflict, 409),
    (errors.Invalid, 422),
    (errors.ApiError, 502),
    (errors.NotConnected, 409),
    (errors.SchemaError, 500),
    (errors.BundleError, 500),
    (errors.ConnectorError, 422),
)


def status_of(error: errors.ConnectorError) -> int:
    """The HTTP status of one of our errors; 502 and 503 are others' trouble and the store's."""
    if isinstance(error, errors.HookRefused):
        return error.status
    if isinstance(error, errors.BundleError) and error.who == "user":
        # Somebody named an app or node that is not there, which is no fault of the bundle.
        return 422
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def title(status: int) -> str:
    """The standard phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem(
    status: int, detail: str = "", *, remedy: str = "", fields: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The one shape of every error (RFC 9457); `fields` lists what is wrong, by dotted path."""
    return {
        "type": "about:blank",
        "title": title(status),
        "status": status,
        "detail": detail,
        "remedy": remedy,
        "fields": list(fields),
    }


def problem_of(error: errors.ConnectorError, status: int | None = None) -> dict[str, Any]:
    """The problem that one of our errors stands for, with its usual status or another."""
    data = error.as_data()
    fields = data["issues"]
    if not fields and error.field:
        names = ("message", "remedy", "field", "value_type", "who")
        fields = [{name: data[name] for name in names if data[name]}]
    body = problem(status or status_of(error), error.message, remedy=error.remedy, fields=fields)
    return {**body, "kind": data["kind"], "who": data["who"]}


@lru_cache(maxsize=64)
def bare_problem(status: int) -> bytes:
    """A problem that says no more than its status: for callers who may be forgers."""
    return encode({"title": title(status), "status": status})


async def send_answer(
    send: Send, status: int, body: bytes, kind: bytes = JSON, more: tuple[Header, ...] = ()
) -> None:
    """Send one whole answer with our standing headers."""
    length = (b"content-length", str(len(body)).encode())
    headers = [(b"content-type", kind), length, *GUARDS, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_problem(
    send: Send, status: int, detail: str = "", *, remedy: str = "", more: tuple[Header, ...] = ()
) -> None:
    """Send one problem that has no error object behind it."""
    await send_answer(send, status, encode(problem(status, detail, remedy=remedy)), PROBLEM, more)


def log_surprise(what: str, error: BaseException) -> None:
    """Log an error that nobody foresaw, without its words."""
    surprises.log_surprise(log, what, error)
