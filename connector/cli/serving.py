"""`serve`, `sandbox`, `run`: the programs that stay until Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from connector.cli.language import words_here
from connector.cli.output import JsonOption, console, say, show_json, show_link, show_table
from connector.cli.stopping import INTERRUPTED
from connector.errors import ConnectorError

if TYPE_CHECKING:
    from connector.runtime import Runtime
    from connector.runtime.people import Role
    from connector.settings import Settings
    from connector.web.pages.words import Words


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("serve")(serve)
    app.command("worker")(worker)
    app.command("workers")(workers)
    app.command("login-link")(login_link)
    app.command("sandbox")(sandbox)
    app.command("run")(run)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 picks a free one.")] = None,
    json: JsonOption = False,
) -> None:
    """Receive events and run the flows until Ctrl-C.

    CONNECTOR_PUBLIC_URL is the address under which the apps reach this server; without it they
    cannot send events here. docs/settings.md lists every setting.
    """
    from connector.settings import Settings
    from connector.web.server import run as run_loop

    given: dict[str, Any] = {}
    if host is not None:
        given["host"] = host
    if port is not None:
        given["port"] = port
    settings, _ = _with_port(Settings.load(**given)), words_here()
    _log(settings)

    def ready(address: str, number: int, link: str) -> None:
        if json:
            told = {"host": address, "port": number, "public_url": settings.base_url}
            show_json({**told, "login_url": link or None})
            return
        at = f"http://{address}:{number}"
        say(_("Connector listens on %(at)s (public: %(public)s).", at=at, public=settings.base_url))
        say(_("Ctrl-C stops it; nothing is lost, unfinished runs go on at the next start."))
        if link:
            text = _("Open this link in your browser. It works once, for an hour:")
            show_link(f"\n{text}", link, error=True)
        else:
            text = _("Its pages: %(pages)s (`connector login-link` makes a link to enter).")
            say(text % {"pages": f"{settings.base_url}/"})

    run_loop(serve_until_stopped(settings, ready))
    say(_("Stopped; everything accepted is stored."))


def worker(json: JsonOption = False) -> None:
    """Run flows beside the servers of one PostgreSQL database, until Ctrl-C.

    Start as many as you like, on as many machines: each takes what it has room for, and when one
    falls silent the others go on with its work. It receives no events; `connector serve` does, and
    runs flows as well. All of them need the same CONNECTOR_DATABASE and the same key.
    """
    from connector.settings import Settings
    from connector.web.server import run as run_loop

    settings = Settings.load()
    if settings.database_path is not None:
        raise ConnectorError(
            "An SQLite database is driven by one process, and `connector serve` is that process.",
            remedy="Set CONNECTOR_DATABASE=postgresql://… to share the work.",
            who="user",
        )
    _log(settings)

    def ready(name: str) -> None:
        if json:
            show_json({"worker": name})
            return
        say(f"Worker {name} takes its part of the work.")
        say("Ctrl-C stops it; what it has in hand goes on elsewhere.")

    run_loop(work_until_stopped(settings, ready))
    say("Stopped; what was open is given back.")


def workers(json: JsonOption = False) -> None:
    """List the processes that share the work, and how long each has been silent.

    One that falls silent for CONNECTOR_SILENT_SECONDS loses what it has in hand to the others.
    """
    from connector.cli.history import local
    from connector.cli.offline import with_runtime

    rows = with_runtime(lambda runtime: runtime.list_workers())
    if json:
        show_json(rows)
        return
    show_table(
        ("process", "since", "silent", "runs in hand"),
        [
            (
                row["name"],
                local(row["started_at"]),
                f"{row['silent_seconds']:.0f} s",
                str(row["runs"]),
            )
            for row in rows
        ],
        empty="No process shares work here: an SQLite database has one process, and on PostgreSQL "
        "`connector serve` or `connector worker` must run.",
    )


async def work_until_stopped(settings: Settings, ready: Any) -> None:
    """Drive runs until SIGINT or SIGTERM."""
    import asyncio
    import signal

    from connector.runtime import open_runtime

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with await open_runtime(settings) as runtime:
        await runtime.start()
        ready(runtime.worker_name)
        await stop.wait()


def _log(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if settings.log_level != "debug":
        # That it waits for this and that is no news to whoever runs the server.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _with_port(settings: Settings) -> Settings:
    """The apps are told our address before we listen, so port 0 must become a real one here."""
    if settings.port:
        return settings
    from connector.cli.ports import free_port

    # A host that is none of this machine's is told where it is listened to.
    with contextlib.suppress(OSError):
        return settings.model_copy(update={"port": free_port(settings.host)})
    return settings


async def serve_until_stopped(settings: Settings, ready: Any, stop: Any = None) -> None:
    """Open the runtime, listen, subscribe; stop in the reverse order."""
    import asyncio

    from connector.runtime import open_runtime
    from connector.web.app import make_app
    from connector.web.server import serve as serve_app

    async with await open_runtime(settings) as runtime:
        await runtime.start()
        link = await first_link(runtime, settings)
        if not any(flow["enabled"] for flow in await runtime.list_flows()):
            _ = words_here()
            say(_("No flow is switched on yet. Switch one on while this runs, on its pages."))
        subscribing: list[asyncio.Task[None]] = []

        def listening(address: str, number: int) -> None:
            ready(address, number, link)
            # Only now can an app's challenge be answered.
            subscribing.append(asyncio.create_task(_subscribe(runtime)))

        await serve_app(
            make_app(runtime, settings),
            settings.host,
            settings.port,
            limits=settings.limits,
            on_ready=listening,
            on_stop=runtime.stop,
            stop=stop,
        )
        for task in subscribing:
            task.cancel()


async def first_link(runtime: Runtime, settings: Settings) -> str:
    """A one-time link for whoever started this server; none where strangers may read the log."""
    from connector.reach import is_this_machine

    if not is_this_machine(settings.host) or await runtime.people.list_people():
        return ""
    return await new_link(runtime, settings)


async def new_link(
    runtime: Runtime, settings: Settings, name: str = "owner", role: Role = "owner"
) -> str:
    """A link that lets somebody in once."""
    return f"{settings.base_url}/login/{await runtime.people.make_link(name, role)}"


@contextlib.contextmanager
def links_at_enter(runtime: Runtime, settings: Settings, _: Words) -> Iterator[None]:
    """Enter in the terminal makes one more link, as long as the block lasts."""
    import asyncio
    import sys

    if not sys.stdin.isatty():
        yield
        return
    loop, making = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def another() -> None:
        link = await new_link(runtime, settings)
        show_link(_("Open this link in your browser. It works once, for an hour:"), link)

    def pressed() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin)
            return
        task = asyncio.create_task(another())
        making.add(task)
        task.add_done_callback(making.discard)

    loop.add_reader(sys.stdin, pressed)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)


def login_link(
    name: Annotated[str, typer.Option(help="Whose it is, for the audit.")] = "owner",
    role: Annotated[str, typer.Option(help="What they may do: viewer, editor or owner.")] = "owner",
    json: JsonOption = False,
) -> None:
    """Make a link that lets somebody into the pages once, within an hour.

    It works beside a running server.
    """
    from connector.cli.offline import with_runtime
    from connector.runtime.people import ROLES, role_of
    from connector.settings import Settings

    if role not in ROLES:
        raise ConnectorError(
            f"There is no role {role!r}.", field="role", remedy=f"Take {', '.join(ROLES)}."
        )
    settings = Settings.load()
    link = with_runtime(lambda runtime: new_link(runtime, settings, name, role_of(role)))
    if json:
        show_json({"login_url": link})
    else:
        console().print(link, markup=False, soft_wrap=True)


async def _subscribe(runtime: Runtime) -> None:
    for report in await runtime.reconcile():
        place = f"{report['connection']} {report['account']}".strip()
        if "error" in report:
            error = report["error"]
            say(f"Events of {place} could not be asked for: {error['message']} {error['remedy']}")
            continue
        for issue in report["issues"]:
            say(f"Events of {place}: {issue['message']} {issue['remedy']}")
        if not report["issues"]:
            say(f"Following the events of {place}.")


def sandbox(
    fic_port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 0,
    perfex_port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 0,
    signing_key: Annotated[
        Path | None, typer.Option(help="PEM file of the key that signs events; else a new one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes every id, token and key repeat.")] = None,
    generation: Annotated[
        Literal["2.x", "3.x"], typer.Option(help="Of the Perfex API module.")
    ] = "3.x",
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Agree on its consent page without asking.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start the emulated apps on this machine.

    Fatture in Cloud and Perfex CRM, until Ctrl-C; docs/sandbox.md tells what they can do.
    """
    from connector.sandbox import SandboxConfig, run as run_sandbox

    config = SandboxConfig(
        fic_port=fic_port,
        perfex_port=perfex_port,
        signing_key=signing_key,
        seed=seed,
        generation=generation,
        auto_approve=auto_approve,
    )
    try:
        run_sandbox(config, as_json=json)
    except (OSError, ValueError) as error:
        raise ConnectorError(
            f"The sandbox cannot start: {error}.",
            remedy="Choose another port, or another file for its key.",
        ) from error


def run(
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the table; fail if it did not work.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Folder that keeps its database; else a temporary one.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Take the tour, on emulated apps.

    One flow, one signed event, and the customer it makes; then it keeps serving until Ctrl-C.
    """
    from connector.cli.tour import tour

    code = tour(once=once, folder=keep, as_json=json)
    if code == INTERRUPTED:
        raise typer.Exit(code)
    if code:
        _ = words_here()
        console(error=True).print(_("The tour did not end as it should."), style="red")
        raise typer.Exit(code)
