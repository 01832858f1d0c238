"""The tour: emulated apps as a program of its own, and everything else as it is in earnest."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.cli.language import words_here
from connector.cli.output import console, say, show_json, show_link, show_table
from connector.cli.ports import free_port
from connector.cli.stopping import INTERRUPTED, Stopped, end_like_ctrl_c, unless_stopped
from connector.codec import decode, encode
from connector.errors import ConnectorError
from connector.model import Answer, HttpRequest, Method

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.http import HttpClient
    from connector.runtime import Runtime
    from connector.settings import Settings
    from connector.web.pages.words import Words

EXAMPLE = "fic-client-to-perfex.yaml"
PATIENCE_SECONDS = 60.0
FATTURE, PERFEX = "fatture", "perfex"
"""The names of the connections in the example flow."""

CLIENT = {
    "name": "Officine Adda S.r.l.",
    "type": "company",
    "vat_number": "IT09876543217",
    "tax_code": "09876543217",
    "address_street": "Via Po 7",
    "address_postal_code": "24121",
    "address_city": "Bergamo",
    "address_province": "BG",
    "country": "Italia",
    "country_iso": "IT",
    "phone": "+39 035 000000",
    "email": "amm@officineadda.example",
}


@dataclass(frozen=True, slots=True)
class World:
    """The running sandbox, as it says itself."""

    fic: str
    perfex: str
    client_id: str
    client_secret: str
    authtoken: str
    app_id: int
    company_id: int
    public_key: str


@dataclass(slots=True)
class Stopwatch:
    """Says what is done and how long it took."""

    started: float
    last: float
    quiet: bool
    words: Words

    def done(self, text: str) -> None:
        """One step of the tour."""
        now = time.perf_counter()
        if not self.quiet:
            say(f"  {now - self.last:6.2f} s  {text}")
        self.last = now


def tour(*, once: bool, folder: Path | None, as_json: bool) -> int:
    """Run it; gives the exit code: 0 when the customer is there."""
    from connector.web.server import run

    codes: list[int] = []

    async def go(place: Path) -> None:
        codes.append(await _tour(place, once=once, as_json=as_json))

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        run(go(folder))
    else:
        with tempfile.TemporaryDirectory(prefix="connector-tour-") as temporary:
            run(go(Path(temporary)))
    return codes[0] if codes else 1


async def _tour(folder: Path, *, once: bool, as_json: bool) -> int:
    from connector.http import HttpClient

    now, _ = time.perf_counter(), words_here()
    watch = Stopwatch(now, now, as_json, _)
    end_like_ctrl_c()
    if not as_json:
        say(_("A tour on emulated apps: all is invented, and nothing leaves this machine."))
    async with _sandbox() as world, HttpClient() as outside:
        apps = f"Fatture in Cloud {world.fic}, Perfex CRM {world.perfex}"
        watch.done(_("emulated apps: %(apps)s", apps=apps))
        settings = _settings(folder, world)
        stop = asyncio.Event()
        async with _server(settings, stop) as runtime:
            watch.done(_("server: %(address)s", address=settings.base_url))
            try:
                run = await unless_stopped(stop, _steps(runtime, outside, world, watch))
            except Stopped:
                return INTERRUPTED
            details = await runtime.get_run(run["id"])
            customer = await _customer(outside, world)
            good = customer is not None and run["state"] == "succeeded"
            # Whoever goes on in the browser sees the same there: only what went wrong is told here.
            if once or as_json or not good:
                _show(run, customer, details, as_json)
            if not good:
                return 1
            if not once:
                from connector.cli.serving import links_at_enter, new_link

                link = await new_link(runtime, settings)
                _what_next(_, settings, world, run["item_id"], link)
                with links_at_enter(runtime, settings, _):
                    await stop.wait()
    return 0


async def _steps(
    runtime: Runtime, outside: HttpClient, world: World, watch: Stopwatch
) -> Mapping[str, Any]:
    """The run, when it has ended."""
    await _connect(runtime, outside, world, watch)
    await _switch_on(runtime, watch)
    return await _let_it_happen(runtime, outside, world, watch)


@contextlib.asynccontextmanager
async def _sandbox() -> AsyncIterator[World]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "connector.sandbox",
        "--json",
        "--auto-approve",
        # Held open as long as we live, so that it ends with us even when we are killed.
        "--until-eof",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C reaches the whole group; the sandbox must outlive our own orderly stop.
        start_new_session=True,
    )
    try:
        if process.stdout is None:
            raise ConnectorError("The sandbox has no output.", who="developer")
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await process.stdout.readline()
        if not line:
            raise ConnectorError(
                "The sandbox did not start.",
                remedy="`connector sandbox` shows why.",
                who="developer",
            )
        told = decode(line)
        yield World(**{name: told[name] for name in World.__slots__})
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _settings(folder: Path, world: World) -> Settings:
    from pydantic import SecretStr

    from connector.settings import Settings

    return Settings.load(
        database=f"sqlite:///{folder / 'connector.db'}",
        host="127.0.0.1",
        port=free_port(),
        public_url="",
        # The client is the emulated app's own, whoever else may stand before these pages.
        oauth_addresses=world.fic,
        fatture_in_cloud_client_id=world.client_id,
        fatture_in_cloud_client_secret=SecretStr(world.client_secret),
        fatture_in_cloud_application_id=str(world.app_id),
        fatture_in_cloud_keys=world.public_key,
    )


@contextlib.asynccontextmanager
async def _server(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Runtime]:
    """The runtime behind its real server, until the block ends or Ctrl-C is pressed."""
    from connector.runtime import open_runtime
    from connector.web.app import make_app
    from connector.web.server import serve

    async with await open_runtime(settings) as runtime:
        await runtime.start()
        listening = asyncio.Event()
        server = asyncio.create_task(
            serve(
                make_app(runtime, settings),
                settings.host,
                settings.port,
                limits=settings.limits,
                on_ready=lambda host, port: listening.set(),
                stop=stop,
            )
        )
        await _first(listening, server)
        try:
            yield runtime
        finally:
            stop.set()
            await server


async def _first(ready: asyncio.Event, server: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({waiting, server}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        server.result()


async def _connect(runtime: Runtime, outside: HttpClient, world: World, watch: Stopwatch) -> None:
    settings = {
        "address": world.fic,
        "emulated": True,
        "scopes": every_scope(runtime.catalog, "fatture_in_cloud"),
        "account": str(world.company_id),
    }
    started = await runtime.start_connect("fatture_in_cloud", FATTURE, settings)
    # What a browser does: open the consent page, agree, follow the redirect back to us.
    agreed = await _call(outside, "GET", started["authorize_url"])
    back = agreed.header("location")
    if agreed.status not in (302, 303) or not back:
        raise ConnectorError(
            f"The consent page answered {agreed.status} instead of sending us back.",
            who="developer",
        )
    ended = await _call(outside, "GET", back)
    if ended.status != 200:
        raise ConnectorError(f"The consent ended with {ended.status}.", who="developer")
    _ = watch.words
    watch.done(_("connected %(app)s", app="Fatture in Cloud"))
    await runtime.connect_with_token(
        "perfex_crm", PERFEX, world.authtoken, {"address": world.perfex, "emulated": True}
    )
    watch.done(_("connected %(app)s", app="Perfex CRM"))


def every_scope(catalog: Catalog, app: str) -> list[str]:
    """All that flows can ever need there: in an emulated app, nobody's books are at risk."""
    from connector.runtime.scopes import fewest

    asked = [scope for one in catalog.nodes.values() if one.app == app for scope in one.scopes]
    events = catalog.app(app).event_scopes
    readers = (f"{one}.update" for one in catalog.app(app).readers)
    return list(fewest([*asked, *(events(tuple(readers)) if events else ())]))


async def _switch_on(runtime: Runtime, watch: Stopwatch) -> None:
    from connector.web.pages.naming import in_words

    _ = watch.words
    flow = await runtime.apply_flow(in_words(example(), _), enable=True)
    watch.done(_("example flow %(flow)s checked, stored and switched on", flow=flow["key"]))
    for report in await runtime.reconcile():
        if "error" in report:
            raise ConnectorError(report["error"]["message"], remedy=report["error"]["remedy"])
        types = ", ".join(report["subscription"]["types"])
        watch.done(_("events asked for: %(types)s", types=types))


async def _let_it_happen(
    runtime: Runtime, outside: HttpClient, world: World, watch: Stopwatch
) -> Mapping[str, Any]:
    changed_at = time.time()
    made = await _call(outside, "POST", f"{world.fic}/_sandbox/records/clients", CLIENT)
    if made.status != 200:
        raise ConnectorError(f"The sandbox refused the client ({made.status}).", who="developer")
    _ = watch.words
    watch.done(_("somebody adds a client in Fatture in Cloud, which sends a signed event"))
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        runs = await runtime.list_runs(1, None, None, None)
        if runs and runs[0]["finished_at"] is not None:
            watch.done(_told(_, runs[0]))
            event = await runtime.get_event(runs[0]["event_id"]) or {"received_at": changed_at}
            took = {
                "event": event["received_at"] - changed_at,
                "read": runs[0]["created_at"] - event["received_at"],
            }
            return {**runs[0], "took": took}
        await asyncio.sleep(0.02)
    raise ConnectorError(
        f"No run ended within {PATIENCE_SECONDS:.0f} seconds.", remedy="Look at the log above."
    )


async def _customer(outside: HttpClient, world: World) -> dict[str, Any] | None:
    """Look in Perfex itself, past everything of ours."""
    place = f"{world.perfex}/api/customers/search/{CLIENT['vat_number']}"
    answer = await _call(outside, "GET", place, headers=(("authtoken", world.authtoken),))
    found = answer.json()
    return found[0] if answer.status == 200 and isinstance(found, list) and found else None


async def _call(
    client: HttpClient,
    method: Method,
    url: str,
    body: Any = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    if body is not None:
        headers = (*headers, ("content-type", "application/json"))
    data = b"" if body is None else encode(body)
    request = HttpRequest(method=method, url=url, headers=headers, body=data)
    return await client.send(request, trusted=True)


def example() -> str:
    """The text of the flow that the tour runs."""
    from connector.bundle import examples_folder

    return (examples_folder() / EXAMPLE).read_text(encoding="utf-8")


def _show(
    run: Mapping[str, Any],
    customer: Mapping[str, Any] | None,
    details: Mapping[str, Any] | None,
    as_json: bool,
) -> None:
    details = details or {"steps": [], "trigger": {}, "effects": []}
    if as_json:
        show_json({"run": details, "customer": customer})
        return
    trigger = details["trigger"]
    event, record = trigger.get("event", {}), trigger.get("resource") or {}
    sent = _sent(details)
    out = console()
    out.print()
    show_table(
        ("what", "seconds", "result"),
        [
            (
                "event",
                f"{run['took']['event']:.3f}",
                f"{event.get('resource')}.{event.get('operation')} {trigger.get('id')}",
            ),
            (
                "read",
                f"{run['took']['read']:.3f}",
                f"{record.get('name')}, VAT {record.get('vat_number')}",
            ),
            *(
                (
                    f"step {step['id']}",
                    f"{step['finished_at'] - step['started_at']:.3f}",
                    step["summary"] or step["state"],
                )
                for step in details["steps"]
            ),
            ("run", f"{run['finished_at'] - run['created_at']:.3f}", run["state"]),
        ],
        empty="",
        title="What happened",
    )
    out.print()
    show_table(
        ("Perfex field", "was sent", "stands there now"),
        [(name, value, (customer or {}).get(name)) for name, value in sent.items()],
        empty="Nothing was sent.",
        title="The customer",
    )
    if customer is None:
        say("The customer is NOT in Perfex CRM.")
    else:
        out.print(f"\nCustomer {customer['userid']} exists in Perfex CRM.", markup=False)


def _sent(details: Mapping[str, Any]) -> dict[str, Any]:
    from urllib.parse import parse_qsl

    for effect in details["effects"]:
        body = effect["request"]["body"] if effect["request"] else {}
        if isinstance(body, str):
            return dict(parse_qsl(body, keep_blank_values=True))
        if isinstance(body, dict):
            return body
    return {}


def _told(_: Words, run: Mapping[str, Any]) -> str:
    """How a run ended, in a few words."""
    if run["state"] != "succeeded":
        return _("run %(run)s ended: %(state)s", run=run["id"], state=run["state"])
    did = _.summary(run["summary"]) if run.get("summary") else ""
    return _("run %(run)s succeeded: %(did)s", run=run["id"], did=did)


def _what_next(_: Words, settings: Settings, world: World, client: Any, link: str) -> None:
    """What can be done now; last of all, and alone, what has to be opened."""
    command = _command()
    change = """-d '{"phone": "+39 035 111111"}'"""
    lines = (
        "",
        _("For the shell, in another window:"),
        f"  export CONNECTOR_DATABASE={settings.database} CONNECTOR_PORT={settings.port}",
        f"  {command} run-show 1    # " + _("a run: its steps, and the exact request"),
        f"  curl -X PUT {world.fic}/_sandbox/records/clients/{client} {change}",
        f"  {command} runs          # " + _("the change of the client has arrived"),
        "",
        _("It runs until Ctrl-C."),
        *([_("Enter makes another link to come in.")] if sys.stdin.isatty() else []),
        "",
    )
    console().print("\n".join(lines), markup=False, soft_wrap=True)
    show_link(_("Open this link in your browser. It works once, for an hour:"), link)


def _command() -> str:
    """How this program can be called from another window, wherever that stands."""
    import shutil

    return "connector" if shutil.which("connector") else str(Path(sys.argv[0]).resolve())
