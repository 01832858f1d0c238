"""What a back end must offer to whoever looks back at runs and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from connector.store.rows import EventFilter, EventRow, RunFilter, RunLine

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Part(Generic[Row]):
    """A page of rows; `following` and `looked`, as `before`, give the page after it.

    `looked` is where a search in texts stopped, when it did not look at all that there is.
    """

    rows: list[Row]
    following: int | None = None
    looked: int | None = None


class History(Protocol):
    """One tenant's runs and events of any time; no question reads more than it shows."""

    async def count_parked(self) -> int:
        """How many writes wait for a person."""
        ...

    async def look_up_runs(
        self, asked: RunFilter, limit: int, before: int | None = None
    ) -> Part[RunLine]:
        """The newest runs that fit; those whose number or record a text is come first."""
        ...

    async def count_runs(self, asked: RunFilter, states: Sequence[str]) -> dict[str, int]:
        """How many runs that fit are in each of these states, counted up to a thousand.

        `failed` are those that no replay has mended, `mended` those that one has.
        """
        ...

    async def look_up_events(
        self, asked: EventFilter, limit: int, before: int | None = None
    ) -> Part[EventRow]:
        """The newest events that fit; those of which a text is the very id come first."""
        ...

    async def ends_of_events(self, events: Sequence[int]) -> dict[int, dict[str, int]]:
        """How many runs of each of these events are in each state."""
        ...

    async def account(self, span: tuple[float, float]) -> dict[str, dict[str, int]]:
        """What became of the events of a time: `events`, their `runs` and `replays` by state."""
        ...

    async def over_time(
        self, spans: Sequence[tuple[float, float]], flow: str | None
    ) -> list[dict[str, int]]:
        """How many runs ended in each stretch of time, by state."""
        ...

    async def accepted_over_time(self, spans: Sequence[tuple[float, float]]) -> list[int]:
        """How many events came in each stretch of time."""
        ...

    async def seconds_taken(
        self, spans: Sequence[tuple[float, float]], flow: str | None
    ) -> list[list[float]]:
        """From accepting an event to the end of its run, for the last of each stretch of time."""
        ...
