"""What is kept of ended work, and how long: payloads are removed, effects and decisions stay."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from connector.engine.waits import Clock
from connector.errors import ConnectorError
from connector.redaction import mask_fields
from connector.store.port import Database
from connector.store.rows import RunAge
from connector.surprises import log_surprise

logger = logging.getLogger("connector.engine")

DAY = 86_400.0
FIRST_SECONDS = 300.0
AGAIN_SECONDS = 3_600.0
PORTION = 200
"""Rows that are looked at together."""
TOGETHER = 25
"""Runs that are stored in one commit: some milliseconds of the one writer."""
REST_SECONDS = 0.25
"""After each such commit, so that it takes a small part of the time whatever there is to do."""


class Ages(Protocol):
    """Lists runs by number."""

    async def run_ages(self, after: int, limit: int) -> list[RunAge]: ...


@dataclass(slots=True)
class Removed:
    """What was removed (or would be): payloads of runs, events with their runs, samples that
    people kept; and what was masked."""

    runs: int = 0
    events: int = 0
    masked: int = 0
    samples: int = 0


class Retention:
    """Removes and masks once an hour while a server runs, of all; of one, when somebody asks."""

    def __init__(
        self,
        database: Database,
        tenant: str,
        clock: Clock,
        payload_days: float,
        event_days: float = 0,
        masked: Sequence[str] = (),
        rest: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._of = database.tenant
        self._database = database
        self._store = database.tenant(tenant)
        self._clock = clock
        # An event that goes takes its runs along.
        self._payload_days = min(payload_days or event_days, event_days or payload_days)
        self._event_days = event_days
        self._masked = tuple(masked)
        self._rest = rest
        self._settled = 0
        self._task: asyncio.Task[None] | None = None

    def until(self, kept_at: float) -> float | None:
        """When a record that was kept then goes; None where nothing goes by itself."""
        return kept_at + self._payload_days * DAY if self._payload_days else None

    def hide(self, value: Any) -> Any:
        """The value with the fields masked that must not be kept."""
        return mask_fields(value, self._masked)

    def start(self) -> None:
        """Begin, where anything is to be done at all."""
        if self._payload_days or self._masked:
            self._task = asyncio.create_task(self._work(), name="connector-retention")

    async def stop(self) -> None:
        """Stop at once: what is half done is done the next time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def tidy(self) -> Removed:
        """Once through all that is old enough, by the settings."""
        removed = Removed()
        now = self._clock()
        if self._payload_days or self._masked:
            before = now - self._payload_days * DAY if self._payload_days else float("-inf")
            await self._runs(before, removed, mask=bool(self._masked))
        if self._payload_days:
            before = now - self._payload_days * DAY
            for tenant in await self._database.with_old_samples(before):
                removed.samples += await self._of(tenant).drop_old_samples(before)
        if self._event_days:
            await self._events(now - self._event_days * DAY, removed)
        return removed

    async def purge(self, days: float, who: str, *, really: bool = True) -> Removed:
        """Remove the payloads of what ended more than so many days ago; it is recorded who did."""
        removed = Removed()
        if really:
            subject = f"payloads older than {days:g} days"
            await self._store.audit(self._clock(), who, "purge", subject, None)
        before = self._clock() - days * DAY
        await self._runs(before, removed, really=really, after=0)
        removed.samples = await self._store.drop_old_samples(before, really=really)
        return removed

    async def _work(self) -> None:
        await self._rest(FIRST_SECONDS)
        while True:
            try:
                removed = await self.tidy()
                if removed != Removed():
                    logger.info("removed the payloads of %d run(s), %d event(s) and %d sample(s);"
                                " masked %d", removed.runs, removed.events, removed.samples,
                                removed.masked)  # fmt: skip
            except ConnectorError as error:
                logger.warning("removing old payloads: %s", error.message)
            except Exception as fault:  # noqa: BLE001 - tried again in an hour
                log_surprise(logger, "removing old payloads", fault)
            await self._rest(AGAIN_SECONDS)

    async def _runs(
        self,
        before: float,
        removed: Removed,
        *,
        mask: bool = False,
        really: bool = True,
        after: int | None = None,
    ) -> None:
        """From where the last time left nothing to do; the first that is kept holds that place."""
        start = self._settled if after is None else after
        all_gone = True
        source: Ages = self._database if after is None else self._store
        async for runs in self._portions(source, start):
            gone = [run for run in runs if _is_over(run) and (run.finished_at or 0) < before]
            removed.runs += await self._together(
                [one for one in gone if one.kept != "gone"],
                lambda run: self._of(run.tenant).drop_payload(run.id, self._clock(), really=really),
                rest=really,
            )
            if mask:
                removed.masked += await self._together(
                    [
                        run
                        for run in runs
                        if run.kept == "whole"
                        and run not in gone
                        and run.state in ("succeeded", "filtered")
                    ],
                    lambda run: self._of(run.tenant).mask_payload(run.id, self.hide, self._clock()),
                )
            all_gone = all_gone and all(run.kept == "gone" for run in runs)
            if all_gone and after is None:
                self._settled = runs[-1].id
            if not mask and runs[-1].created_at >= before:
                return

    async def _portions(self, source: Ages, after: int) -> AsyncIterator[list[RunAge]]:
        while runs := await source.run_ages(after, PORTION):
            yield runs
            after = runs[-1].id
            await self._rest(0)

    async def _events(self, before: float, removed: Removed) -> None:
        after = 0
        while True:
            after, old = await self._database.old_events(after, before, PORTION)
            removed.events += await self._together(
                old, lambda one: self._of(one[0]).drop_event(one[1])
            )
            if not after:
                return
            await self._rest(0)

    async def _together(
        self, what: Sequence[Any], do: Callable[[Any], Awaitable[bool]], *, rest: bool = True
    ) -> int:
        done = 0
        for begin in range(0, len(what), TOGETHER):
            told = await asyncio.gather(*map(do, what[begin : begin + TOGETHER]))
            done += sum(told)
            if rest:
                await self._rest(REST_SECONDS)
        return done


def _is_over(run: RunAge) -> bool:
    """A parked run waits for a person, however long."""
    return run.finished_at is not None and run.state != "parked"
