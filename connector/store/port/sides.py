"""What single rooms ask of a tenant's rows: who may enter, what is kept, how things went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from connector.store.rows import (
    DraftRow,
    PersonRow,
    RunAge,
    SampleRow,
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
        """Remove somebody with all sessions and links; tells whether there was such a person."""
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

    async def knows_link(self, link_id: str, now: float) -> bool:
        """Whether a one-time link still lets somebody in; it is not used up."""
        ...

    async def take_link(self, link_id: str, now: float) -> tuple[str, str] | None:
        """Name and role of a one-time link, once; None when it is unknown, used or too old."""
        ...

    async def login_failures(
        self, whose: Sequence[str], since: float
    ) -> dict[str, tuple[int, float]]:
        """How often each of these failed to get in, and when last."""
        ...

    async def count_login(
        self, whose: Sequence[str], now: float, forget_before: float, most: int
    ) -> dict[str, int]:
        """Count an attempt of each as failed, and give the counts; old ones are forgotten."""
        ...

    async def forgive_login(self, forgotten: str, less: str) -> None:
        """Somebody got in after all: forget one's failures, and take one from the other's."""
        ...


class Drafts(Protocol):
    """What people prepare beside one tenant's flows; nothing of it runs."""

    async def drafts(self) -> list[DraftRow]:
        """Every draft, the newest first."""
        ...

    async def draft(self, flow: str) -> DraftRow | None:
        """The draft of a flow."""
        ...

    async def save_draft(self, row: DraftRow) -> bool:
        """Store a draft as the one after `row.version`; tells whether nobody was before us."""
        ...

    async def drop_draft(self, flow: str, version: int) -> bool:
        """Throw a draft away, if it is still this version; tells whether it was."""
        ...

    async def samples(self, flow: str) -> list[SampleRow]:
        """The sample (its name is empty) and the tests of a flow, by name."""
        ...

    async def save_sample(self, row: SampleRow) -> None:
        """Add a sample or test, or replace the one of its name."""
        ...

    async def drop_sample(self, flow: str, name: str) -> bool:
        """Remove a sample or test; tells whether it was there."""
        ...

    async def drop_old_samples(self, before: float, *, really: bool = True) -> int:
        """Remove those that hold a record of somebody and were saved before; tells how many."""
        ...

    async def delete_flow(self, key: str, now: float) -> bool:
        """Take a flow away with its draft, sample and tests; its row and its versions stay."""
        ...
