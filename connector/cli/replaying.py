"""`replay`: doing it again, one run or all that fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.history import SinceOption, TextOption, UntilOption, asked_for
from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, console, say, show_json, show_table
from connector.cli.parked import going, me
from connector.errors import ConnectorError
from connector.store.rows import RunFilter, RunState

if TYPE_CHECKING:
    from connector.runtime import Runtime


def add(app: typer.Typer) -> None:
    """Add this command."""
    app.command("replay")(replay)


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
    state: Annotated[
        RunState | None, typer.Option(help="All runs in this state: mostly failed.")
    ] = None,
    flow: Annotated[str | None, typer.Option(help="With --state: only this flow's.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    text: TextOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --state: do not ask first.")] = False,
    json: JsonOption = False,
) -> None:
    """Go on where a run failed, or where all that fit did.

    Or offer an event to the flows again. Nothing is written twice.
    A replayed run works on the record as it was read then, with the flow as it stands now.
    Of several runs it is shown first what each would do.
    """
    if sum(given is not None for given in (run_id, event, state)) != 1:
        raise typer.BadParameter(
            "give the number of a run, or --event with one of an event, or --state for all runs "
            "in a state"
        )
    if state is not None:
        _many(asked_for(state, flow, None, since, until, text), from_step, yes=yes, json=json)
        return
    if event is not None:
        told, said = _event(event)
    else:
        told, said = _one(run_id or 0, from_step)
    goes = told.pop("goes")
    if json:
        show_json(told)
        return
    console().print(f"{said}; {goes}", markup=False)


def _event(event: int) -> tuple[dict[str, Any], str]:
    async def work(runtime: Runtime) -> str | None:
        return await going(runtime) if await runtime.replay_event(event) else None

    goes = with_runtime(work)
    if goes is None:
        raise ConnectorError(
            f"There is no event {event} to offer again.",
            remedy="`connector events` lists their numbers; an open one is tried by itself.",
        )
    return {"event": event, "goes": goes}, f"Event {event} is offered to the flows again"


def _one(number: int, from_step: str | None) -> tuple[dict[str, Any], str]:
    async def work(runtime: Runtime) -> tuple[int | None, str]:
        try:
            new = await runtime.replay(number, from_step, who=me())
        except ConnectorError as error:
            if error.field == "from":
                error.field = "--from"
            raise
        return new, await going(runtime)

    new, goes = with_runtime(work)
    if new is None:
        raise ConnectorError(
            f"There is no run {number}.", remedy="`connector runs` lists their numbers."
        )
    return {"run": new, "replay_of": number, "goes": goes}, f"Run {new} replays run {number}"


def _many(asked: RunFilter, from_step: str | None, *, yes: bool, json: bool) -> None:
    preview = with_runtime(lambda runtime: runtime.past.replaying.preview(asked, from_step))
    ready = preview["ready"]
    if json and not yes:
        # A script sees what would be done, and does it with --yes.
        show_json(preview)
        return
    if not json:
        _show(preview)
    if not ready:
        if json:
            show_json({"replayed": [], "refused": []})
        return
    if not yes:
        typer.confirm(f"Replay {len(ready)} runs?", abort=True)

    async def work(runtime: Runtime) -> tuple[dict[str, Any], str]:
        done = await runtime.past.replaying.many(ready, from_step, who=me())
        return done, await going(runtime)

    done, goes = with_runtime(work)
    if json:
        show_json(done)
        return
    for one in done["refused"]:
        say(f"run {one['run']}: {one['error']['message']}")
    console().print(f"{len(done['replayed'])} runs are replayed; {goes}", markup=False)


def _show(preview: Mapping[str, Any]) -> None:
    show_table(
        ("run", "flow", "record", "begins at", "what is done already"),
        [
            (
                one["id"],
                one["flow"],
                one["record"],
                "" if one["refused"] else one["from"] or "the beginning",
                foreseen(one),
            )
            for one in preview["items"]
        ],
        empty="No run fits.",
    )
    if preview["more"]:
        say("More runs fit than are shown: replay these, then do it again.")


def foreseen(one: Mapping[str, Any]) -> str:
    """What a replay of a run takes over, or why there is none."""
    if one["refused"]:
        return f"not replayed: {one['refused']['message']}"
    if one["writes"]:
        count = one["writes"]
        return (
            "1 write is already done and is not repeated"
            if count == 1
            else f"{count} writes are already done and are not repeated"
        )
    return "nothing is written yet"
