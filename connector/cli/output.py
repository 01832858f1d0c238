"""What the command prints: tables for people, JSON for scripts, errors with their remedy."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.codec import encode_text
from connector.errors import (
    ApiError,
    ConnectorError,
    FlowError,
    MappingError,
    NotConnected,
    StoreError,
)

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

EXIT_CODES: Mapping[type[ConnectorError], int] = {
    FlowError: 3,
    MappingError: 3,
    NotConnected: 4,
    ApiError: 5,
    StoreError: 6,
}
"""2 is the shell's own code for a wrong call; any other error of ours is 1."""

PIPE_WIDTH = 2_000

COLOURS = {
    "succeeded": "green",
    "done": "green",
    "active": "green",
    "filtered": "dim",
    "skipped": "dim",
    "failed": "red",
    "parked": "magenta",
    "reconnect": "red",
    "waiting": "yellow",
    "queued": "yellow",
}


def console(*, error: bool = False) -> Console:
    """Rich's console; plain text when the output is no terminal."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    # Into a file or a pipe nothing is folded: whoever reads it there searches by line.
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=error, highlight=False, width=width)


def say(text: str) -> None:
    """One line for a person, on the error stream so that `--json` stays clean."""
    console(error=True).print(text, markup=False)


def show_link(text: str, link: str, *, error: bool = False) -> None:
    """What a person must open: alone, so that it is found."""
    out = console(error=error)
    out.print(f"{text}\n", markup=False)
    out.print(f"  {link}\n", markup=False, soft_wrap=True, style="bold")


def show_json(value: Any) -> None:
    """Print JSON; decimals keep their digits."""
    sys.stdout.write(encode_text(value) + "\n")
    # A program that stays says where it listens, and whoever reads a pipe waits for that line.
    sys.stdout.flush()


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str, title: str | None = None
) -> None:
    """Print rows under their headings, or the sentence that says why there are none."""
    from rich.table import Table
    from rich.text import Text

    lines = [list(row) for row in rows]
    if not lines:
        console().print(empty, markup=False)
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=place == 0)
    for line in lines:
        cells = ["" if cell is None else str(cell) for cell in line]
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in cells))
    console().print(table)


def body_lines(body: Any, headers: Mapping[str, str]) -> list[str]:
    """A request's body for people: a form line by line, anything else as it is sent."""
    from urllib.parse import parse_qsl

    text = body if isinstance(body, str) else encode_text(body)
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if "form-urlencoded" in kind:
        return [f"{name} = {value}" for name, value in parse_qsl(text, keep_blank_values=True)]
    return [text] if body else []


def fail(error: ConnectorError, *, as_json: bool = False) -> int:
    """Print an error with what to do; gives the exit code."""
    if as_json:
        show_json({"error": error.as_data()})
    else:
        out = console(error=True)
        out.print("error: ", style="red bold", end="")
        head = f"{error.field}: {error.message}" if error.field else error.message
        out.print(head, markup=False)
        for issue in error.issues:
            out.print(f"  - {issue}", markup=False)
        if error.remedy:
            out.print(error.remedy, markup=False)
    for kind, code in EXIT_CODES.items():
        if isinstance(error, kind):
            return code
    return 1
