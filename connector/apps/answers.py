"""What the error readers of all apps need: bodies as JSON, waits, field names in words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from connector.apps.refusals import quoted, refused_field, says_nothing
from connector.codec import decode
from connector.errors import Issue, Unclear
from connector.model import Answer

MAX_WAIT = 31 * 24 * 3600.0
MAX_TEXT = 500
MAX_ISSUES = 100

_TAG = re.compile(r"<[^>]{0,200}>")
_SPACE = re.compile(r"\s+")


def body_json(answer: Answer) -> Any:
    """The body as plain values, or None when it is empty or not JSON."""
    try:
        return decode(answer.body)
    except ValueError:
        return None


def plain(text: object) -> str:
    """A foreign sentence on one line, without markup, cut to a readable length."""
    import html

    bare = html.unescape(_TAG.sub(" ", str(text)))
    bare = _SPACE.sub(" ", "".join(char if char.isprintable() else " " for char in bare)).strip()
    return bare if len(bare) <= MAX_TEXT else bare[: MAX_TEXT - 1] + "…"


def retry_after(answer: Answer) -> float | None:
    """The seconds of `Retry-After`, in figures or as a date; None when absent or unreadable."""
    text = (answer.header("retry-after") or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), MAX_WAIT)
    until, now = _moment(text), _moment(answer.header("date") or "")
    if until is None or now is None:
        return None
    return min(max(until - now, 0.0), MAX_WAIT)


def moment_of(answer: Answer) -> float | None:
    """When it was answered by the server's own clock, in seconds since 1970."""
    return _moment(answer.header("date") or "")


def _moment(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def in_words(field: str, rows: Mapping[str, str], why: str) -> str:
    """A reason with where in a list its field lies, counted from 1: "Line 1: It is too long."."""
    keys = field.split(".")
    for name, index in itertools.pairwise(keys):
        if name in rows and index.isdecimal():
            return f"{rows[name]} {int(index) + 1}: {why}"
    return why


def issues_of(found: object, rows: Mapping[str, str] | None = None) -> tuple[Issue, ...]:
    """Issues from `{field: sentence or sentences}`; anything else gives none."""
    if not isinstance(found, Mapping):
        return ()
    issues: list[Issue] = []
    for name, told in found.items():
        field = plain(name).removesuffix("[]")
        for sentence in told if isinstance(told, list) else [told]:
            why = refused_field(plain(sentence))
            issues.append(Issue(message=in_words(field, rows or {}, why), field=field))
    return tuple(issues[:MAX_ISSUES])


def unclear(app: str, answer: Answer, why: str) -> Unclear:
    """The outcome is not known, whatever the status says."""
    if says_nothing(why):
        return Unclear(
            quoted(f"{app} failed at this ({answer.status}), and does not say why.", why),
            status=answer.status,
            remedy=(
                "It may have been applied: look there before sending it again. Some apps answer so"
                " to a wrong value as well: if it stays, try with fewer fields filled in."
            ),
        )
    return Unclear(
        f"{app} answered {answer.status}: {why.removesuffix('.')}.",
        status=answer.status,
        remedy="It may have been applied: look there before sending it again.",
    )
