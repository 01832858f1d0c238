"""Looking back at runs and events, each question answered from an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from connector.codec import encode_text
from connector.store.past import Part
from connector.store.rows import EventFilter, EventRow, RunFilter, RunLine, in_state
from connector.store.sql.backend import TenantRows
from connector.store.sql.columns import EVENT_COLUMNS, event_row, json_value
from connector.store.sql.searching import exact_first

LOOKED_THROUGH = 5_000
"""How many runs a search in their texts looks through at a time."""
SLACK_SECONDS = 3_600.0
"""Numbers follow time, but not to the second: a process may store late what it began early."""
COUNTED = 1_000
"""Where counting ends: more is more than anybody reads."""
SAMPLE = 400
"""How many runs of a stretch of time tell how long its runs took."""

Span = tuple[float, float]
_MOST = 1 << 62
_LINE = (
    "run.id, run.flow_id, flow.key, run.flow_version, run.event_id, run.item_id, run.replay,"
    " run.state, run.reason, run.attempts, run.due_at, run.created_at, run.finished_at, run.error,"
    # Answered from the unique index of a flow, event and record.
    " (SELECT newer.id FROM run AS newer WHERE newer.flow_id = run.flow_id"
    " AND newer.event_id = run.event_id AND newer.item_id = run.item_id"
    " AND newer.replay > run.replay ORDER BY newer.replay DESC LIMIT 1), run.mended_by"
)
_END = "CASE WHEN run.mended_by IS NULL THEN run.state ELSE 'mended' END"
"""How a run ended, and whether it still matters."""
_NULL = {True: "NOT NULL", False: "NULL"}
Where = tuple[list[str], list[Any]]


class History(TenantRows):
    """A tenant's runs and events of any time; no question reads more than it shows."""

    async def look_up_runs(
        self, asked: RunFilter, limit: int, before: int | None = None
    ) -> Part[RunLine]:
        """The newest runs that fit; those whose number or record a text is come first."""
        text = asked.text

        async def fetch(numbers: Sequence[int], most: int) -> list[RunLine]:
            terms, values = await self._run_terms(asked, None)
            terms.append(f"run.id IN ({','.join('?' * len(numbers))})")
            return await self._lines(terms, [*values, *numbers], most)

        async def rest(under: int | None, most: int) -> tuple[list[RunLine], int | None]:
            terms, values = await self._run_terms(asked, under)
            if not text:
                return await self._lines(terms, values, most), None
            window = await self._window("run", terms, values)
            if not window:
                return [], None
            told, more = _run_text(text, window[-1])
            rows = await self._lines([*terms, told], [*values, *more], most)
            return rows, window[-1] if len(window) == LOOKED_THROUGH else None

        return await exact_first(await self._exact_runs(text), fetch, rest, limit, before)

    async def _exact_runs(self, text: str | None) -> list[int]:
        """The runs of this very number or record, however old they are."""
        if text is None or not _is_number(text):
            return []
        rows = await self._backend.aside(
            "SELECT id FROM run WHERE tenant = ? AND item_id = ?", self.tenant, text
        )
        return [*{int(text), *(row[0] for row in rows)}]

    async def _window(self, table: str, terms: list[str], values: list[Any]) -> list[int]:
        """The numbers of the newest rows that fit but for the text."""
        rows = await self._backend.aside(
            f"SELECT id FROM {table} WHERE {' AND '.join(terms)} ORDER BY id DESC LIMIT ?",
            *values,
            LOOKED_THROUGH,
        )
        return [row[0] for row in rows]

    async def _lines(self, terms: list[str], values: list[Any], limit: int) -> list[RunLine]:
        rows = await self._backend.aside(
            f"SELECT {_LINE} FROM run LEFT JOIN flow ON flow.id = run.flow_id"
            f" WHERE {' AND '.join(terms)} ORDER BY run.id DESC LIMIT ?",
            *values,
            limit,
        )
        return [_line(row) for row in rows]

    async def _run_terms(self, asked: RunFilter, before: int | None) -> Where:
        terms = ["run.tenant = ?"]
        values: list[Any] = [self.tenant]
        if asked.state in ("queued", "waiting"):
            terms.append("run.finished_at IS NULL")
        elif asked.state and asked.mended is None:
            # The index holds what has ended: said in its own words, or it is not used.
            terms.append("run.finished_at IS NOT NULL")
        if asked.mended is not None:
            # Literal, because only then the index of these is used.
            terms.append(f"run.state = 'failed' AND run.mended_by IS {_NULL[asked.mended]}")
        for name, value in (
            ("state", asked.state if asked.mended is None else None),
            ("item_id", asked.record), ("event_id", asked.event_id),
        ):  # fmt: skip
            if value is not None:
                terms.append(f"run.{name} = ?")
                values.append(value)
        if asked.flow is not None:
            terms.append("run.flow_id = (SELECT id FROM flow WHERE tenant = ? AND key = ?)")
            values.extend((self.tenant, asked.flow))
        if asked.replays:
            terms.append("run.replay > 0")
        if asked.ids is not None:
            terms.append(f"run.id IN ({','.join('?' * len(asked.ids)) or 'NULL'})")
            values.extend(asked.ids)
        first, last = await self._numbers("run", "created_at", asked.since, asked.until)
        last = min(last, before - 1 if before is not None else _MOST)
        last = min(last, asked.last if asked.last is not None else _MOST)
        terms.append("run.id BETWEEN ? AND ?")
        values.extend((max(first, asked.first or 0), last))
        for mark, moment in ((">=", asked.since), ("<", asked.until)):
            if moment is not None:
                terms.append(f"run.created_at {mark} ?")
                values.append(moment)
        return terms, values

    async def _numbers(
        self, table: str, column: str, since: float | None, until: float | None
    ) -> tuple[int, int]:
        """Between which numbers the rows of a time lie: so nothing older is read."""
        first, last = 0, _MOST
        if since is not None:
            row = await self._one(
                f"SELECT id FROM {table} WHERE tenant = ? AND {column} >= ?"
                f" ORDER BY {column} LIMIT 1",
                self.tenant,
                since - SLACK_SECONDS,
            )
            first = row[0] if row else _MOST
        if until is not None:
            row = await self._one(
                f"SELECT id FROM {table} WHERE tenant = ? AND {column} < ?"
                f" ORDER BY {column} DESC LIMIT 1",
                self.tenant,
                until + SLACK_SECONDS,
            )
            last = row[0] if row else 0
        return first, last

    async def count_runs(self, asked: RunFilter, states: Sequence[str]) -> dict[str, int]:
        """How many runs that fit are in each of these states, counted up to a thousand.

        `failed` are those that no replay has mended, `mended` those that one has.
        """
        counted = {}
        for state in states:
            which = replace(asked, text=None, **in_state(state))
            terms, values = await self._run_terms(which, None)
            rows = await self._backend.aside(
                f"SELECT count(*) FROM (SELECT 1 FROM run WHERE {' AND '.join(terms)} LIMIT ?)"
                " AS counted",
                *values,
                COUNTED,
            )
            counted[state] = int(rows[0][0])
        return counted

    # --- events -------------------------------------------------------------------------------

    async def look_up_events(
        self, asked: EventFilter, limit: int, before: int | None = None
    ) -> Part[EventRow]:
        """The newest events that fit; those of which a text is the very id come first."""
        text = asked.text

        async def fetch(numbers: Sequence[int], most: int) -> list[EventRow]:
            terms, values = await self._event_terms(asked, None)
            terms.append(f"id IN ({','.join('?' * len(numbers))})")
            return await self._events(terms, [*values, *numbers], most)

        async def rest(under: int | None, most: int) -> tuple[list[EventRow], int | None]:
            terms, values = await self._event_terms(asked, under)
            if text is None:
                return await self._events(terms, values, most), None
            window = await self._window("event", terms, values)
            if not window:
                return [], None
            told, more = self._event_text(text, window)
            rows = await self._events([*terms, told], [*values, *more], most)
            return rows, window[-1] if len(window) == LOOKED_THROUGH else None

        return await exact_first(await self._exact_events(text), fetch, rest, limit, before)

    def _event_text(self, text: str, window: Sequence[int]) -> tuple[str, list[Any]]:
        """That an event of a window mentions a text, and is none of `_exact_events`."""
        like = f"%{_literal(text.lower())}%"
        told = (
            "id >= ? AND (lower(ids) LIKE ? ESCAPE '!' OR lower(delivery_id) LIKE ? ESCAPE '!'"
            " OR id IN (SELECT event_id FROM run WHERE event_id BETWEEN ? AND ? AND tenant = ?"
            " AND lower(context) LIKE ? ESCAPE '!')) AND id <> ?"
            " AND NOT (delivery_id = ? AND connection_id IN"
            " (SELECT id FROM connection WHERE tenant = ?))"
            " AND NOT (ids = ? AND length(ids) < 200) AND id NOT IN (SELECT event_id FROM run"
            " WHERE event_id BETWEEN ? AND ? AND tenant = ? AND item_id = ?)"
        )
        last, first = window[0], window[-1]
        runs = (first, last, self.tenant)
        number = int(text) if _is_number(text) else 0
        exact = (number, text, self.tenant, encode_text([text]), *runs, text)
        return told, [first, like, like, *runs, like, *exact]

    async def _events(self, terms: list[str], values: list[Any], limit: int) -> list[EventRow]:
        rows = await self._backend.aside(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE {' AND '.join(terms)}"
            " ORDER BY id DESC LIMIT ?",
            *values,
            limit,
        )
        return [event_row(row) for row in rows]

    async def _exact_events(self, text: str | None) -> list[int]:
        """The events of this very number, delivery or record, however old they are."""
        if text is None:
            return []
        found = {int(text)} if _is_number(text) else set()
        for sql, values in (
            (
                "SELECT id FROM event WHERE tenant = ? AND delivery_id = ? AND connection_id IN"
                " (SELECT id FROM connection WHERE tenant = ?)",
                (self.tenant, text, self.tenant),
            ),
            (
                "SELECT id FROM event WHERE tenant = ? AND ids = ? AND length(ids) < 200",
                (self.tenant, encode_text([text])),
            ),
            (
                "SELECT DISTINCT event_id FROM run WHERE tenant = ? AND item_id = ?",
                (self.tenant, text),
            ),
        ):
            found |= {row[0] for row in await self._backend.aside(sql, *values)}
        return [*found]

    async def _event_terms(self, asked: EventFilter, before: int | None) -> Where:
        terms = ["tenant = ?"]
        values: list[Any] = [self.tenant]
        if asked.state is not None:
            terms.append("state = ?")
            values.append(asked.state)
            if asked.state in ("unmatched", "silent", "failed"):
                terms.append("state IN ('unmatched', 'silent', 'failed')")
            elif asked.state == "received":
                terms.append("state = 'received'")
        if asked.recovered:
            terms.append("delivery_id LIKE 'sweep:%'")
        if asked.resource is not None:
            terms.append("resource = ?")
            values.append(asked.resource)
        first, last = await self._numbers("event", "received_at", asked.since, asked.until)
        terms.append("id BETWEEN ? AND ?")
        values.extend((first, min(last, before - 1 if before is not None else _MOST)))
        for mark, moment in ((">=", asked.since), ("<", asked.until)):
            if moment is not None:
                terms.append(f"received_at {mark} ?")
                values.append(moment)
        return terms, values

    async def ends_of_events(self, events: Sequence[int]) -> dict[int, dict[str, int]]:
        """How many runs of each of these events are in each state."""
        if not events:
            return {}
        marks = ",".join("?" * len(events))
        found: dict[int, dict[str, int]] = {}
        for event_id, state, count in await self._all(
            f"SELECT event_id, {_END}, count(*) FROM run WHERE tenant = ?"
            f" AND event_id IN ({marks}) GROUP BY 1, 2",
            self.tenant,
            *events,
        ):
            found.setdefault(event_id, {})[state] = count
        return found

    async def account(self, span: Span) -> dict[str, dict[str, int]]:
        """What became of the events of a time: `events` and their `runs` and `replays` by state.

        `recovered` are those that only a sweep told of, `lost` those that a flow wanted and that
        have no run.
        """
        at = (self.tenant, *span)
        events = await self._backend.aside(
            "SELECT state, count(*), min(id), max(id) FROM event WHERE tenant = ?"
            " AND received_at >= ? AND received_at < ? GROUP BY state",
            *at,
        )
        found = await self._backend.aside(
            "SELECT count(*) FROM event WHERE tenant = ? AND received_at >= ?"
            " AND received_at < ? AND delivery_id LIKE 'sweep:%'",
            *at,
        )
        matched = next((row for row in events if row[0] == "matched"), None)
        runs: list[Any] = []
        lost = 0
        if matched is not None:
            runs, lost = await self._runs_of(matched, at)
        return {
            "events": {row[0]: row[1] for row in events},
            "recovered": {"found": found[0][0]},
            "lost": {"found": lost},
            "runs": {state: count for state, again, count in runs if not again},
            "replays": {state: count for state, again, count in runs if again},
        }

    async def _runs_of(self, matched: Sequence[Any], at: Sequence[Any]) -> tuple[list[Any], int]:
        """The runs of the matched events by state and whether again; and how many have none."""
        _, count, first, last = matched
        where = "FROM run WHERE run.event_id BETWEEN ? AND ? AND run.tenant = ?"
        have = await self._backend.aside(
            f"SELECT count(DISTINCT event_id) {where}", first, last, self.tenant
        )
        again = "CASE WHEN run.replay > 0 THEN 1 ELSE 0 END AS again"
        if have[0][0] == count:
            runs = await self._backend.aside(
                f"SELECT {_END}, {again}, count(*) {where} GROUP BY 1, again",
                first,
                last,
                self.tenant,
            )
            return runs, 0
        # Numbers and times disagree a little, or something is lost: each event is asked.
        within = "event.tenant = ? AND event.received_at >= ? AND event.received_at < ?"
        runs = await self._backend.aside(
            f"SELECT {_END}, {again}, count(*) FROM event CROSS JOIN run WHERE {within}"
            " AND run.event_id = event.id AND run.tenant = event.tenant"
            " GROUP BY 1, again",
            *at,
        )
        lost = await self._backend.aside(
            f"SELECT count(*) FROM event WHERE {within} AND state = 'matched' AND NOT EXISTS"
            " (SELECT 1 FROM run WHERE run.event_id = event.id)",
            *at,
        )
        return runs, int(lost[0][0])

    # --- over time ----------------------------------------------------------------------------

    async def over_time(self, spans: Sequence[Span], flow: str | None) -> list[dict[str, int]]:
        """How many runs ended in each stretch of time, by state."""
        which, more = "", []
        if flow is not None:
            which = " AND run.flow_id = (SELECT id FROM flow WHERE tenant = ? AND key = ?)"
            more = [self.tenant, flow]
        counted: list[dict[str, int]] = [{} for _ in spans]
        for place, state, count in await self._backend.aside(
            f"{_spans(spans)} SELECT span.place, run.state, count(*) FROM span CROSS JOIN run"
            " WHERE run.tenant = ? AND run.finished_at IS NOT NULL"
            f" AND run.finished_at >= span.since AND run.finished_at < span.until{which}"
            " GROUP BY span.place, run.state",
            *(moment for span in spans for moment in span),
            self.tenant,
            *more,
        ):
            counted[place][state] = count
        return counted

    async def accepted_over_time(self, spans: Sequence[Span]) -> list[int]:
        """How many events came in each stretch of time."""
        counted = [0 for _ in spans]
        for place, count in await self._backend.aside(
            f"{_spans(spans)} SELECT span.place, count(*) FROM span CROSS JOIN event"
            " WHERE event.tenant = ? AND event.received_at >= span.since"
            " AND event.received_at < span.until GROUP BY span.place",
            *(moment for span in spans for moment in span),
            self.tenant,
        ):
            counted[place] = count
        return counted

    async def seconds_taken(self, spans: Sequence[Span], flow: str | None) -> list[list[float]]:
        """From accepting an event to the end of its run, for the last of each stretch of time."""
        which, more = "", []
        if flow is not None:
            which = " AND run.flow_id = (SELECT id FROM flow WHERE tenant = ? AND key = ?)"
            more = [self.tenant, flow]
        taken = []
        for span in spans:
            rows = await self._backend.aside(
                "SELECT run.finished_at - event.received_at FROM run"
                " JOIN event ON event.id = run.event_id WHERE run.tenant = ?"
                " AND run.finished_at IS NOT NULL AND run.finished_at >= ?"
                f" AND run.finished_at < ? AND run.state = 'succeeded' AND run.replay = 0{which}"
                " ORDER BY run.finished_at DESC LIMIT ?",
                self.tenant,
                *span,
                *more,
                SAMPLE,
            )
            taken.append(sorted(float(row[0]) for row in rows))
        return taken


def _spans(spans: Sequence[Span]) -> str:
    # CROSS JOIN, so that SQLite asks the index once for each stretch.
    one = "CAST(? AS DOUBLE PRECISION), CAST(? AS DOUBLE PRECISION)"
    rows = ", ".join(f"({place}, {one})" for place in range(len(spans)))
    return f"WITH span (place, since, until) AS (VALUES {rows})"


def _line(row: Sequence[Any]) -> RunLine:
    return RunLine(
        id=row[0], flow_id=row[1], flow=row[2] or str(row[1]), flow_version=row[3],
        event_id=row[4], item_id=row[5], replay=row[6], state=row[7], reason=row[8],
        attempts=row[9], due_at=row[10], created_at=row[11], finished_at=row[12],
        error=json_value(row[13]), newer=row[14], mended_by=row[15],
    )  # fmt: skip


def _run_text(text: str, lowest: int) -> tuple[str, list[Any]]:
    """That a run from this number on mentions a text, and is none of `_exact_runs`."""
    like = f"%{_literal(text.lower())}%"
    told = (
        "run.id >= ? AND (lower(run.item_id) LIKE ? ESCAPE '!'"
        " OR lower(run.error) LIKE ? ESCAPE '!' OR lower(run.context) LIKE ? ESCAPE '!'"
        " OR EXISTS (SELECT 1 FROM step WHERE step.run_id = run.id"
        " AND lower(step.summary) LIKE ? ESCAPE '!')"
        " OR EXISTS (SELECT 1 FROM effect WHERE effect.run_id = run.id"
        " AND (effect.remote_id = ? OR effect.marker = ?)))"
    )
    values: list[Any] = [lowest, like, like, like, like, text, text]
    if _is_number(text):
        told += " AND run.id <> ? AND run.item_id <> ?"
        values.extend((int(text), text))
    return told, values


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 18


def _literal(text: str) -> str:
    for one in "!%_":
        text = text.replace(one, f"!{one}")
    return text
