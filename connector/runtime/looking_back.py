"""What happened: runs, events and their sums, as plain data for the command, the API and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError
from connector.runtime.views import account_view, event_view, line_view, run_details
from connector.store.rows import MENDING, EventFilter, RunFilter

if TYPE_CHECKING:
    from connector.engine.book import Book
    from connector.engine.waits import Clock
    from connector.runtime.parts import Tuning
    from connector.runtime.replaying import Replaying
    from connector.store.port import Store
    from connector.store.rows import RunRow, SweepRow

Span = tuple[float, float]

ATTENTION = ("failed", "mended", "parked", "waiting")
"""Ends that a person may want to know of, and what has not ended for a reason."""
SHARES = (50, 95, 99)


class LookingBack:
    """Answers for one tenant; whoever asks needs no running engine."""

    def __init__(
        self, store: Store, book: Book, clock: Clock, replaying: Replaying, tuning: Tuning
    ) -> None:
        self._store = store
        self._book = book
        self._clock = clock
        self.replaying = replaying
        self._sweep_seconds = tuning.sweep_seconds

    async def runs(
        self, asked: RunFilter, limit: int = 50, before: int | None = None
    ) -> dict[str, Any]:
        """The newest `items` that fit, `next` for the part after, and `looked_to` of a search.

        Of a search those come first whose number or record its text is, however old they are.
        `looked_to` is the run at which a search in texts has stopped: as `before`, it goes on.
        """
        found = await self._store.look_up_runs(asked, limit, before)
        summaries = await self._store.summaries([line.id for line in found.rows])
        return {
            "items": [line_view(line, summaries.get(line.id)) for line in found.rows],
            "next": found.following,
            "looked_to": found.looked,
        }

    async def counts(self, asked: RunFilter, states: Sequence[str] = ATTENTION) -> dict[str, int]:
        """How many of these runs are in each state; a thousand means at least so many.

        A run that failed is counted as `mended` when a replay of it has ended well.
        """
        return await self._store.count_runs(asked, states)

    async def details(self, run_id: int) -> dict[str, Any] | None:
        """A run with its steps and writes."""
        run = await self._store.run(run_id)
        return None if run is None else await self._details(run, await self._same(run))

    async def run(self, run_id: int) -> dict[str, Any] | None:
        """The same with its `event`, its `plan`, and the `replays` of the same record."""
        run = await self._store.run(run_id)
        if run is None:
            return None
        event, same = await self._store.event(run.event_id), await self._same(run)
        return {
            **await self._details(run, same),
            "plan": await self._plan(run),
            "event": event_view(event, 0) if event else None,
            "replays": same,
        }

    async def _details(self, run: RunRow, same: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        steps = await self._store.steps(run.id)
        effects = await self._store.effects(run_id=run.id)
        well = [one["id"] for one in same if one["replay"] > run.replay and one["state"] in MENDING]
        return {
            **run_details(run, await self._store.flow_keys(), steps, effects),
            "mended_by": min(well) if well and run.state == "failed" else None,
        }

    async def _plan(self, run: RunRow) -> list[dict[str, Any]]:
        """The steps of the run's own version of its flow, also those that did not begin."""
        try:
            flow = await self._book.compiled(run.tenant, run.flow_id, run.flow_version)
        except ConnectorError:
            # What it needs may be gone since; what has happened is shown all the same.
            return []
        return [
            {
                "id": one.id,
                "node": one.node,
                "connection": one.connection,
                "enabled": one.enabled,
            }
            for one in flow.steps
        ]

    async def _same(self, run: RunRow) -> list[dict[str, Any]]:
        found = await self._store.look_up_runs(
            RunFilter(event_id=run.event_id, record=run.item_id), 100
        )
        same = [line for line in found.rows if line.flow_id == run.flow_id and line.id != run.id]
        return [{"id": one.id, "replay": one.replay, "state": one.state} for one in same]

    async def events(
        self, asked: EventFilter, limit: int = 50, before: int | None = None
    ) -> dict[str, Any]:
        """The newest events that fit, each with its runs by state; the rest as in `runs`."""
        found = await self._store.look_up_events(asked, limit, before)
        ends = await self._store.ends_of_events([row.id for row in found.rows])
        items = [
            {**event_view(row, sum(ends.get(row.id, {}).values())), "ends": ends.get(row.id, {})}
            for row in found.rows
        ]
        return {"items": items, "next": found.following, "looked_to": found.looked}

    async def account(self, since: float, until: float) -> dict[str, Any]:
        """Where every event of a time ended: sums that add up, or `open` says what has not ended.

        `unaccounted` is what no sum holds: 0, or we have lost something.
        """
        return account_view(await self._store.account((since, until)))

    async def sweeps(self) -> list[dict[str, Any]]:
        """Each place that is swept: when last and next, what it `told`, whether it is `asked`."""
        if not self._sweep_seconds:
            return []
        return [
            {
                "connection_id": row.connection_id,
                "account": row.account,
                "resource": row.resource,
                "swept_at": row.swept_at,
                "asked_at": row.asked_at,
                "due_at": _next_sweep(row, self._sweep_seconds),
                "asked": row.asked_at > max(row.swept_at, (row.told or {}).get("at", 0))
                and (row.told or {}).get("judged_at", 0) < self._clock(),
                "told": row.told or {},
            }
            for row in await self._store.sweeps()
        ]

    async def sweep_now(self) -> None:
        """Let every sweep look at once, as far as the quotas have room; `sweeps` tells of it."""
        await self._store.ask_sweeps(self._clock())

    async def pictures(self, spans: Sequence[Span], flow: str | None = None) -> dict[str, Any]:
        """For each stretch of time: events accepted, runs by end, and the seconds they took.

        The seconds are from accepting an event to the end of its run, as `p50`, `p95`, `p99`, of
        at most the last 400 runs that succeeded in each stretch.
        """
        ends = await self._store.over_time(spans, flow)
        accepted = await self._store.accepted_over_time(spans)
        taken = await self._store.seconds_taken(spans, flow)
        return {
            "spans": [
                {
                    "since": span[0],
                    "until": span[1],
                    "accepted": accepted[place],
                    "ends": ends[place],
                    "seconds": quantiles(taken[place]),
                    "measured": len(taken[place]),
                }
                for place, span in enumerate(spans)
            ],
            "seconds": quantiles(sorted(one for some in taken for one in some)),
            "measured": sum(map(len, taken)),
        }


def _next_sweep(row: SweepRow, every: float) -> float:
    """When a place is looked at again: later where the quota or a fault holds it up."""
    told = row.told or {}
    held = [float(told.get(one, 0)) for one in ("waits", "again", "judged_at")]
    return max(row.swept_at + every, *held)


def quantiles(ordered: Sequence[float]) -> dict[str, float] | None:
    """The median and the two usual tails of what is given in order; None when there is nothing."""
    if not ordered:
        return None
    last = len(ordered) - 1
    return {f"p{share}": max(0.0, ordered[min(last, last * share // 100)]) for share in SHARES}
