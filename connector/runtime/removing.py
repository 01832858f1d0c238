"""Taking a flow away: what goes with it, what stays for ever, and what must end before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.errors import FlowError, Issue
from connector.store.rows import RunFilter

if TYPE_CHECKING:
    from connector.engine.book import Book
    from connector.engine.waits import Clock
    from connector.store.port import Store

OPEN = {"queued": "not begun", "waiting": "waiting", "parked": "parked"}


class Removing:
    """Deletes the flows of one tenant; their runs, writes and audits stay.

    The number and the versions of a flow stay as well: a write is known by the flow's key, and a
    flow that is made again with that key goes on where it ended, so that nothing is written twice.
    """

    def __init__(self, store: Store, book: Book, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._clock = clock

    async def would(self, key: str) -> dict[str, Any] | None:
        """What deleting a flow takes along, and its runs that are `open`; None without one."""
        flow = await self._store.flow(key)
        if flow is None:
            return None
        counts = await self._store.count_runs(RunFilter(flow=key), tuple(OPEN))
        samples = await self._store.samples(key)
        draft = await self._store.draft(key)
        return {
            "key": key,
            "enabled": flow.enabled,
            "version": flow.version,
            "draft": draft.who if draft else None,
            "sample": any(not one.name for one in samples),
            "tests": sum(1 for one in samples if one.name),
            "open": {state: counts[state] for state in OPEN if counts.get(state)},
        }

    async def remove(self, key: str, *, who: str, force: bool = False) -> dict[str, Any]:
        """Delete a flow; audited. Raises FlowError when there is none.

        Raises it as well while runs of it are open, unless forced: then these go on to their end,
        and what is parked waits for its decision.
        """
        told = await self.would(key)
        if told is None:
            raise FlowError(
                f"There is no flow {key!r}.", remedy="`connector flow list` names them."
            )
        if told["open"] and not force:
            raise FlowError(
                f"The flow {key!r} has runs that are not over.",
                remedy="Switch it off, let them end, and decide what is parked; or delete it all"
                " the same: they still go on to their end.",
                issues=[
                    Issue(field=state, message=f"Runs that are {OPEN[state]}: {count}.")
                    for state, count in told["open"].items()
                ],
            )
        if await self._store.delete_flow(key, self._clock()):
            self._book.forget()
            details = {name: told[name] for name in ("version", "enabled", "tests", "open")}
            await self._store.audit(self._clock(), who, "delete_flow", f"flow {key}", details)
        return told
