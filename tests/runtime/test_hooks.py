"""What may come in: genuine events once, and nothing of what is forged, oversized or malformed."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from connector.model import HttpRequest
from connector.sandbox.fic.signing import Signer
from connector.sandbox.fic.webhooks import Delivery
from tests.runtime.kit import HUB, World, client, clock, flow, story, world

PREFIX = "it.fattureincloud.webhooks."


def notice(w: World, event: str = "entities.clients.create", ids: Any = (1,)) -> HttpRequest:
    """A genuine notification, as it would be sent to us now."""
    number = f"{uuid.UUID(int=Random(str(ids)).getrandbits(128))}"
    now = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    one = Delivery(w.subscriptions[0], f"4711:{number}", PREFIX + event, list(ids), now)
    return w.sandbox.fic.webhooks.request(one)


def signed(w: World, request: HttpRequest, **changes: Any) -> HttpRequest:
    """The same notification with a token that says something else."""
    one = w.subscriptions[0]
    claims: dict[str, Any] = {
        "jti": header(request, "ce-id"),
        "company": one.company,
        "sink": one.sink,
        "app": one.app,
        "now": datetime.fromtimestamp(clock(), UTC),
    }
    signer = changes.pop("signer", w.sandbox.fic.webhooks.signer)
    return put(request, "authorization", f"Bearer {signer.token(**{**claims, **changes})}")


def header(request: HttpRequest, name: str) -> str:
    return next(value for key, value in request.headers if key.lower() == name)


def put(request: HttpRequest, name: str, value: str | None) -> HttpRequest:
    kept = tuple((key, old) for key, old in request.headers if key.lower() != name)
    return replace(request, headers=kept if value is None else (*kept, (name, value)))


async def post(w: World, request: HttpRequest) -> int:
    return (await w.outside.send(request)).status


def stored(w: World) -> list[Any]:
    return w.rows("SELECT type, state FROM event ORDER BY id")


# --- what is taken ------------------------------------------------------------------------------


@story
async def test_a_genuine_event_is_stored_before_it_is_acknowledged(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(node="raw_event"))
        await w.quiet()
        before = len(stored(w))
        assert await post(w, notice(w)) == 202
        assert len(stored(w)) == before + 1


@story
async def test_an_event_that_comes_twice_is_acknowledged_twice_and_stored_once(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.sandbox.fic.faults.add(kind="duplicate", type="*.create", times=1)
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        sent = [one for one in w.deliveries if one.type.endswith("create")]
        assert [one.outcomes for one in sent] == [["202"], ["202"]]
        assert [one for one in stored(w) if one[0].endswith("create")] == [
            (PREFIX + "entities.clients.create", "matched")
        ]
        assert len(w.customers) == 1


@story
async def test_the_welcome_event_is_acknowledged_and_kept_in_silence(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        (welcome,) = await w.events()
        assert (welcome["operation"], welcome["state"], welcome["runs"]) == ("welcome", "silent", 0)
        assert [one.outcomes for one in w.deliveries] == [["202"]]


@story
async def test_an_event_type_of_next_year_is_acknowledged_and_kept_in_silence(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        calls = len(w.fic.calls)
        assert await post(w, notice(w, "drones.landed", (1, 2))) == 202
        await w.quiet()
        told = (await w.events())[-1]
        assert (told["resource"], told["operation"]) == ("drones", "landed")
        assert (told["state"], told["ids"]) == ("silent", ["1", "2"])
        assert (await w.runs(), len(w.fic.calls)) == ([], calls)


@story
async def test_an_event_of_a_type_that_nobody_follows_is_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(types="[create]"))
        await w.quiet()
        assert await post(w, notice(w, "entities.clients.update")) == 202
        await w.quiet()
        assert (await w.events())[-1]["state"] == "unmatched"
        assert await w.runs() == []


@story
async def test_structured_events_are_taken_like_binary_ones(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.subscriptions[0].mapping = "structured"
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["A"]


# --- what is refused ----------------------------------------------------------------------------

Forge = Callable[[World, HttpRequest], HttpRequest]
STRANGER = Signer(None, Random(99), "https://api-v2.fattureincloud.it")


def elsewhere(w: World, request: HttpRequest) -> HttpRequest:
    return replace(request, url=f"{HUB}/hooks/{'x' * 22}")


REFUSED: dict[str, tuple[int, Forge]] = {
    "no token": (401, lambda w, one: put(one, "authorization", None)),
    "no bearer": (401, lambda w, one: put(one, "authorization", "Basic eDp5")),
    "unsigned": (401, lambda w, one: put(one, "authorization", "Bearer e30.e30.")),
    "two tokens": (
        401,
        lambda w, one: replace(one, headers=(*one.headers, ("authorization", "Bearer a.b.c"))),
    ),
    "token of another company": (401, lambda w, one: signed(w, one, company=1)),
    "token for another address": (401, lambda w, one: signed(w, one, sink=f"{HUB}/hooks/y")),
    "token of another application": (401, lambda w, one: signed(w, one, app=1)),
    "token of another event": (401, lambda w, one: signed(w, one, jti="4711:other")),
    "token of yesterday": (
        401,
        lambda w, one: signed(w, one, now=datetime.fromtimestamp(clock(), UTC) - timedelta(1)),
    ),
    "token of tomorrow": (
        401,
        lambda w, one: signed(w, one, now=datetime.fromtimestamp(clock(), UTC) + timedelta(1)),
    ),
    "subject of another company": (401, lambda w, one: put(one, "ce-subject", "company:1")),
    "right in all but the key": (503, lambda w, one: signed(w, one, signer=STRANGER)),
    "unknown hook": (404, elsewhere),
    "hook that cannot be one": (404, lambda w, one: replace(one, url=f"{HUB}/hooks/..%2F..")),
    "too large": (413, lambda w, one: replace(one, body=b"[" + b" " * 65_536 + b"]")),
    "no JSON": (400, lambda w, one: replace(one, body=b"data=1")),
    "cut off": (400, lambda w, one: replace(one, body=one.body[:-1])),
    "no UTF-8": (400, lambda w, one: replace(one, body=b'{"data": "\xff"}')),
    "a key twice": (400, lambda w, one: replace(one, body=b'{"data":{},"data":{"ids":[1]}}')),
    "too deep": (400, lambda w, one: replace(one, body=b"[" * 40 + b"]" * 40)),
    "no object": (400, lambda w, one: replace(one, body=b"[1]")),
    "ids that are none": (400, lambda w, one: replace(one, body=b'{"data":{"ids":["x"]}}')),
    "an id below one": (400, lambda w, one: replace(one, body=b'{"data":{"ids":[0]}}')),
    "an id beyond 2^53": (400, lambda w, one: replace(one, body=b'{"data":{"ids":[1e300]}}')),
    "an id that is true": (400, lambda w, one: replace(one, body=b'{"data":{"ids":[true]}}')),
    "no event id": (400, lambda w, one: put(one, "ce-id", None)),
    "a form": (415, lambda w, one: put(one, "content-type", "application/x-www-form-urlencoded")),
    "zipped": (415, lambda w, one: put(one, "content-encoding", "gzip")),
    "another method": (405, lambda w, one: replace(one, method="PUT")),
    "a handshake without a question": (
        400,
        lambda w, one: replace(one, method="GET", body=b""),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    status, forge = REFUSED[what]

    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await w.follow()
            await w.quiet()
            before, calls = stored(w), len(w.fic.calls)
            assert await post(w, forge(w, notice(w))) == status
            await w.quiet()
            assert (stored(w), await w.runs()) == (before, [])
            assert len(w.fic.calls) == calls
            # And the genuine one is still welcome: nothing of the forgery was remembered.
            assert await post(w, notice(w)) == 202
            assert len(stored(w)) == len(before) + 1

    told()


@story
async def test_a_refusal_tells_a_forger_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        told = set()
        for what in ("token of another company", "token for another address", "no token"):
            answer = await w.outside.send(REFUSED[what][1](w, notice(w)))
            told.add(answer.body)
        assert len(told) == 1


@story
async def test_a_question_that_we_did_not_cause_is_not_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        await asyncio.sleep(16 * 60)
        w.subscriptions[0].verified = False
        await w.sandbox.fic.webhooks.challenge(w.subscriptions[0], "header")
        assert not w.subscriptions[0].verified


# --- our own trouble ----------------------------------------------------------------------------


@story
async def test_while_the_database_cannot_write_the_sender_is_told_to_come_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        # Autocommit: nothing but our own BEGIN and COMMIT.
        other = sqlite3.connect(w.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: _tried(w))
        other.execute("ROLLBACK")
        other.close()
        await w.quiet()
        assert w.deliveries[-1].outcomes == ["503", "202"]
        assert [one["company"] for one in w.customers] == ["A"]
        assert [one["runs"] for one in await w.events()] == [0, 1]


async def _tried(w: World) -> bool:
    return bool(w.deliveries[-1].outcomes)


@story
async def test_events_that_come_while_we_are_away_come_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        w.hub.plugged = False
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: _tried(w))
        w.hub.plugged = True
        await w.quiet()
        assert w.deliveries[-1].outcomes == ["NotSent", "202"]
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_an_event_that_was_acknowledged_and_not_begun_runs_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        await w.restart(start=False)  # it listens, and nobody works
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: _tried(w))
        assert (await w.events())[-1]["state"] == "received"
        await w.restart()
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_an_unknown_key_is_an_alarm_until_an_event_has_come(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        w.person.create("clients", client())
        await w.quiet()
        one = notice(w)
        assert await w.runtime._oversight.alarms.open() == []
        for _ in range(2):
            assert await post(w, signed(w, one, signer=STRANGER)) == 503
        (alarm,) = await w.runtime._oversight.alarms.open()
        assert (alarm["kind"], alarm["connection"]) == ("webhook_key_unknown", "fatture")
        assert "CONNECTOR_FATTURE_IN_CLOUD_KEYS" in alarm["remedy"]
        w.person.create("clients", client("Bianchi", "IT01234567890"))
        await w.quiet()
        assert await w.runtime._oversight.alarms.open() == []
