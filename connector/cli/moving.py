"""`migrate-store`, `backup`: taking an installation's database elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.output import JsonOption, console, say, show_json, show_table
from connector.cli.stopping import INTERRUPTED
from connector.errors import StoreError

if TYPE_CHECKING:
    from connector.settings import Settings
    from connector.store.moving.move import Moved, Plan, Progress

PHASES = {"copy": "Copying", "compare": "Comparing", "wait": "Waiting", "switch": "Switching"}


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("migrate-store")(migrate_store)
    app.command("backup")(backup)


def migrate_store(
    to: Annotated[
        str | None,
        typer.Option(
            help="An empty PostgreSQL database, as postgresql://USER@HOST/NAME; leave the password "
            "to PGPASSWORD or ~/.pgpass.",
            metavar="ADDRESS",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count, check both ends and estimate the time.")
    ] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Leave an unfinished move; the file stays in use.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Move everything from the SQLite file into PostgreSQL.

    It copies and compares beside a running server; once you stop that, it switches in seconds.
    When it is cut off, do it again: it goes on. The file is kept, and can be used no more.
    """
    from connector.settings import Settings

    if bool(to) == give_up:
        raise typer.BadParameter("give the address of the new database", param_hint="--to")
    settings = Settings.load()
    path = _file_of(settings, "move")
    try:
        if give_up:
            _give_up(path, json)
        else:
            _move(settings, path, to or "", dry_run, json)
    except KeyboardInterrupt:
        say(
            "Stopped: nothing is switched, and the server goes on with the file. Do the same again "
            "to go on, or leave it with --give-up."
        )
        raise typer.Exit(INTERRUPTED) from None


def backup(
    to: Annotated[Path, typer.Argument(help="The new file.", metavar="FILE")],
    json: JsonOption = False,
) -> None:
    """Copy the SQLite database into a new file, beside a running server.

    The copy is checked before it gets its name. The key is no part of it: keep that elsewhere.
    """
    from connector.settings import Settings
    from connector.store.sqlite.backup import back_up

    path = _file_of(Settings.load(), "copy")
    size = back_up(path, to)
    if json:
        show_json({"file": str(to), "bytes": size})
        return
    console().print(
        f"{to} holds all of {path.name} ({size:,} bytes). Keep the key apart from it.",
        markup=False,
    )


def _file_of(settings: Settings, verb: str) -> Path:
    path = settings.database_path
    if path is None:
        raise StoreError(
            f"CONNECTOR_DATABASE names no SQLite file: there is nothing to {verb}.",
            remedy="A PostgreSQL database has its own tools, such as pg_dump.",
            who="user",
        )
    return path


def _give_up(path: Path, json: bool) -> None:
    from connector.store.moving.source import give_up

    give_up(path)
    if json:
        show_json({"given_up": True})
    else:
        console().print("The file is as before. What was copied may be deleted in PostgreSQL.")


def _move(settings: Settings, path: Path, to: str, dry_run: bool, json: bool) -> None:
    _check_address(to)
    _check_key(settings, path)
    with _progress() as report:
        move = _move_of(settings, path, to, report)
        told = move.plan() if dry_run else move.run()
    advice = _advice(settings)
    if json:
        show_json({**_data(told), "settings": [{"name": one, "value": two} for one, two in advice]})
        return
    sums = getattr(told, "checksums", {})
    show_table(
        ("table", "rows", "checksum in both" if sums else ""),
        [(name, f"{many:,}", sums.get(name)) for name, many in told.rows.items()],
        empty="There is no table.",
    )
    out = console()
    if dry_run:
        out.print(f"\nAbout {told.seconds:,.0f} s beside the running server, to {told.place}.")
        return
    out.print(
        f"\nMoved to {told.place} in {told.seconds:,.0f} s; equal in both. {path.name} is kept,"
        " and can be used no more.\nSet, then start the server again:",
        markup=False,
    )
    for name, value in advice:
        out.print(f"  {name} = {value}", markup=False, soft_wrap=True)


def _move_of(settings: Settings, path: Path, to: str, report: Callable[[Progress], None]) -> Any:
    from connector.runtime.unlocking import beside

    try:
        from connector.store.moving.move import Move
    except ImportError as error:
        raise StoreError(
            "PostgreSQL needs more packages than are installed.",
            remedy="Install connector[postgres].",
            who="user",
        ) from error
    journal = settings.side_journal or beside(settings, ".effects")
    return Move(path, to, side_journal=journal, report=report)


def _check_address(to: str) -> None:
    if not to.startswith(("postgresql://", "postgres://")):
        raise StoreError(
            "The address after --to must begin with postgresql://.",
            remedy="As in postgresql://connector@db.example.it/connector.",
            who="user",
        )


def _check_key(settings: Settings, path: Path) -> None:
    """A move whose key is lost would end in connections that nobody can use."""
    from connector.connections import open_vault
    from connector.runtime.unlocking import beside
    from connector.store.sqlite.files import instance_in

    canary = instance_in(path, "canary")
    if canary is not None:
        key_file = settings.key_file or beside(settings, ".key")
        open_vault(key=settings.key, key_file=key_file, canary=canary, has_secrets=True)


def _advice(settings: Settings) -> list[tuple[str, str]]:
    """What lay beside the file, and has no such place any more."""
    from connector.runtime.unlocking import beside
    from connector.web.tokens import token_file

    found = [("CONNECTOR_DATABASE", "the address that you gave after --to")]
    key_file = settings.key_file or beside(settings, ".key")
    if settings.key is None and key_file is not None:
        found.append(("CONNECTOR_KEY_FILE", str(key_file.resolve())))
    token = token_file(settings)
    if settings.api_token is None and token is not None:
        found.append(("CONNECTOR_API_TOKEN", f"what {token.resolve()} holds"))
    journal = settings.side_journal or beside(settings, ".effects")
    if journal is not None:
        found.append(
            ("CONNECTOR_SIDE_JOURNAL", f"{journal.resolve()} (another one for each process)")
        )
    return found


def _data(told: Moved | Plan) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(told)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Draws on a terminal; elsewhere a line for each phase. Always on the error stream."""
    said: set[str] = set()
    if not sys.stderr.isatty():

        def tell(progress: Progress) -> None:
            if progress.phase not in said:
                said.add(progress.phase)
                say(_told(progress))

        yield tell
        return
    from rich.progress import BarColumn, Progress as Bars, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console(error=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def draw(progress: Progress) -> None:
            bars.update(
                task,
                description=_told(progress),
                total=progress.total or None,
                completed=progress.done,
            )

        yield draw


def _told(progress: Progress) -> str:
    if progress.phase == "wait":
        return (
            f"All is there. Waiting for the server to be stopped: {progress.holder}"
            " Stop it now; then the move ends by itself."
        )
    return f"{PHASES[progress.phase]} …"
