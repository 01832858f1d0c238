"""`keys`: changing the key that the stored secrets are sealed with."""

from __future__ import annotations

import asyncio

import typer

from connector.cli.output import JsonOption, console, show_json


def add(app: typer.Typer) -> None:
    """Add these commands."""
    keys = typer.Typer(
        help="Change the key of the stored secrets.", no_args_is_help=True, rich_markup_mode=None
    )
    keys.command("rotate")(rotate)
    app.add_typer(keys, name="keys")


def rotate(json: JsonOption = False) -> None:
    """Make a new key and seal every stored secret with it.

    It works beside a running server. When it is cut off, do it again: it goes on.
    """
    from connector.runtime.unlocking import rotate_keys
    from connector.settings import Settings

    done = asyncio.run(rotate_keys(Settings.load()))
    if json:
        show_json({"sealed": done.sealed, "unreadable": done.unreadable})
        return
    out = console()
    many = "1 secret is" if done.sealed == 1 else f"{done.sealed} secrets are"
    out.print(f"{many} sealed with the newest key; older backups still need the older ones.")
    for connection in done.unreadable:
        out.print(
            f"No key opens the secrets of the connection {connection}: connect it again.",
            markup=False,
        )
