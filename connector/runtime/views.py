"""Rows as plain JSON for people and programs: one shape for the command, the API and the pages."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from connector.caller import ELSEWHERE
from connector.codec import decode
from connector.engine.packing import unpack
from connector.model import App
from connector.quota import quota_view
from connector.redaction import redact
from connector.runtime.comparing import compared
from connector.runtime.connect import names_of
from connector.store.port import Store
from connector.store.rows import (
    GONE,
    MASKED,
    MENDING,
    EffectRow,
    EventRow,
    FlowRow,
    RunLine,
    RunRow,
    StepRow,
)


def event_view(event: EventRow, runs: int) -> dict[str, Any]:
    """An accepted event and how many runs it made."""
    return {
        "id": event.id,
        "delivery_id": event.delivery_id,
        "connection_id": event.connection_id,
        "type": event.type,
        "resource": event.resource,
        "operation": event.operation,
        "account": event.account,
        "ids": list(event.ids),
        "happened_at": event.happened_at,
        "received_at": event.received_at,
        "state": event.state,
        "attempts": event.attempts,
        "due_at": event.due_at or None,
        "error": event.error,
        "recovered": event.swept,
        "runs": runs,
    }


def flow_view(flow: FlowRow, problem: str | None = None) -> dict[str, Any]:
    """A flow as it stands; `problem` says why an enabled one cannot run."""
    return {
        "key": flow.key,
        "enabled": flow.enabled,
        "version": flow.version,
        "document": flow.document,
        "created_at": flow.created_at,
        "problem": problem,
    }


def run_view(run: RunRow, flows: Mapping[int, str], summary: str | None) -> dict[str, Any]:
    """A run in a list."""
    return {
        "id": run.id,
        "flow": flows.get(run.flow_id, str(run.flow_id)),
        "flow_version": run.flow_version,
        "event_id": run.event_id,
        "item_id": run.item_id,
        "replay": run.replay,
        "state": run.state,
        "reason": run.reason,
        "attempts": run.attempts,
        "due_at": run.due_at or None,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "error": run.error,
        "summary": summary,
    }


def event_details(
    event: EventRow, runs: Sequence[RunRow], flows: Mapping[int, str]
) -> dict[str, Any]:
    """An event with its runs; those that failed with the replay that has mended them."""
    well = [run for run in runs if run.replay and run.state in MENDING]
    listed = []
    for run in runs:
        mending = [
            one.id
            for one in well
            if run.state == "failed"
            and one.replay > run.replay
            and (one.flow_id, one.item_id) == (run.flow_id, run.item_id)
        ]
        listed.append({**run_view(run, flows, None), "mended_by": min(mending, default=None)})
    return {**event_view(event, len(runs)), "runs": listed}


def line_view(line: RunLine, summary: str | None) -> dict[str, Any]:
    """A run in a list that was looked up; `newer` replays the same, `mended_by` did so well."""
    return {
        "id": line.id,
        "flow": line.flow,
        "flow_version": line.flow_version,
        "event_id": line.event_id,
        "item_id": line.item_id,
        "replay": line.replay,
        "state": line.state,
        "reason": line.reason,
        "attempts": line.attempts,
        "due_at": line.due_at or None,
        "created_at": line.created_at,
        "finished_at": line.finished_at,
        "error": line.error,
        "summary": summary,
        "newer": line.newer,
        "mended_by": line.mended_by,
    }


def account_view(told: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Where the events of a time ended; every sum is made here from the parts that are shown."""
    events, runs = told["events"], told["runs"]
    known = ("matched", "unmatched", "silent", "failed", "received")
    all_ends = ("succeeded", "filtered", "failed", "mended", "parked", "waiting", "queued")
    accepted = sum(events.values())
    made = sum(runs.values())
    return {
        "accepted": accepted,
        "events": {state: events.get(state, 0) for state in known},
        "runs_made": made,
        "runs": {state: runs.get(state, 0) for state in all_ends},
        "replays": dict(told["replays"]),
        "recovered": told["recovered"]["found"],
        "open": events.get("received", 0) + runs.get("waiting", 0) + runs.get("queued", 0),
        "unaccounted": told["lost"]["found"]
        + sum(count for state, count in events.items() if state not in known)
        + sum(count for state, count in runs.items() if state not in all_ends),
    }


def run_details(
    run: RunRow,
    flows: Mapping[int, str],
    steps: Sequence[StepRow],
    effects: Sequence[EffectRow],
) -> dict[str, Any]:
    """A run with its trigger, steps and writes."""
    return {
        **run_view(run, flows, last_summary(steps)),
        "trigger": run.context.get("trigger"),
        "purged_at": run.context.get(GONE),
        "masked_at": run.context.get(MASKED),
        "cause": cause_view(run.context.get("cause")),
        "steps": [
            {
                "id": step.id,
                "position": step.position,
                "state": step.state,
                "summary": step.summary,
                "output": step.output,
                "error": step.error,
                "warnings": (step.exchange or {}).get("warnings", []),
                "chosen": (step.exchange or {}).get("chosen", []),
                "calls": (step.exchange or {}).get("calls"),
                "reads": (step.exchange or {}).get("reads", []),
                "off": (step.exchange or {}).get("off", False),
                "started_at": step.started_at,
                "finished_at": step.finished_at,
            }
            for step in steps
        ],
        "effects": [
            {
                **effect_view(effect),
                "values": [
                    {"field": one["field"], "value": one["meant"]}
                    for one in compared(effect.inputs, [])
                ],
            }
            for effect in effects
        ],
    }


def cause_view(cause: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The run whose write this one follows from; not `sure` when it may be somebody else's."""
    return {name: cause[name] for name in ("run", "depth", "sure")} if cause else None


def effect_view(effect: EffectRow) -> dict[str, Any]:
    """A write with the request exactly as it is sent; credentials are never part of it."""
    return {
        "key": effect.key,
        "step": effect.step_id,
        "node": effect.node,
        "state": effect.state,
        "marker": effect.marker,
        "remote_id": effect.remote_id,
        "sends": effect.sends,
        "sent_at": effect.sent_at,
        "due_at": effect.due_at or None,
        "searches": effect.searches,
        "evidence": effect.evidence,
        "answer": effect.answer,
        "request": request_view(effect.request) if effect.request else None,
    }


def request_view(stored: bytes) -> dict[str, Any]:
    """A stored request for reading, its secrets masked; JSON as JSON, any other body as text."""
    shown = redact(unpack(stored))
    if "cut" not in shown:
        with contextlib.suppress(ValueError):
            shown["body"] = decode(shown["body"])
    return shown


async def quota_views(store: Store, apps: Mapping[str, App], now: float) -> list[dict[str, Any]]:
    """Each account with its windows; where an app counts by connection, that has its name."""
    rows = await store.connections()
    names = {row.id: row.name for row in rows}
    called = {id_: name for row in rows for id_, name in names_of(row).items()}
    views = []
    for key, account in await store.quotas():
        app_key, _, whose = key.partition("/")
        app = apps.get(app_key)
        if app is None or not app.quotas:
            continue
        # Two servers that one tenant has accounts at are told apart by the whole of it.
        whose, _, _ = whose.partition(ELSEWHERE)
        shown = names.get(whose, whose)
        view = {"app": app_key, "title": app.title, "account": shown}
        view["account_name"] = called.get(whose, shown)
        views.append({**view, **quota_view(account, app.quotas, now)})
    return views


def last_summary(steps: Sequence[StepRow]) -> str | None:
    """What the last step that did something says of itself."""
    told = [step.summary for step in steps if step.state == "done" and step.summary]
    return told[-1] if told else None
