"""`events`, `runs`, `run-show`, `replay`: what happened, and doing it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, SupportsFloat

import typer

from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, body_lines, console, show_json, show_table
from connector.errors import ConnectorError, Issue
from connector.store.rows import RunState

if TYPE_CHECKING:
    from connector.runtime import Runtime

RunArgument = Annotated[
    int, typer.Argument(help="The run's number, from `connector runs`.", metavar="RUN")
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("events")(events)
    app.command("runs")(runs)
    app.command("run-show")(run_show)
    app.command("replay")(replay)


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
    json: JsonOption = False,
) -> None:
    """List the runs."""
    rows = with_runtime(lambda runtime: runtime.list_runs(limit, None, state, flow))
    if json:
        show_json(rows)
        return
    show_table(
        ("run", "flow", "record", "state", "started", "seconds", "summary"),
        [run_line(row) for row in rows],
        empty="No run yet." if state is None and flow is None else "No run fits.",
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
                step["summary"] or (step["error"] or {}).get("message", ""),
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


def _state(row: Mapping[str, Any]) -> str:
    if row["state"] != "waiting":
        return f"{row['state']}: {row['reason']}" if row["reason"] else str(row["state"])
    until = f" until {local(row['due_at'])}" if row["due_at"] else ""
    reason = str(row["reason"] or "")
    if reason.startswith("connection:"):
        reason = "its connection must be renewed"
    return f"waiting{until} ({reason})"


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
        out.print(f"         {local(note['at'])} {note['message']}", markup=False, soft_wrap=True)


def replay(
    run_id: Annotated[
        int | None,
        typer.Argument(help="The run's number, from `connector runs`.", metavar="RUN"),
    ] = None,
    from_step: Annotated[
        str | None, typer.Option("--from", help="Begin at this step, even if it was done.")
    ] = None,
    event: Annotated[
        int | None, typer.Option(help="An event's number: for flows that had no run for it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Go on where a run failed.

    Or offer an event to the flows again. Nothing is written twice.
    A replayed run works on the record as it was read then, with the flow as it stands now.
    """
    if (run_id is None) == (event is None):
        raise typer.BadParameter("give the number of a run, or --event with one of an event")
    if event is not None:
        if not with_runtime(lambda runtime: runtime.replay_event(event)):
            raise ConnectorError(
                f"There is no event {event} to offer again.",
                remedy="`connector events` lists their numbers; an open one is tried by itself.",
            )
        told, said = {"event": event}, f"Event {event} is offered to the flows again"
    else:
        number = run_id or 0
        new = with_runtime(lambda runtime: runtime.replay(number, from_step))
        if new is None:
            raise ConnectorError(
                f"There is no run {number}.", remedy="`connector runs` lists their numbers."
            )
        told, said = {"run": new, "replay_of": number}, f"Run {new} replays run {number}"
    if json:
        show_json(told)
        return
    console().print(f"{said}; it goes as soon as `connector serve` runs.")


def run_line(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A run's cells in every table of runs."""
    told = row["summary"] or ""
    if row["error"]:
        told = _first_fault(row["error"])
    return (
        row["id"],
        row["flow"],
        row["item_id"],
        row["state"],
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
