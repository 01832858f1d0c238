"""`connections`, `alarms`: looking after accounts, and what a person must know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.history import local
from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, say, show_json, show_table
from connector.cli.parked import me

if TYPE_CHECKING:
    from connector.runtime import Runtime

NameArgument = Annotated[
    str, typer.Argument(help="Its name, from `connector connections`.", metavar="NAME")
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="List the connections; rename or remove one.", rich_markup_mode=None)
    group.callback(invoke_without_command=True)(connections)
    group.command("rename")(rename)
    group.command("remove")(remove)
    app.add_typer(group, name="connections")
    app.command("alarms")(alarms)


def connections(context: typer.Context, json: JsonOption = False) -> None:
    """List the connections; rename or remove one."""
    if context.invoked_subcommand is not None:
        return

    async def listed(runtime: Runtime) -> list[dict[str, Any]]:
        return [one.model_dump(mode="json") for one in await runtime.list_connections()]

    rows = with_runtime(listed)
    if json:
        show_json(rows)
        return
    show_table(
        ("name", "app", "address", "status"),
        [(row["name"], row["app"], row["base_url"], row["status"]) for row in rows],
        empty="No connection yet: `connector connect APP` makes one.",
    )


def rename(
    name: NameArgument,
    new: Annotated[str, typer.Argument(help="Its new name.", metavar="NEW")],
    json: JsonOption = False,
) -> None:
    """Give a connection another name.

    Flows that name it are changed with it; runs under way still find it. It is recorded who did.
    """
    row = with_runtime(lambda runtime: runtime.accounts.rename(name, new, who=me()))
    if json:
        show_json(row)
        return
    say(f"{name!r} is now {row['name']!r}.")
    for flow in row["flows"]:
        say(f"Changed with it: the flow {flow['key']}.")


def remove(
    name: NameArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Even while work is open that needs it: that fails.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove a connection with its secrets.

    The app is told first to send no more events, and flows that use it are switched off. What was
    written, and the history, stays. It is recorded who did.
    """
    if not yes:
        found = with_runtime(lambda runtime: runtime.accounts.get(name))
        flows = ", ".join(one["key"] for one in found["flows"] if one["enabled"]) if found else ""
        also = f" These flows are switched off: {flows}." if flows else ""
        typer.confirm(f"Remove the connection {name!r}?{also}", abort=True)
    gone = with_runtime(lambda runtime: runtime.accounts.remove(name, who=me(), force=force))
    if json:
        show_json(gone)
        return
    say(f"The connection {gone['name']!r} is removed.")
    for key in gone["flows"]:
        say(f"Switched off: the flow {key}.")
    for issue in gone["issues"]:
        say(f"warning: {issue['message']} {issue['remedy']}")


def alarms(json: JsonOption = False) -> None:
    """Show what a person must know although work goes on.

    Lost subscriptions, events that stay away; each lasts until its cause has passed.
    """

    async def open_ones(runtime: Runtime) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await runtime.status())["alarms"]
        return found

    rows = with_runtime(open_ones)
    if json:
        show_json(rows)
        return
    show_table(
        ("since", "connection", "account", "what", "remedy"),
        [
            (local(row["since"]), row["connection"], row["account"], row["message"], row["remedy"])
            for row in rows
        ],
        empty="No alarm: nothing is known to be wrong.",
    )
