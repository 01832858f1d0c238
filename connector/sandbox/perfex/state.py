"""Everything the emulated Perfex CRM knows; nothing is kept on disk."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from connector.sandbox.agenda import Agenda
from connector.sandbox.asgi import Send
from connector.sandbox.clock import Clock
from connector.sandbox.config import SandboxConfig
from connector.sandbox.faults import FaultBook
from connector.sandbox.ledger import Ledger
from connector.sandbox.perfex.tables import Kind, kinds
from connector.sandbox.perfex.webhooks import Webhooks

Row = dict[str, Any]
FAILURES, FAILURE_WINDOW = 20, timedelta(minutes=15)
REPLAY_LIFE = timedelta(hours=24)
OPERATIONS = ("get", "search_get", "create", "update", "delete")


@dataclass
class ApiToken:
    """A token made by an administrator: what it may do to which resource, and until when."""

    denied: frozenset[tuple[str, str]] = frozenset()
    expires: datetime | None = None


@dataclass
class Stored:
    """A reply kept under an idempotency key."""

    status: int
    body: Any
    at: datetime


@dataclass
class Limiter:
    """Calls of one token in the present hour."""

    hour: datetime | None = None
    used: int = 0


@dataclass
class Attempts:
    """Failed logins by address, within the last quarter of an hour."""

    clock: Clock
    failed: dict[str, deque[datetime]] = field(default_factory=dict)

    def locked(self, address: str) -> bool:
        """Whether this address has failed too often."""
        return len(self._recent(address)) >= FAILURES

    def fail(self, address: str) -> None:
        """Count one failure."""
        self._recent(address).append(self.clock())

    def _recent(self, address: str) -> deque[datetime]:
        recent = self.failed.setdefault(address, deque())
        while recent and recent[0] <= self.clock() - FAILURE_WINDOW:
            recent.popleft()
        return recent


class PerfexTable:
    """The rows of one resource, by id."""

    def __init__(self, clock: Clock, kind: Kind) -> None:
        self.clock = clock
        self.kind = kind
        self.rows: dict[str, Row] = {}
        self._written: dict[str, datetime] = {}
        self._next = kind.first_id

    def add(self, row: Row) -> str:
        """Store a new row; gives its id as text."""
        id_ = str(self._next)
        self._next += 1
        self.rows[id_] = row | {self.kind.key: id_}
        self._written[id_] = self.clock()
        return id_

    def view(self, lag: float = 0) -> list[Row]:
        """Copies of all rows that are older than `lag` seconds."""
        return [copy.deepcopy(row) for row in self.seen(lag)]

    def seen(self, lag: float = 0) -> list[Row]:
        """The rows themselves, to look through: copying each takes longer than all else."""
        moment = self.clock() - timedelta(seconds=lag)
        return [row for id_, row in self.rows.items() if lag <= 0 or self._written[id_] <= moment]


class PerfexState:
    """One emulated installation of Perfex with the Themesic API module, 2.x or 3.x."""

    def __init__(
        self,
        config: SandboxConfig,
        *,
        clock: Clock,
        random: Random,
        agenda: Agenda,
        send: Send | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.random = random
        self.agenda = agenda
        self.ledger = Ledger()
        self.faults = FaultBook()
        self.webhooks = Webhooks(clock=clock, agenda=agenda, faults=self.faults, send=send)
        self.list_lag = config.list_lag
        self.tables = {path: PerfexTable(clock, kind) for path, kind in kinds().items()}
        self.authtoken = config.authtoken or random.randbytes(20).hex()
        self.tokens: dict[str, ApiToken] = {self.authtoken: ApiToken()}
        self.module_active = True
        self.attempts = Attempts(clock)
        self.limiters: dict[str, Limiter] = {}
        self.replies: dict[tuple[str, str], Stored] = {}
        self.mails: list[dict[str, str]] = []
        """Welcome mails the CRM sent to contacts on its own account."""
        self.custom_fields = [
            {"id": "3", "fieldto": "customers", "name": "Codice esterno", "slug": "customers_ext"},
            {"id": "4", "fieldto": "customers", "name": "Codice fiscale", "slug": "customers_cf"},
            {"id": "5", "fieldto": "invoice", "name": "Ordine", "slug": "invoice_ordine"},
        ]
        self.custom_values: dict[tuple[str, str], dict[str, str]] = {}
        """Values of custom fields by (resource, record id)."""

    @property
    def modern(self) -> bool:
        """Whether this is a 3.x installation."""
        return self.config.generation == "3.x"

    def tell(self, kind: Kind, operation: str, id_: str) -> None:
        """What the core's hooks do after a change; 2.x has no webhooks."""
        if self.modern:
            self.webhooks.emit(f"{kind.path}.{operation}", id_)

    def new_token(self, denied: Iterable[str] = (), expires: datetime | None = None) -> str:
        """Make a token; `denied` are pairs such as `customers:create`."""
        token = self.random.randbytes(20).hex()
        self.tokens[token] = ApiToken(frozenset(_pair(part) for part in denied), expires)
        return token


def _pair(text: str) -> tuple[str, str]:
    resource, _, operation = text.partition(":")
    return resource, operation
