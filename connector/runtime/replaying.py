"""Doing many runs again: first what each would do, then the same, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError
from connector.runtime.decisions import begins_at
from connector.store.rows import RunFilter, RunLine

if TYPE_CHECKING:
    from connector.engine.waits import Clock
    from connector.runtime.decisions import Decisions
    from connector.store.port import Store
    from connector.store.rows import EffectRow, FlowRow, RunRow, StepRow

AT_ONCE = 200
"""So many are looked at, and done, in one go: a person reads the list before."""
WRITTEN = ("done",)


class Replaying:
    """Replays runs one by one, or many that fit a filter."""

    def __init__(
        self,
        store: Store,
        decisions: Decisions,
        clock: Clock,
        go_on: Callable[[RunRow], None],
    ) -> None:
        self._store = store
        self._decisions = decisions
        self._clock = clock
        self._go_on = go_on

    async def one(self, run_id: int, from_step: str | None = None, *, who: str = "") -> int | None:
        """Run it again; gives the new run's id. Raises ConnectorError when it cannot be."""
        new = await self._decisions.replay_run(run_id, from_step)
        if new is None:
            return None
        details = {"new_run": new.id, "from": from_step}
        if who:
            await self._store.audit(self._clock(), who, "replay", f"run {run_id}", details)
        self._go_on(new)
        return new.id

    async def preview(self, asked: RunFilter, from_step: str | None = None) -> dict[str, Any]:
        """What a replay of these runs would do, oldest first; `more` when not all are shown.

        Each of `items` tells the step where it begins, how many steps and writes are taken over,
        and `refused` when it cannot be replayed; `writes` are done already and not repeated.
        """
        found = await self._store.look_up_runs(asked, AT_ONCE)
        lines = sorted(found.rows, key=lambda line: line.id)
        flows = {row.id: row for row in await self._store.flows()}
        items = [await self._foreseen(line, flows.get(line.flow_id), from_step) for line in lines]
        ready = [one for one in items if one["refused"] is None]
        return {
            "items": items,
            "ready": [one["id"] for one in ready],
            "refused": len(items) - len(ready),
            "writes": sum(one["writes"] for one in ready),
            "more": (found.following or found.looked) is not None,
        }

    async def many(
        self, run_ids: Sequence[int], from_step: str | None = None, *, who: str
    ) -> dict[str, Any]:
        """Replay these, the oldest first, so that order is kept; `refused` says which were not."""
        done: list[dict[str, int]] = []
        refused: list[dict[str, Any]] = []
        wanted = tuple(sorted(set(run_ids)))[:AT_ONCE]
        lines = (await self._store.look_up_runs(RunFilter(ids=wanted), AT_ONCE)).rows
        flows = {row.id: row for row in await self._store.flows()}
        for line in sorted(lines, key=lambda one: one.id):
            foreseen = await self._foreseen(line, flows.get(line.flow_id), from_step)
            if foreseen["refused"] is not None:
                refused.append({"run": line.id, "error": foreseen["refused"]})
                continue
            try:
                new = await self.one(line.id, from_step, who=who)
            except ConnectorError as error:
                refused.append({"run": line.id, "error": error.as_data()})
                continue
            if new is not None:
                done.append({"run": new, "replay_of": line.id})
        missing = set(wanted) - {line.id for line in lines}
        gone = ConnectorError("There is no such run.").as_data()
        refused.extend({"run": one, "error": gone} for one in sorted(missing))
        return {"replayed": done, "refused": refused}

    async def _foreseen(
        self, line: RunLine, flow: FlowRow | None, from_step: str | None
    ) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": line.id,
            "flow": line.flow,
            "flow_version": line.flow_version,
            "present_version": flow.version if flow else None,
            "record": line.item_id,
            "state": line.state,
            "error": line.error,
            "created_at": line.created_at,
            "from": from_step,
            "kept_steps": 0,
            "writes": 0,
            "refused": None,
        }
        try:
            await self._may(line, from_step)
            steps = await self._store.steps(line.id)
            effects = await self._store.effects(run_id=line.id)
            before = begins_at(line.id, steps, effects, from_step)
        except ConnectorError as error:
            told["refused"] = error.as_data()
            return told
        kept = [step for step in steps if step.position < before and step.state != "failed"]
        told["kept_steps"] = len(kept)
        first = next((step.id for step in steps if step.position == before), None)
        told["from"] = first or _first_open(steps, line)
        told["writes"] = len(_written(effects))
        return told

    async def _may(self, line: RunLine, from_step: str | None) -> None:
        if line.newer is not None:
            raise ConnectorError(
                f"Run {line.id} was replayed already, as run {line.newer}.",
                remedy="Look at that one; replay it if it failed as well.",
            )
        if line.finished_at is None:
            raise ConnectorError(
                f"Run {line.id} has not ended.", remedy="It goes on by itself; see its reason."
            )
        if line.state == "parked":
            raise ConnectorError(
                f"Run {line.id} waits for a decision about a write.",
                remedy="Decide it under Parked; then the run goes on by itself.",
            )
        await self._decisions.check_replay(line.id, from_step)


def _first_open(steps: Sequence[StepRow], line: RunLine) -> str | None:
    """The step that failed; none has when it was the filter, or the read before it."""
    failed = next((step.id for step in steps if step.state == "failed"), None)
    step = line.error.get("step") if isinstance(line.error, dict) else None
    return failed or step


def _written(effects: Sequence[EffectRow]) -> list[EffectRow]:
    return [effect for effect in effects if effect.state in WRITTEN]
