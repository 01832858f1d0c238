"""The commands, by the rooms they belong to."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from connector.cli import (
    accounts,
    catalogue,
    choices,
    connect,
    flows,
    history,
    keeping,
    keys,
    moving,
    parked,
    quota,
    replaying,
    serving,
    testing,
    versions,
)
from connector.cli.misspelt import warn_of_misspelt
from connector.cli.output import fail
from connector.errors import ConnectorError

HELP = """Move business records between apps without code.

\b
Look around:   connector apps · connector nodes · connector fields NODE
Try it out:    connector run (a tour on emulated apps)
For real:      connector connect APP · connector flow apply FILE · connector serve
"""

app = typer.Typer(
    name="connector",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("connector"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which release.")
    ] = False,
) -> None:
    """See HELP."""
    warn_of_misspelt()


root.__doc__ = HELP
catalogue.add(app)
choices.add(app)
flows.add(app)
testing.add(app)
versions.add()
connect.add(app)
accounts.add(app)
history.add(app)
parked.add(app)
replaying.add(app)
quota.add(app)
keys.add(app)
moving.add(app)
keeping.add(app)
serving.add(app)


def run() -> None:
    """Run the command that was typed."""
    try:
        app()
    except ConnectorError as error:
        sys.exit(fail(error, as_json="--json" in sys.argv))
    except BrokenPipeError:
        sys.exit(0)
