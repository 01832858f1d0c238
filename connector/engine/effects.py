"""Writes that happen once: each is recorded before it is sent and accounted for afterwards.

    PLANNED ──► SENDING ──► DONE
       ▲           ├──────► REFUSED
       │           └──────► UNCERTAIN ──► DONE (found there: adopted)
       └──── resend, by policy ──┴──────► PARKED (a person decides)

The rules and their reasons: facts on delivery, "Writing to APIs without idempotency keys".
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b32encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary

from connector import paths
from connector.codec import decode, encode
from connector.engine.waits import Clock, Park, Wait
from connector.errors import (
    ApiError,
    ConnectorError,
    NotSent,
    Refused,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import Action, Answer, HttpRequest, Operation
from connector.store.rows import EffectRow

SETTLE_SECONDS = 60.0
"""Longer than the slowest commit of a foreign server plus the lag of its lists."""
SECOND_LOOK_SECONDS = 600.0
MARKER_CHARACTERS = 12
MAX_REPEATS = 8


class EffectStore(Protocol):
    """The rows that this room reads and writes."""

    tenant: str

    async def effect(self, key: str) -> EffectRow | None: ...

    async def save_effect(self, effect: EffectRow) -> None: ...


class Door(Protocol):
    """The one way to an app: rendering is apart from sending so that bytes are stored first."""

    def render(self, action: Operation, inputs: dict[str, Any]) -> HttpRequest: ...

    async def send(self, prepared: HttpRequest, *, write: bool) -> Answer:
        """Raises ApiError; any other error of ours means that nothing was sent."""
        ...

    def read_error(self, answer: Answer) -> ApiError | None: ...


Find = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Runs a Search of the same app by key; gives {found, count, id, record}."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One write a step wants: who, where, what, and by which identity it happens once."""

    connection_id: str
    flow: str
    step: str
    event_id: int
    item_id: str
    run_id: int
    action: Action
    inputs: dict[str, Any]
    business_key: str | None = None

    def key(self, tenant: str) -> str:
        """The same for every retry and replay; the flow's version is not part of it."""
        what = (
            ("business", self.business_key)
            if self.business_key is not None
            else ("event", str(self.event_id), self.item_id)
        )
        parts = (tenant, self.connection_id, self.flow, self.step, self.action.name, *what)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def marker_of(installation_key: bytes, effect_key: str) -> str:
    """The mark of a written record: the same after a restored backup, meaningless to others."""
    digest = hmac.new(installation_key, effect_key.encode(), hashlib.sha256).digest()
    return "#" + b32encode(digest).decode("ascii")[:MARKER_CHARACTERS]


class Effects:
    """Performs intents; a second call with the same intent gives the first one's result."""

    def __init__(
        self,
        clock: Clock,
        installation_key: bytes,
        *,
        settle_seconds: float = SETTLE_SECONDS,
        second_look_seconds: float = SECOND_LOOK_SECONDS,
        before_write: Callable[[EffectRow], None] | None = None,
        after_write: Callable[[EffectRow], None] | None = None,
    ) -> None:
        self._clock = clock
        self._installation_key = installation_key
        self._settle = settle_seconds
        self._second_look = second_look_seconds
        self._before_write = before_write
        self._after_write = after_write
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def perform(self, intent: Intent, store: EffectStore, door: Door, find: Find) -> Any:
        """The write's output, sent now or earlier. Raises Wait, Park, Refused or NotSent."""
        key = intent.key(store.tenant)
        # Two events about one order have one business key and come at the same moment.
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            return await self._perform(key, intent, store, door, find)

    async def _perform(
        self, key: str, intent: Intent, store: EffectStore, door: Door, find: Find
    ) -> Any:
        effect = await store.effect(key)
        if effect is None or _may_change(effect, intent.run_id):
            # Nothing was written so far: a replay may come with mended values or another address.
            effect = await self._plan(intent, key, store, door, effect)
        if effect.state == "sending":
            # It is our turn, so nobody here is sending: a process ended between sending and
            # hearing, or the answer could not be stored. Nobody knows, so look.
            await self._doubt(effect, store, "it stopped before the answer was stored")
        if effect.state == "uncertain":
            await self._look(intent, effect, store, find)
        if effect.state == "planned":
            await self._send(intent, effect, store, door, find)
        return self._end(effect)

    def _end(self, effect: EffectRow) -> Any:
        if effect.state == "done":
            return effect.output
        if effect.state == "refused":
            last = effect.evidence[-1] if effect.evidence else {}
            raise Refused(last.get("message", "The app refused this write."), **_kept(last))
        if effect.state == "parked":
            last = effect.evidence[-1] if effect.evidence else {}
            raise Park(
                Unclear(
                    last.get("message", "It is not known whether this write arrived."),
                    remedy="Look for the record in the app, then adopt it, send again or drop it.",
                    who="user",
                )
            )
        raise Wait("unsure", effect.due_at, None)

    async def _plan(
        self,
        intent: Intent,
        key: str,
        store: EffectStore,
        door: Door,
        before: EffectRow | None,
    ) -> EffectRow:
        now = self._clock()
        marker = marker_of(self._installation_key, key)
        inputs = _marked(intent.inputs, intent.action.identity.marker, marker)
        effect = EffectRow(
            key=key,
            tenant=store.tenant,
            connection_id=intent.connection_id,
            run_id=intent.run_id,
            step_id=intent.step,
            node=intent.action.name,
            state="planned",
            marker=marker,
            inputs=inputs,
            created_at=before.created_at if before else now,
            updated_at=now,
            evidence=before.evidence if before else [],
        )
        prepared = door.render(intent.action, inputs)
        effect.request = pack(prepared)
        effect.payload_hash = hashlib.sha256(effect.request).hexdigest()[:16]
        await store.save_effect(effect)
        return effect

    async def _send(
        self, intent: Intent, effect: EffectRow, store: EffectStore, door: Door, find: Find
    ) -> None:
        if self._before_write is not None:
            self._before_write(effect)
        effect.sends += 1
        effect.sent_at = self._clock()
        await self._save(effect, store, "sending")
        answer: Answer | None = None
        error: ConnectorError | None
        try:
            answer = await door.send(unpack(effect.request or b""), write=True)
        except ConnectorError as raised:
            error = raised
        else:
            error = door.read_error(answer)
        await self._judge(intent, effect, store, find, answer, error)

    async def _judge(
        self,
        intent: Intent,
        effect: EffectRow,
        store: EffectStore,
        find: Find,
        answer: Answer | None,
        error: ConnectorError | None,
    ) -> None:
        if error is None and answer is not None:
            told = decode_or_none(answer)
            if told is None and answer.body.strip() not in (b"", b"null"):
                # A page of something in between, or an answer that was cut off.
                await self._doubt(effect, store, "the answer is not complete JSON")
                raise Wait("unsure", effect.due_at, None)
            await self._applied(intent, effect, store, find, told)
        elif isinstance(error, NotSent | Throttled | Unauthorized) or (
            error is not None and not isinstance(error, ApiError)
        ):
            # Nothing was written: the same bytes may go again when the cause has passed.
            self._note(effect, error)
            effect.sends -= 1
            await self._save(effect, store, "planned")
            raise error
        elif isinstance(error, Refused):
            self._note(effect, error)
            await self._save(effect, store, "refused")
            raise error
        else:
            await self._doubt(effect, store, str(error), error)
            raise Wait("unsure", effect.due_at, error)

    async def _applied(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find, told: Any
    ) -> None:
        identity = intent.action.identity
        record = paths.get(told, intent.action.result) if intent.action.result else told
        remote_id = paths.get(told, identity.record_id) if identity.record_id else None
        if identity.record_id and remote_id in (paths.ABSENT, None, ""):
            # Some releases confirm a write without saying which record it made: prove it.
            try:
                found = await self._found(intent, effect, find)
            except ApiError:
                # It is looked for again in a minute; what was written must not be forgotten.
                found = {"count": 0}
            if found.get("count") != 1:
                await self._doubt(effect, store, "the answer names no record")
                raise Wait("unsure", effect.due_at, None)
            remote_id, record = found["id"], found.get("record")
        effect.remote_id = None if remote_id is None else str(remote_id)
        effect.output = _output(record, remote_id)
        await self._save(effect, store, "done")

    async def _look(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find
    ) -> None:
        policy = intent.action.identity.when_unsure
        if policy == "repeat" and effect.sends < MAX_REPEATS:
            await self._save(effect, store, "planned")
            return
        if policy == "repeat" or not intent.action.identity.find:
            await self._park(effect, store, "It is not known whether this write arrived.")
            return
        if self._clock() < effect.due_at:
            raise Wait("unsure", effect.due_at, None)
        try:
            found = await self._found(intent, effect, find)
        except (NotSent, Unclear) as error:
            # Not seeing is not the same as not being there: no limit of tries ends in a guess.
            effect.due_at = self._clock() + self._second_look
            await self._save(effect, store, "uncertain")
            raise Wait("unsure", effect.due_at, error) from error
        except Refused as error:
            if isinstance(error, Unauthorized):
                raise
            await self._park(effect, store, f"The app does not let us look: {error.message}")
            return
        count = int(found.get("count", 0))
        if count == 1:
            effect.remote_id = str(found["id"])
            effect.output = _output(found.get("record"), found["id"])
            self._note(effect, None, f"found in the app as {found['id']} and adopted")
            await self._save(effect, store, "done")
        elif count > 1:
            await self._park(effect, store, f"{count} records in the app match this write.")
        elif effect.searches == 0:
            effect.searches = 1
            effect.due_at = self._clock() + self._second_look
            await self._save(effect, store, "uncertain")
            raise Wait("unsure", effect.due_at, None)
        elif policy == "resend_once" and effect.sends < 2:
            self._note(effect, None, "searched twice, not found: sent once more")
            effect.searches = 0
            await self._save(effect, store, "planned")
        else:
            await self._park(effect, store, "It was sent and cannot be found in the app.")

    async def _found(self, intent: Intent, effect: EffectRow, find: Find) -> dict[str, Any]:
        identity = intent.action.identity
        if not identity.find:
            return {"count": 0}
        criteria = {
            name: value
            for name, place in identity.by.items()
            if (value := paths.get(effect.inputs, place)) not in (paths.ABSENT, None, "")
        }
        return await find(identity.find, criteria) if criteria else {"count": 0}

    async def _doubt(
        self, effect: EffectRow, store: EffectStore, why: str, error: ConnectorError | None = None
    ) -> None:
        self._note(effect, error, why)
        effect.searches = 0
        effect.due_at = (effect.sent_at or self._clock()) + self._settle
        await self._save(effect, store, "uncertain")

    async def _park(self, effect: EffectRow, store: EffectStore, why: str) -> None:
        self._note(effect, None, why)
        await self._save(effect, store, "parked")

    async def _save(self, effect: EffectRow, store: EffectStore, state: Any) -> None:
        told = state == effect.state or state in ("planned", "sending")
        effect.state = state
        effect.updated_at = self._clock()
        await store.save_effect(effect)
        if not told and self._after_write is not None:
            self._after_write(effect)

    def _note(self, effect: EffectRow, error: ConnectorError | None, why: str = "") -> None:
        note: dict[str, Any] = {"at": self._clock(), "message": why}
        if error is not None:
            note.update(error.as_data())
        effect.evidence.append(note)


def _may_change(effect: EffectRow, run_id: int) -> bool:
    if effect.state == "refused":
        return effect.run_id != run_id
    # Only a newer run: two that share a business key must not take turns at rendering.
    return effect.state == "planned" and effect.sends == 0 and effect.run_id < run_id


def _kept(note: dict[str, Any]) -> dict[str, Any]:
    return {name: note[name] for name in ("remedy", "field", "who") if note.get(name)}


def _output(record: Any, remote_id: Any) -> dict[str, Any]:
    output = dict(record) if isinstance(record, dict) else {}
    if remote_id is not None and remote_id is not paths.ABSENT:
        output.setdefault("id", remote_id)
    return output


def _marked(inputs: dict[str, Any], place: str | None, marker: str) -> dict[str, Any]:
    if place is None:
        return inputs
    marked: dict[str, Any] = decode(encode(inputs))
    present = paths.get(marked, place)
    text = "" if present in (paths.ABSENT, None) else str(present)
    paths.put(marked, place, f"{text} {marker}".strip())
    return marked


def decode_or_none(answer: Answer) -> Any:
    """The answer's JSON, or None when it has none (an empty 200)."""
    try:
        return decode(answer.body)
    except ValueError:
        return None


def pack(request: HttpRequest) -> bytes:
    """A request as stored bytes; what is unpacked is sent exactly as it was packed."""
    head = encode({"method": request.method, "url": request.url, "headers": request.headers})
    return head + b"\n" + request.body


def unpack(stored: bytes) -> HttpRequest:
    """The request that `pack` stored."""
    head, _, body = stored.partition(b"\n")
    told = decode(head)
    return HttpRequest(
        method=told["method"],
        url=told["url"],
        headers=tuple((name, value) for name, value in told["headers"]),
        body=body,
    )
