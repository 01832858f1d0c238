"""What every `find_…` search does alike: equal in people's eyes, all pages, one shape of answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector import paths
from connector.demands import Demand
from connector.errors import MappingError, Missing, Refused, Unclear
from connector.model import Caller
from connector.paths import kind

ITALIAN_VAT_DIGITS = 11
MOST_ID = 200
MOST_DIGITS = 40
"""No app counts further; a number with more digits costs more than it can mean."""

Same = Callable[[Any], str]
"""Brings a value to the form in which two that mean the same are equal."""


def plain(value: Any) -> str:
    """Without capitals and spaces."""
    return "".join(str("" if value is None else value).split()).casefold()


def vat(value: Any) -> str:
    """A VAT number; the country letters are dropped where the country is Italy."""
    text = plain(value)
    digits = text.removeprefix("it")
    return digits if len(digits) == ITALIAN_VAT_DIGITS and digits.isdecimal() else text


def needs_one(*names: str) -> tuple[Demand, ...]:
    """The demand of a search that at least one of these inputs is filled."""
    return (
        Demand(
            one_of=names,
            message="Nothing is given to search by.",
            remedy="Fill at least one of the fields that say what is looked for.",
        ),
    )


def strongest(inputs: Mapping[str, Any], keys: Iterable[str]) -> tuple[str, str]:
    """The first of these keys that has a value, and the value as trimmed text.

    Raises MappingError when none has.
    """
    names = tuple(keys)
    for name in names:
        text = str(inputs[name]).strip() if inputs.get(name) is not None else ""
        if text:
            return name, text
    raise MappingError(
        "Nothing is given to search by.",
        field=names[0],
        value_type="nothing",
        remedy=f"Give one of {', '.join(names)}.",
    )


def number(caller: Caller, inputs: Mapping[str, Any], name: str) -> int:
    """A whole number among the inputs, else in the connection's settings. Raises MappingError."""
    for place in (inputs, caller.connection.settings):
        value = place.get(name)
        if value in (None, ""):
            continue
        text = str(value).strip()
        if not text.isascii() or not text.isdecimal():
            raise MappingError("This must be a whole number.", field=name, value_type=kind(value))
        return int(text)
    raise MappingError(
        "This value is needed for the address of the request.",
        field=name,
        value_type="nothing",
        remedy="Map it, or set it on the connection.",
    )


async def pages(caller: Caller, path: str, query: Mapping[str, str]) -> AsyncIterator[Any]:
    """Every record of a list that answers `{data, last_page}` and takes `page`."""
    page, last = 1, 1
    while page <= last:
        answer = await caller.request("GET", path, query={**query, "page": str(page)})
        rows = rows_in(answer)
        for row in rows:
            yield row
        last = whole(answer.get("last_page") or 1) if rows else 0
        page += 1


def rows_in(answer: Any, place: str = "data") -> list[dict[str, Any]]:
    """The records of a list, bare or at a place in an answer. Raises Unclear for anything else:
    what is no list ("we are back at noon") does not say that nobody is there.
    """
    rows = paths.get(answer, place) if place else answer
    if rows is None and paths.get(answer, "total") == 0:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise strange(answer)
    return rows


def any_rows_in(answer: Any) -> list[Any]:
    """The same where a list may also hold plain texts or numbers."""
    rows = paths.get(answer, "data")
    return rows if isinstance(rows, list) else rows_in(answer)


def record_in(answer: Any, place: str = "data") -> dict[str, Any]:
    """The record at a place in an answer. Raises Unclear when there is none: nothing may be built
    on an empty one.
    """
    record = paths.get(answer, place) if place else answer
    if not isinstance(record, dict) or not record:
        raise strange(answer)
    return dict(record)


def id_of(record: Mapping[str, Any], key: str = "id") -> str:
    """The id that a record shows. Raises Unclear for none, and for what cannot be one: it is kept
    in indexes, and what has no id cannot be known again.
    """
    value = record.get(key)
    if not is_id(value):
        raise strange(record)
    return str(value)


def is_id(value: Any) -> bool:
    """Whether a value can be the id of a record."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return False
    return 0 < len(str(value)) <= MOST_ID


def strange(answer: Any) -> Unclear:
    """What an answer means that has the status of a success, and not its shape."""
    return Unclear(
        "The app answered a question with something that is no record and no list of records.",
        value_type=kind(answer),
        remedy="Nothing is concluded from it, and it is asked again. If it stays, look whether the"
        " app is under maintenance, or whether something else answers at its address.",
    )


def whole(value: Any) -> int:
    """A whole number as an app gives it, as a number or as text. Raises Unclear for all else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdecimal()
        and len(value) <= MOST_DIGITS
    ):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() <= MOST_DIGITS:
        number = int(value)
        if number == value:
            return number
    raise strange(value)


def found(records: Iterable[Mapping[str, Any]], id_key: str = "id") -> dict[str, Any]:
    """`{found, count, id, ids, record, records}`; the first is the one with the lowest id."""
    # A list that moves while it is paged through, or matches twice, gives a record again.
    by_id = {whole(record.get(id_key)): dict(record) for record in records}
    ids = sorted(by_id)
    ordered = [by_id[number] for number in ids]
    return {
        "found": bool(ids),
        "count": len(ids),
        "id": ids[0] if ids else None,
        "ids": ids,
        "record": ordered[0] if ordered else None,
        "records": ordered,
    }


def listed(records: Iterable[Mapping[str, Any]], *, more: bool = False) -> dict[str, Any]:
    """The same, in the order given and by ids of any kind; `more` when a limit left some out."""
    ordered = [dict(record) for record in records]
    ids = [record.get("id") for record in ordered]
    return {
        "found": bool(ordered),
        "count": len(ordered),
        "id": ids[0] if ids else None,
        "ids": ids,
        "record": ordered[0] if ordered else None,
        "records": ordered,
        "more": more,
    }


def single(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The only one of these. Raises Missing when there is none, and Refused for several."""
    if not records:
        raise Missing(
            "Nothing meets these criteria, and exactly one was wanted.",
            field="want",
            remedy="Check the criteria, or want the first or all.",
            who="user",
        )
    if len(records) > 1:
        ids = ", ".join(str(record.get("id")) for record in records[:5])
        raise Refused(
            f"More than one record meets these criteria ({ids}), and exactly one was wanted.",
            field="want",
            remedy="Give more criteria, or want the first or all.",
            who="user",
        )
    return records[0]
