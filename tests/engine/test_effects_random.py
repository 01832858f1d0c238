"""Many faults in one story, drawn by a seed: never twice, never lost, always at an end.

When one fails, its message names the seed: `Tale(seed, "client").play()` plays it again alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.codec import decode
from connector.engine.effects import Effects
from connector.engine.looking import Intent
from connector.engine.packing import pack, unpack
from connector.store.rows import EffectRow
from connector.store.sql.turns import Turn
from tests.engine import remote as remote_module
from tests.engine.driving import Driver, Story, intent
from tests.engine.remote import (
    APPLIED,
    CLIENT,
    INVOICE,
    REFUSED,
    TOKEN,
    UNHEARD,
    UNTOUCHED,
    UPDATE,
    Clock,
    Record,
    Remote,
)
from tests.engine.virtual import simulate
from tests.engine.wrong import (
    ForgetsItWasSending,
    LooksAtOnce,
    ParkedIsNoEnd,
    RetriesAfterTimeout,
    SendsBeforeStoring,
    TakesServerErrorsForNo,
)

ACTIONS = {"client": CLIENT, "invoice": INVOICE, "update": UPDATE}
SEEDS = range(300)

SENDING = [*APPLIED, *UNHEARD, *UNTOUCHED, *REFUSED, "crash before", "ok", "ok", "ok"]
LOOKING = ["ok", "ok", "ok", "connect refused", "unclear", "429", "401"]
SAVING = ["ok"] * 12 + ["busy", "crash before", "crash after"]


def drawn(draw: random.Random, faults: list[str], most: int) -> Iterator[str]:
    """Faults for a while; in the end all is well, as after any bad day."""
    return iter([draw.choice(faults) for _ in range(draw.randint(0, most))])


class Tale:
    """One intent through a bad day, its replays, and sometimes a second event about its fact."""

    in_order = True
    """Each run ends before the next begins."""

    def __init__(self, seed: int, kind: str, make: Callable[..., Effects] = Effects) -> None:
        self.seed = seed
        self.kind = kind
        self.draw = draw = random.Random(f"{kind} {seed}")
        self.clock = Clock(1_700_000_000 + draw.random() * 1e6)
        self.remote = Remote(
            self.clock,
            drawn(draw, SENDING, 5),
            drawn(draw, LOOKING, 5),
            records=[Record(1, {"data": {"name": "there before"}}, 0)],
        )
        self.remote.before_send = self._before_send
        self.store = remote_module.Effects(faults=drawn(draw, SAVING, 12))
        self.driver = Driver(self.clock, self.remote, self.store, make)
        self.stories: list[Story] = []
        self.planned: dict[int, bytes] = {}
        """Run → the first bytes it sent."""

    def _before_send(self, stored: bytes) -> None:
        row = self.store.only()
        assert row.state == "sending", "a send that no restart would know of"
        assert row.request == stored, "other bytes than the stored ones"
        if self.in_order:
            first = self.planned.setdefault(row.run_id, stored)
            assert stored == first, "other bytes than the first time"

    async def play(self) -> None:
        """Raises AssertionError, naming the seed, when an invariant is broken."""
        try:
            await self._play()
        except AssertionError as error:
            tries = [one.tries for one in self.stories]
            raise AssertionError(f"seed {self.seed} of {self.kind}: {error}; {tries}") from error

    async def _play(self) -> None:
        draw = self.draw
        first = intent(ACTIONS[self.kind], business_key="order 7")
        facts = [first]
        if draw.random() < 0.3:
            facts.append(intent(ACTIONS[self.kind], business_key="order 7", event_id="2", run_id=2))
        for one in facts:
            await self._follow(one)
        for number in range(draw.randint(0, 2)):
            self.clock.now += draw.choice([1, 700, 90_000])
            mended = {"data": {"name": f"mended {number}", "subject": "Order 7"}}
            await self._follow(
                intent(ACTIONS[self.kind], business_key="order 7", run_id=10 + number,
                       inputs=mended)
            )  # fmt: skip
        self._check_records(self.store.only())

    async def _follow(self, what: Intent) -> None:
        before = self.stories[-1] if self.stories else None
        sent = len(self.remote.sent)
        story = await self.driver.drive(what)
        self.stories.append(story)
        row = self.store.only()
        assert row.state in ("done", "refused", "parked"), "an effect without an end"
        assert row.state == story.end
        assert TOKEN not in repr(row), "a secret in the effect"
        if before is not None and before.end in ("done", "parked"):
            assert story.end == before.end, "an end that did not stay"
            assert len(self.remote.sent) == sent, "sent again after its end"
        if before is not None and before.end == "done":
            assert story.output == before.output, "another result for the same fact"

    def _check_records(self, row: EffectRow) -> None:
        made = self.remote.marked(row.marker)
        if self.kind == "update":
            if row.state == "done":
                wanted = decode(unpack(row.request or b"").body)
                assert self.remote.records[0].body == wanted, "not the state that was asked for"
            return
        assert len(made) <= 1, "written twice"
        if row.state == "done":
            assert [str(one.id) for one in made] == [row.remote_id], "done without its record"
        if row.state == "refused":
            assert made == [], "refused and written all the same"
        if self.kind == "invoice":
            sure = (*UNTOUCHED, *REFUSED)
            unsure = [place for place, one in enumerate(self.remote.outcomes) if one not in sure]
            assert unsure in ([], [len(self.remote.outcomes) - 1]), "sent again when unsure"


class Crowd(Tale):
    """Several events about one fact at the same moment, in one process that does not crash."""

    in_order = False

    async def _play(self) -> None:
        self.remote.faults = (one for one in self.remote.faults if "crash" not in one)
        self.store.faults = (one for one in self.store.faults if "crash" not in one)
        facts = [
            intent(ACTIONS[self.kind], business_key="order 7", event_id=str(number), run_id=number)
            for number in range(self.draw.randint(2, 5))
        ]
        self.stories = await asyncio.gather(*(self.driver.drive(one) for one in facts))
        self._check_records(self.store.only())
        outputs = [one.output for one in self.stories if one.end == "done"]
        assert outputs == outputs[:1] * len(outputs), "two results for one fact"


def tell(kind: str, tale: type[Tale], make: Callable[..., Effects] = Effects) -> None:
    for seed in SEEDS:
        simulate(tale(seed, kind, make).play)


@pytest.mark.parametrize("tale", [Tale, Crowd])
@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_nothing_is_written_twice_or_left_without_an_end(kind: str, tale: type[Tale]) -> None:
    tell(kind, tale)


def test_the_tales_meet_every_fault_and_every_end() -> None:
    met: set[str] = set()
    ends: set[str] = set()
    tries: set[str] = set()
    for seed in SEEDS:
        tale = Tale(seed, "client")
        simulate(tale.play)
        met.update(tale.remote.outcomes)
        ends.update(story.end for story in tale.stories)
        tries.update(one for story in tale.stories for one in story.tries)
    assert met == {*SENDING} - {"connect refused"}
    assert ends == {"done", "refused", "parked"}
    assert {"crash", "store busy", "throttled", "unauthorized", "NotSent"} <= tries


# --- the proof of the proof: each of these is wrong in one way, and the tales above find it -------


class RendersAtEachTry(Effects):
    """Sends what the flow says now."""

    async def _send(self, intent: Intent, effect: EffectRow, *rest: Any) -> None:
        effect.request = pack(rest[1].render(intent.action, effect.inputs))
        await super()._send(intent, effect, *rest)


class TakesNoTurns(Effects):
    """Two events about one fact go side by side."""

    async def perform(self, intent: Intent, store: Any, *rest: Any) -> Any:
        return await self._perform(intent.key(store.tenant), intent, store, *rest, Turn())


@pytest.mark.parametrize(
    ("broken", "kind", "tale"),
    [
        (RetriesAfterTimeout, "invoice", Tale),
        (RetriesAfterTimeout, "client", Tale),
        (SendsBeforeStoring, "invoice", Tale),
        (SendsBeforeStoring, "client", Tale),
        (RendersAtEachTry, "client", Tale),
        (RendersAtEachTry, "update", Tale),
        (LooksAtOnce, "client", Tale),
        (TakesServerErrorsForNo, "invoice", Tale),
        (TakesServerErrorsForNo, "client", Tale),
        (ForgetsItWasSending, "invoice", Tale),
        (ForgetsItWasSending, "client", Tale),
        (ParkedIsNoEnd, "invoice", Tale),
        (ParkedIsNoEnd, "client", Tale),
        (TakesNoTurns, "invoice", Crowd),
        (TakesNoTurns, "client", Crowd),
    ],
)
def test_the_tales_find_effects_that(broken: type[Effects], kind: str, tale: type[Tale]) -> None:
    with pytest.raises(AssertionError, match=rf"^seed \d+ of {kind}: "):
        tell(kind, tale, broken)
