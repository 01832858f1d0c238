"""Writes that happen once: each is recorded before it is sent and accounted for afterwards.

    PLANNED ──► SENDING ──► DONE
       ▲           ├──────► REFUSED
       │           └──────► UNCERTAIN ──► DONE (found there: adopted)
       └──── resend, by policy ──┴──────► PARKED (a person decides)

The rules and their reasons: facts on delivery, "Writing to APIs without idempotency keys".
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from connector import finding, paths
from connector.codec import encode
from connector.engine.beforehand import Beforehand
from connector.engine.confirmed import Confirmed
from connector.engine.door import Door
from connector.engine.looking import (
    SECOND_LOOK_SECONDS,
    SETTLE_SECONDS,
    EffectStore,
    Intent,
    output_of,
)
from connector.engine.own_code import WritingDoor
from connector.engine.packing import decode_or_none, marked, marker_of, pack, shown_answer, unpack
from connector.engine.proof import (
    Find,
    found_id,
    ids_of,
    kin_of,
    natural_of,
    naturals_of,
    not_shown,
    record_of,
)
from connector.engine.waits import Clock, Park, Wait
from connector.errors import (
    ApiError,
    ConnectorError,
    Missing,
    NotSent,
    Refused,
    StoreError,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import (
    Answer,
    OwnCode,
)
from connector.store.rows import EffectRow
from connector.store.sql.turns import Turns

if TYPE_CHECKING:
    from connector.store.claiming import Turn


SEND_SECONDS = 10.0
"""How long after its intent is stored the first byte of a write may leave."""


class Effects(Beforehand):
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
        confirmed: Confirmed | None = None,
        search_first: bool = False,
        turn: Callable[..., AbstractAsyncContextManager[Turn]] | None = None,
        monotonic: Clock = time.monotonic,
    ) -> None:
        super().__init__(
            clock, settle_seconds, second_look_seconds, after_write, confirmed, search_first
        )
        self._installation_key = installation_key
        self._before_write = before_write
        self._turn = turn or Turns().take
        self._monotonic = monotonic

    async def perform(self, intent: Intent, store: EffectStore, door: Door, find: Find) -> Any:
        """The write's output, sent now or earlier. Raises Wait, Park, Refused or NotSent."""
        key = intent.key(store.tenant)
        # Two events about one order have one business key, two about one customer one VAT number;
        # they come at the same moment, and the second must see what the first has written.
        names = [key]
        kin = kin_of(intent.action)[0]
        place = f"{store.tenant}/{intent.connection_id}/{kin}"
        names += [f"{place}/{one}" for one in naturals_of(intent.action, intent.inputs)]
        async with self._turn(*names) as turn:
            return await self._perform(key, intent, store, door, find, turn)

    async def _perform(
        self, key: str, intent: Intent, store: EffectStore, door: Door, find: Find, turn: Turn
    ) -> Any:
        if self._confirmed is not None:
            await self._confirmed.settle()
        effect = await store.effect(key)
        if effect is None or may_change(effect, intent.run_id):
            # Nothing was written so far: a replay may come with mended values or another address.
            effect = await self._plan(intent, key, store, door, effect)
        if effect.state == "sending":
            # It is our turn, so nobody here is sending: a process ended between sending and
            # hearing, or the answer could not be stored. Nobody knows, so look.
            await self._doubt(effect, store, "it stopped before the answer was stored")
        if effect.state == "uncertain":
            await self._look(intent, effect, store, find)
        if effect.state == "planned" and (effect.sends == 0 or self._search_first):
            await self._before_first(intent, effect, store, find)
        if effect.state == "planned" and intent.action.check is not None:
            await self._check(intent.action.check, intent, effect, store, door)
        if effect.state == "planned" and intent.action.prepare is not None:
            await self._prepare(intent.action.prepare, intent, effect, store, door)
        if effect.state == "planned" and self._search_first and intent.action.identity.witness:
            await self._search_past(intent, effect, store, find)
        if effect.state == "planned":
            await self._send(intent, effect, store, door, find, turn)
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
                ),
                effect.key,
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
        inputs = marked(intent.inputs, intent.action.identity.marker, marker)
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
            natural_key=natural_of(intent.action, inputs),
            created_at=before.created_at if before else now,
            updated_at=now,
            evidence=before.evidence if before else [],
            version=before.version if before else 0,
        )
        if intent.action.run is None and intent.action.prepare is None:
            effect.request = pack(door.render(intent.action, inputs))
        stored = effect.request or encode(inputs)
        effect.payload_hash = hashlib.sha256(stored).hexdigest()[:16]
        await store.save_effect(effect)
        return effect

    async def _send(
        self,
        intent: Intent,
        effect: EffectRow,
        store: EffectStore,
        door: Door,
        find: Find,
        turn: Turn,
    ) -> None:
        if self._before_write is not None:
            self._before_write(effect)
        if intent.action.run is not None:
            await self._run_own_code(intent.action.run, intent, effect, store, door, find, turn)
            return
        not_after = self._monotonic() + SEND_SECONDS
        await self._store_intent(effect, store, turn)
        answer: Answer | None = None
        error: ConnectorError | None
        try:
            answer = await door.send(unpack(effect.request or b""), write=True, not_after=not_after)
        except ConnectorError as raised:
            error = raised
        else:
            error = door.read_error(answer)
            effect.answer = shown_answer(answer)
        await self._judge(intent, effect, store, find, answer, error)

    async def _store_intent(self, effect: EffectRow, store: EffectStore, turn: Turn) -> None:
        """Store that it is sent now: others look for it a settle time after `sent_at`.

        What leaves later than SEND_SECONDS after this, they could miss: a process that was paused
        meanwhile must not send when it wakes.
        """
        effect.sends += 1
        effect.sent_at = self._clock()
        await self._save(effect, store, "sending")
        try:
            # Whoever has the turn after us finds the intent; before it was stored, he did not.
            await turn.check()
        except StoreError:
            effect.sends -= 1
            await self._save(effect, store, "planned")
            raise

    async def _run_own_code(
        self,
        run: OwnCode,
        intent: Intent,
        effect: EffectRow,
        store: EffectStore,
        door: Door,
        find: Find,
        turn: Turn,
    ) -> None:
        """Whatever fails after a write is a doubt; before one, nothing has happened."""

        async def renew() -> None:
            effect.sent_at = self._clock()
            await self._save(effect, store, "sending")
            await turn.check()

        writing = WritingDoor(door, SEND_SECONDS, self._monotonic, renew)
        writing.begin()
        await self._store_intent(effect, store, turn)
        try:
            told = await run(writing, effect.inputs)
        except StoreError:
            raise
        except ConnectorError as error:
            if writing.wrote:
                await self._doubt(effect, store, str(error), error)
                raise Wait("unsure", effect.due_at, error) from error
            if isinstance(error, Unclear):
                # It was a read that nobody heard of.
                error = NotSent(f"Nothing was written: {error.message}", remedy=error.remedy)
            await self._judge(intent, effect, store, find, None, error)
            return
        await self._applied(intent, effect, store, find, told)

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
        elif isinstance(error, Missing) and intent.action.removes:
            self._note(effect, error, "it was gone already")
            await self._removed(intent.action.removes, effect, store, already_gone=True)
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
        if intent.action.removes:
            await self._removed(intent.action.removes, effect, store, already_gone=False)
            return
        identity = intent.action.identity
        record = paths.get(told, intent.action.result) if intent.action.result else told
        if told is None and intent.action.empty_means:
            record = dict(intent.action.empty_means)
        remote_id = paths.get(told, identity.record_id) if identity.record_id else None
        if identity.record_id and not finding.is_id(remote_id):
            # Some releases confirm a write without saying which record it made: prove it.
            try:
                found = await self._found(intent, effect, find)
            except ApiError:
                # It is looked for again in a minute; what was written must not be forgotten.
                found = {}
            fresh = await self._fresh(effect, store, found)
            if len(fresh) != 1:
                await self._doubt(effect, store, "the answer names no record")
                raise Wait("unsure", effect.due_at, None)
            remote_id, record = found_id(found, fresh[0]), record_of(found, fresh[0])
        if identity.shows is not None:
            seen = await self._read_back(intent, effect, store, find)
            if identity.gives == "record":
                remote_id, record = seen
        effect.remote_id = None if remote_id is None else str(remote_id)
        effect.output = output_of(record, remote_id)
        if not identity.record_id and not effect.output:
            # An app that answers nothing has still done it.
            effect.output = {"done": True}
        await self._save(effect, store, "done")

    async def _removed(
        self, place: str, effect: EffectRow, store: EffectStore, *, already_gone: bool
    ) -> None:
        removed = paths.get(effect.inputs, place)
        effect.remote_id = str(removed)
        effect.output = {"id": removed, "deleted": True, "already_gone": already_gone}
        await self._save(effect, store, "done")

    async def _read_back(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find
    ) -> tuple[Any, Any]:
        """The record and its id, when it shows what the app says it has written."""
        try:
            found = await self._found(intent, effect, find)
        except ApiError as error:
            await self._doubt(effect, store, "confirmed, but it cannot be read back", error)
            raise Wait("unsure", effect.due_at, error) from error
        ids = ids_of(found)
        record = record_of(found, ids[0]) if len(ids) == 1 else None
        other = not_shown(effect.inputs.get(intent.action.identity.shows or ""), record)
        if record is None or other:
            told = f"shows otherwise: {', '.join(other[:9])}" if other else "is not to be found"
            await self._doubt(effect, store, f"confirmed, but the record {told}")
            raise Wait("unsure", effect.due_at, None)
        return found_id(found, ids[0]), record


def may_change(effect: EffectRow, run_id: int) -> bool:
    """Whether nothing of it was written, so that this run may plan it anew."""
    if effect.state == "refused":
        # What a person has dropped is not to be written by a replay.
        dropped = any(note.get("dropped") for note in effect.evidence)
        return effect.run_id != run_id and not dropped
    # Only a newer run: two that share a business key must not take turns at rendering.
    return effect.state == "planned" and effect.sends == 0 and effect.run_id < run_id


def _kept(note: dict[str, Any]) -> dict[str, Any]:
    return {name: note[name] for name in ("remedy", "field", "who") if note.get(name)}
