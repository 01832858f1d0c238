"""The interpreter: one run of one flow, step by step, each end stored before the next begins."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from connector import finding, paths
from connector.caller import Tally, counting_calls
from connector.choosing import Chooser, Reader
from connector.engine.door import Door
from connector.engine.effects import Effects, may_change
from connector.engine.looking import Intent
from connector.engine.naming import Chosen, settle
from connector.engine.origins import Origins
from connector.engine.packing import decode_or_none
from connector.engine.precedence import Precedence
from connector.engine.waits import Backoff, Clock, Park, Wait, fault_of_ours
from connector.errors import (
    ConnectorError,
    FlowError,
    NotSent,
    StoreBusy,
    StoreError,
    TakenOver,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import Action, Search
from connector.store.rows import EFFECT, FINAL_RUN_STATES, RunRow, StepRow
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.flow import CompiledFlow, CompiledStep
    from connector.mapping import Mapped
    from connector.quota import Priority
    from connector.store.port import Store

logger = logging.getLogger("connector.engine")

RENEWED_SECONDS = 10.0
"""After a refusal although the connection is said to work: somebody renewed it just now."""
PASSING = (NotSent, Unclear, Throttled, Unauthorized)


class Doors(Protocol):
    """Opens the way to an app for one of a tenant's connections, by id or name."""

    async def open(
        self, tenant: str, connection: str, *, account: str = "", priority: Priority = "read"
    ) -> AppDoor: ...


class AppDoor(Door, Reader, Protocol):
    """A door that nodes with their own code can use as well."""


class Flows(Protocol):
    """Gives flows ready to run."""

    async def compiled(self, tenant: str, flow_id: int, version: int) -> CompiledFlow: ...


@dataclass(slots=True)
class Progress:
    """A run in memory: what expressions see, and where it stands."""

    run: RunRow
    flow: CompiledFlow
    store: Store
    context: dict[str, Any]
    now: datetime


class Runs:
    """Takes a run as far as it goes; `perform` may be called again after any stop or crash."""

    def __init__(
        self,
        catalog: Catalog,
        flows: Flows,
        doors: Doors,
        effects: Effects,
        store_of: Callable[[str], Store],
        backoff: Backoff,
        clock: Clock,
        on_finished: Callable[[RunRow], None] | None = None,
        origins: Origins | None = None,
        precedence: Precedence | None = None,
        chooser: Chooser | None = None,
    ) -> None:
        self._catalog = catalog
        self._flows = flows
        self._doors = doors
        self._effects = effects
        self._store_of = store_of
        self._backoff = backoff
        self._clock = clock
        self._on_finished = on_finished
        self._origins = origins
        self._precedence = precedence or Precedence()
        self._chooser = chooser or Chooser(clock)

    async def perform(self, run: RunRow) -> float | None:
        """Run the open steps; gives the time to come back (inf: when released), None at the end."""
        if run.finished_at is not None:
            return None
        store = self._store_of(run.tenant)
        try:
            progress = await self._load(run, store)
            await self._steps(progress)
        except Wait as wait:
            run.state, run.reason = "waiting", wait.reason
            run.due_at = wait.due_at or 0
            run.error = wait.cause.as_data() if wait.cause else run.error
            await store.record_run(run)
            return wait.due_at if wait.due_at is not None else float("inf")
        except Park as park:
            self._close(run, "parked", park.cause)
            run.error = {**(run.error or {}), EFFECT: park.key}
            if not await store.park_run(run, park.key):
                # It was decided while this run was on its way here.
                return run.due_at
        except (StoreBusy, TakenOver):
            raise
        except ConnectorError as error:
            await self._finish(run, store, "failed", error)
        except Exception as fault:  # noqa: BLE001 - it ends this run, not the worker
            log_surprise(logger, f"run {run.id} stopped on a fault of ours", fault)
            await self._finish(run, store, "failed", fault_of_ours(fault))
        if self._on_finished is not None and run.state in FINAL_RUN_STATES:
            self._tell(self._on_finished, run)
        return None

    def _tell(self, hear: Callable[[RunRow], None], run: RunRow) -> None:
        try:
            hear(run)
        except Exception as fault:  # noqa: BLE001 - the run has ended, whatever others make of it
            log_surprise(logger, f"a listener failed on the end of run {run.id}", fault)

    async def _load(self, run: RunRow, store: Store) -> Progress:
        flow = await self._flows.compiled(run.tenant, run.flow_id, run.flow_version)
        context = dict(run.context)
        context["flow"] = {"key": flow.key, "version": run.flow_version}
        now = datetime.fromtimestamp(run.created_at, UTC)
        context["run"] = {"id": run.id, "created_at": _iso(int(run.created_at))}
        context["steps"] = steps = {}
        if not run.fresh:
            for done in await store.steps(run.id):
                if done.state != "failed":
                    steps[done.id] = _seen(done)
        run.fresh = False
        return Progress(run, flow, store, context, now)

    async def _steps(self, progress: Progress) -> None:
        run, last = progress.run, len(progress.flow.steps) - 1
        for position, step in enumerate(progress.flow.steps):
            if step.id in progress.context["steps"]:
                continue
            await self._precedence.turn()
            done = await self._step(progress, position, step)
            progress.context["steps"][step.id] = _seen(done)
            if position == last:
                self._close(run, "succeeded", None)
                await progress.store.record_run(run, done)
            else:
                await progress.store.record_step(run, done)
        if run.state not in FINAL_RUN_STATES:
            self._close(run, "succeeded", None)
            await progress.store.record_run(run)

    async def _step(self, progress: Progress, position: int, step: CompiledStep) -> StepRow:
        started = self._clock()
        run = progress.run
        calls = Tally()
        if not step.enabled:
            off = {"off": True}
            return StepRow(run.id, position, step.id, "skipped", started, started, exchange=off)
        try:
            if not step.when(progress.context, progress.now):
                return StepRow(run.id, position, step.id, "skipped", started, self._clock())
            mapped = step.mapping.apply(progress.context, now=progress.now)
            mapped.raise_for_errors(names=True)
            with counting_calls(calls):
                payload, chosen = await self._named(progress, step, mapped)
                output = await self._execute(progress, step, payload)
        except PASSING as cause:
            waiting = await self._wait(run, step, cause)
            if waiting is None:
                raise await self._failed(progress, position, step, started, cause, calls) from cause
            if waiting.reason == "retry" and not isinstance(cause, Unauthorized):
                run.attempts += 1
            raise waiting from cause
        except StoreError:
            raise
        except Park:
            run.error = {"step": step.id}
            raise
        except ConnectorError as error:
            raise await self._failed(progress, position, step, started, error, calls) from error
        run.attempts, run.error, run.reason = 0, None, None
        node = self._catalog.node(step.node)
        summary = _summary(node, payload, output)
        told = [str(issue) for issue in mapped.issues]
        row = StepRow(run.id, position, step.id, "done", started, self._clock(), summary, output)
        # What was left out of the write must be seen by whoever looks at the run.
        row.exchange = {**_asked(calls), **({"warnings": told} if told else {})}
        if chosen:
            row.exchange["chosen"] = [one.as_data() for one in chosen]
        return row

    async def _named(
        self, progress: Progress, step: CompiledStep, mapped: Mapped
    ) -> tuple[dict[str, Any], list[Chosen]]:
        """The inputs of a step with ids in the place of names.

        What a write was planned with stays: a name that was given to another record meanwhile
        must not change it, and one that is gone must not keep us from finding out how it ended.
        """
        if not mapped.named:
            return mapped.payload, []
        run, node = progress.run, self._catalog.operation(step.node)
        app = self._catalog.app(node.app)

        async def open_(inputs: Mapping[str, Any]) -> Reader:
            told = inputs.get(app.account_input) if app.account_input else None
            account = "" if told is None or isinstance(told, str) else str(told)
            return await self._doors.open(run.tenant, step.connection or "", account=account)

        if isinstance(node, Action):
            reader = await open_({})
            intent = self._intent(progress, step, node, mapped.payload, reader.connection.id)
            before = await progress.store.effect(intent.key(run.tenant))
            if before is not None and not may_change(before, run.id):
                return _planned(mapped, before.inputs)
        return await settle(self._chooser, app, mapped.named, mapped.payload, open_)

    async def _wait(self, run: RunRow, step: CompiledStep, cause: ConnectorError) -> Wait | None:
        row = await self._store_of(run.tenant).connection(step.connection)
        lost = isinstance(cause, Unauthorized) and cause.who == "connection_owner"
        if lost and row is not None and row.status == "active":
            # Its owner has renewed it meanwhile, and released the runs that waited then.
            return Wait("retry", self._clock() + RENEWED_SECONDS, cause)
        return self._backoff.wait(run.attempts, cause, row.id if row else "")

    async def _failed(
        self,
        progress: Progress,
        position: int,
        step: CompiledStep,
        started: float,
        error: ConnectorError,
        calls: Tally,
    ) -> ConnectorError:
        progress.run.error = {"step": step.id, "node": step.node}
        row = StepRow(
            progress.run.id,
            position,
            step.id,
            "failed",
            started,
            self._clock(),
            error={**error.as_data(), **progress.run.error},
            exchange=_asked(calls),
        )
        await progress.store.record_step(progress.run, row)
        return error

    async def _execute(
        self, progress: Progress, step: CompiledStep, payload: dict[str, Any]
    ) -> Any:
        node = self._catalog.node(step.node)
        run = progress.run
        place = (run.tenant, step.connection or "")
        account_input = self._catalog.app(node.app).account_input
        account = str(payload.get(account_input, "")) if account_input else ""
        if isinstance(node, Search):
            door = await self._doors.open(*place, account=account)
            return await read(node, payload, door)
        if not isinstance(node, Action):
            raise FlowError(f"{node.name} starts a flow; it cannot be a step.")
        door = await self._doors.open(*place, account=account)

        async def find(key: str, criteria: dict[str, Any]) -> dict[str, Any]:
            search = self._catalog.node(f"{node.app}.{key}")
            if not isinstance(search, Search):
                raise FlowError(f"{search.name} is no Search.", who="developer")
            # What proves a write comes before every other read when the quota is short.
            proof = await self._doors.open(*place, account=account, priority="proof")
            found: dict[str, Any] = await read(search, criteria, proof)
            return found

        intent = self._intent(progress, step, node, payload, door.connection.id)
        if self._origins is None:
            return await self._effects.perform(intent, progress.store, door, find)
        app = self._catalog.app(node.app)
        async with self._origins.around(intent, app, account, run, progress.store):
            return await self._effects.perform(intent, progress.store, door, find)

    def _intent(
        self,
        progress: Progress,
        step: CompiledStep,
        node: Action,
        payload: dict[str, Any],
        connection_id: str,
    ) -> Intent:
        return Intent(
            connection_id=connection_id,
            flow=progress.flow.key,
            step=step.id,
            event_id=_delivery_of(progress.run),
            item_id=progress.run.item_id,
            run_id=progress.run.id,
            action=node,
            inputs=payload,
            business_key=step.business_key(progress.context, progress.now),
        )

    def _close(self, run: RunRow, state: Any, error: ConnectorError | None) -> None:
        run.state, run.reason = state, None
        run.finished_at = self._clock()
        known = run.error if isinstance(run.error, dict) else {}
        place = {"step": known.get("step"), "node": known.get("node")}
        run.error = {**error.as_data(), **place} if error else None

    async def _finish(self, run: RunRow, store: Store, state: Any, error: ConnectorError) -> None:
        self._close(run, state, error)
        await store.record_run(run)


async def read(search: Search, inputs: dict[str, Any], door: AppDoor) -> Any:
    """A Search's record(s): by its own code, or by its request. Raises ApiError."""
    if search.run is not None:
        return await search.run(door, inputs)
    answer = await door.send(door.render(search, inputs), write=False)
    error = door.read_error(answer)
    if error is not None:
        raise error
    told = decode_or_none(answer)
    found = paths.get(told, search.result) if search.result else told
    if not isinstance(told, dict | list) or found is paths.ABSENT:
        raise finding.strange(told)
    return found


def _planned(mapped: Mapped, planned: dict[str, Any]) -> tuple[dict[str, Any], list[Chosen]]:
    """The inputs with the ids that a write was planned with."""
    payload, chosen = copy.deepcopy(mapped.payload), []
    for one in mapped.named:
        value = paths.get(planned, one.path)
        value = None if value is paths.ABSENT else value
        paths.put(payload, one.path, value)
        chosen.append(Chosen(one.path, one.name, value, "as it was planned", one.choices_from))
    return payload, chosen


def _delivery_of(run: RunRow) -> str:
    told = paths.get(run.context, "trigger.event.id")
    return told if isinstance(told, str) else str(run.event_id)


def _seen(step: StepRow) -> Any:
    if step.state == "skipped":
        return {"skipped": True}
    if isinstance(step.output, Mapping):
        return {"skipped": False, **step.output}
    return {"skipped": False, "output": step.output}


def _asked(calls: Tally) -> dict[str, Any]:
    return {"calls": calls.calls, **({"reads": calls.reads} if calls.reads else {})}


def _summary(node: Any, payload: dict[str, Any], output: Any) -> str | None:
    if not node.summary:
        return None
    from connector.expressions import evaluate

    try:
        return str(evaluate(node.summary, {"input": payload, "output": output}))
    except ConnectorError:
        # A summary is a courtesy: an answer with another shape must not fail a finished write.
        return None


@lru_cache(maxsize=256)
def _iso(second: int) -> str:
    """The text of a second, which many runs share."""
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")
