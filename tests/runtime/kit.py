"""The whole product in one process: sandbox, runtime and web on one network and one clock.

Time passes only when nothing else can happen (`story`), so waits of hours take no time, and every
test may rely on the exact order of things.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from connector.apps import fatture_in_cloud
from connector.catalog import Catalog
from connector.codec import decode, encode
from connector.http import HttpClient, asgi_client
from connector.model import Answer, HttpRequest, Method
from connector.runtime import Runtime, Tuning, open_runtime, watching
from connector.sandbox import Sandbox, SandboxConfig, agenda
from connector.settings import Settings
from connector.web.app import make_app
from tests.engine.virtual import VirtualLoop
from tests.loaded import the_catalog

FIC, PERFEX, HUB = "https://fic.example", "https://crm.example", "https://hub.example"
MOVED = "https://moved.example"
"""Another address of the hub."""
FATTURE = "fatture_in_cloud"
COMPANY = 108_061
OTHER_COMPANY = 108_101
START = datetime(2026, 3, 4, 8, 15, 2, tzinfo=UTC).timestamp()
HOUR = 3_600.0
EXAMPLES = Path(__file__).parents[2] / "examples"

P = ParamSpec("P")


class _Calendar(VirtualLoop):
    """Begins on a working day, so that dates look like dates."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        # So far from 1970 a float has no nanoseconds, and a timer due now would never be due.
        self._clock_resolution = 1e-6


def story(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = _Calendar()

        async def go() -> None:
            await test(*args, **kwargs)

        with (
            # The sandbox looks at its clock so often because one may jump: this one does not.
            mock.patch.object(agenda, "_LONGEST_NAP", HOUR),
            asyncio.Runner(loop_factory=lambda: loop) as runner,
        ):
            try:
                runner.run(go())
            finally:
                loop.real = True

    return run


def long_story(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """A story of many hours: what another process changes is noticed within five seconds."""
    told = story(test)

    @functools.wraps(told)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        # As many looks for chores and for lost work as ever.
        with mock.patch.multiple(watching, LOOK_SECONDS=5.0, LOOKS_PER_SWEEP=6, LOOKS_PER_LEAD=1):
            told(*args, **kwargs)

    return run


def clock() -> float:
    """The time of the running story."""
    return asyncio.get_running_loop().time()


@cache
def catalog_of(public_key: str) -> Catalog:
    """The catalogue of an installation that trusts this signing key."""
    app = fatture_in_cloud.build(keys=(public_key,), app_ids=("4711",))
    return the_catalog().with_app(app)


# --- the network ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One request that arrived somewhere."""

    host: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Host:
    """An ASGI app at an address; unplugged, nobody can connect to it."""

    name: str
    app: Any = None
    plugged: bool = True
    calls: list[Call] = field(default_factory=list)
    before: Callable[[Call], Awaitable[None]] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self.plugged or self.app is None:
            raise httpx.ConnectError("Connection refused")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode()
        call = Call(self.name, scope["method"], scope["path"], query, headers)
        self.calls.append(call)
        if self.before is not None:
            await self.before(call)
        await self.app(scope, receive, send)

    def seen(self, method: str = "", path: str = "") -> list[str]:
        """The requests that arrived here, narrowed by method and the end of their path."""
        return [
            str(one)
            for one in self.calls
            if one.method.startswith(method) and one.path.endswith(path)
        ]


# --- the world --------------------------------------------------------------------------------


class World:
    """One installation with its outside world; `restart` makes another process of it."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 7,
        tuning: Tuning | None = None,
        settings: Mapping[str, Any] | None = None,
        **sandbox: Any,
    ) -> None:
        self.file = folder / "connector.db"
        self.fic, self.perfex, self.hub = Host("fic"), Host("perfex"), Host("hub")
        apps = {FIC: self.fic, PERFEX: self.perfex, HUB: self.hub, MOVED: self.hub}
        self.outside = asgi_client(apps)
        config = SandboxConfig(
            seed=seed, auto_approve=True, redirect_uris=(f"{HUB}/oauth/callback",), **sandbox
        )
        self.sandbox = Sandbox(
            config, clock=lambda: datetime.fromtimestamp(clock(), UTC), http=self.outside.send
        )
        self.fic.app, self.perfex.app = self.sandbox.fic_app, self.sandbox.perfex_app
        self.tuning = None if tuning is None else replace(tuning, sweep_seconds=0)
        self.settings = Settings.load(
            public_url=HUB,
            api_token=SecretStr("a token of sixteen and more"),
            fatture_in_cloud_client_id=self.sandbox.fic.app.client_id,
            fatture_in_cloud_client_secret=SecretStr(self.sandbox.fic.app.client_secret),
            oauth_addresses=FIC,
            # Off unless a story is about it: its calls would stand between those of the others.
            **{
                "database": f"sqlite:///{self.file}",
                "sweep_seconds": 0,
                **(settings or {}),
            },
        )
        self.runtime: Runtime

    async def open(self, *, file: Path | None = None, http: HttpClient | None = None) -> Runtime:
        """A process on the file (or on another one); its web answers at HUB."""
        if file is not None:
            database = f"sqlite:///{file}"
            self.settings = self.settings.model_copy(update={"database": database})
            self.file = file
        self.runtime = await self.another_process(http)
        self.hub.app = make_app(self.runtime, self.settings)
        return self.runtime

    async def another_process(
        self, http: HttpClient | None = None, tenant: str = "main"
    ) -> Runtime:
        """A process beside the one that serves, such as a command at the shell; leave it."""
        one = await open_runtime(
            self.settings,
            tenant=tenant,
            catalog=catalog_of(self.sandbox.fic.webhooks.signer.public_pem),
            http=http or asgi_client({FIC: self.fic, PERFEX: self.perfex, HUB: self.hub}),
            tuning=self.tuning,
            clock=clock,
        )
        await one.__aenter__()
        return one

    async def close(self) -> None:
        """End the process in an orderly way."""
        self.hub.app = None
        await self.runtime.__aexit__(None, None, None)

    async def restart(self, *, start: bool = True) -> Runtime:
        """End the process and begin another on the same file."""
        await self.close()
        await self.open()
        if start:
            await self.runtime.start()
        return self.runtime

    # --- setting up ---

    @property
    def person(self) -> Any:
        """Somebody who works in Fatture in Cloud."""
        return self.sandbox.person

    async def connect(self, *, scopes: Iterable[str] | None = None) -> None:
        """Both apps by their tokens, as `fatture` and `perfex`."""
        fic = self.sandbox.fic
        token = fic.manual_token
        if scopes is not None:
            token = fic.tokens.manual(fic.app, frozenset(scopes))
        await self.runtime.connect_with_token(FATTURE, "fatture", token, {"address": FIC})
        await self.connect_perfex()

    async def connect_perfex(self, name: str = "perfex") -> None:
        """Perfex by its token."""
        token = self.sandbox.perfex.authtoken
        await self.runtime.connect_with_token("perfex_crm", name, token, {"address": PERFEX})

    async def consent(self, name: str = "fatture", **settings: Any) -> Answer:
        """Fatture in Cloud by a consent in the browser; gives our page at its end."""
        begun = await self.runtime.start_connect(FATTURE, name, {"address": FIC, **settings})
        return await self.browse((await self.browse(begun["authorize_url"])).header("location"))

    async def browse(self, url: str | None) -> Answer:
        """What a browser gets."""
        assert url is not None, "the page before sent the browser nowhere"
        return await self.call("GET", url)

    async def call(
        self, method: Method, url: str, body: Any = None, headers: Iterable[tuple[str, str]] = ()
    ) -> Answer:
        """A request from outside."""
        data = b"" if body is None else encode(body)
        kind = [("content-type", "application/json")] if body is not None else []
        return await self.outside.send(
            HttpRequest(method=method, url=url, headers=(*headers, *kind), body=data)
        )

    async def follow(self, *texts: str) -> None:
        """Store these flows, switch them on, start, and subscribe to what they follow."""
        for text in texts or (CLIENTS,):
            await self.runtime.apply_flow(text, enable=True)
        await self.runtime.start()
        reports = await self.runtime.reconcile()
        assert not [one for one in reports if "error" in one], reports

    # --- waiting ---

    async def quiet(self, within: float = 4 * HOUR) -> None:
        """Until nothing is under way: no delivery, no event, no run."""
        async with asyncio.timeout(within):
            while True:
                while len(self.sandbox.agenda):
                    await asyncio.sleep(0.01)
                await self.runtime.settled()
                if not len(self.sandbox.agenda):
                    return

    async def until(self, holds: Callable[[], Awaitable[Any]], within: float = 4 * HOUR) -> Any:
        """Until something is true; gives it."""
        async with asyncio.timeout(within):
            while not (found := await holds()):
                await asyncio.sleep(0.05)
        return found

    # --- looking ---

    async def runs(self, **narrowed: Any) -> list[dict[str, Any]]:
        """Every run, oldest first."""
        state, flow = narrowed.get("state"), narrowed.get("flow")
        return (await self.runtime.list_runs(1_000, None, state, flow))[::-1]

    async def run(self, number: int = -1) -> dict[str, Any]:
        """One run in full; the newest by default."""
        told = await self.runtime.get_run((await self.runs())[number]["id"])
        assert told is not None
        return told

    async def run_state(self, run_id: int, state: str) -> bool:
        """Whether a run is in this state."""
        told = await self.runtime.get_run(run_id)
        return told is not None and told["state"] == state

    async def events(self) -> list[dict[str, Any]]:
        """Every event, oldest first."""
        return (await self.runtime.list_events(1_000, None))[::-1]

    async def connection(self, name: str = "fatture") -> Any:
        """A connection by its name, or None."""
        return next((c for c in await self.runtime.list_connections() if c.name == name), None)

    @property
    def customers(self) -> list[dict[str, Any]]:
        """What stands in Perfex."""
        return self.sandbox.perfex.tables["customers"].view()

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What was issued in Fatture in Cloud."""
        company = self.sandbox.fic.first_company
        return list(company.tables["issued_documents"].view())

    @property
    def subscriptions(self) -> list[Any]:
        """What Fatture in Cloud has been asked for."""
        return list(self.sandbox.fic.webhooks.subscriptions.values())

    @property
    def deliveries(self) -> list[Any]:
        """What Fatture in Cloud has sent."""
        return list(self.sandbox.fic.webhooks.deliveries)

    def rows(self, query: str) -> list[Any]:
        """What lies in the file, past everything of ours."""
        with contextlib.closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as file:
            return file.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        """Change the file behind the back of everything of ours."""
        with contextlib.closing(sqlite3.connect(self.file, isolation_level=None)) as file:
            file.execute(statement)


@contextlib.asynccontextmanager
async def world(folder: Path, *, connected: bool = True, **given: Any) -> AsyncIterator[World]:
    """A world with a runtime that is open, connected, and not started."""
    one = World(folder, **given)
    async with one.sandbox, one.outside:
        await one.open()
        try:
            if connected:
                await one.connect()
            yield one
        finally:
            await one.close()


# --- what stories are told with ---------------------------------------------------------------


def query_of(url: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def client(name: str = "Officine Adda S.r.l.", vat: str = "IT09876543217", **more: Any) -> Any:
    """A client as somebody types it in."""
    return {
        "name": name,
        "vat_number": vat,
        "address_street": "Via Po 7",
        "address_city": "Bergamo",
        "address_province": "BG",
        "address_postal_code": "24121",
        "country": "Italia",
        "country_iso": "IT",
        "phone": "+39 035 000000",
        **more,
    }


CLIENTS = (EXAMPLES / "fic-client-to-perfex.yaml").read_text("utf-8")


def flow(
    key: str = "simple",
    *,
    resource: str = "entities.clients",
    types: str = "[create, update, delete]",
    node: str = "enriched_event",
    company: int = COMPANY,
    head: str = "",
    steps: str = "",
) -> str:
    """A small flow document."""
    return f"""flow: {key}
{head}
trigger:
  node: fatture_in_cloud.{node}
  connection: fatture
  with:
    company_id: {company}
    resource: {resource}
    event_types: {types}
steps:
{steps or CREATE}"""


CREATE = """\
  - id: create
    node: perfex_crm.create_customer
    connection: perfex
    map:
      data.company: "{{ trigger.resource.name }}"
"""

FIND = """\
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map:
      company: "id {{ trigger.id }}"
"""


def json_of(answer: Answer) -> Any:
    """The JSON of an answer."""
    return decode(answer.body)
