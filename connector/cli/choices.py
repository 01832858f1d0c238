"""`choices`: what can be chosen for a field, so that nobody has to look up an id."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connector.cli.history import local
from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, say, show_json, show_table
from connector.errors import MappingError

With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="What says which list is meant, such as company_id=108061; may be repeated.",
        metavar="INPUT=VALUE",
    ),
]


def add(app: typer.Typer) -> None:
    """Add this command."""
    app.command("choices")(choices)


def choices(
    node: Annotated[str, typer.Argument(help="Full name of a node.", metavar="NODE")],
    field: Annotated[str, typer.Argument(help="Dotted path of a field.", metavar="FIELD")],
    connection: Annotated[str, typer.Option(help="Through which connection to ask.")],
    search: Annotated[str, typer.Option(help="Only what contains this text.")] = "",
    with_: With = None,
    json: JsonOption = False,
) -> None:
    """List what can be chosen for a field, as the app knows it now.

    A flow may name any of these by its words in the place of its id. Long lists (clients,
    suppliers, products) are searched at the app and need --search.
    """
    inputs = _inputs(with_ or [])
    told = with_runtime(lambda runtime: runtime.choices(node, field, connection, search, inputs))
    if json:
        show_json(told)
        return
    show_table(
        ("value", told["title"]),
        [(one["value"], one["label"]) for one in told["options"]],
        empty=told["note"] or f"None of the {told['title']} fits.",
    )
    if told["note"] and told["options"]:
        say(f"{told['note']} Read at {local(told['read_at'])}.")


def _inputs(given: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise MappingError(
                f"{one!r} is no input with a value.",
                remedy="Write it as company_id=108061.",
            )
        found[name.strip()] = int(value) if value.isdecimal() and len(value) < 19 else value
    return found
