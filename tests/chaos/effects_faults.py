"""The points at which a write can go wrong, each as a short script, and how each may end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from connector.codec import decode
from connector.engine.packing import unpack
from connector.store.rows import EffectRow
from tests.chaos.effects_world import LEASE, Edited, Script, Tale, with_changes

DONE, PARKED, EITHER = {"done"}, {"parked"}, {"done", "parked"}


EMAIL_ENDS = {"text around the mark edited by a person": PARKED}
"""Where an e-mail, which bears no mark, ends otherwise than an invoice."""


class Points:
    """Names of faults, their scripts, and the ends that each kind of write may come to."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.ends: dict[str, dict[str, set[str]]] = {}

    def add(self, name: str, script: Script, client: set[str], invoice: set[str]) -> None:
        self.scripts[name] = script
        others = dict.fromkeys(("client", "own code", "ensure"), client)
        self.ends[name] = {"invoice": invoice, "email": EMAIL_ENDS.get(name, invoice), **others}

    def tale(self, name: str, client: set[str], invoice: set[str]) -> Callable[[Script], Script]:
        def added(script: Script) -> Script:
            self.add(name, script, client, invoice)
            return script

        return added


POINTS = Points()


def saving(*faults: tuple[int, str]) -> Script:
    """The n-th save goes wrong."""

    async def script(tale: Tale) -> None:
        tale.save_faults = dict(faults)
        await tale.drive(tale.intent())

    return script


def sending(*faults: str) -> Script:
    """The app answers so; in half of the tales, a replay follows a day later."""

    async def script(tale: Tale) -> None:
        tale.go_wrong(*faults)
        await tale.drive(tale.intent())
        if tale.draw.random() < 0.5:
            await asyncio.sleep(86_400)
            await tale.drive(tale.intent(run_id=2))

    return script


# Crashes. Saves are: planned, sending, done.
POINTS.add("crash before the intent is stored", saving((1, "crash before")), DONE, DONE)
POINTS.add("crash after the intent is stored", saving((1, "crash after")), DONE, DONE)
POINTS.add("crash before SENDING is stored", saving((2, "crash before")), DONE, DONE)
POINTS.add("crash before the first byte", saving((2, "crash after")), DONE, PARKED)
POINTS.add("crash in mid-send, not applied", sending("crash before"), DONE, PARKED)
POINTS.add("crash after the send, applied", sending("crash after"), DONE, DONE)
POINTS.add("crash with the answer in hand", saving((3, "crash before")), DONE, DONE)
POINTS.add("crash after DONE is stored", saving((3, "crash after")), DONE, DONE)
# The network and the app.
POINTS.add("connect refused", sending("connect refused", "connect refused"), DONE, DONE)
POINTS.add("quota, then a dead token", sending("429", "403 quota", "401"), DONE, DONE)
POINTS.add("reset before apply", sending("reset before"), DONE, PARKED)
POINTS.add("reset before apply, twice", sending("reset before", "reset before"), PARKED, PARKED)
POINTS.add("reset after apply", sending("reset after"), DONE, DONE)
POINTS.add("5xx before apply", sending("5xx before"), DONE, PARKED)
POINTS.add("5xx after apply", sending("5xx after"), DONE, DONE)
POINTS.add("timeout, not applied", sending("timeout before"), DONE, PARKED)
POINTS.add("timeout, applied", sending("timeout after"), DONE, DONE)
POINTS.add("timeout, applied late", sending("timeout, late"), DONE, DONE)
POINTS.add("truncated 2xx", sending("truncated"), DONE, DONE)
POINTS.add("foreign page with 200", sending("foreign page"), DONE, PARKED)
POINTS.add("redirect on POST", sending("redirect"), DONE, PARKED)
POINTS.add("refused by the app", sending("422"), {"refused", "done"}, {"refused", "done"})


@POINTS.tale("local commit fails after a 2xx", DONE, DONE)
async def local_commit(tale: Tale) -> None:
    tale.save_faults = dict.fromkeys(range(3, 3 + tale.draw.choice([1, 4, 9])), "busy")
    if tale.draw.random() < 0.5:
        tale.journal = None
        tale.take_over()
    first = asyncio.create_task(tale.drive(tale.intent()))
    await asyncio.sleep(tale.draw.choice([0.2, 1, 4]))
    if tale.draw.random() < 0.5 and not first.done():
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        tale.take_over()
        await tale.drive(tale.intent())
    await asyncio.gather(first, return_exceptions=True)


@POINTS.tale("store away at each save", EITHER, EITHER)
async def store_away(tale: Tale) -> None:
    begins = tale.draw.randint(1, 5)
    kinds = [tale.draw.choice(["busy", "lost"]) for _ in range(tale.draw.randint(1, 6))]
    tale.save_faults = {begins + place: kind for place, kind in enumerate(kinds)}
    tale.go_wrong(tale.draw.choice(["ok", "reset after", "5xx after", "timeout, late"]))
    await tale.drive(tale.intent())


# --- leases ---------------------------------------------------------------------------------------


async def paused(tale: Tale) -> None:
    """The run is given to another process after the lease; then the first one wakes."""
    first = asyncio.create_task(tale.drive(tale.intent(), tale.owner))
    await asyncio.sleep(LEASE)
    tale.take_over()
    await tale.drive(tale.intent())
    await asyncio.wait_for(first, 7_200)


@POINTS.tale("paused past its lease before the first byte", DONE, PARKED)
async def paused_before(tale: Tale) -> None:
    tale.owner.pause_before_send = tale.draw.uniform(LEASE + 1, 2_000)
    await paused(tale)


@POINTS.tale("paused past its lease while it reads", DONE, DONE)
async def paused_in_reading(tale: Tale) -> None:
    tale.owner.pause_in_reading = tale.draw.uniform(LEASE + 1, 2_000)
    await paused(tale)


@POINTS.tale("paused past its lease in mid-send", DONE, EITHER)
async def paused_in_send(tale: Tale) -> None:
    tale.owner.pause_before_answer = tale.draw.uniform(LEASE + 1, 2_000)
    tale.go_wrong(tale.draw.choice(["ok", "5xx after", "5xx before", "timeout, late"]))
    await paused(tale)


# --- several at once ------------------------------------------------------------------------------


@POINTS.tale("one business key at once", DONE, DONE)
async def business_key(tale: Tale) -> None:
    one = tale.intent(business_key="order 7")
    others = [
        tale.intent(business_key="order 7", event_id=str(n), run_id=n)
        for n in range(2, tale.draw.randint(3, 5))
    ]
    tale.go_wrong(tale.draw.choice(["ok", "reset after", "connect refused", "429", "crash after"]))
    await asyncio.gather(*(tale.drive(each) for each in (one, *others)))
    assert len(set(tale.ends)) == 1, "one fact with two ends"


@POINTS.tale("one natural key from two events at once", EITHER, EITHER)
async def natural_key(tale: Tale) -> None:
    tale.go_wrong(
        tale.draw.choice(["ok", "connect refused", "reset after", "timeout, late", "429"])
    )
    events = [tale.intent(str(n), run_id=n) for n in range(1, tale.draw.randint(3, 4))]
    await asyncio.gather(*(tale.drive(each) for each in events))


# --- people ---------------------------------------------------------------------------------------

STATES = [
    "connect refused",
    "crash before",
    "timeout after",
    "reset before",
    "ok",
    "422",
    "5xx after",
]


@POINTS.tale(
    "user replays in each state", {"done", "parked", "refused"}, {"done", "parked", "refused"}
)
async def replays(tale: Tale) -> None:
    tale.go_wrong(STATES[tale.seed % len(STATES)])

    async def replay(number: int) -> None:
        await asyncio.sleep(tale.draw.choice([0, 1, 30, 61, 700, 5_000]))
        changed = with_changes(tale.intent(run_id=number), subject="Mended")
        await tale.drive(changed)

    await asyncio.gather(tale.drive(tale.intent()), replay(2), replay(3))


@POINTS.tale("flow edited between tries", DONE, EITHER)
async def edited(tale: Tale) -> None:
    before = tale.draw.choice(["connect refused", "429", "crash after", "crash before"])
    tale.go_wrong(before, tale.draw.choice(["ok", "reset after", "connect refused"]))

    def made(number: int) -> Edited:
        what = tale.intent()
        for _ in range(number):
            what = with_changes(what, subject=f"Edit {number}", note=number)
        return what

    await tale.drive(made)
    # What reads before it writes is rendered anew: what it is given is stored, and stays.
    anew = tale.kind in ("own code", "ensure", "email")
    sent = [str(decode(unpack(one).body)["data"]) if anew else one for one in tale.books.sent]
    assert len(set(sent)) <= 1, "other bytes at another try"


@POINTS.tale("backup restored, searched first", DONE, EITHER)
async def restored(tale: Tale) -> None:
    tale.go_wrong(tale.draw.choice(["ok", "5xx after", "timeout, late"]))
    await tale.drive(tale.intent())
    known: list[EffectRow | None] = [None, *tale.history]
    await asyncio.sleep(600)
    await tale.shelf.put_back(tale.tenant, tale.draw.choice(known))
    tale.search_first = True
    tale.take_over()
    changed = tale.intent(run_id=9)
    if tale.kind != "email":
        # What bears no mark is known by its words alone.
        changed = with_changes(changed, subject="Another text by now")
    await tale.drive(changed)


@POINTS.tale("list lag", DONE, EITHER)
async def list_lag(tale: Tale) -> None:
    tale.books.lag = tale.draw.uniform(0, 400)
    tale.go_wrong(tale.draw.choice(["reset after", "timeout after", "truncated", "no id"]))
    await tale.drive(tale.intent())


async def touched(tale: Tale, change: Callable[[], Awaitable[None]]) -> None:
    """The answer is lost, and before we look, a person touches the record."""
    tale.go_wrong(tale.draw.choice(["reset after", "5xx after", "truncated", "crash after"]))
    run = asyncio.create_task(tale.drive(tale.intent()))
    while not tale.books.ours(tale.data("1")["fact"]):
        await asyncio.sleep(1)
    await asyncio.sleep(tale.draw.uniform(5, 40))
    await change()
    await run


@POINTS.tale("duplicate found", PARKED, PARKED)
async def duplicate(tale: Tale) -> None:
    async def copy() -> None:
        tale.books.enter(dict(tale.books.records[-1].body["data"]))

    await touched(tale, copy)


@POINTS.tale("mark removed by a person", PARKED, PARKED)
async def mark_removed(tale: Tale) -> None:
    async def edit() -> None:
        tale.books.records[-1].body["data"].update(subject="Order, mended", vat_number="IT777")

    await touched(tale, edit)


@POINTS.tale("text around the mark edited by a person", DONE, DONE)
async def text_edited(tale: Tale) -> None:
    async def edit() -> None:
        data = tale.books.records[-1].body["data"]
        data["subject"] = f"Mended {data['subject']} paid"

    await touched(tale, edit)
