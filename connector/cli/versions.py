"""`flow versions|diff|rollback`: what a flow was before, and going back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from connector.cli.flows import KeyArgument, flow_app, read_text
from connector.cli.history import local
from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, console, show_json, show_table
from connector.cli.parked import me
from connector.errors import FlowError

Language = Annotated[Literal["en", "it"], typer.Option("--language", help="Of the sentences.")]


def add() -> None:
    """Add these commands to `flow`."""
    flow_app.command("versions")(list_versions)
    flow_app.command("diff")(diff)
    flow_app.command("rollback")(roll_back)


def list_versions(key: KeyArgument, json: JsonOption = False) -> None:
    """List a flow's versions, the newest first."""
    rows = with_runtime(lambda runtime: runtime.workshop.versions.list_all(key))
    if rows is None:
        raise FlowError(f"There is no flow {key!r}.", remedy="`connector flow list` names them.")
    if json:
        show_json(rows)
        return
    show_table(
        ("version", "stored", "by", ""),
        [
            (
                row["version"],
                local(row["created_at"]),
                row["who"],
                "present" if row["present"] else "",
            )
            for row in rows
        ],
        empty="",
    )


def diff(
    key: KeyArgument,
    version: Annotated[
        int | None, typer.Option(help="From this version to the present one.", min=1)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="From the present version to this file.", metavar="FLOW")
    ] = None,
    language: Language = "en",
    json: JsonOption = False,
) -> None:
    """Say in plain words what changed.

    Without options, from the version before the present one.
    """
    if version is not None and file is not None:
        raise typer.BadParameter("--version and --file exclude each other")
    text = read_text(file) if file is not None else None
    told = with_runtime(lambda runtime: _told(runtime, key, version, text, language))
    if json:
        show_json(told)
        return
    for sentence in told or ["Nothing differs in meaning."]:
        console().print(sentence, markup=False, highlight=False)


async def _told(
    runtime: Any, key: str, version: int | None, text: str | None, language: str
) -> list[str]:
    if text is not None:
        told = await runtime.workshop.versions.would_change(key, text, language)
        if told is not None:
            return list(told)
    if version is None:
        rows = await runtime.workshop.versions.list_all(key)
        version = max(1, rows[0]["version"] - 1) if rows else 1
    return list(await runtime.workshop.versions.changes(key, version, None, language))


def roll_back(
    key: KeyArgument,
    version: Annotated[int, typer.Argument(help="The version to go back to.", min=1)],
    json: JsonOption = False,
) -> None:
    """Make an old version the present one again.

    It becomes the next version: nothing is lost, and it stays on or off as it is.
    """
    row = with_runtime(lambda runtime: runtime.workshop.versions.roll_back(key, version, who=me()))
    if json:
        show_json(row)
        return
    console().print(
        f"Flow {key!r} is as in version {version} again; that is version {row['version']}.",
        markup=False,
    )
