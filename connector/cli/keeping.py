"""`purge`: removing what runs worked on, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, console, show_json
from connector.cli.parked import me

if TYPE_CHECKING:
    from connector.engine.retention import Removed


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("purge")(purge)


def _purge(days: float, *, really: bool) -> Removed:
    return with_runtime(lambda runtime: runtime.retention.purge(days, me(), really=really))


def purge(
    older_than: Annotated[
        float, typer.Option(min=0, help="Of runs that ended more days ago than this.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove what ended runs worked on, the bodies of their writes, and samples kept as long.

    Keys, states and ids of writes stay, so that nothing is written twice. Such a run cannot be
    replayed. It works beside a running server; it is recorded who did it.
    """
    if not dry_run and not yes:
        first = _purge(older_than, really=False)
        # Nothing that old: then there is nothing to ask, and nothing to record.
        dry_run = not (first.runs or first.samples)
        if not dry_run:
            typer.confirm(
                f"{first.runs} run(s) would lose their payloads and could never be replayed,"
                f" {first.samples} sample(s) and tests of flows would be removed. Go on?",
                abort=True,
            )
    done = _purge(older_than, really=not dry_run)
    if json:
        show_json({"runs": done.runs, "samples": done.samples, "dry_run": dry_run})
        return
    verb = "would lose" if dry_run else "have lost"
    console().print(f"{done.runs} run(s) {verb} their payloads; every run and event stays listed.")
    if done.samples:
        gone = "would be removed" if dry_run else "removed"
        console().print(f"{done.samples} sample(s) and tests of flows {gone}.")
