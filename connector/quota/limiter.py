"""One count for everybody: calls that wait for the same account are counted in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from connector.errors import StoreError
from connector.model import Quota
from connector.quota.account import MOST_LATE, NOTHING, ORDER, Account, Priority, Told

logger = logging.getLogger("connector.quota")

Clock = Callable[[], float]
Change = Callable[[Account, float | None], bool]
"""Counts on an account at a moment (None: by our own clock), and tells whether that is to be kept.

It may be called again on another account, when the first was not the newest."""

MOST_TOGETHER = 1_000
STALE_SECONDS = MOST_LATE / 2
"""A count that took longer to keep than this is too old to send by; the other half of the lateness
is the network's."""
AGAIN_SECONDS = 0.5
SPACED_SECONDS = 0.05
"""Between those who wait for an app that says when to come again, and not how many."""


class Ledger(Protocol):
    """Where accounts are kept: `store.port.Database`."""

    async def change_quota(self, key: str, change: Change) -> None:
        """Let `change` count on an account that nobody else counts on meanwhile, and keep it.

        Returns when it is durable. Raises StoreError.
        """
        ...


class MemoryLedger:
    """Accounts that live as long as this object: for a call that is only tried, and for tests."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}

    async def change_quota(self, key: str, change: Change) -> None:
        """Count on an account; there is nobody else."""
        change(self.accounts.setdefault(key, Account()), None)


@dataclass(slots=True, eq=False)
class _Take:
    """A call that wants to go."""

    quotas: Sequence[Quota]
    priority: Priority
    done: asyncio.Future[float]
    wait: float = 0.0


@dataclass(slots=True, eq=False)
class _Note:
    """What an answer told, to be counted with the next call."""

    told: Told
    at: float
    dated: float | None
    tenant: str


@dataclass(slots=True)
class _Line:
    """Those who wait for one account."""

    takes: list[_Take] = field(default_factory=list)
    notes: list[_Note] = field(default_factory=list)
    seen: Account = field(default_factory=Account)
    """The account as we last saw it; others may have counted since."""
    counted_at: float = 0.0
    """When it was last counted on, by the loop's clock, which nobody sets."""
    ahead: float = 0.0
    """How far the clock of the ledger is before ours."""
    task: asyncio.Task[None] | None = None


class Limiter:
    """Reserves calls of any number of accounts; `clock` gives seconds since 1970.

    An app without quotas costs nothing: what it says of waiting is remembered in this process only.
    """

    def __init__(self, clock: Clock, ledger: Ledger | None = None) -> None:
        self._clock = clock
        self._ledger = ledger or MemoryLedger()
        self._lines: dict[str, _Line] = {}
        self._blocked: dict[str, tuple[float, int]] = {}
        """Until when, and how many were told so."""

    async def reserve(
        self, key: str, quotas: Sequence[Quota], priority: Priority = "read"
    ) -> float:
        """Take one call of `key` and give 0, or take none and give the seconds to wait.

        Raises StoreError when it cannot be counted: then nothing may be sent.
        """
        if not quotas:
            return self._until(key)
        line = self._line(key)
        take = _Take(quotas, priority, asyncio.get_running_loop().create_future())
        line.takes.append(take)
        self._start(key, line)
        return await take.done

    def hear(
        self,
        key: str,
        quotas: Sequence[Quota],
        headers: Iterable[tuple[str, str]],
        *,
        dated: float | None = None,
        retry_after: float | None = None,
        tenant: str = "",
    ) -> None:
        """Learn from an answer: its headers, its `Retry-After`, and whose call was let in.

        It neither waits nor fails: the answer of a write must not get lost behind it.
        """
        now = self._clock()
        told = Told.by(headers, now)
        if retry_after is not None:
            told = Told(told.calendars, max(told.blocked_until, now + retry_after))
        if not quotas:
            if told.blocked_until:
                until, before = self._blocked.get(key, (0.0, 0))
                if told.blocked_until > until:
                    self._blocked[key] = told.blocked_until, 0 if until <= now else before
            return
        line = self._line(key)
        weight = line.seen.weighs(told, now + line.ahead) if told else 0.0
        unknown = tenant and tenant not in line.seen.tenants
        if weight > 0 or unknown:
            line.notes.append(_Note(told or NOTHING, now, dated, tenant))
        if weight >= 1 or unknown:
            self._start(key, line)

    def spacing(self, key: str, quotas: Sequence[Quota]) -> float:
        """The seconds between reads at which no window of hours or less runs out.

        0 while most of each window is free: who seldom calls need not wait.
        """
        line = self._lines.get(key)
        if line is None:
            return 0.0
        now = self._clock() + line.ahead
        return max((line.seen.spacing(one, now) for one in quotas), default=0.0)

    def _until(self, key: str) -> float:
        """How long an app without quotas is left alone; one after the other comes back."""
        until, told = self._blocked.get(key, (0.0, 0))
        left = until - self._clock()
        if left <= 0:
            return 0.0
        self._blocked[key] = until, told + 1
        return left + told * SPACED_SECONDS

    def _line(self, key: str) -> _Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        return line

    def _start(self, key: str, line: _Line) -> None:
        # A task of an earlier loop that was ended has left its line as it was.
        if line.task is None or line.task.done():
            line.task = asyncio.create_task(self._work(key, line), name="connector-quota")

    async def _work(self, key: str, line: _Line) -> None:
        """Count for all who came meanwhile, until nobody waits."""
        while line.takes or line.notes:
            notes, line.notes = line.notes, []
            takes, line.takes = line.takes[:MOST_TOGETHER], line.takes[MOST_TOGETHER:]
            # Whoever has given up meanwhile needs no permit.
            takes = [one for one in takes if not one.done.done()]
            takes.sort(key=lambda one: ORDER.index(one.priority))
            try:
                await self._ledger.change_quota(key, self._change(line, takes, notes))
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                line.notes, line.seen = [*notes, *line.notes], Account()
                self._refuse(takes, error)
                if not line.takes:
                    return  # what is noted goes with the next call
            else:
                stale = asyncio.get_running_loop().time() - line.counted_at > STALE_SECONDS
                for take in takes:
                    if not take.done.done():
                        take.done.set_result(AGAIN_SECONDS if stale else take.wait)

    def _change(self, line: _Line, takes: Sequence[_Take], notes: Sequence[_Note]) -> Change:
        loop = asyncio.get_running_loop()

        def change(account: Account, moment: float | None) -> bool:
            line.counted_at, clock = loop.time(), self._clock()
            now = clock if moment is None else moment
            line.ahead = now - clock
            news = False
            for note in notes:
                at = note.at + line.ahead if note.dated is None else note.dated
                until = note.told.blocked_until and note.told.blocked_until + line.ahead
                news |= account.learn(Told(note.told.calendars, until), at, now)
                if note.tenant:
                    news |= account.reached(note.tenant)
            for take in takes:
                take.wait = account.take(take.quotas, take.priority, now)
                if take.wait > 0:
                    take.wait = account.promise(take.quotas, take.priority, now)
                news = True
            line.seen = account
            return news

        return change

    def _refuse(self, takes: Sequence[_Take], error: Exception) -> None:
        if not isinstance(error, StoreError):
            error = StoreError(f"The quota cannot be counted ({type(error).__name__}).")
        for take in takes:
            if not take.done.done():
                take.done.set_exception(error)
        if not takes:
            logger.warning("what an app told of its quota is not stored yet: %s", error)
