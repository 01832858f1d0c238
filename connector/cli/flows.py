"""`check`, `try`, `flow …`: reading flows before they run, and switching them on."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, body_lines, console, say, show_json, show_table
from connector.cli.parked import me
from connector.codec import decode, encode_text
from connector.errors import FlowError, Issue

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.engine.dry import DryStep
    from connector.flow import CompiledFlow
    from connector.model import Connection

FlowFile = Annotated[
    Path, typer.Argument(help="A YAML file; - reads standard input.", metavar="FLOW")
]
KeyArgument = Annotated[str, typer.Argument(help="The flow's key.", metavar="KEY")]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do not ask about steps that cannot be taken back.")
]

flow_app = typer.Typer(
    help="Store, list and switch flows.", no_args_is_help=True, rich_markup_mode=None
)


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("check")(check)
    app.command("try")(try_flow)
    flow_app.command("apply")(apply)
    flow_app.command("list")(list_flows)
    flow_app.command("show")(show)
    flow_app.command("enable")(enable)
    flow_app.command("disable")(disable)
    flow_app.command("delete")(delete)
    flow_app.command("tests")(tests)
    app.add_typer(flow_app, name="flow")


def check(
    flow: FlowFile,
    connections: Annotated[
        bool,
        typer.Option("--connections/--no-connections", help="Compare with those that exist."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check a flow; nothing is stored.

    Every fault is shown with its line and what to do.
    """
    text = read_text(flow)
    known = None
    if connections:
        rows = with_runtime(_connections)
        known = {row.name: row.app for row in rows}
    from connector.catalog import load_catalog
    from connector.flow import check_flow, destructive_steps

    catalog = load_catalog()
    told = check_flow(text, catalog, known)
    risky = destructive_steps(told.compiled, catalog) if told.compiled else ()
    errors = [issue for issue in told.issues if issue.severity == "error"]
    if json:
        show_json(
            {
                "flow": told.flow.key if told.flow else None,
                "ok": not errors,
                "destructive": [step.id for step in risky],
                "issues": [issue.model_dump(exclude_none=True) for issue in told.issues],
            }
        )
    else:
        print_issues(flow, told.issues)
        if not errors:
            warned = "The flow can run; see the warnings." if told.issues else "The flow is fine."
            console().print(warned, markup=False)
    if errors:
        raise typer.Exit(3)


def try_flow(
    flow: FlowFile,
    event: Annotated[
        Path | None,
        typer.Option(help="JSON: the trigger's item, or only the record. Else a made-up sample."),
    ] = None,
    step: Annotated[
        list[str] | None,
        typer.Option(help="What a step's app would answer: ID=JSON. Else its sample."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the exact requests a flow would send.

    A dry run: nothing leaves this machine.
    """
    from connector.catalog import load_catalog
    from connector.engine.dry import dry_run
    from connector.flow import check_flow

    catalog = load_catalog()
    told = check_flow(read_text(flow), catalog)
    compiled = told.raise_for_errors()
    item = read_item(event, compiled, catalog)
    known = with_runtime(_connections) if _has_database() else []
    found = {one.name: one for one in known}
    result = dry_run(
        compiled,
        catalog,
        item,
        assumed=_assumed(step or [], [one.id for one in compiled.steps]),
        connection_of=lambda name, app: found.get(name),
    )
    if json:
        show_json(
            {
                "passes": result.passes,
                "ok": result.ok,
                "error": result.error.as_data() if result.error else None,
                "steps": [one.as_data() for one in result.steps],
            }
        )
    else:
        if event is None:
            say("No --event given: this is the trigger's made-up sample.")
        if result.error is not None:
            raise result.error
        if not result.passes:
            console().print("The flow's filter would stop this event: nothing would run.")
        for one in result.steps:
            _print_step(one)
    if not result.ok:
        raise typer.Exit(3)


def apply(
    flow: FlowFile,
    enable_it: Annotated[
        bool | None,
        typer.Option("--enable/--disable", help="Switch it on or off; else as it stands."),
    ] = None,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Store a flow; a changed one becomes its next version.

    One that is on, and does what cannot be taken back (deleting, sending to SDI), is asked for.
    """
    text = read_text(flow)
    if not yes:
        _ask(text, enable_it)
    row = with_runtime(lambda runtime: runtime.apply_flow(text, enable_it, who=me()))
    if json:
        show_json(row)
        return
    print_issues(flow, [Issue(**one) for one in row["issues"]])
    state = "on" if row["enabled"] else "off: `connector flow enable " + row["key"] + "`"
    console().print(
        f"Flow {row['key']!r} stored as version {row['version']}; it is {state}.", markup=False
    )


def list_flows(json: JsonOption = False) -> None:
    """List the stored flows."""
    rows = with_runtime(lambda runtime: runtime.list_flows())
    if json:
        show_json(rows)
        return
    show_table(
        ("flow", "on", "version", "problem"),
        [(row["key"], "on" if row["enabled"] else "off", row["version"],
          row["problem"] or " ".join(row["waits"]))
         for row in rows],
        empty="No flow yet: `connector flow apply FILE --enable` stores one.",
    )  # fmt: skip


def show(key: KeyArgument, json: JsonOption = False) -> None:
    """Print a stored flow's document."""
    row = _known(key, with_runtime(lambda runtime: runtime.get_flow(key)))
    if json:
        show_json(row)
    else:
        sys.stdout.write(row["document"])


def enable(key: KeyArgument, yes: YesOption = False, json: JsonOption = False) -> None:
    """Switch a flow on; one that does what cannot be taken back is asked for."""
    if not yes:
        row = with_runtime(lambda runtime: runtime.get_flow(key))
        if row is not None:
            _ask(row["document"], True)
    _switch(key, True, json)


def disable(key: KeyArgument, json: JsonOption = False) -> None:
    """Switch a flow off; its events are still accepted and kept."""
    _switch(key, False, json)


def tests(key: KeyArgument) -> None:
    """Print the tests that were saved in the pages, as the file that `connector test` runs."""
    _known(key, with_runtime(lambda runtime: runtime.get_flow(key)))
    sys.stdout.write(with_runtime(lambda runtime: runtime.workshop.kept.as_file(key)))


def delete(
    key: KeyArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Even while runs of it are open: these still go on.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Take a flow away.

    Its runs, its writes and the audit stay, and a flow with its key never writes again what it
    wrote. It is recorded who did.
    """
    told = _known(key, with_runtime(lambda runtime: runtime.removing.would(key)))
    if not yes:
        for line in _lost(told):
            say(line)
        typer.confirm(f"Delete the flow {key!r}?", abort=True, err=True)
    gone = with_runtime(lambda runtime: runtime.removing.remove(key, who=me(), force=force))
    if json:
        show_json(gone)
        return
    console().print(f"Flow {key!r} is deleted; its history stays.", markup=False)


def _lost(told: Mapping[str, Any]) -> list[str]:
    """What goes with a flow, in words."""
    lines = ["It is on: events that come from now on start nothing."] if told["enabled"] else []
    if told["draft"]:
        lines.append(f"Its draft by {told['draft']} is thrown away.")
    if told["sample"] or told["tests"]:
        lines.append(f"Its pinned sample and its tests ({told['tests']}) are thrown away.")
    for state, count in told["open"].items():
        lines.append(f"Runs of it that are {state}: {count}.")
    return lines


def _ask(text: str, enable_it: bool | None) -> None:
    """Ask before what cannot be taken back is switched on; faults are told by what follows."""
    from connector.catalog import load_catalog
    from connector.flow import check_flow, destructive_steps

    catalog = load_catalog()
    compiled = check_flow(text, catalog).compiled
    if compiled is None or enable_it is False:
        return
    steps = destructive_steps(compiled, catalog)
    if not steps:
        return
    if enable_it is None:
        stored = with_runtime(lambda runtime: runtime.get_flow(compiled.key))
        if stored is None or not stored["enabled"]:
            return
    for step in steps:
        say(f"Step {step.id!r}: {catalog.node(step.node).label} cannot be taken back.")
    typer.confirm("Shall this flow do that by itself?", abort=True, err=True)


def _switch(key: str, on: bool, as_json: bool) -> None:
    row = _known(key, with_runtime(lambda runtime: runtime.enable_flow(key, on)))
    if as_json:
        show_json(row)
    else:
        console().print(f"Flow {key!r} is {'on' if on else 'off'}.", markup=False)
        if on and row["problem"]:
            say(f"It cannot run: {row['problem']}")


def _known(key: str, row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if row is None:
        raise FlowError(f"There is no flow {key!r}.", remedy="`connector flow list` names them.")
    return row


async def _connections(runtime: Any) -> list[Connection]:
    return list(await runtime.list_connections())


def _has_database() -> bool:
    from connector.settings import Settings

    path = Settings.load().database_path
    return path is not None and path.is_file()


def read_text(path: Path) -> str:
    """A document from a file or standard input. Raises FlowError."""
    name = "standard input" if str(path) == "-" else f"file {path}"
    try:
        # Bytes: standard input would be read in whatever encoding the shell has.
        found = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = found.decode("utf-8-sig")
    except OSError as error:
        raise FlowError(
            f"The {name} cannot be read ({error.strerror}).", remedy="Check its name."
        ) from error
    except UnicodeDecodeError as error:
        raise FlowError(
            f"The {name} is not UTF-8 text (byte {error.start}).",
            remedy="Save it again as UTF-8.",
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_json(path: Path) -> Any:
    try:
        return decode(read_text(path))
    except ValueError as error:
        raise FlowError(f"The file {path} is not JSON: {error}.") from error


def read_item(event: Path | None, flow: CompiledFlow, catalog: Catalog) -> dict[str, Any]:
    """The event of a file, or the made-up one of the flow's trigger. Raises FlowError."""
    trigger = catalog.trigger(flow.trigger.node)
    resource = str(flow.trigger.inputs.get("resource", "")) or None
    sample = catalog.sample(trigger, resource)
    return dict(sample) if event is None else _item(_read_json(event), sample)


def _item(given: Any, sample: Mapping[str, Any]) -> dict[str, Any]:
    """An event file holds the whole item (as `run-show --json` prints it) or just the record."""
    if not isinstance(given, dict):
        raise FlowError("The event file must hold a JSON object.")
    if "event" in given and "resource" in given:
        return given
    record = given["data"] if set(given) == {"data"} else given
    return {**sample, "id": record.get("id", sample.get("id")), "resource": record}


def _assumed(given: Sequence[str], steps: Sequence[str]) -> dict[str, Any]:
    found = {}
    for one in given:
        name, sign, text = one.partition("=")
        if sign and name not in steps:
            raise typer.BadParameter(
                f"must be STEP=JSON, and there is no step {name!r}: it has {', '.join(steps)}",
                param_hint="--step",
            )
        try:
            found[name] = decode(text)
        except ValueError:
            sign = ""
        if not sign:
            raise typer.BadParameter("must be STEP=JSON", param_hint="--step")
    return found


def print_issues(flow: Path, issues: Sequence[Issue]) -> None:
    """Every issue on the error stream, worst first."""
    out = console(error=True)
    for issue in sorted(issues, key=lambda one: one.severity):
        place = f"{flow}:{issue.line}:{issue.column}: " if issue.line else f"{flow}: "
        where = " · ".join(part for part in (issue.where, issue.field) if part)
        style = "red" if issue.severity == "error" else "yellow"
        out.print(place, end="", markup=False)
        out.print(f"{issue.severity}: ", style=style, end="")
        head = f"{where}: " if where else ""
        out.print(f"{head}{issue.message} {issue.remedy}".rstrip(), markup=False)


def _print_step(step: DryStep) -> None:
    out = console()
    words = {
        "would_run": "would run",
        "skipped": "would be skipped (its `when` is false)",
        "failed": "would fail",
        "not_reached": "would not be reached",
    }
    said = "would be skipped (it is switched off)" if step.off else words[step.state]
    out.print(f"\n{step.id}  {step.node}  {said}", markup=False, style="bold")
    for warning in step.warnings:
        out.print(f"  warning: {warning}", markup=False, style="yellow")
    if step.error is not None:
        out.print(f"  {step.error}", markup=False, style="red")
    if step.request is not None:
        out.print(f"  {step.request['method']} {step.request['url']}", markup=False)
        for name, value in step.request["headers"].items():
            out.print(f"  {name}: {value}", markup=False)
        for line in body_lines(step.request["body"], step.request["headers"]):
            out.print(f"  {line}", markup=False, soft_wrap=True)
    elif step.inputs is not None:
        out.print(f"  asks with {encode_text(step.inputs)}", markup=False, soft_wrap=True)
    if step.state == "would_run":
        out.print(f"  assumed answer: {encode_text(step.assumed)}", markup=False, soft_wrap=True)
