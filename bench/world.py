"""What the benchmarks run on: an app of our own beside the real ones, its flows, a prepared store.

Everything here is registered and applied as a user's would be: a plugin, `load_catalog`,
`connect_with_token`, `apply_flow`. Only the nodes are made to cost nothing themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from connector.apps import fatture_in_cloud
from connector.catalog import Catalog, load_catalog
from connector.errors import ApiError, Refused
from connector.hookspecs import hookimpl
from connector.http import HttpClient, asgi_client
from connector.model import (
    Action,
    Answer,
    AnyNode,
    App,
    Caller,
    Field,
    Identity,
    Request,
    Search,
    Token,
    WebhookSource,
)
from connector.plugins import build_plugins
from connector.runtime import Runtime, Tuning, open_runtime
from connector.settings import Settings
from connector.store import open_database
from connector.store.rows import EventRow, HookRow

COMPANY = 108_061
APP_ID = 4_711
HOOK = "hook_of_the_benchmark"
PUBLIC_URL = "http://127.0.0.1:8420"
NOWHERE = "http://127.0.0.1:9"
"""The address of both apps where no step calls them."""
KIND = "entities.clients"

ALL = 1 << 40
"""More than there ever is: a count of everything."""

NOOP_FLOW = f"""\
flow: bench-noop
trigger:
  node: fatture_in_cloud.raw_event
  connection: fatture
  with: {{company_id: {COMPANY}, resource: {KIND}, event_types: [update]}}
steps:
  - id: first
    node: bench.noop
    connection: bench
    map: {{client_id: "{{{{ trigger.id }}}}"}}
  - id: second
    node: bench.noop
    connection: bench
    map: {{client_id: "{{{{ steps.first.client_id }}}}"}}
"""

HTTP_FLOW = f"""\
flow: bench-http
trigger:
  node: fatture_in_cloud.raw_event
  connection: fatture
  with: {{company_id: {COMPANY}, resource: {KIND}, event_types: [update]}}
steps:
  - id: find
    node: bench.find_customer
    connection: bench
    map: {{client_id: "{{{{ trigger.id }}}}"}}
  - id: write
    node: bench.create_customer
    connection: bench
    map:
      data.client_id: "{{{{ trigger.id }}}}"
      data.company: "{{{{ steps.find.company }}}}"
      data.city: "{{{{ steps.find.city }}}}"
"""

ENRICH_FLOW = f"""\
flow: bench-enrich
trigger:
  node: fatture_in_cloud.enriched_event
  connection: fatture
  with: {{company_id: {COMPANY}, resource: {KIND}, event_types: [update]}}
steps:
  - id: only
    node: bench.noop
    connection: bench
    map: {{client_id: "{{{{ trigger.resource.id }}}}"}}
"""


async def _noop(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"client_id": inputs["client_id"]}


def _read_error(answer: Answer) -> ApiError | None:
    return None if answer.status < 400 else Refused(f"The stub answered {answer.status}.")


_CLIENT_ID = Field(path="client_id", label="Client", type="integer", required=True)
NODES: tuple[AnyNode, ...] = (
    Search(
        app="bench",
        key="noop",
        noun="Nothing",
        label="Do nothing",
        description="Gives its input back.",
        inputs=(_CLIENT_ID,),
        run=_noop,
    ),
    Search(
        app="bench",
        key="find_customer",
        noun="Customer",
        label="Find a customer",
        description="Reads one record of the stub.",
        inputs=(_CLIENT_ID,),
        request=Request(method="GET", path="/customers", query={"client": "{client_id}"}),
        result="data",
    ),
    Action(
        app="bench",
        key="create_customer",
        noun="Customer",
        label="Create a customer",
        description="Writes one record to the stub.",
        inputs=(
            Field(path="data.client_id", label="Client", type="integer", required=True),
            Field(path="data.company", label="Company"),
            Field(path="data.city", label="City"),
        ),
        request=Request(method="POST", path="/customers", wrap=("data",)),
        result="data",
        identity=Identity(record_id="data.id"),
    ),
)


class BenchPlugin:
    """The app `bench` as a plugin."""

    @hookimpl
    def register_apps(self, register: Callable[[App], None]) -> None:
        """Add the app; it has no quota, so that nothing waits."""
        register(
            App(
                key="bench",
                title="Bench",
                base_url=NOWHERE,
                auth=Token(header="authtoken"),
                check=Request(method="GET", path="/customers"),
                read_error=_read_error,
            )
        )

    @hookimpl
    def register_nodes(self, register: Callable[[AnyNode], None]) -> None:
        """Add its nodes."""
        for node in NODES:
            register(node)


def bench_catalog(*, keys: Iterable[str] = (), webhook: WebhookSource | None = None) -> Catalog:
    """The real catalogue with our app; `keys` sign the events, `webhook` replaces the verifier."""
    catalog = load_catalog(build_plugins(extra=[BenchPlugin()], entry_points=False))
    app = fatture_in_cloud.build(keys=tuple(keys), app_ids=(APP_ID,))
    if webhook is not None:
        app = app.model_copy(update={"webhook": webhook})
    return catalog.with_app(app)


def bench_settings(folder: Path, url: str = "") -> Settings:
    """Settings of an installation in this folder, whatever the environment says."""
    return Settings.load(
        database=url or f"sqlite:///{folder / 'bench.db'}",
        public_url=PUBLIC_URL,
        key_file=folder / "bench.key",
        api_token="a-token-for-benchmarks-only",
        # A sweep would come between what is measured.
        sweep_seconds=0,
    )


async def open_bench(
    folder: Path,
    catalog: Catalog | None = None,
    http: HttpClient | None = None,
    *,
    url: str = "",
    tuning: Tuning | None = None,
) -> Runtime:
    """The runtime of a prepared folder."""
    return await open_runtime(
        bench_settings(folder, url),
        catalog=catalog or bench_catalog(),
        http=http or silent_network(),
        tuning=tuning,
    )


async def prepare(folder: Path, flow: str, *, bench_url: str = NOWHERE, url: str = "") -> str:
    """Connect both apps, apply a flow and make the hook; gives the connection id of the events."""
    async with await open_bench(folder, url=url) as runtime:
        await runtime.connect_with_token("bench", "bench", "t0ken", {"address": bench_url})
        events = await runtime.connect_with_token(
            "fatture_in_cloud", "fatture", "t0ken", {"address": NOWHERE}
        )
        await runtime.apply_flow(flow, enable=True)
    database = open_database(bench_settings(folder, url).database)
    await database.open()
    await database.tenant("main").save_hook(
        HookRow(
            id=HOOK,
            tenant="main",
            connection_id=events.id,
            url=f"{PUBLIC_URL}/hooks/{HOOK}",
            account=str(COMPANY),
            created_at=time.time(),
        )
    )
    await database.close()
    return events.id


def silent_network() -> HttpClient:
    """A client whose network says yes to the proofs of both connections."""
    return asgi_client({NOWHERE: _say_yes})


async def _say_yes(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"data": {}}'})


def event(connection_id: str, place: int, ids: Iterable[str] | None = None) -> EventRow:
    """One accepted event about a client of its own, or about these."""
    return EventRow(
        tenant="main",
        connection_id=connection_id,
        delivery_id=f"4711:{place:08d}-0000-4000-8000-000000000000",
        type=f"it.fattureincloud.webhooks.{KIND}.update",
        resource=KIND,
        operation="update",
        ids=tuple(ids) if ids is not None else (str(1_000_000 + place),),
        received_at=time.time(),
        account=str(COMPANY),
        happened_at="2026-03-04T09:15:02+01:00",
    )
