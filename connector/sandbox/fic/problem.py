"""The error bodies of Fatture in Cloud, one shape per status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from connector.sandbox import exact

Faults = dict[str, list[str]]
"""Sentences by dotted path, as `validation_result` holds them."""


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; None is the empty body that deletes give."""
    content = b"" if body is None else exact.dumps(body)
    return Response(content, status, dict(headers or {}), media_type="application/json")


class Problem(Exception):
    """An error answer; raised anywhere below an endpoint."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        validation: Mapping[str, list[str]] | None = None,
        extra: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        error: dict[str, Any] = {"message": message}
        if code is not None:
            error["code"] = code
        if status == 422:
            error["validation_result"] = None if validation is None else dict(validation)
        self.body: dict[str, Any] = {"error": error}
        if extra is not None:
            self.body["extra"] = dict(extra)
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def response(self) -> Response:
        """The answer to send."""
        return answer(self.body, self.status, self.headers)


def invalid(faults: Mapping[str, list[str]]) -> Problem:
    """Wrong fields: 422 with one list of sentences for each."""
    return Problem(422, "Invalid request.", validation=faults)


def rule_broken(message: str, **extra: Any) -> Problem:
    """A business rule: 422 without field names, figures in `extra`."""
    return Problem(422, message, extra=extra or None)


def no_permission(message: str = "You are not allowed to perform this action.") -> Problem:
    """A missing scope, role, plan or licence: 403 without Retry-After."""
    return Problem(403, message, code="NO_PERMISSION")


def required(path: str) -> str:
    """The sentence for a missing field."""
    return f"The {path} field is required."


class OAuthProblem(Exception):
    """The other error shape: `error` is a word, status 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description

    def response(self) -> Response:
        """The answer to send."""
        return answer({"error": self.error, "error_description": self.description}, 400)
