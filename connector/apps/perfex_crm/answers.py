"""What an answer of Perfex's REST module means. Source: facts on Perfex CRM §2, §5, §6.

The status alone says little here: a dead token, a wrong field and a missing record can all be a
404, and a failure can be a 200. So the message decides.
"""

from __future__ import annotations

import re
from typing import Any

from connector.apps.answers import (
    MAX_WAIT,
    body_json,
    issues_of,
    moment_of,
    plain,
    retry_after,
    unclear,
)
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
    Missing,
    Refused,
    Throttled,
    Unauthorized,
)
from connector.model import Answer

NAME = "Perfex CRM"
LOCKED_OUT = 900.0
"""Twenty failed logins lock an address out for a quarter of an hour."""
LONG_WAIT = 300.0
"""When a quota answer does not say how long; the shipped window lasts an hour."""
EPOCH = 1_000_000_000
STRANGE = "not in its own words (is the REST API module at this address?)"
ALREADY_THERE = "Nothing was written. Look at the record that is there already."

_NO_RECORD = re.compile(r"no data|not found|no record|does not exist", re.IGNORECASE)
_TOKEN = re.compile(r"\btoken\b", re.IGNORECASE)
_PERMISSION = re.compile(r"permission", re.IGNORECASE)
_LOGINS = re.compile(r"failed (authentication|login)", re.IGNORECASE)
_MODULE_OFF = re.compile(r"module is not active", re.IGNORECASE)


def read_error(answer: Answer) -> ApiError | None:
    """The error that an answer means, or None for a success."""
    told = body_json(answer)
    status = answer.status
    if 200 <= status < 300:
        if told is None:
            return unclear(NAME, answer, "the answer is not complete JSON")
        if not _says_no(told):
            return None
    elif status == 429:
        return _throttled(answer, _words(told))
    elif status < 400 or status >= 500 or status == 408:
        return unclear(NAME, answer, "an unexpected status")
    words = _words(told)
    if not words:
        return unclear(NAME, answer, STRANGE)
    return _refusal(answer, told, words)


def _says_no(told: Any) -> bool:
    return isinstance(told, dict) and told.get("status", True) in (False, 0, "false", "0")


def _words(told: Any) -> str:
    if not isinstance(told, dict):
        return ""
    for name in ("message", "error"):
        if isinstance(told.get(name), str) and (words := plain(told[name])):
            return words
    error = told.get("error")
    if isinstance(error, dict):
        return plain(error["message"]) if _is_a_sentence(error) else "some fields are wrong"
    return "it refuses without words" if _says_no(told) else ""


def _is_a_sentence(error: dict[str, Any]) -> bool:
    """`{"message": …}` of a proxy or a newer release is no field called "message"."""
    return isinstance(error.get("message"), str) and not error.keys() - {"message", "code"}


def _throttled(answer: Answer, words: str) -> Throttled:
    if _LOGINS.search(words):
        return Throttled(
            f"{NAME} has locked this address out after failed logins.",
            status=answer.status,
            retry_after=LOCKED_OUT,
            remedy="Check the token and its permissions before the lock ends.",
            who="connection_owner",
        )
    wait = retry_after(answer)
    return Throttled(
        f"{NAME}'s quota is used up.",
        status=answer.status,
        retry_after=wait if wait is not None else _until_reset(answer),
        remedy="An administrator of Perfex can raise the quota of the token.",
    )


def _until_reset(answer: Answer) -> float:
    """The wait by `X-RateLimit-Reset`, which is a moment or a number of seconds."""
    text = (answer.header("x-ratelimit-reset") or "").strip()
    if not (text.isascii() and text.isdecimal()):
        return LONG_WAIT
    reset = float(text[:12])
    if reset < EPOCH:
        return min(reset, MAX_WAIT)
    now = moment_of(answer)
    return LONG_WAIT if now is None else min(max(reset - now, 1.0), MAX_WAIT)


def _refusal(answer: Answer, told: dict[str, Any], words: str) -> ApiError:
    status = answer.status
    if _MODULE_OFF.search(words):
        remedy = "An administrator of Perfex must switch the REST API module on."
        text = quoted(f"{NAME} does not answer programs now.", words)
        return Forbidden(text, status=status, remedy=remedy)
    if status == 403 or _PERMISSION.search(words):
        remedy = (
            "Tick this resource and operation on the token in Perfex (API Management)."
            " It is not tried again: each try counts as a failed login."
        )
        text = quoted(f"{NAME} does not allow this.", words)
        return Forbidden(text, status=status, remedy=remedy)
    error = told.get("error")
    sentence = isinstance(error, dict) and _is_a_sentence(error)
    issues = issues_of(told.get("errors")) or (() if sentence else issues_of(error))
    if issues:
        text = refused_data(NAME, words, issues)
        return Invalid(text, status=status, issues=issues, remedy=FIELDS_REMEDY)
    if status == 401 or _TOKEN.search(words):
        return Unauthorized(
            quoted(f"{NAME} does not accept the token.", words),
            status=status,
            remedy="Make a new token in Perfex (API Management) and connect again.",
        )
    if status == 409:
        text = quoted(f"{NAME} has a record already that this one clashes with.", words)
        return Conflict(text, status=status, remedy=ALREADY_THERE)
    if _NO_RECORD.search(words):
        if sentence:
            # What something in between does not find proves nothing missing: a search that took it
            # for "nobody" would lead to a second customer.
            return unclear(NAME, answer, STRANGE)
        return Missing(
            quoted(f"{NAME} has no such record.", words),
            status=status,
            remedy="Check the id that the flow gives for it: the record may have been deleted.",
        )
    kind = Invalid if status in (406, 422) else Refused
    remedy = NO_WORDS_REMEDY if says_nothing(words) else FIELDS_REMEDY
    return kind(refused_data(NAME, words, ()), status=status, remedy=remedy)
