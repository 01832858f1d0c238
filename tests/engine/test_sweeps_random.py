"""Lost, late, doubled and overtaken webhooks beside sweeps, drawn by a seed.

Two laws hold in every story: the last state of each record reaches each flow that follows it, and
no change reaches a flow twice. When one is broken, the message names the seed: `Tale(seed).play`
tells that story again alone.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.engine import making
from connector.engine.covering import covered
from connector.engine.rounds import Rounds
from connector.engine.sweeps import GRACE_SECONDS, Sweeps
from connector.errors import NotSent
from connector.model import App, Request
from connector.store.rows import EventRow, HandledRow
from tests.engine.virtual import simulate
from tests.engine.world import BOOKS, CONNECTION, RAW, READER, Books, Flow, Step, World, clock

SEEDS = (*range(30), 271, 294)
EVERY = 1_800.0
APART = 30.0
"""Between two changes of a record: events lag less, so that it can be told which one they mean."""
LATEST = 3 * 3_600.0
SWEPT = READER.model_copy(
    update={
        "sweep": Request(
            method="GET", path="/c/{company}/clients", query={"q": "{since}", "page": "{page}"}
        )
    }
)
APP = BOOKS.model_copy(update={"readers": {"client": SWEPT}})
STEP = [Step("one", make=lambda seen: {"seen": seen["trigger"], "flow": seen["flow"]["key"]})]
BOTH, MADE, CHANGED = (frozenset(one) for one in (("create", "update"), ("create",), ("update",)))
FLOWS = (
    Flow("both", STEP, operations=BOTH, account="7"),
    Flow("made", STEP, operations=MADE, account="7"),
    Flow("changed", STEP, operations=CHANGED, account="7"),
    Flow("raw-both", STEP, operations=BOTH, account="7", trigger=RAW),
    Flow("raw-changed", STEP, operations=CHANGED, account="7", trigger=RAW),
)


def told_at(seconds: float) -> str:
    """What the app's clock on the wall shows: it lies an hour before UTC."""
    return (datetime.fromtimestamp(seconds, UTC) + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Fact:
    """One change of one record."""

    item: str
    operation: str
    at: float
    delivery: str

    @property
    def moment(self) -> str:
        return told_at(self.at)


@dataclass(frozen=True)
class Told:
    """One run that did something: for which flow, of which event, with which state."""

    flow: str
    item: str
    delivery: str
    operation: str
    state: str
    """The state that it read, or for a flow that reads nothing, the moment of its run."""


class Ledger(Books):
    """An app whose records change, and which lists what was changed since."""

    def __init__(self) -> None:
        super().__init__(clock)
        self.dates: dict[str, tuple[str, str]] = {}
        self.told: list[Told] = []
        self.script = self._hear

    async def _hear(self, inputs: dict[str, Any]) -> dict[str, Any]:
        seen = inputs["seen"]
        event, record = seen["event"], seen["resource"]
        state = record["updated_at"] if record else told_at(clock())
        self.told.append(
            Told(inputs["flow"], str(seen["id"]), event["id"], event["operation"], state)
        )
        return {}

    def record(self, one: str) -> dict[str, Any]:
        made, changed = self.dates[one]
        return {"id": int(one), "created_at": made, "updated_at": changed}

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Any:
        if "since" not in inputs:
            return await super().read(request, inputs)
        rows = [self.record(one) for one in self.dates]
        return {"data": [one for one in rows if one["updated_at"] >= inputs["since"]]}


@dataclass
class Ledgers(World):
    """The world of one app that is swept."""

    problems: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[EventRow], None] = lambda event: None
    """What happens at the very moment when a sweep has found something."""

    async def start(self) -> World:
        await super().start()
        self.sweeps = Rounds("sweeps", self.database, clock, self._swept, within=0)
        self.sweeps.start()
        return self

    async def kill(self) -> None:
        await self.sweeps.stop()
        await super().kill()

    def _swept(self, tenant: str, first: bool) -> Sweeps:
        book: Any = Bookish(self)
        return Sweeps(tenant, book, self, self.store, clock, self._found, EVERY)

    def _found(self, event: EventRow) -> None:
        self.meanwhile(event)
        self.events.enqueue(event)

    async def app(self, tenant: str, connection_id: str) -> App:
        return APP


class Bookish:
    """As much of a book as sweeps ask for: `active` is a list in the world, a question here."""

    def __init__(self, world: Ledgers) -> None:
        self._world = world

    def problems(self, tenant: str) -> dict[str, str]:
        return {}

    async def active(self, tenant: str) -> Sequence[Any]:
        return self._world.active

    async def app(self, tenant: str, connection_id: str) -> App:
        return APP


class Tale:
    """A story of some records, with everything that can happen to what is told of them."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.draw = random.Random(f"sweeps {seed}")
        self.ledger = Ledger()
        self.facts: list[Fact] = []
        self.pending: list[tuple[Fact, str]] = []
        self.up = False

    async def play(self) -> None:
        """Raises AssertionError, naming the seed, when a law is broken."""
        with tempfile.TemporaryDirectory() as folder:
            self.world = Ledgers(Path(folder) / "c.db", FLOWS, books=self.ledger)
            self.world.meanwhile = self._meanwhile
            await self.world.start()
            self.up = True
            try:
                await self._tell()
                self._judge()
            except AssertionError as error:
                raise AssertionError(f"seed {self.seed}: {error}") from error
            finally:
                await self.world.kill()

    async def _tell(self) -> None:
        await asyncio.sleep(60)
        async with asyncio.TaskGroup() as group:
            for item in range(1, self.draw.randint(2, 3) + 1):
                group.create_task(self._live(str(item), group))
            group.create_task(self._restarts())
        await asyncio.sleep(LATEST + 2 * EVERY + 2 * GRACE_SECONDS)
        await self.world.settled()

    async def _live(self, item: str, group: asyncio.TaskGroup) -> None:
        """One record: made once, changed a few times."""
        await asyncio.sleep(self.draw.choice([0, 1, 700, self.draw.uniform(0, 7_200)]))
        for number in range(self.draw.randint(1, 5)):
            operation = "update" if number else "create"
            fact = Fact(item, operation, float(int(clock())), f"{item}-{number}")
            made = self.ledger.dates.get(item, (fact.moment, ""))[0]
            self.ledger.dates[item] = (made, fact.moment)
            self.facts.append(fact)
            self._send(fact, group)
            await asyncio.sleep(
                APART + self.draw.choice([0, 0, 500, EVERY, self.draw.uniform(0, 9_000)])
            )

    def _send(self, fact: Fact, group: asyncio.TaskGroup) -> None:
        fate = self.draw.choice(("lost", "lost", "in time", "late", "late", "late twice"))
        if fate == "lost":
            return
        lag = self.draw.choice([-2, 0, 0, 1, 2, 20])
        happened = datetime.fromtimestamp(fact.at + lag, UTC) + timedelta(hours=1)
        told = happened.replace(tzinfo=None).isoformat() + "+01:00"
        delay = 1.0 if fate == "in time" else self.draw.uniform(GRACE_SECONDS, LATEST)
        if fate == "late" and self.draw.random() < 0.4:
            # It comes at the moment when a sweep has found it, if it ever does.
            self.pending.append((fact, told))
        for _ in range(2 if fate == "late twice" else 1):
            group.create_task(self._deliver(fact, told, delay))
            delay = self.draw.uniform(0, LATEST)

    async def _deliver(self, fact: Fact, told: str, delay: float) -> None:
        await asyncio.sleep(delay)
        for _ in range(4):
            if self.up:
                await self._accept(fact, told)
                return
            await asyncio.sleep(60)

    async def _accept(self, fact: Fact, told: str) -> None:
        event = EventRow(
            tenant="main",
            connection_id=CONNECTION,
            delivery_id=fact.delivery,
            type=f"books.client.{fact.operation}",
            resource="client",
            operation=fact.operation,
            ids=(fact.item,),
            received_at=clock(),
            account="7",
            happened_at=told,
        )
        event.id = await self.world.store.accept(event) or 0
        if event.id:
            self.world.events.enqueue(event)

    def _meanwhile(self, event: EventRow) -> None:
        if self.draw.random() < 0.2:
            self.ledger.batch_faults.append(NotSent("cut off"))
            self.ledger.single_faults.setdefault(event.ids[0], []).append(NotSent("cut off"))
        for fact, told in list(self.pending):
            if (fact.item,) == event.ids:
                self.pending.remove((fact, told))
                self._now = asyncio.create_task(self._accept(fact, told))

    async def _restarts(self) -> None:
        for _ in range(self.draw.randint(0, 3)):
            await asyncio.sleep(self.draw.uniform(0, 9_000))
            self.up = False
            await self.world.kill()
            await asyncio.sleep(self.draw.choice([0, 1, 200, 4_000]))
            await self.world.start()
            self.up = True

    # --- the laws -----------------------------------------------------------------------------

    def _judge(self) -> None:
        for flow in FLOWS:
            for item in self.ledger.dates:
                wanted = [
                    one
                    for one in sorted(self.facts, key=lambda one: one.at)
                    if one.item == item and one.operation in flow.operations
                ]
                told = [one for one in self.ledger.told if (one.flow, one.item) == (flow.key, item)]
                self._complete(flow, wanted, told)
                self._once(flow, wanted, told)

    def _complete(self, flow: Flow, wanted: Sequence[Fact], told: Sequence[Told]) -> None:
        if wanted:
            assert told, f"{flow.key} was told nothing of {wanted}"
            last = wanted[-1]
            assert max(one.state for one in told) >= last.moment, f"{flow.key} never saw {last}"

    def _once(self, flow: Flow, wanted: Sequence[Fact], told: Sequence[Told]) -> None:
        """Each run must be about a change that no run before it was about."""
        open_ = list(wanted)
        for one in told:
            about = list(self._about(one, open_))
            assert about, f"{flow.key} was told again: {one}, of {wanted} in {told}"
            open_ = [fact for fact in open_ if fact not in about]

    def _about(self, one: Told, open_: Sequence[Fact]) -> Iterator[Fact]:
        swept = one.delivery.startswith("sweep:")
        for fact in open_:
            if not swept:
                if fact.delivery == one.delivery:
                    yield fact
            elif fact.operation == one.operation or one.operation == "create":
                # Who is told that it was made reads what it has become since.
                moment = one.delivery.split(":", 5)[-1] if one.flow.startswith("raw") else one.state
                if fact.moment <= moment:
                    yield fact


@pytest.mark.parametrize("seed", SEEDS)
def test_every_last_state_arrives_and_no_change_arrives_twice(seed: int) -> None:
    simulate(Tale(seed).play)


def only_by_state(event: EventRow, before: HandledRow, updated_at: str) -> str | None:
    """As if a late event were known by the record's present state alone."""
    known = before.swept_to and updated_at and updated_at <= before.updated_at
    return "known" if known and not event.swept else None


def never_of_findings(event: EventRow, before: HandledRow, updated_at: str) -> str | None:
    """As if a finding were never compared with what an event has told meanwhile."""
    return None if event.swept else covered(event, before, updated_at)


def by_any_event(event: EventRow, before: HandledRow, updated_at: str) -> str | None:
    """As if every event about a record that a sweep had found were late news."""
    return "known" if before.swept_to and not event.swept else covered(event, before, updated_at)


@pytest.mark.parametrize(
    "broken",
    [lambda *told: None, only_by_state, never_of_findings, by_any_event],
    ids=["as it was", "by state", "findings", "any event"],
)
def test_a_broken_identity_is_found_out(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[..., str | None]
) -> None:
    monkeypatch.setattr(making, "covered", broken)
    with pytest.raises(AssertionError, match=r"^seed \d+: "):
        _tell_all()


def _tell_all() -> None:
    for seed in SEEDS:
        simulate(Tale(seed).play)
