"""Removing what is no longer needed: payloads of ended runs, events of long ago."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from connector.codec import decode_kept, encode_text
from connector.store.rows import GONE, MASKED, RunAge
from connector.store.sql.backend import Statement, TenantRows

_KEPT = {f'{{"{GONE}"': "gone", f'{{"{MASKED}"': "masked"}
_HEAD = max(map(len, _KEPT))

Rows = Callable[..., Awaitable[list[Any]]]

# A run that nothing continues by itself, and that no person has to decide.
_OVER = "finished_at IS NOT NULL AND state <> 'parked'"


class Keeping(TenantRows):
    """A tenant's old runs and events; everything here may be done twice, or cut off."""

    async def run_ages(self, after: int, limit: int) -> list[RunAge]:
        """The next runs by number: how old each is, and what is still kept of it."""
        return await run_ages(self._all, after, limit, self.tenant)

    async def drop_payload(self, run_id: int, now: float, *, really: bool = True) -> bool:
        """Remove what an ended run worked on, with the bodies of its writes; keys and ids stay.

        Not while one of its writes may still need them; tells whether it was (or would be) done.
        """
        effects = await self._all(
            "SELECT key, state, sends, output, evidence FROM effect WHERE tenant = ?"
            " AND run_id = ?",
            self.tenant,
            run_id,
        )
        if await self._needed(run_id, [(row[1], row[2]) for row in effects]):
            return False
        found = await self._all(
            f"SELECT error FROM run WHERE tenant = ? AND id = ? AND {_OVER}", self.tenant, run_id
        )
        if not found or not really:
            return bool(found)
        outcome = await self._backend.write(
            (
                f"UPDATE run SET context = ?, error = ? WHERE tenant = ? AND id = ? AND {_OVER}",
                (encode_text({GONE: now}), _brief(found[0][0]), self.tenant, run_id),
            ),
            (
                "UPDATE step SET summary = NULL, output = NULL, error = NULL, exchange = NULL"
                " WHERE run_id = (SELECT id FROM run WHERE tenant = ? AND id = ?)",
                (self.tenant, run_id),
            ),
            *(
                (
                    "UPDATE effect SET inputs = '{}', request = NULL, answer = NULL, output = ?,"
                    " evidence = ? WHERE tenant = ? AND key = ? AND run_id = ? AND state = ?",
                    (_id_only(output), _brief(evidence), self.tenant, key, run_id, state),
                )
                for key, state, _, output, evidence in effects
            ),
        )
        return outcome[0][0] == 1

    async def _needed(self, run_id: int, effects: list[tuple[str, int]]) -> bool:
        """Whether a write of this run is not over."""
        if any(state in ("sending", "uncertain", "parked") for state, _ in effects):
            return True
        planned = [sends for state, sends in effects if state == "planned"]
        if not planned or any(planned):
            return bool(planned)
        # Never sent. A later run renders it anew; an earlier one that is open would send it as is.
        earlier = await self._one(
            "SELECT EXISTS (SELECT 1 FROM run WHERE tenant = ? AND id < ?"
            " AND (finished_at IS NULL OR state = 'parked'))",
            self.tenant,
            run_id,
        )
        return bool(earlier[0])

    async def mask_payload(self, run_id: int, hide: Callable[[Any], Any], now: float) -> bool:
        """Put what `hide` makes of them in the place of a run's payloads; tells whether it did."""
        found = await self._all(
            f"SELECT context FROM run WHERE tenant = ? AND id = ? AND {_OVER}", self.tenant, run_id
        )
        if not found:
            return False
        unit: list[Statement] = [
            (
                f"UPDATE run SET context = ? WHERE tenant = ? AND id = ? AND {_OVER}",
                (
                    encode_text({MASKED: now, **hide(decode_kept(found[0][0]))}),
                    self.tenant,
                    run_id,
                ),
            )
        ]  # fmt: skip
        for position, output in await self._all(
            "SELECT position, output FROM step WHERE run_id = (SELECT id FROM run"
            " WHERE tenant = ? AND id = ?)",
            self.tenant,
            run_id,
        ):
            hidden = None if output is None else encode_text(hide(decode_kept(output)))
            unit.append(
                (
                    # What it says of itself may repeat anything.
                    "UPDATE step SET output = ?, summary = NULL, exchange = NULL"
                    " WHERE run_id = ? AND position = ?",
                    (hidden, run_id, position),
                )
            )
        for key, inputs, request in await self._all(
            "SELECT key, inputs, request FROM effect WHERE tenant = ? AND run_id = ?"
            " AND state = 'done'",
            self.tenant,
            run_id,
        ):
            # Of the request its address; its body may be in any form.
            head = None if request is None else bytes(request).partition(b"\n")[0] + b"\n"
            unit.append(
                (
                    "UPDATE effect SET inputs = ?, request = ?, answer = NULL"
                    " WHERE tenant = ? AND key = ? AND run_id = ? AND state = 'done'",
                    (encode_text(hide(decode_kept(inputs))), head, self.tenant, key, run_id),
                )
            )
        outcome = await self._backend.write(*unit)
        return outcome[0][0] == 1

    async def drop_event(self, event_id: int) -> bool:
        """Remove an event with its runs; tells whether it was there and over."""
        outcome = await self._backend.write(
            # First the event: whoever offers it to the flows again waits for this, and finds none.
            (
                "DELETE FROM event WHERE tenant = ? AND id = ? AND state <> 'received'",
                (self.tenant, event_id),
            ),
            (
                "DELETE FROM step WHERE run_id IN (SELECT id FROM run WHERE tenant = ?"
                " AND event_id = ? AND NOT EXISTS (SELECT 1 FROM event WHERE id = ?))",
                (self.tenant, event_id, event_id),
            ),
            (
                "DELETE FROM run WHERE tenant = ? AND event_id = ?"
                " AND NOT EXISTS (SELECT 1 FROM event WHERE id = ?)",
                (self.tenant, event_id, event_id),
            ),
        )
        return outcome[0][0] == 1


async def run_ages(
    rows_of: Rows, after: int, limit: int, tenant: str | None = None
) -> list[RunAge]:
    """The next runs by number, of one tenant or of all."""
    whose, values = ("", []) if tenant is None else ("tenant = ? AND ", [tenant])
    rows = await rows_of(
        f"SELECT tenant, id, state, created_at, finished_at, substr(context, 1, {_HEAD}) FROM run"
        f" WHERE {whose}id > ? ORDER BY id LIMIT ?",
        *values,
        after,
        limit,
    )
    return [
        RunAge(row[0], row[1], row[2], row[3], row[4], _KEPT.get(row[5], "whole")) for row in rows
    ]


async def old_events(
    rows_of: Rows, after: int, before: float, limit: int
) -> tuple[int, list[tuple[str, int]]]:
    """Of the next events by number those that may go; and how far this has looked.

    They came before that time, they are over with all their runs, and nothing of these is
    kept. Never the newest row: SQLite would give its number out again.
    """
    rows = await rows_of(
        "SELECT tenant, id, state, received_at FROM event WHERE id > ? ORDER BY id LIMIT ?",
        after,
        limit,
    )
    old = [(row[0], row[1]) for row in rows if row[2] != "received" and row[3] < before]
    last = rows[-1][1] if rows else 0
    if rows and not old and rows[-1][3] >= before:
        last = 0
    if not old:
        return last, []
    marks = ",".join("?" * len(old))
    kept = await rows_of(
        f"SELECT event_id FROM run WHERE event_id IN ({marks}) AND (NOT ({_OVER})"
        f" OR finished_at >= ? OR substr(context, 1, {_HEAD}) <> ?"
        " OR id = (SELECT max(id) FROM run))"
        " UNION SELECT max(id) FROM event",
        *(event_id for _, event_id in old),
        before,
        f'{{"{GONE}"',
    )
    needed = {row[0] for row in kept}
    return last, [one for one in old if one[1] not in needed]


def _id_only(output: str | None) -> str | None:
    """What a write that another event meets again must still tell."""
    told = None if output is None else decode_kept(output)
    if not isinstance(told, dict):
        return output
    return encode_text({name: told[name] for name in ("id",) if name in told})


def _brief(told: str | None) -> str | None:
    """An error, or notes, without the single issues, which repeat values."""
    found = None if told is None else decode_kept(told)
    if isinstance(found, dict):
        found.pop("issues", None)
    for note in found if isinstance(found, list) else ():
        note.pop("issues", None)
    return None if found is None else encode_text(found)
