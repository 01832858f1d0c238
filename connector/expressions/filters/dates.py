"""Filters on dates. A date is text in ISO 8601 form, as APIs send it: `2026-12-31`.

A time that follows the date is kept by `date` and `local_time` and dropped by all others.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Final

from connector.errors import ExpressionError
from connector.expressions.filter import need_int, need_text

_ISO: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_ITALIAN: Final = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*", re.ASCII)
_LONGEST: Final = 40
_FARTHEST_DAYS: Final = 100_000
_FARTHEST_MONTHS: Final = 3_000
_MONTHS: Final = {
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "en": "January February March April May June July August September October November December",
}


def _not_a_date(form: str) -> ExpressionError:
    return ExpressionError(
        f"The text is not a date such as {form}.",
        remedy="ISO dates are 2026-12-31; for the Italian form use | parse_it_date.",
        value_type="text",
    )


def _day(value: object) -> date:
    text = need_text(value, "date").strip() if len(str(value)) <= _LONGEST else ""
    match = _ISO.fullmatch(text)
    if match is None:
        raise _not_a_date("2026-12-31")
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        raise _not_a_date("2026-12-31") from None


def _moment(value: object) -> datetime:
    _day(value)
    try:
        return datetime.fromisoformat(need_text(value).strip())
    except ValueError:
        raise _not_a_date("2026-12-31T18:30:00+01:00") from None


def _date(value: object, format: object = "%Y-%m-%d", lang: object = "it") -> str:
    """A date written by a pattern of %d, %m, %Y, %y, %H, %M, %S and %B (the month's name).

    {{ '2026-12-31T18:30:00' | date('%d/%m/%Y %H:%M') }} => "31/12/2026 18:30"
    """
    moment, pattern = _moment(value), need_text(format, "format")
    names = _MONTHS.get(need_text(lang, "lang"))
    if names is None:
        raise ExpressionError("The language of a month is 'it' or 'en'.")
    parts = {
        "d": f"{moment.day:02}",
        "m": f"{moment.month:02}",
        "Y": f"{moment.year:04}",
        "y": f"{moment.year % 100:02}",
        "H": f"{moment.hour:02}",
        "M": f"{moment.minute:02}",
        "S": f"{moment.second:02}",
        "B": names.split()[moment.month - 1],
        "%": "%",
    }

    def part(match: re.Match[str]) -> str:
        if match[1] not in parts:
            raise ExpressionError(
                f"'{match[0]}' is not a part of a date.",
                remedy="There are %d, %m, %Y, %y, %H, %M, %S, %B and %%.",
            )
        return parts[match[1]]

    return re.sub(r"%(.?)", part, pattern, flags=re.DOTALL)


def _it_date(value: object) -> str:
    """A date in Italian form.

    {{ '2026-12-31' | it_date }} => "31/12/2026"
    """
    return _date(_day(value).isoformat(), "%d/%m/%Y")


def _parse_it_date(value: object) -> str:
    """The ISO date of text in Italian form: 31/12/2026, 31-12-2026 or 31.12.2026.

    {{ '31/12/2026' | parse_it_date }} => "2026-12-31"
    """
    match = _ITALIAN.fullmatch(need_text(value, "date").strip())
    if match is None:
        raise _not_a_date("31/12/2026")
    try:
        return date(int(match[4]), int(match[3]), int(match[1])).isoformat()
    except ValueError:
        raise _not_a_date("31/12/2026") from None


def _moved(day: date, months: int) -> date:
    """The same day of another month, or its last day where that is shorter."""
    number = day.year * 12 + day.month - 1 + months
    try:
        first = date(number // 12, number % 12 + 1, 1)
        return min(first + timedelta(days=day.day - 1), _last_of(first))
    except (ValueError, OverflowError):
        raise _too_far() from None


def _last_of(day: date) -> date:
    following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return following - timedelta(days=1)


def _too_far() -> ExpressionError:
    return ExpressionError("The date would lie outside of the years 1 to 9999.")


def _add_days(value: object, days: object) -> str:
    """The date so many days later, or earlier for a number below zero.

    {{ '2026-12-31' | add_days(30) }} => "2027-01-30"
    """
    count = need_int(days, "number of days", -_FARTHEST_DAYS, _FARTHEST_DAYS)
    try:
        return (_day(value) + timedelta(days=count)).isoformat()
    except OverflowError:
        raise _too_far() from None


def _add_months(value: object, months: object) -> str:
    """The date so many months later; the 31st becomes the last day of a shorter month.

    {{ '2026-01-31' | add_months(1) }} => "2026-02-28"
    """
    count = need_int(months, "number of months", -_FARTHEST_MONTHS, _FARTHEST_MONTHS)
    return _moved(_day(value), count).isoformat()


def _end_of_month(value: object) -> str:
    """The last day of the date's month.

    {{ '2026-02-10' | add_days(30) | end_of_month }} => "2026-03-31"
    """
    try:
        return _last_of(_day(value)).isoformat()
    except OverflowError:
        return _day(value).replace(day=31).isoformat()  # December 9999


def _local_time(value: object, zone: object = "Europe/Rome") -> str:
    """A time with an offset (or Z), told in the time of a place.

    {{ '2026-07-31T23:30:00Z' | local_time }} => "2026-08-01T01:30:00+02:00"
    """
    from zoneinfo import ZoneInfo

    moment, name = _moment(value), need_text(zone, "zone")
    if moment.tzinfo is None:
        raise ExpressionError(
            "The time does not say of which zone it is.",
            remedy="It must end in Z or in an offset such as +02:00.",
            value_type="text",
        )
    try:
        if len(name) > _LONGEST or not _ZONE.fullmatch(name):
            raise ValueError
        place = ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ExpressionError(
            "There is no such time zone here.", remedy="Zones are named like Europe/Rome."
        ) from None
    try:
        return moment.astimezone(place).isoformat(timespec="seconds")
    except OverflowError:
        raise _too_far() from None


FILTERS: Final = {
    "date": _date,
    "it_date": _it_date,
    "parse_it_date": _parse_it_date,
    "add_days": _add_days,
    "add_months": _add_months,
    "end_of_month": _end_of_month,
    "local_time": _local_time,
}
