"""What Perfex answers, which differs by generation (facts perfex-crm §2 and §5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import HTMLResponse, Response

from connector.sandbox import exact
from connector.sandbox.perfex.tables import label

NO_DATA = "No data were found"


class Refusal(Exception):
    """An answer that ends a call; raised anywhere below an endpoint."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer to send."""
        return reply(self.body, self.status, self.headers)


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, or a page when the body is text."""
    if isinstance(body, str):
        return HTMLResponse(body, status, dict(headers or {}))
    return Response(exact.dumps(body), status, dict(headers or {}), media_type="application/json")


def said(status: int, message: str) -> Refusal:
    """`{"status": false, "message": …}`."""
    return Refusal(status, {"status": False, "message": message})


def no_data() -> Refusal:
    """Nothing found, which lists and searches say with 404 too."""
    return said(404, NO_DATA)


def fatal(message: str) -> Refusal:
    """What PHP shows when it stumbles: a page, not JSON."""
    return Refusal(
        500, f"<!DOCTYPE html><html><body><h1>A PHP Error was encountered</h1><p>{message}</p>"
    )


def invalid(faults: Mapping[str, str], *, modern: bool) -> Refusal:
    """Wrong fields: 422 on 3.x; on 2.x a 404 with HTML in its message."""
    if modern:
        body = {
            "status": False,
            "error": "validation_failed",
            "message": " ".join(faults.values()),
            "errors": dict(faults),
        }
        return Refusal(422, body)
    html = "".join(f"<p>{sentence}</p>\n" for sentence in faults.values())
    return Refusal(404, {"status": False, "error": dict(faults), "message": html})


def required(field: str) -> str:
    """The sentence for a missing field."""
    return f"The {label(field)} field is required."


def too_long(field: str, limit: int) -> str:
    """The sentence for a text beyond its column."""
    return f"The {label(field)} field cannot exceed {limit} characters in length."
