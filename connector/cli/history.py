"""`events`, `runs`, `run-show`: what happened."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, SupportsFloat

import typer

from connector.cli.moments import moment
from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, body_lines, console, say, show_json, show_table
from connector.errors import ConnectorError, Issue
from connector.store.rows import RunFilter, RunState

if TYPE_CHECKING:
    from connector.runtime import Runtime

RunArgument = Annotated[
    int, typer.Argument(help="The run's number, from `connector runs`.", metavar="RUN")
]


SinceOption = Annotated[
    str | None, typer.Option(help="Not older: 30m, 2h, 3d, 1w ago, or a day, or a time.")
]
UntilOption = Annotated[str | None, typer.Option(help="Not newer; as --since.")]
TextOption = Annotated[
    str | None, typer.Option(help="Only with this text: in the record, the summary, the error.")
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("events")(events)
    app.command("runs")(runs)
    app.command("run-show")(run_show)


def events(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    json: JsonOption = False,
) -> None:
    """List the accepted events and their fate."""
    rows, status = with_runtime(lambda runtime: _events(runtime, limit))
    if json:
        show_json(rows)
        return
    show_table(
        ("event", "received", "type", "records", "state", "runs"),
        [
            (
                row["id"],
                local(row["received_at"]),
                f"{row['resource']}.{row['operation']}",
                ", ".join(row["ids"]),
                f"{row['state']} (recovered)" if row["recovered"] else row["state"],
                row["runs"],
            )
            for row in rows
        ],
        empty="No event has arrived yet. Switch a flow on with `connector flow enable`, keep "
        "`connector serve` running, and change a record in the app.",
    )
    out = console(error=True)
    for one in status["recovered"]:
        if one["last_day"]:
            out.print(
                f"{one['connection']} {one['account']} {one['resource']}: {one['last_day']} changes"
                f" of the last day were told by no event, but found ({one['ever']} ever).",
                markup=False,
                style="yellow",
            )
    for one in status["alarms"]:
        out.print(f"{one['message']} {one['remedy']}", markup=False, style="red")


async def _events(runtime: Runtime, limit: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    return await runtime.list_events(limit, None), await runtime.status()


def runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    state: Annotated[RunState | None, typer.Option(help="Only runs in this state.")] = None,
    flow: Annotated[str | None, typer.Option(help="Only this flow's.")] = None,
    record: Annotated[str | None, typer.Option(help="Only of the record with this id.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    text: TextOption = None,
    json: JsonOption = False,
) -> None:
    """List the runs.

    Of a run that waits: why, and when it goes on.
    """
    asked = asked_for(state, flow, record, since, until, text)
    found = with_runtime(lambda runtime: runtime.past.runs(asked, limit))
    rows = found["items"]
    if json:
        show_json(rows)
        return
    show_table(
        ("run", "flow", "record", "state", "started", "seconds", "summary"),
        [run_line(row) for row in rows],
        empty="No run yet." if asked == RunFilter() else "No run fits.",
    )
    if found["looked_to"] is not None:
        say(
            f"Looked for {text!r} as far back as run {found['looked_to']}: narrow it down with "
            "--since, --until, --flow or --state to look further."
        )


def asked_for(
    state: RunState | None,
    flow: str | None,
    record: str | None = None,
    since: str | None = None,
    until: str | None = None,
    text: str | None = None,
) -> RunFilter:
    """The runs that these options mean. Raises BadParameter for a time that is none."""
    now = time.time()
    return RunFilter(
        state=state,
        flow=flow,
        record=record,
        since=moment(since, "--since", now),
        until=moment(until, "--until", now),
        text=text,
    )


def run_show(run_id: RunArgument, json: JsonOption = False) -> None:
    """Show one run: its steps and its writes.

    Each write with the exact request; an error with what to do.
    """
    row = with_runtime(lambda runtime: runtime.get_run(run_id))
    if row is None:
        raise ConnectorError(
            f"There is no run {run_id}.", remedy="`connector runs` lists their numbers."
        )
    if json:
        show_json(row)
        return
    out = console()
    out.print(f"Run {row['id']} of {row['flow']} (version {row['flow_version']})", markup=False)
    out.print(f"state    {_state(row)}", markup=False)
    out.print(f"event    {row['event_id']} · record {row['item_id']}", markup=False)
    if row["cause"]:
        said = "caused" if row["cause"]["sure"] else "perhaps caused"
        run, depth = row["cause"]["run"], row["cause"]["depth"]
        out.print(f"cause    {said} by our own write of run {run} · {depth} in a row", markup=False)
    out.print(f"started  {local(row['created_at'])} · {seconds(row)} s", markup=False)
    show_table(
        ("step", "state", "seconds", "what it did"),
        [
            (
                step["id"],
                step["state"],
                f"{step['finished_at'] - step['started_at']:.3f}",
                "It is switched off."
                if step["off"]
                else step["summary"] or (step["error"] or {}).get("message", ""),
            )
            for step in row["steps"]
        ],
        empty="No step has run.",
    )
    for step in row["steps"]:
        for warning in step["warnings"]:
            out.print(f"left out {warning}", markup=False, style="yellow")
    for effect in row["effects"]:
        _print_write(effect)
    if row["error"]:
        step = row["error"].get("step")
        where = f"step {step}: " if step else ""
        out.print(f"error    {where}{row['error']['message']}", markup=False, style="red")
        for issue in row["error"].get("issues", ()):
            out.print(f"         - {Issue(**issue)}", markup=False, soft_wrap=True)
        if row["error"].get("remedy"):
            out.print(f"         {row['error']['remedy']}", markup=False)


def ended(row: Mapping[str, Any]) -> str:
    """A run's state; of one that failed also the replay that has ended well."""
    mended = row.get("mended_by")
    return f"{row['state']}, mended by {mended}" if mended else str(row["state"])


def _state(row: Mapping[str, Any]) -> str:
    if row.get("mended_by"):
        return ended(row)
    if row["state"] != "waiting":
        return f"{row['state']}: {row['reason']}" if row["reason"] else str(row["state"])
    return f"waiting: {_why(row)}"


REASONS = {
    "retry": "tried again",
    "quota": "the quota has no room",
    "database": "waits for the database",
    "unsure": "looks whether the write arrived",
}


def _why(row: Mapping[str, Any]) -> str:
    """Why a run waits, and when it goes on."""
    reason = str(row["reason"] or "")
    if reason.startswith("connection:"):
        return "its connection must be renewed (`connector connect`)"
    told = REASONS.get(reason, reason)
    return f"{told}, at {local(row['due_at'])}" if row["due_at"] else told


def _print_write(effect: Mapping[str, Any]) -> None:
    out = console()
    told = f"write    {effect['node']}: {effect['state']}"
    out.print(told + (f" · id {effect['remote_id']}" if effect["remote_id"] else ""), markup=False)
    request = effect["request"]
    if request:
        out.print(f"         {request['method']} {request['url']}", markup=False, soft_wrap=True)
        for line in body_lines(request["body"], request["headers"]):
            out.print(f"         {line}", markup=False, soft_wrap=True)
    for note in effect["evidence"]:
        times = f" ({note['look']} times)" if note.get("look", 1) > 1 else ""
        told = f"         {local(note['at'])} {note['message']}{times}"
        out.print(told, markup=False, soft_wrap=True)
    if effect["state"] == "uncertain" and effect["due_at"]:
        out.print(f"         looks next at {local(effect['due_at'])}", markup=False)


def run_line(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A run's cells in every table of runs."""
    told = row["summary"] or ""
    if row["error"]:
        told = _first_fault(row["error"])
    if row["state"] == "waiting":
        told = _why(row) + (f" · {told}" if told else "")
    return (
        row["id"],
        row["flow"],
        row["item_id"],
        ended(row),
        local(row["created_at"]),
        seconds(row),
        told,
    )


def _first_fault(error: Mapping[str, Any]) -> str:
    """What failed, in a cell: the first of several faults stands for them."""
    issues = error.get("issues") or ()
    if not issues:
        return str(error["message"])
    place = issues[0].get("field") or issues[0].get("where")
    told = f"{place}: {issues[0]['message']}" if place else str(issues[0]["message"])
    return f"{told} (and {len(issues) - 1} more)" if len(issues) > 1 else told


def seconds(row: Mapping[str, Any]) -> str:
    """How long a run took, or an ellipsis while it goes on."""
    if row["finished_at"] is None:
        return "…"
    return f"{row['finished_at'] - row['created_at']:.3f}"


def local(seconds_since_1970: SupportsFloat) -> str:
    """A time in this machine's zone; what was stored as JSON comes as a decimal."""
    return (
        datetime.fromtimestamp(float(seconds_since_1970), UTC)
        .astimezone()
        .strftime("%Y-%m-%d %H:%M:%S")
    )
