"""What is asked for: an address with filters and dates, a form, or one of our own modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from starlette.requests import Request

from connector.codec import decode
from connector.errors import FlowError
from connector.store.rows import EventFilter, RunFilter, in_state

PERIODS = {"hour": 3_600.0, "day": 86_400.0, "week": 7 * 86_400.0, "month": 30 * 86_400.0}
RUN_STATES = ("queued", "waiting", "succeeded", "filtered", "failed", "mended", "parked")
EVENT_STATES = ("received", "matched", "unmatched", "silent", "failed")
MOST_TEXT = 200
MAX_ID = 2**62
MAX_VERSION = 2**31 - 1


@dataclass(frozen=True)
class Asked:
    """The filters of one address: `plain` gives the same address again."""

    plain: Mapping[str, str]
    since: float | None = None
    until: float | None = None

    @classmethod
    def of(
        cls, query: Mapping[str, str], now: float, zone: tzinfo | None, period: str = ""
    ) -> Asked:
        """Read an address; what is not understood is left out, and is not in the form either."""
        # No database can look for a text with a NUL.
        told = {name: value.replace("\0", "").strip() for name, value in query.items()}
        given = {name: value[:MOST_TEXT] for name, value in told.items() if value}
        given.setdefault("period", period)
        since, until = None, None
        if given["period"] in PERIODS:
            since = now - PERIODS[given["period"]]
        elif given["period"] == "days":
            since, until = _day(given.get("from"), zone, 0), _day(given.get("to"), zone, 1)
        elif given["period"] != "all":
            given["period"] = period
        plain = {name: value for name, value in given.items() if value}
        return cls(plain, since, until)

    def word(self, name: str, known: tuple[str, ...] | None = None) -> str | None:
        """A value, where it is one of those that are known."""
        value = self.plain.get(name)
        return value if value and (known is None or value in known) else None

    def number(self, name: str) -> int | None:
        """A number of a run or an event."""
        return number_of(self.plain.get(name, ""))

    @property
    def runs(self) -> RunFilter:
        """The runs that are asked for."""
        state = self.word("state", RUN_STATES)
        return RunFilter(
            **(in_state(state) if state else {}),
            flow=self.word("flow"),
            record=self.word("record"),
            event_id=self.number("event"),
            since=self.since,
            until=self.until,
            text=self.word("q"),
            replays="replays" in self.plain,
            first=self.number("first"),
            last=self.number("last"),
        )

    @property
    def events(self) -> EventFilter:
        """The events that are asked for."""
        return EventFilter(
            state=self.word("state", EVENT_STATES),
            recovered="recovered" in self.plain,
            since=self.since,
            until=self.until,
            text=self.word("q"),
        )

    def kept(self, *names: str, **changes: Any) -> dict[str, str]:
        """The values of a new address: all but these, with the changes."""
        left = {name: value for name, value in self.plain.items() if name not in names}
        left.update({name: str(value) for name, value in changes.items() if value is not None})
        return left


def decode_plain(text: bytes | str) -> Any:
    """What a text says as JSON; None where it is none."""
    try:
        return decode(text)
    except ValueError:
        return None


async def read_asked(request: Request) -> dict[str, Any]:
    """What one of our own modules sent. Raises FlowError."""
    told = decode_plain(await request.body())
    if not isinstance(told, dict):
        raise FlowError("An object is expected here.", who="developer")
    return told


def number_in(asked: Mapping[str, Any], name: str) -> int:
    """A step or a version in what was sent; 0 where it is none."""
    value = asked.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 <= value <= MAX_VERSION else 0


def sample_in(asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The sample that was chosen; None is the made-up one. Raises FlowError."""
    value = asked.get("sample")
    run = value.get("run") if isinstance(value, dict) else None
    if isinstance(run, int) and not 0 <= run <= MAX_ID:
        raise FlowError("This is no sample.", field="sample", who="developer")
    return value if isinstance(value, dict) else None


def number_of(text: Any, most: int = MAX_ID) -> int | None:
    """The number that a text of an address or a form is; None where it is none of ours."""
    told = str(text)
    whole = told.isascii() and told.isdecimal() and len(told) < 19
    return int(told) if whole and int(told) <= most else None


def _day(text: str | None, zone: tzinfo | None, days: int) -> float | None:
    """When a day begins where the reader is, or so many days after."""
    try:
        day = datetime.strptime(text or "", "%Y-%m-%d")  # noqa: DTZ007 - its zone comes next
        day += timedelta(days=days)
        return (day.replace(tzinfo=zone) if zone else day.astimezone()).timestamp()
    except (ValueError, OverflowError):
        # The first and the last day that there are have no neighbour.
        return None
