"""What an address asks for: filters of runs and events, and a reader's dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from connector.store.rows import EventFilter, RunFilter, in_state

PERIODS = {"hour": 3_600.0, "day": 86_400.0, "week": 7 * 86_400.0, "month": 30 * 86_400.0}
RUN_STATES = ("queued", "waiting", "succeeded", "filtered", "failed", "mended", "parked")
EVENT_STATES = ("received", "matched", "unmatched", "silent", "failed")
MOST_TEXT = 200
MAX_ID = 2**62


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
        given = {name: value.strip()[:MOST_TEXT] for name, value in query.items() if value.strip()}
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
        value = self.plain.get(name, "")
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None

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


def _day(text: str | None, zone: tzinfo | None, days: int) -> float | None:
    """When a day begins where the reader is, or so many days after."""
    try:
        day = datetime.strptime(text or "", "%Y-%m-%d")  # noqa: DTZ007 - its zone comes next
    except ValueError:
        return None
    day += timedelta(days=days)
    return (day.replace(tzinfo=zone) if zone else day.astimezone()).timestamp()
