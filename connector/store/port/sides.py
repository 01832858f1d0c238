"""What single rooms ask of a tenant's rows: who may enter, what is kept, how things went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from connector.store.rows import (
    EventFilter,
    EventRow,
    PersonRow,
    RunAge,
    RunFilter,
    RunLine,
    SessionRow,
)


class Keeping(Protocol):
    """One tenant's old rows; each method may be called again after any stop."""

    tenant: str

    async def run_ages(self, after: int, limit: int) -> list[RunAge]:
        """The next runs by number: how old each is, and what is still kept of it."""
        ...

    async def drop_payload(self, run_id: int, now: float, *, really: bool = True) -> bool:
        """Remove what an ended run worked on, unless one of its writes may still need it."""
        ...

    async def mask_payload(self, run_id: int, hide: Callable[[Any], Any], now: float) -> bool:
        """Put what `hide` makes of them in the place of a run's payloads."""
        ...

    async def old_events(self, after: int, before: float, limit: int) -> tuple[int, list[int]]:
        """Of the next events by number those that may go; and how far this has looked."""
        ...

    async def drop_event(self, event_id: int) -> bool:
        """Remove an event with its runs; tells whether it was there and over."""
        ...


class People(Protocol):
    """Who may use one tenant's pages; secrets are handed in as hashes."""

    async def people(self) -> list[PersonRow]:
        """Everybody who has a passphrase, by name."""
        ...

    async def person(self, name: str) -> PersonRow | None:
        """Who has this name."""
        ...

    async def save_person(self, row: PersonRow) -> None:
        """Add somebody, or replace role and passphrase; every session of that name ends."""
        ...

    async def drop_person(self, name: str) -> bool:
        """Remove somebody with all sessions; tells whether there was such a person."""
        ...

    async def session(self, session_id: str) -> SessionRow | None:
        """The session with this id."""
        ...

    async def save_session(self, row: SessionRow, forget_before: float) -> None:
        """Begin a session; those that began before a time are removed."""
        ...

    async def see_session(self, session_id: str, now: float) -> None:
        """Note that a session is in use."""
        ...

    async def drop_session(self, session_id: str) -> None:
        """End a session."""
        ...

    async def save_link(self, link_id: str, name: str, role: str, expires_at: float) -> None:
        """Remember a one-time link."""
        ...

    async def take_link(self, link_id: str, now: float) -> tuple[str, str] | None:
        """Name and role of a one-time link, once; None when it is unknown, used or too old."""
        ...


class History(Protocol):
    """One tenant's runs and events, as people look back on them."""

    async def look_up_runs(
        self, asked: RunFilter, limit: int, before: int | None = None
    ) -> tuple[list[RunLine], int | None]:
        """The newest runs that fit; and the run that a search in texts stopped at, if it did."""
        ...

    async def count_runs(self, asked: RunFilter, states: Sequence[str]) -> dict[str, int]:
        """How many runs that fit are in each of these states, counted up to a thousand."""
        ...

    async def look_up_events(
        self, asked: EventFilter, limit: int, before: int | None = None
    ) -> list[EventRow]:
        """The newest events that fit."""
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
