"""Who has which event and run in hand, among the processes that drive one database.

A row in `worker` stands for each process. What it claims carries its id, and each claim of a run
counts up the run's epoch: what an earlier holder still writes finds another number there. Rows are
the only truth; no second list of jobs can disagree with them.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection

from connector.store.claiming import NO_SHARE
from connector.store.postgres.journal import translated_error
from connector.store.postgres.turns import TRY_LOCK, Session
from connector.store.rows import EventRow, RunRow
from connector.store.sql.columns import EVENT_COLUMNS, RUN_COLUMNS, event_row, run_row

CHANNEL = "connector_work"
CLAIM_LOCK = 7_220_318_846_410_925
"""Any number, as long as every release uses this one. Claims come one after the other: two at once
would choose the same rows, and one of them would go away with nothing."""
LOOK_AHEAD = 200
"""How many events of each tenant are looked at in one claim."""
RUNS_AHEAD = 500
"""How many runs of each tenant; and how many lanes, when these all wait for others."""
NOW = "extract(epoch FROM clock_timestamp())::float8"
"""The database's own clock: those of several machines differ."""

_TENANTS = """
WITH RECURSIVE who AS (
    (SELECT tenant FROM {table} WHERE {ready} ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (
        SELECT later.tenant FROM {table} AS later WHERE {ready} AND later.tenant > who.tenant
        ORDER BY later.tenant LIMIT 1
    ) FROM who WHERE who.tenant IS NOT NULL
)"""
"""The tenants that have something ready, one look at the index for each."""

_HELD = """held AS (
    SELECT tenant, count(*) AS many FROM {table}
    WHERE owner = ?3 AND owner <> '' AND {open} GROUP BY tenant
)"""
_HAS_ROOM = (
    "{one} <= CAST(?4 AS bigint)"
    " - COALESCE((SELECT many FROM held WHERE held.tenant = {tenant}), 0)"
)
"""Whether with this many more a tenant has no more in hand than its share."""

_FOR_OWNERS = "state = 'waiting' AND reason LIKE 'connection:%'"
_READY_RUNS = f"finished_at IS NULL AND owner = '' AND NOT ({_FOR_OWNERS})"
"""As the index `run_ready` has it."""
_LANE = """SELECT 1 FROM run AS other WHERE other.flow_id = run.flow_id
    AND other.item_id = run.item_id AND other.finished_at IS NULL AND other.ordered = 1"""
# Two questions, each with an index of its own.
_IS_HEAD = f"""(run.ordered = 0 OR (
    NOT EXISTS ({_LANE} AND other.id < run.id) AND NOT EXISTS ({_LANE} AND other.owner <> '')
))"""
"""Not while an earlier one of its lane is open, or a later one is at work (it was parked)."""
_FIRST = f"""
{_TENANTS.format(table="run", ready=_READY_RUNS)},
{_HELD.format(table="run", open="finished_at IS NULL")},
heads AS (
    SELECT one.id, one.turn FROM who CROSS JOIN LATERAL (
        SELECT run.id, row_number() OVER (ORDER BY run.due_at, run.id) AS turn FROM (
            -- However many wait for the first of their lane: some of them are looked at.
            SELECT id, flow_id, item_id, ordered, due_at FROM run
            WHERE run.tenant = who.tenant AND {_READY_RUNS} AND due_at <= ?1
            ORDER BY due_at, id LIMIT greatest(?2, {RUNS_AHEAD})
        ) AS run WHERE {_IS_HEAD} ORDER BY run.due_at, run.id LIMIT ?2
    ) AS one WHERE {_HAS_ROOM.format(one="one.turn", tenant="who.tenant")}
)"""
_AMONG = f"""
WITH {_HELD.format(table="run", open="finished_at IS NULL")},
free AS (
    SELECT id, tenant, row_number() OVER (PARTITION BY tenant ORDER BY due_at, id) AS turn
    FROM run
    WHERE id = ANY (CAST(?5 AS bigint[])) AND {_READY_RUNS} AND due_at <= ?1 AND {_IS_HEAD}
),
heads AS (
    SELECT id, turn FROM free WHERE {_HAS_ROOM.format(one="turn", tenant="free.tenant")}
)"""
_CLAIM = f"""{{heads}},
picked AS (
    SELECT id FROM run WHERE id IN (SELECT id FROM heads ORDER BY turn, id LIMIT ?2)
    AND owner = '' AND finished_at IS NULL FOR UPDATE SKIP LOCKED
)
UPDATE run SET owner = ?3, epoch = epoch + 1
WHERE id IN (SELECT id FROM picked) AND EXISTS (SELECT 1 FROM worker WHERE worker.id = ?3)
RETURNING {RUN_COLUMNS}, NOT EXISTS (SELECT 1 FROM step WHERE step.run_id = run.id)
"""
_CLAIM_RUNS = _CLAIM.format(heads=_FIRST)
_CLAIM_AMONG = _CLAIM.format(heads=_AMONG)
_CROWDED = f"SELECT 1 FROM run WHERE {_READY_RUNS} OFFSET {RUNS_AHEAD - 1} LIMIT 1"
"""Whether so many are ready that a claim may not have looked at all of them."""
_LANES = f"""
WITH RECURSIVE lane AS (
    SELECT * FROM (
        SELECT flow_id, item_id, id, 1 AS nth FROM run
        WHERE finished_at IS NULL AND ordered = 1 AND (flow_id, item_id) > (?1, ?2)
        ORDER BY flow_id, item_id, id LIMIT 1
    ) AS first
    UNION ALL
    SELECT next.* FROM lane CROSS JOIN LATERAL (
        SELECT flow_id, item_id, id, lane.nth + 1 FROM run
        WHERE finished_at IS NULL AND ordered = 1
        AND (flow_id, item_id) > (lane.flow_id, lane.item_id)
        ORDER BY flow_id, item_id, id LIMIT 1
    ) AS next WHERE lane.nth < {RUNS_AHEAD}
)
SELECT flow_id, item_id, id FROM lane ORDER BY flow_id, item_id
"""
"""The first of each of the next lanes, one look at the index for each."""
_NEWEST = f"SELECT id FROM run WHERE finished_at IS NULL ORDER BY id DESC LIMIT {RUNS_AHEAD}"
_DUE_AGAIN = f"""
{_TENANTS.format(table="run", ready=_READY_RUNS)}
SELECT one.id FROM who CROSS JOIN LATERAL (
    SELECT id FROM run WHERE run.tenant = who.tenant AND {_READY_RUNS}
    AND due_at > 0 AND due_at <= ?1 ORDER BY due_at, id LIMIT {RUNS_AHEAD}
) AS one LIMIT {RUNS_AHEAD}
"""
"""Those that have waited: the heads of their lanes, as a rule."""
_CLAIM_EVENTS = f"""
{_TENANTS.format(table="event", ready="state = 'received' AND owner = ''")},
{_HELD.format(table="event", open="state = 'received'")},
due AS (
    SELECT one.* FROM who CROSS JOIN LATERAL (
        SELECT id, tenant FROM event
        WHERE event.tenant = who.tenant AND state = 'received' AND owner = '' AND due_at <= ?1
        AND NOT EXISTS (
            SELECT 1 FROM event AS held WHERE held.state = 'received' AND held.owner <> ''
            AND held.tenant = event.tenant AND held.connection_id = event.connection_id
            AND held.resource = event.resource AND held.account = event.account
        )
        ORDER BY id LIMIT {LOOK_AHEAD}
    ) AS one
),
ranked AS (
    SELECT id, tenant, row_number() OVER (PARTITION BY tenant ORDER BY id) AS turn FROM due
)
UPDATE event SET owner = ?3
WHERE id IN (
    SELECT id FROM ranked WHERE {_HAS_ROOM.format(one="turn", tenant="ranked.tenant")}
    ORDER BY turn, id LIMIT ?2
)
AND EXISTS (SELECT 1 FROM worker WHERE worker.id = ?3)
RETURNING {EVENT_COLUMNS}
"""


_BEFORE_ALL = (-1, "")


class Claims:
    """What one process has in hand; on a connection of its own, whose commits need no disk.

    Should the database forget a claim in a power cut, what it wrote is gone as well: its holder is
    not the owner any more and can store nothing. Beats have a session to
    themselves: they must come also while a claim waits for a process that was paused in the middle
    of its own, and while the session of the turns waits for an answer.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AsyncConnection[Any]]],
        session: Session,
        connections: str,
    ) -> None:
        self._claiming = Session(connect, "SET synchronous_commit = off")
        self._beating = Session(connect)
        self._session = session
        self._connect = connect
        self._connections = connections
        self._leads: dict[str, int] = {}
        """What this process leads, and in which session it took that lock."""
        self._lane: tuple[int, str] = _BEFORE_ALL
        """Up to which lane it was looked whether its first run is free."""
        self.worker = ""

    async def join(self, name: str) -> None:
        """Become a worker; `name` is for people. Raises StoreBusy."""
        self.worker = secrets.token_hex(8)
        await self._beating.all(
            "INSERT INTO worker (id, name, started_at, beat_at, connections)"
            f" VALUES (?, ?, {NOW}, {NOW}, ?) RETURNING id",
            self.worker,
            name,
            self._connections,
        )

    async def beat(self) -> bool:
        """Say that this process is alive; no, when others have given its work away."""
        return bool(
            await self._beating.all(
                f"UPDATE worker SET beat_at = {NOW} WHERE id = ? RETURNING id", self.worker
            )
        )

    async def leave(self) -> None:
        """Give everything back at once."""
        await self._beating.all("DELETE FROM worker WHERE id = ? RETURNING id", self.worker)
        await self._free([self.worker])

    async def workers(self) -> list[dict[str, Any]]:
        """Every process that drives: its name, when it came and how long it has been silent."""
        rows = await self._session.all(
            f"SELECT name, started_at, {NOW} - beat_at,"
            " (SELECT count(*) FROM run WHERE owner = worker.id AND finished_at IS NULL)"
            " FROM worker ORDER BY started_at"
        )
        names = ("name", "started_at", "silent_seconds", "runs")
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def runs(self, limit: int, now: float, share: int = NO_SHARE) -> list[RunRow]:
        """Take up to `limit` runs that may go on: the first of each lane, tenants in turn.

        Of one tenant this process has no more than `share` in hand afterwards.
        """
        rows = await self._claiming.all(
            _CLAIM_RUNS, now, limit, self.worker, share, lock=CLAIM_LOCK
        )
        room = limit - len(rows)
        if room > 0 and await self._claiming.all(_CROWDED):
            some = await self._elsewhere(now)
            rows += await self._claiming.all(
                _CLAIM_AMONG, now, room, self.worker, share, some, lock=CLAIM_LOCK
            )
        runs = [run_row(row[:-1]) for row in rows]
        for run, row in zip(runs, rows, strict=True):
            run.fresh = row[-1]
        return runs

    async def _elsewhere(self, now: float) -> list[int]:
        """Runs that may be free although those before them are not: not all of them at a time."""
        lanes = await self._claiming.all(_LANES, *self._lane)
        self._lane = lanes[-1][:2] if len(lanes) == RUNS_AHEAD else _BEFORE_ALL
        newest = await self._claiming.all(_NEWEST)
        waited = await self._claiming.all(_DUE_AGAIN, now)
        return [row[-1] for row in (*lanes, *newest, *waited)]

    async def events(self, limit: int, now: float, share: int = NO_SHARE) -> list[EventRow]:
        """Take up to `limit` events; those of one place (tenant to account) go to one process.

        Of one tenant this process has no more than `share` in hand afterwards.
        """
        rows = await self._claiming.all(
            _CLAIM_EVENTS,
            now,
            limit,
            self.worker,
            share,
            lock=CLAIM_LOCK,
        )
        return sorted((event_row(row) for row in rows), key=lambda event: event.id)

    async def give_back(self, run: RunRow, due_at: float) -> None:
        """Let go of a run without a result; it may be claimed again from `due_at`."""
        await self._claiming.all(
            "UPDATE run SET owner = '', due_at = ? WHERE id = ? AND epoch = ? AND owner = ?"
            " AND finished_at IS NULL RETURNING id",
            due_at,
            run.id,
            run.epoch,
            self.worker,
        )

    async def give_back_events(self, events: Sequence[EventRow], due_at: float) -> None:
        """Let go of events that could not be matched now."""
        marks = ",".join("?" * len(events))
        await self._claiming.all(
            f"UPDATE event SET owner = '', due_at = ? WHERE owner = ? AND id IN ({marks})"
            " RETURNING id",
            due_at,
            self.worker,
            *(event.id for event in events),
        )

    async def hold_only(self, runs: Sequence[int], events: Sequence[int]) -> None:
        """Let go of all but these: a claim whose answer was lost must not lie here for ever."""
        for table, kept in (("run", runs), ("event", events)):
            marks = ",".join("?" * len(kept)) or "0"
            await self._claiming.all(
                f"UPDATE {table} SET owner = '' WHERE owner = ? AND id NOT IN ({marks})"
                " RETURNING id",
                self.worker,
                *kept,
            )

    async def tend(self, silent_seconds: float) -> list[str]:
        """Free what silent processes hold, and end their connections; gives their names."""
        silent = await self._session.all(
            "SELECT id, name, connections FROM worker"
            f" WHERE beat_at < {NOW} - CAST(?1 AS float8)"
            # One that was killed leaves no connection.
            f" OR (beat_at < {NOW} - CAST(?1 AS float8) / 2 AND NOT EXISTS ("
            "SELECT 1 FROM pg_stat_activity WHERE application_name = connections))",
            silent_seconds,
        )
        for worker, _, connections in silent:
            # A process that is only paused would keep its turns, and rows of half a transaction.
            await self._session.all(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = ? AND pid <> pg_backend_pid()",
                connections,
            )
            await self._session.all("DELETE FROM worker WHERE id = ? RETURNING id", worker)
        # Also those of a worker that was deleted by somebody who ended before he came to this.
        lost = await self._session.all(
            "SELECT DISTINCT owner FROM run WHERE finished_at IS NULL AND owner <> ''"
            " AND owner NOT IN (SELECT id FROM worker)"
            " UNION SELECT DISTINCT owner FROM event WHERE state = 'received' AND owner <> ''"
            " AND owner NOT IN (SELECT id FROM worker)"
        )
        await self._free([row[0] for row in lost])
        return [name for _, name, _ in silent]

    async def release_mended(self) -> int:
        """Let runs go on that wait for an owner whose connection works: somebody mended it."""
        rows = await self._session.all(
            "UPDATE run SET reason = NULL, due_at = 0, state = 'queued' WHERE owner = ''"
            f" AND finished_at IS NULL AND {_FOR_OWNERS}"
            " AND substr(reason, 12) IN (SELECT id FROM connection WHERE status = 'active')"
            " RETURNING id"
        )
        return len(rows)

    async def open_work(self) -> int:
        """How many events and runs are open, whoever has them."""
        rows = await self._session.all(
            "SELECT (SELECT count(*) FROM event WHERE state = 'received')"
            " + (SELECT count(*) FROM run WHERE finished_at IS NULL)"
        )
        return int(rows[0][0])

    async def lead(self, what: str) -> bool:
        """Whether this process is the one that does `what` for all; it stays so until it goes."""
        await self._session.ask("SELECT 1")
        if self._leads.get(what) == self._session.number:
            return True
        if not await self._session.ask(TRY_LOCK, f"lead/{what}"):
            return False
        self._leads[what] = self._session.number
        return True

    async def woken(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever an event is stored anywhere, until cancelled; a hint, no promise."""
        try:
            async with await self._connect() as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                async for _ in connection.notifies():
                    wake()
        except psycopg.Error as error:
            raise translated_error(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._claiming.close()
        await self._beating.close()

    async def _free(self, workers: Sequence[str]) -> None:
        if not workers:
            return
        marks = ",".join("?" * len(workers))
        for table in ("run", "event"):
            open_ = "finished_at IS NULL" if table == "run" else "state = 'received'"
            await self._session.all(
                f"UPDATE {table} SET owner = '' WHERE owner IN ({marks}) AND {open_} RETURNING id",
                *workers,
            )
