"""A world in which a write can go wrong at every point: processes, leases, stores, a foreign app.

Time is virtual (`tests.engine.virtual`), the engine and the store are the real ones.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from connector.codec import decode
from connector.engine.confirmed import Confirmed
from connector.engine.effects import Effects
from connector.engine.looking import Intent
from connector.engine.packing import decode_or_none, unpack
from connector.engine.waits import Park, Wait
from connector.errors import (
    NotSent,
    Refused,
    StoreBusy,
    StoreError,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import Action, Answer, HttpRequest, Identity, Prepared
from connector.store.rows import EffectRow
from connector.store.side_journal import SideJournal
from connector.store.sql.database import SqlDatabase
from tests.engine import remote as memory
from tests.engine.remote import REFUSED, UNTOUCHED, Crash, Record, Remote, action

KEY = b"installation key of the matrix"
LEASE = 30.0
MAX_TRIES = 120
DAY = 86_400.0
LOOKING = ["ok", "connect refused", "unclear", "429", "401"]

INVOICE = action(
    "create_invoice",
    "POST",
    Identity(
        record_id="data.id", marker="data.subject", find="find_invoice",
        by={"subject": "data.subject"}, alike={"entity": "data.entity", "date": "data.date"},
        when_unsure="park",
    ),
)  # fmt: skip
CLIENT = action(
    "create_client",
    "POST",
    Identity(
        record_id="data.id", natural_key=("data.vat_number",), find="find_client",
        by={"vat_number": "data.vat_number", "name": "data.name"}, alike={"name": "data.name"},
        when_unsure="resend_once",
    ),
)  # fmt: skip


async def _written_by_own_code(caller: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Reads for a while, as an upload does, and writes what the request of a client says."""
    await caller.request("GET", "/own")
    told = await caller.request("POST", "/create_client", body=inputs)
    return told or {}


OWN_CODE = CLIENT.model_copy(
    update={"key": "own_code", "request": None, "run": _written_by_own_code}
)


async def _found_first(caller: Any, inputs: dict[str, Any]) -> Prepared:
    """Uses what has the key, else makes it; a list that lags may not show it yet."""
    found = await caller.find("", {"vat_number": inputs["data"]["vat_number"]})
    if not found["ids"]:
        return Prepared(inputs=inputs)
    return Prepared(inputs=inputs, record=found["records"][0], enough=True)


ENSURED = CLIENT.model_copy(
    update={
        "key": "ensure_client",
        "prepare": _found_first,
        "identity": Identity(
            record_id="", natural_key=("data.vat_number",), find="find_client",
            by={"vat_number": "data.vat_number"}, alike={"name": "data.name"}, shows="data",
            gives="record", ensures=True,
            when_unsure="repeat",
        ),
    }
)  # fmt: skip


async def _composed(caller: Any, inputs: dict[str, Any]) -> Prepared:
    """Fills in the recipient, as an app proposes it."""
    return Prepared(inputs={"data": {**inputs["data"], "to": "a@b.example"}})


# Its record bears no mark, and its answer names none.
EMAIL = CLIENT.model_copy(
    update={
        "key": "send_email",
        "prepare": _composed,
        "identity": Identity(
            record_id="", find="find_email", by={"to": "data.to", "subject": "data.subject"},
            witness={"to": "data.to", "subject": "data.subject"}, when_unsure="park",
        ),
    }
)  # fmt: skip
ACTIONS: Mapping[str, Action] = {
    "client": CLIENT, "email": EMAIL, "ensure": ENSURED, "invoice": INVOICE, "own code": OWN_CODE,
}  # fmt: skip


ONCE = ("invoice", "email")
"""What never goes a second time by itself; each event has one of its own."""


def now() -> float:
    """The virtual time of the running tale."""
    return asyncio.get_running_loop().time()


# --- the foreign app ----------------------------------------------------------------------------


@dataclass
class Books(Remote):
    """The app: it searches as ours do, and people work in it as well."""

    lag: float = memory.LIST_LAG
    by_people: set[int] = field(default_factory=set)

    async def find(self, key: str, criteria: dict[str, Any]) -> dict[str, Any]:
        """By the strongest criterion; a mark may stand anywhere in its text."""
        await self.asked()
        strong = next(one for one in ("subject", "vat_number", "entity", "name") if one in criteria)
        seen = [
            one
            for one in self.records
            if one.applied_at + self.lag <= self.clock() and _fits(one, strong, criteria)
        ]
        shown = [self._shown(one) for one in seen]
        return {"found": bool(seen), "ids": [one.id for one in seen], "records": shown}

    def _shown(self, one: Record) -> dict[str, Any]:
        made = datetime.fromtimestamp(one.applied_at, UTC).isoformat()
        return {"id": one.id, "created_at": made, **one.body["data"]}

    def enter(self, data: dict[str, Any], at: float | None = None) -> Record:
        """A person makes a record."""
        record = Record(len(self.records) + 1, {"data": data}, self.clock() if at is None else at)
        self.records.append(record)
        self.by_people.add(record.id)
        return record

    def ours(self, fact: str) -> list[Record]:
        """What we have made of a fact, whatever it looks like by now."""
        made = [one for one in self.records if one.id not in self.by_people]
        return [one for one in made if one.body["data"].get("fact") == fact]

    def sent_of(self, fact: str) -> list[str]:
        """What became of each send about a fact."""
        facts = [decode(unpack(one).body)["data"]["fact"] for one in self.sent]
        return [told for told, one in zip(self.outcomes, facts, strict=True) if one == fact]


def _fits(one: Record, strong: str, criteria: dict[str, Any]) -> bool:
    data = one.body["data"]
    if strong == "subject":
        return str(criteria["subject"]) in str(data.get("subject"))
    if "date" in criteria and data.get("date") != criteria["date"]:
        return False
    return bool(data.get(strong) == criteria[strong])


# --- stores ---------------------------------------------------------------------------------------


class Shelf(Protocol):
    """Where effects are kept: one of the real databases, or memory."""

    def store(self, tenant: str) -> Any: ...

    async def rows(self, tenant: str) -> list[EffectRow]: ...

    async def put_back(self, tenant: str, row: EffectRow | None) -> None:
        """A backup is restored that knows a write in this state, or not at all."""
        ...


class OnDatabase:
    """SQLite or PostgreSQL."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    def store(self, tenant: str) -> Any:
        return self._database.tenant(tenant)

    async def rows(self, tenant: str) -> list[EffectRow]:
        return await self._database.tenant(tenant).effects()

    async def put_back(self, tenant: str, row: EffectRow | None) -> None:
        await self._database.write(("DELETE FROM effect WHERE tenant = ?", (tenant,)))
        if row is not None:
            await self.store(tenant).save_effect(deepcopy(row))


class InMemory:
    """For the broken variants: they are many, and what they break is not the store."""

    def __init__(self) -> None:
        self._stores: dict[str, memory.Effects] = {}

    def store(self, tenant: str) -> Any:
        return self._stores.setdefault(tenant, memory.Effects(tenant))

    async def rows(self, tenant: str) -> list[EffectRow]:
        return [deepcopy(one) for one in self.store(tenant).rows.values()]

    async def put_back(self, tenant: str, row: EffectRow | None) -> None:
        self.store(tenant).rows = {} if row is None else {row.key: deepcopy(row)}


# --- processes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edited(Intent):
    """An intent that knows which version of its flow made it; its key must not."""

    version: int = 1


@dataclass(frozen=True)
class Build:
    """What is tried: the engine as it is, or one that is broken on purpose."""

    effects: Callable[..., Effects] = Effects
    intent: type[Edited] = Edited
    keeps_its_lease: bool = True


class Process:
    """One process on the store: it has the run as long as no other has taken it over.

    What PostgreSQL enforces (a result only `WHERE epoch = mine`, no send past the lease) is a model
    here, so that the rules of the engine are tried alone.
    """

    def __init__(self, tale: Tale) -> None:
        self.tale = tale
        self.tenant = tale.tenant
        self._store = tale.shelf.store(tale.tenant)
        self.connection = None
        self.pause_in_reading = 0.0
        self.pause_before_send = 0.0
        self.pause_before_answer = 0.0
        confirmed = Confirmed(tale.journal, lambda tenant: self._store, now)
        self.effects = tale.build.effects(
            now, KEY, confirmed=confirmed, search_first=tale.search_first, monotonic=now
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def perform(self, what: Intent) -> Any:
        return await self.effects.perform(what, self, self, self.tale.books.find)

    # --- as the store ---

    async def effect(self, key: str) -> EffectRow | None:
        found: EffectRow | None = await self._store.effect(key)
        return found

    async def save_effect(self, effect: EffectRow) -> None:
        tale = self.tale
        tale.saves += 1
        fault = tale.save_faults.get(tale.saves, "ok")
        if fault == "crash before":
            raise Crash
        if fault == "busy":
            raise StoreBusy("The database cannot write now.")
        if tale.owner is not self:
            raise StoreBusy("Another process goes on with this run.")
        await self._store.save_effect(effect)
        tale.history.append(deepcopy(effect))
        if fault == "crash after":
            raise Crash
        if fault == "lost":
            raise StoreBusy("The answer of the database was lost.")

    # --- as the door ---

    def render(self, node: Any, inputs: dict[str, Any]) -> HttpRequest:
        return self.tale.books.render(node, inputs)

    def read_error(self, answer: Answer) -> Any:
        return self.tale.books.read_error(answer)

    async def send(
        self, prepared: HttpRequest, *, write: bool, not_after: float | None = None
    ) -> Answer:
        await asyncio.sleep(self.pause_before_send)
        late = self.tale.owner is not self or (not_after is not None and now() > not_after)
        if late and self.tale.build.keeps_its_lease:
            raise NotSent("The time in which this process may send is over.")
        try:
            return await self.tale.books.send(prepared, write=write)
        finally:
            await asyncio.sleep(self.pause_before_answer)

    async def find(self, key: str, criteria: dict[str, Any]) -> dict[str, Any]:
        return await self.tale.books.find(key, criteria)

    async def request(
        self, method: Any, path: str, *, body: Any = None, not_after: float | None = None, **_: Any
    ) -> Any:
        """As `AppCaller` does for own code."""
        if method == "GET":
            await asyncio.sleep(self.pause_in_reading)
            return None
        prepared = self.render(CLIENT, body)
        answer = await self.send(prepared, write=True, not_after=not_after)
        error = self.read_error(answer)
        if error is not None:
            raise error
        return decode_or_none(answer)


Made = Callable[[int], Intent]
"""Gives the intent of the n-th try."""

# --- tales ----------------------------------------------------------------------------------------


@dataclass
class Tale:
    """One fault, one kind of write, one seed: what happens, and what must hold at the end."""

    fault: str
    kind: str
    seed: int
    shelf: Shelf
    build: Build
    tenant: str
    journal: SideJournal | None = None
    search_first: bool = False
    saves: int = 0
    save_faults: dict[int, str] = field(default_factory=dict)
    history: list[EffectRow] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(f"{self.fault} {self.kind} {self.seed}")
        self.books = Books(now)
        self.action = ACTIONS[self.kind]
        looking = [self.draw.choice(LOOKING) for _ in range(self.draw.randint(0, 3))]
        self.books.looking = iter(looking if self.draw.random() < 0.4 else [])
        self.owner = Process(self)
        before = {key: value for key, value in self.data("1").items() if key != "fact"}
        # An older one that looks like ours, and is none.
        self.books.enter({**before, "vat_number": "IT999"}, now() - DAY)

    def data(self, event: str, **changes: Any) -> dict[str, Any]:
        """What is written about an event; `fact` says of which write it is the record."""
        common = {"name": "Rossi", "entity": "Rossi", "date": "2026-03-04", "subject": "Order"}
        if self.kind in ONCE:
            common["subject"] = f"Order {event}"
        fact = f"{self.kind} {event}" if self.kind in ONCE else "IT123"
        return {**common, "vat_number": "IT123", "fact": fact, **changes}

    def intent(self, event: str = "1", **changes: Any) -> Edited:
        return self.build.intent(
            **{
                "connection_id": "conn", "flow": "orders", "step": "write", "event_id": event,
                "item_id": "7", "run_id": 1, "action": self.action,
                "inputs": {"data": self.data(event)}, **changes,
            }
        )  # fmt: skip

    def go_wrong(self, *faults: str) -> None:
        """What the app makes of the next sends."""
        self.books.faults = iter(faults)

    def take_over(self) -> Process:
        """Another process gets the run; the one before may not know it yet."""
        self.owner = Process(self)
        return self.owner

    async def drive(self, what: Intent | Made, process: Process | None = None) -> str:
        """As the dispatcher does: try, wait as long as asked, try again, to an end."""
        own = process is None
        for number in range(MAX_TRIES):
            runner = self.owner if process is None else process
            try:
                await runner.perform(what(number) if callable(what) else what)
            except Crash:
                if own:
                    self.take_over()
                await asyncio.sleep(3)
            except Wait as wait:
                if (wait.due_at or 0) <= now():
                    raise AssertionError("it would spin, or never wake") from wait
                await asyncio.sleep((wait.due_at or 0) - now())
            except Park:
                return self._end("parked")
            except Throttled as error:
                await asyncio.sleep(error.retry_after)
            except Unauthorized:
                await asyncio.sleep(3_600)
            except Refused:
                return self._end("refused")
            except (NotSent, Unclear):
                await asyncio.sleep(10)
            except StoreError:
                if runner is not self.owner and not own:
                    return "taken over"
                await asyncio.sleep(1)
            else:
                return self._end("done")
        raise AssertionError("it does not end")

    def _end(self, end: str) -> str:
        self.ends.append(end)
        return end

    async def check(self) -> None:
        """The invariant. Raises AssertionError."""
        self.books.settle(to_the_end=True)
        rows = await self.shelf.rows(self.tenant)
        assert rows, "a write without a trace"
        for row in rows:
            assert row.state in ("done", "refused", "parked"), f"left {row.state}"
            fact = row.inputs["data"]["fact"]
            made = self.books.ours(fact)
            assert len(made) <= 1, f"written {len(made)} times"
            if row.state == "done":
                assert len(made) == 1, "done, and not there"
                answered = self.kind == "email" and row.remote_id is None
                assert answered or str(made[0].id) == row.remote_id, "done, and not its record"
            if row.state == "refused":
                assert not made, "refused, and written all the same"
            if self.kind in ONCE:
                *before, _ = [*self.books.sent_of(fact), ""]
                unsure = [one for one in before[:-1] if one not in (*UNTOUCHED, *REFUSED)]
                assert not unsure, "what must never come twice was sent again"


Script = Callable[[Tale], Awaitable[None]]


async def play(tale: Tale, script: Script) -> None:
    """Tell a tale and check it; a failure names how to tell it again."""
    try:
        await script(tale)
        await tale.check()
    except AssertionError as error:
        where = f"{tale.fault!r}, {tale.kind}, seed {tale.seed}"
        states = [row.state for row in tale.history]
        raise AssertionError(f"{where}: {error}; {states}, {tale.books.outcomes}") from error


def with_changes(what: Edited, **data: Any) -> Edited:
    """The same write from an edited flow."""
    inputs = {"data": {**what.inputs["data"], **data}}
    return replace(what, inputs=inputs, version=what.version + 1)
