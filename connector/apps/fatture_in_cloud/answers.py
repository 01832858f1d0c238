"""What an answer of Fatture in Cloud means. Source: facts on Fatture in Cloud §1.8, §3.1, §6.

An answer counts as a refusal only in the API's own words. A page of a proxy with the same status
proves nothing, so it is Unclear.
"""

from __future__ import annotations

from typing import Any

from connector.apps.answers import body_json, issues_of, plain, retry_after, unclear
from connector.apps.refusals import (
    FIELDS_REMEDY,
    NO_WORDS_REMEDY,
    quoted,
    refused_data,
    says_nothing,
)
from connector.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    Issue,
    Missing,
    Refused,
    Throttled,
    Unauthorized,
)
from connector.model import Answer

NAME = "Fatture in Cloud"
ROWS = {"items_list": "Line", "payments_list": "Payment"}
SHORT_WAIT = 60.0
"""When a throttling answer does not say how long; the short window lasts five minutes."""

CONCLUSIVE = frozenset({400, 401, 403, 404, 405, 409, 422, 429})
"""The failures that the API declares, server errors apart: what it says then can be trusted."""

_DEAD_GRANTS = frozenset(
    {"invalid_grant", "invalid_client", "unauthorized_client", "access_denied"}
)


def read_error(answer: Answer) -> ApiError | None:
    """The error that an answer means, or None for a success."""
    status = answer.status
    if 200 <= status < 300:
        return _success(answer)
    if status not in CONCLUSIVE:
        return unclear(NAME, answer, _words(body_json(answer)) or "an unexpected status")
    wait = retry_after(answer)
    if status == 429 or (status == 403 and wait is not None):
        return Throttled(
            f"{NAME}'s quota is used up.",
            status=status,
            retry_after=SHORT_WAIT if wait is None else wait,
            remedy="It goes on by itself when the quota is free again.",
        )
    told = body_json(answer)
    if status == 401:
        # The only verdict that needs no body: without a valid token nothing is ever applied.
        return _unauthorized(answer, told)
    words = _words(told)
    if not words and (answer.body or status not in (404, 405)):
        return unclear(NAME, answer, "not in its own words")
    return _refusal(answer, told, words)


def _success(answer: Answer) -> ApiError | None:
    if not answer.body or body_json(answer) is not None:
        return None
    if "xml" in (answer.header("content-type") or ""):
        return None
    return unclear(NAME, answer, "the answer is not complete JSON")


def _words(told: Any) -> str:
    """The sentence of a well-formed error, or nothing."""
    if not isinstance(told, dict):
        return ""
    error = told.get("error")
    if isinstance(error, dict):
        return plain(error.get("message") or error.get("code") or "an error without words")
    if isinstance(error, str) and error:
        return plain(told.get("error_description") or error)
    message = told.get("message")
    return plain(message) if isinstance(message, str) else ""


def _unauthorized(answer: Answer, told: Any) -> Unauthorized:
    words = _words(told)
    return Unauthorized(
        quoted(f"{NAME} does not accept the access token.", words),
        status=answer.status,
        remedy="Connect the account again, and check that it may reach this company.",
    )


def _refusal(answer: Answer, told: Any, words: str) -> ApiError:
    status = answer.status
    if status == 400 and isinstance(told.get("error"), str) and told["error"] in _DEAD_GRANTS:
        return _unauthorized(answer, told)
    if status in (400, 422):
        return _invalid(answer, told, words)
    if status == 403:
        return _forbidden(answer, words)
    if status == 404:
        return Missing(
            quoted(f"{NAME} has no such record.", words),
            status=status,
            remedy="Check the id and the company.",
        )
    if status == 409:
        return Conflict(
            quoted(f"{NAME} has a record already that this one clashes with.", words),
            status=status,
            remedy="Nothing was written. Look at the record that is there already.",
        )
    text = quoted(f"{NAME} refused this ({status}), and nothing was written.", words)
    return Refused(text, status=status, who="developer")


def _forbidden(answer: Answer, words: str) -> Forbidden:
    if "register webhooks" in words:
        remedy = "The vendor has suspended webhooks for this application: ask its support."
    else:
        remedy = (
            "Check the permissions given to this connection, the user's role, and whether the"
            " plan includes this feature and has not expired."
        )
    text = quoted(f"{NAME} does not allow this.", words)
    return Forbidden(text, status=answer.status, remedy=remedy)


def _invalid(answer: Answer, told: dict[str, Any], words: str) -> Invalid:
    error = told.get("error")
    found = error.get("validation_result") if isinstance(error, dict) else None
    issues = _xml_issues(found) or issues_of(found, ROWS)
    figures = _figures(told.get("extra"))
    silent = not issues and says_nothing(words)
    return Invalid(
        refused_data(NAME, words, issues, figures),
        status=answer.status,
        issues=issues,
        remedy=NO_WORDS_REMEDY if silent else FIELDS_REMEDY,
    )


def _xml_issues(found: Any) -> tuple[Issue, ...]:
    """The faults of an e-invoice's XML, which belong to no field of ours."""
    told = found.get("xml_errors") if isinstance(found, dict) else None
    return tuple(Issue(message=plain(one)) for one in told) if isinstance(told, list) else ()


def _figures(extra: Any) -> str:
    """The vendor's own sums beside its sentence: a difference of a cent must be seen."""
    totals = extra.get("totals") if isinstance(extra, dict) else None
    if not isinstance(totals, dict):
        return ""
    shown = [
        f"{name} {value}"
        for name, value in totals.items()
        if not isinstance(value, dict | list) and value is not None
    ]
    return ", ".join(shown[:12])
