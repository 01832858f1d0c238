"""Dates and times, in ISO or Italian form."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from connector.errors import MappingError
from connector.values.misfit import misfit

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ITALIAN_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_ITALIAN_TIME = re.compile(r"([0-9]{1,2}/[0-9]{1,2}/[0-9]{4}) ([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)")


def date_text(value: Any) -> str:
    """A day as ISO text. Raises MappingError."""
    if isinstance(value, datetime):
        raise _with_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise misfit("a date", value, "Choose a date such as 2026-12-31 or 31/12/2026.")
    text = value.strip()
    day = _day(text)
    if day is None:
        if _ISO_TIME.fullmatch(text) or _ITALIAN_TIME.fullmatch(text):
            raise _with_time(value)
        raise misfit("a date", value, "Write it as 2026-12-31 or 31/12/2026, and check the day.")
    return day.isoformat()


def _with_time(value: Any) -> MappingError:
    return misfit(
        "a date without a time",
        value,
        "Take the day: {{ … | local_time | date }} where the time has a zone, else {{ … | date }}.",
    )


def _day(text: str) -> date | None:
    try:
        if _ISO_DATE.fullmatch(text):
            return date.fromisoformat(text)
        italian = _ITALIAN_DATE.fullmatch(text)
        if italian:
            return date(int(italian[3]), int(italian[2]), int(italian[1]))
    except ValueError:
        return None
    return None


def datetime_text(value: Any) -> str:
    """A moment as ISO text, with its offset where it has one. Raises MappingError."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        text = value.strip()
        italian = _ITALIAN_TIME.fullmatch(text)
        if italian:
            day = _day(italian[1])
            text = f"{day.isoformat()}T{italian[2]}" if day else ""
        if _ISO_TIME.fullmatch(text):
            try:
                return datetime.fromisoformat(text).isoformat()
            except ValueError:
                pass
        if _day(text):
            raise misfit("a date with a time", value, "Add one: {{ … ~ 'T00:00:00' }}.")
    raise misfit("a date with a time", value, "Write it as 2026-12-31T09:30:00+01:00.")
