"""`parked`, `resolve`: writes of which nobody knows whether they arrived."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from connector.cli.history import local
from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, body_lines, console, show_json, show_table
from connector.errors import ConnectorError

if TYPE_CHECKING:
    from connector.runtime import Runtime

KeyArgument = Annotated[
    str, typer.Argument(help="The write's key, from `connector parked`.", metavar="KEY")
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("parked")(parked)
    app.command("resolve")(resolve)


def parked(json: JsonOption = False) -> None:
    """List the writes that wait for a person.

    Nobody knows whether they arrived; with each stands what is known of it.
    """
    rows = with_runtime(lambda runtime: runtime.list_parked())
    if json:
        show_json(rows)
        return
    out = console()
    if not rows:
        show_table((), (), empty="Nothing is parked: every write is known to be there or not.")
        return
    for row in rows:
        out.print(f"{row['key']}  {row['node']}, run {row['run']}", markup=False, style="bold")
        for note in row["evidence"]:
            out.print(f"  {local(float(note['at']))}  {note['message']}", markup=False)
        if row["request"]:
            out.print("  meant to send:", markup=False)
            for line in body_lines(row["request"]["body"], row["request"]["headers"]):
                out.print(f"    {line}", markup=False, soft_wrap=True)
    out.print(
        "\nLook in the app, then `connector resolve KEY adopt --id ID` (this record is it), "
        "`… send-again` (it is not there) or `… drop` (it shall not be written).",
        markup=False,
    )


def resolve(
    key: KeyArgument,
    choice: Annotated[
        Literal["adopt", "send-again", "drop"],
        typer.Argument(help="adopt, send-again or drop.", metavar="CHOICE"),
    ],
    record: Annotated[
        str | None, typer.Option("--id", help="With adopt: the record's id in the app.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="With adopt: whatever speaks against this record."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before sending again.")] = False,
    json: JsonOption = False,
) -> None:
    """Decide a parked write; its run goes on.

    It is recorded who did.
    """
    if choice == "adopt" and not record:
        raise typer.BadParameter("adopt needs it: the record's id in the app", param_hint="--id")
    if choice == "send-again" and not yes:
        typer.confirm("Are you sure it is not in the app? Sending makes a second one.", abort=True)
    verb: Literal["adopt", "send_again", "drop"] = (
        "send_again" if choice == "send-again" else choice
    )
    who = me()

    async def work(runtime: Runtime) -> tuple[dict[str, Any], str]:
        decided = await runtime.resolve(key, verb, who=who, remote_id=record, force=force)
        return decided, await going(runtime)

    try:
        row, goes = with_runtime(work)
    except ConnectorError as error:
        if error.field == "remote_id":
            error.field = "--id"
        if type(error).__name__ == "Unproven":
            error.remedy = f"{error.remedy} To adopt it all the same, add --force.".strip()
        raise
    if json:
        show_json(row)
        return
    told = row["evidence"][-1]["message"]
    console().print(f"{told}; run {row['run']}: {goes}", markup=False)


async def going(runtime: Runtime) -> str:
    """When what was decided goes on: whether something drives runs now."""
    if await runtime.is_driven():
        return "it goes on now."
    return "it goes on as soon as `connector serve` runs; nothing drives runs now."


def me() -> str:
    """Who decides: the user at this shell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody at the shell"
