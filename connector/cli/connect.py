"""`connect`: authorising an account."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, console, say, show_json
from connector.cli.stopping import INTERRUPTED, Stopped, unless_stopped
from connector.errors import ConnectorError, NotConnected

if TYPE_CHECKING:
    from connector.runtime import Runtime
    from connector.settings import Settings

WAIT_SECONDS = 600


def add(app: typer.Typer) -> None:
    """Add this command."""
    app.command("connect")(connect)


def connect(
    app: Annotated[
        str, typer.Argument(help="The app's key, from `connector apps`.", metavar="APP")
    ],
    name: Annotated[str, typer.Option(help="Its name in flows; the app's key by default.")] = "",
    address: Annotated[
        str, typer.Option(help="Where your own server stands (Perfex: https://crm.example.it).")
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            help="A token made in the app; '-' reads it from standard input. Better than typing "
            "it here: the variable CONNECTOR_TOKEN, which leaves no trace in the shell's history.",
            envvar="CONNECTOR_TOKEN",
            show_envvar=False,
        ),
    ] = "",
    scope: Annotated[list[str] | None, typer.Option(help="Ask for this scope only.")] = None,
    open_browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the consent page.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Connect an account at an app.

    By the browser where the app has a consent page, else by a token.
    """
    from connector.catalog import load_catalog
    from connector.model import OAuth2

    found = load_catalog().app(app)
    settings: dict[str, Any] = {}
    if address:
        settings["address"] = address
    if scope:
        settings["scopes"] = scope
    name = name or app
    if token == "-":  # noqa: S105 - the usual word for standard input
        token = typer.get_text_stream("stdin").readline()
    if not token and not isinstance(found.auth, OAuth2):
        if not os.isatty(0):
            raise NotConnected(
                f"{found.title} is connected with a token.",
                field="token",
                remedy="Give it with --token - or CONNECTOR_TOKEN.",
                who="user",
            )
        token = typer.prompt(f"Token of {found.title} ({found.auth.help})", hide_input=True)
    if token:
        row = with_runtime(lambda runtime: runtime.connect_with_token(app, name, token, settings))
    else:
        row = _consent(app, name, settings, open_browser)
    if json:
        show_json(row.model_dump(mode="json"))
        return
    console().print(f"Connected {found.title} as {row.name!r} at {row.base_url}.", markup=False)


def _consent(app: str, name: str, settings: dict[str, Any], open_browser: bool) -> Any:
    from connector.runtime import open_runtime
    from connector.settings import Settings
    from connector.web.server import run

    result: list[Any] = []

    async def go() -> None:
        chosen = Settings.load()
        async with await open_runtime(chosen) as runtime:
            result.append(await _by_browser(runtime, chosen, app, name, settings, open_browser))

    run(go())
    return result[0]


async def _by_browser(
    runtime: Runtime,
    chosen: Settings,
    app: str,
    name: str,
    settings: dict[str, Any],
    open_browser: bool,
) -> Any:
    """Listen for the redirect ourselves, or let a running server on the address do it."""
    import webbrowser

    before = next((row for row in await runtime.list_connections() if row.name == name), None)
    started = await runtime.start_connect(app, name, settings)
    async with _listening(runtime, chosen) as stop:
        say("Open this page, sign in and agree:")
        console(error=True).print(started["authorize_url"], markup=False, soft_wrap=True)
        if open_browser:
            await asyncio.get_running_loop().run_in_executor(
                None, webbrowser.open, started["authorize_url"]
            )
        say("Waiting for your answer there … (Ctrl-C gives up; nothing is stored then)")
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                answer = runtime.consent_ended(started["state"], name, before)
                return await unless_stopped(stop, answer)
        except TimeoutError:
            raise ConnectorError(
                "No answer came from the consent page in ten minutes.",
                remedy="Run the command again.",
            ) from None
        except Stopped:
            say("Given up; nothing was stored.")
            raise typer.Exit(INTERRUPTED) from None


@contextlib.asynccontextmanager
async def _listening(runtime: Runtime, chosen: Settings) -> AsyncIterator[asyncio.Event]:
    """Before anybody is sent to the page: the answer may be back at once."""
    from connector.web.app import make_app
    from connector.web.server import serve

    stop, ready = asyncio.Event(), asyncio.Event()
    server = asyncio.create_task(
        serve(
            make_app(runtime, chosen),
            chosen.host,
            chosen.port,
            on_ready=lambda host, port: ready.set(),
            stop=stop,
        )
    )
    server.add_done_callback(lambda ended: ready.set())
    try:
        await ready.wait()
        if server.done() and server.exception() is not None:
            say("Another program has this address; if it is your `connector serve`, all is well.")
        yield stop
    finally:
        stop.set()
        await asyncio.gather(server, return_exceptions=True)
