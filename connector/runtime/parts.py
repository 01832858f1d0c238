"""What a runtime is made of; everything is handed in, nothing is made behind one's back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from connector.engine.confirmed import Confirmed
from connector.engine.dispatch import WORKERS
from connector.engine.looking import SECOND_LOOK_SECONDS, SETTLE_SECONDS
from connector.engine.origins import CHAIN
from connector.engine.retention import Retention
from connector.engine.sharing import SILENT_SECONDS
from connector.engine.waits import RETRY_SECONDS, Clock
from connector.store.side_journal import SideJournal

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.connections import Vault
    from connector.http import HttpClient
    from connector.plugins import Plugins
    from connector.settings import OAuthClient
    from connector.store.port import Database


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times that tests and operators may change; the defaults are those of the facts."""

    settle_seconds: float = SETTLE_SECONDS
    second_look_seconds: float = SECOND_LOOK_SECONDS
    retry_seconds: Sequence[float] = RETRY_SECONDS
    workers: int = WORKERS
    search_first: bool = False
    silent_seconds: float = SILENT_SECONDS
    """How long a process may be silent before others go on with what it has in hand."""
    listen: bool = True
    """Whether to be told at once of events that another process stored; else they are found at
    the next look, a second later."""
    keep_payloads_days: float = 30
    keep_events_days: float = 0
    """How long after their end they are kept; 0 is for ever."""
    masked: Sequence[str] = ()
    """Names of fields that are masked once a run has succeeded."""
    sweep_seconds: float = 3_600
    """How often to look for changes that no event told of, and whether events still come to us; 0
    is never."""
    chain_runs: int = CHAIN
    """How many runs may follow from each other's writes."""


@dataclass(slots=True)
class Parts:
    """What a runtime is made of; everything is handed in, nothing is made behind one's back."""

    database: Database
    catalog: Catalog
    vault: Vault
    http: HttpClient
    public_url: str
    oauth_client: Callable[[str], OAuthClient | None]
    plugins: Plugins | None = None
    tenant: str = "main"
    clock: Clock = time.time
    draw: random.Random = field(default_factory=random.Random)
    tuning: Tuning = Tuning()
    side_journal: Path | None = None
    """Where ends of writes are kept while the database is away; None where there is no place."""

    def retention(self) -> Retention:
        """What removes and masks the payloads of ended work."""
        told = self.tuning
        return Retention(
            self.database, self.tenant, self.clock, told.keep_payloads_days,
            told.keep_events_days, told.masked,
        )  # fmt: skip

    def confirmed(self) -> Confirmed:
        """The keeper of what apps confirm while the database is away."""
        return Confirmed(
            SideJournal(self.side_journal) if self.side_journal else None,
            self.database.tenant,
            self.clock,
            self.plugins.after_write if self.plugins else None,
        )
