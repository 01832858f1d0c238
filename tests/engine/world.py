"""The whole engine on one file with a small app behind it; it can be killed and built anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.engine.dispatch import Dispatcher, Ticket
from connector.engine.effects import Effects
from connector.engine.events import ActiveFlow, Events
from connector.engine.runs import Runs
from connector.engine.waits import Backoff, connection_reason
from connector.errors import BundleError, Unauthorized
from connector.model import AnyNode, App, Connection, Reader, Request, Search, Token, Trigger
from connector.store.rows import ConnectionRow, EventRow, RunRow
from connector.store.sqlite.database import Database
from tests.engine.driving import INSTALLATION
from tests.engine.remote import CLIENT, INVOICE, Remote
from tests.engine.virtual import simulate

CONNECTION = "conn-main"
READER = Reader(
    get=Request(method="GET", path="/c/{company}/clients/{id}"),
    batch=Request(method="GET", path="/c/{company}/clients", query={"q": "{q}"}),
    batch_size=40,
)


async def look(caller: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await caller.look(inputs)
    return found


async def find(caller: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await caller.find("", inputs)
    return found


def search(key: str, run: Any) -> Search:
    return Search(app="books", key=key, noun="Client", label=key, description=key, run=run)


TRIGGER = Trigger(app="books", key="enriched", noun="Event", label="Event", description="Event")
RAW = TRIGGER.model_copy(update={"key": "raw", "enrich": False})
BOOKS = App(
    key="books",
    title="Books",
    auth=Token(header="authorization"),
    check=Request(method="GET", path="/me"),
    read_error=lambda answer: None,
    readers={"client": READER},
    account_input="company",
    id_filter=lambda ids: " or ".join(f"id = {one}" for one in ids),
)
NODES: Mapping[str, AnyNode] = {
    node.name: node
    for node in (
        search("look", look), search("find_client", find), search("find_invoice", find),
        CLIENT, INVOICE, TRIGGER, RAW,
    )
}  # fmt: skip


class Nodes:
    """As much of a catalogue as the engine asks for."""

    def node(self, name: str) -> AnyNode:
        if name not in NODES:
            raise BundleError(f"There is no node {name!r}.")
        return NODES[name]

    def app(self, key: str) -> App:
        return BOOKS


# --- flows ------------------------------------------------------------------------------------


@dataclass
class Mapped:
    payload: dict[str, Any]
    error: Exception | None = None
    issues: tuple[Any, ...] = ()
    named: tuple[Any, ...] = ()

    def raise_for_errors(self, *, names: bool = False) -> Mapped:
        if self.error is not None:
            raise self.error
        return self


@dataclass
class Step:
    """A step as `CompiledStep` is one: `make` gives its inputs from what the run knows."""

    id: str
    node: str = "books.look"
    connection: str = "Books"
    make: Callable[[dict[str, Any]], dict[str, Any]] = lambda seen: {}
    only_if: Callable[[dict[str, Any]], bool] = lambda seen: True
    fault: Exception | None = None
    key: str | None = None
    enabled: bool = True

    @property
    def mapping(self) -> Step:
        return self

    def apply(self, context: dict[str, Any], *, now: datetime) -> Mapped:
        given = {"item": context["trigger"]["id"], "step": self.id, **self.make(context)}
        return Mapped(given, self.fault)

    def when(self, context: dict[str, Any], now: datetime) -> bool:
        return self.only_if(context)

    def business_key(self, context: dict[str, Any], now: datetime) -> str | None:
        return self.key


@dataclass
class Flow:
    """A flow as `CompiledFlow` is one."""

    key: str
    steps: Sequence[Step] = (Step("one"), Step("two"))
    passes: Callable[[dict[str, Any]], bool] = lambda seen: True
    trigger: Trigger = TRIGGER
    resources: frozenset[str] = frozenset({"client"})
    operations: frozenset[str] = frozenset({"update", "create", "delete"})
    account: str | None = None
    order: str = "per_record"
    loops: str = "ignore"

    def filter(self, context: dict[str, Any], now: datetime) -> bool:
        return self.passes(context)


# --- the app ----------------------------------------------------------------------------------

Script = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Books(Remote):
    """The door to the app: reads follow `holds` and `faults_of`, steps follow `script`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.connection = Connection(
            id=CONNECTION, app="books", name="Books", base_url="https://books.example"
        )
        self.missing: set[str] = set()
        self.reads: list[tuple[str, tuple[str, ...]]] = []
        """("batch" or "single", the ids) of every read."""
        self.batch_faults: list[Exception] = []
        self.single_faults: dict[str, list[Exception]] = {}
        self.looked: list[tuple[int, str]] = []
        """The record and the step of every search that a run made, in order."""
        self.script: Script | None = None
        self.mark: Callable[[], Awaitable[None]] | None = None
        self.apart = 0.0
        """How many seconds apart the quota wants reads to be."""

    def spacing(self) -> float:
        return self.apart

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0)
        if "q" not in inputs:
            one = str(inputs["id"])
            self.reads.append(("single", (one,)))
            faults = self.single_faults.get(one)
            if faults:
                raise faults.pop(0)
            return {"data": None if one in self.missing else self.record(one)}
        ids = tuple(part.removeprefix("id = ") for part in inputs["q"].split(" or "))
        self.reads.append(("batch", ids))
        if self.batch_faults:
            raise self.batch_faults.pop(0)
        return {"data": [self.record(one) for one in ids if one not in self.missing]}

    def record(self, one: str) -> dict[str, Any]:
        return {"id": int(one) if one.isdecimal() else one, "name": f"client {one}"}

    async def look(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.looked.append((inputs["item"], inputs["step"]))
        try:
            return await self.script(inputs) if self.script else {"seen": inputs["item"]}
        except Unauthorized:
            if self.mark is not None:
                await self.mark()
            raise


# --- the engine -------------------------------------------------------------------------------


@dataclass
class World:
    """Everything that lives in one process; `kill` and `start` make another process of it."""

    path: Path
    flows: Sequence[Flow] = (Flow("sync"),)
    retries: Sequence[float] = (10, 60)
    workers: int = 8
    books: Books = field(default_factory=lambda: Books(clock))
    finished: list[tuple[str, str]] = field(default_factory=list)
    """Record and state of every run that ended, in order."""
    on_finished: Callable[[RunRow], None] | None = None
    opened: list[tuple[str, str, str]] = field(default_factory=list)
    """Connection, account and priority of every door that was opened."""
    door_faults: list[Exception] = field(default_factory=list)

    async def start(self) -> World:
        self.database = Database(self.path)
        self.store = self.database.tenant("main")
        await self._set_up()
        draw = random.Random(1)
        backoff = Backoff(clock, draw, self.retries)
        self.effects = Effects(clock, INSTALLATION)
        self.runs = Runs(
            Nodes(), self, self, self.effects, self.database.tenant, backoff, clock, self._ended
        )
        self.dispatcher = Dispatcher(self.runs.perform, self.database.run, clock, self.workers)
        self.events = Events(self, self, self.database.tenant, backoff, clock, self.enqueue)
        self.dispatcher.start()
        await self.resume()
        return self

    async def _set_up(self) -> None:
        await self.store.ensure(clock())
        if await self.store.connection(CONNECTION) is None:
            await self.store.save_connection(
                ConnectionRow(CONNECTION, "main", "books", "Books", "https://books.example", {},
                              "active", clock())
            )  # fmt: skip
        self.active = []
        for flow in self.flows:
            row = await self.store.save_flow(flow.key, flow.key, clock(), enable=True)
            active = ActiveFlow(
                row, flow, flow.trigger, CONNECTION, flow.account, flow.resources, flow.operations
            )
            self.active.append(active)
        self.books.mark = lambda: self.store.set_connection_status(CONNECTION, "reconnect")

    async def kill(self) -> None:
        """End the process in the middle of whatever it does."""
        await self.events.stop()
        await self.dispatcher.stop()
        await self.database.close()

    async def settled(self) -> None:
        """Until no event and no run is open."""
        while self.events.open or self.dispatcher.open:
            await self.events.settled()
            await self.dispatcher.settled()

    async def deliver(self, *ids: str, **changes: Any) -> EventRow:
        """Accept an event and hand it on."""
        event = EventRow(
            tenant="main",
            connection_id=CONNECTION,
            delivery_id=changes.pop("delivery", f"d-{random.random()}"),
            type="books.client",
            resource="client",
            operation="update",
            ids=ids,
            received_at=clock(),
            account="7",
        )
        for name, value in changes.items():
            setattr(event, name, value)
        event.id = await self.store.accept(event) or 0
        assert event.id
        self.events.enqueue(event)
        return event

    async def reconnect(self) -> None:
        """What a new consent does."""
        await self.store.save_secrets(
            CONNECTION,
            b"new",
            (await self.store.connection(CONNECTION)).version,
        )
        for run_id, _, _ in await self.store.release_runs(connection_reason(CONNECTION)):
            self.dispatcher.release(run_id)
        self.events.hurry(CONNECTION)

    async def runs_of(self, event: EventRow | None = None) -> list[RunRow]:
        """Oldest first."""
        runs = await self.store.runs(limit=10_000, event_id=event.id if event else None)
        return sorted(runs, key=lambda run: run.id)

    # --- what the engine asks for ---------------------------------------------------------------

    async def following(self, tenant: str, connection_id: str) -> Sequence[ActiveFlow]:
        return [one for one in self.active if one.connection_id == connection_id]

    async def app(self, tenant: str, connection_id: str) -> App:
        return BOOKS

    async def compiled(self, tenant: str, flow_id: int, version: int) -> Any:
        return next(one.flow for one in self.active if one.row.id == flow_id)

    async def open(
        self, tenant: str, connection: str, *, account: str = "", priority: str = "read"
    ) -> Books:
        self.opened.append((connection, account, priority))
        if self.door_faults:
            raise self.door_faults.pop(0)
        return self.books

    def enqueue(self, run: RunRow) -> None:
        self.dispatcher.enqueue(Ticket(run.id, (run.flow_id, run.item_id), run, tenant=run.tenant))

    async def resume(self) -> None:
        """As the runtime does, at its start and when another process has changed something."""
        for event in await self.database.open_events():
            self.events.enqueue(event)
        for run_id, flow_id, item_id, due_at, reason, _, tenant in await self.database.open_runs():
            waits = reason is not None and reason.startswith("connection:")
            self.dispatcher.enqueue(
                Ticket(
                    run_id,
                    (flow_id, item_id),
                    due_at=float("inf") if waits else due_at,
                    tenant=tenant,
                )
            )

    def _ended(self, run: RunRow) -> None:
        self.finished.append((run.item_id, run.state))
        if self.on_finished is not None:
            self.on_finished(run)


def clock() -> float:
    """The virtual time of the running story."""
    return asyncio.get_running_loop().time()


# --- a story ----------------------------------------------------------------------------------

Story = Callable[[World], Awaitable[None]]


def play(path: Path, story: Story, *flows: Flow, **given: Any) -> World:
    """A story in one process, from its start to its end, in virtual time."""

    async def whole() -> World:
        world = World(path / "connector.db", flows or (Flow("sync"),), **given)
        await world.start()
        await story(world)
        await world.kill()
        return world

    return simulate(whole)
