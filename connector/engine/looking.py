"""Finding out whether a write is there: before it is sent the first time, and when nobody knows."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from connector import paths
from connector.engine import witness
from connector.engine.confirmed import Confirmed
from connector.engine.packing import unpack
from connector.engine.proof import (
    Find,
    alike_of,
    by_mark,
    carries,
    criteria_of,
    elsewhere,
    ids_of,
    kin_of,
    made_since,
    naturals_of,
    not_shown,
    record_of,
    strong_criteria_of,
)
from connector.engine.waits import Clock, Wait
from connector.errors import (
    ConnectorError,
    NotSent,
    Refused,
    StoreBusy,
    StoreError,
    Unauthorized,
    Unclear,
)
from connector.model import Action
from connector.store.rows import EffectRow

logger = logging.getLogger("connector.engine")

SETTLE_SECONDS = 60.0
"""Longer than the slowest commit of a foreign server plus the lag of its lists."""
SECOND_LOOK_SECONDS = 600.0
MAX_REPEATS = 8
MAX_UNSHOWN = 3
"""How often a state is written that the app confirms, and then shows otherwise."""
SAVE_AGAIN_SECONDS = (0.05, 0.5, 2.0)


class EffectStore(Protocol):
    """The rows that this room reads and writes."""

    tenant: str

    async def effect(self, key: str) -> EffectRow | None: ...

    async def save_effect(self, effect: EffectRow) -> None: ...

    async def effects_about(
        self, connection_id: str, node: str, natural_key: str
    ) -> list[EffectRow]: ...

    async def claimed_ids(
        self, connection_id: str, node: str, ids: Sequence[str]
    ) -> Container[str]: ...


@dataclass(frozen=True, slots=True)
class Intent:
    """One write a step wants: who, where, what, and by which identity it happens once."""

    connection_id: str
    flow: str
    step: str
    event_id: str
    """The sender's own: ours would go to another event after a backup was restored."""
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
            else ("event", self.event_id, self.item_id)
        )
        parts = (tenant, self.connection_id, self.flow, self.step, self.action.name, *what)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has brought: records that are ours, and those that only look like it."""

    found: dict[str, Any]
    ours: list[str]
    alike: list[str]


class Looking:
    """What is done before a first send and after an unclear one; every state is stored."""

    def __init__(
        self,
        clock: Clock,
        settle_seconds: float,
        second_look_seconds: float,
        after_write: Callable[[EffectRow], None] | None,
        confirmed: Confirmed | None,
        search_first: bool,
    ) -> None:
        self._search_first = search_first
        self._confirmed = confirmed
        self._clock = clock
        self._settle = settle_seconds
        self._second_look = second_look_seconds
        self._after_write = after_write

    async def _before_first(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find
    ) -> None:
        """Look at what is there already: a record with this natural key is used, not doubled.

        What merely looks alike (the same name) is remembered, so that it is never taken for ours.
        """
        identity = intent.action.identity
        if identity.witness or (identity.ensures and effect.natural_key):
            # It is looked for when it is prepared, or looks itself and knows what to do.
            return
        unnamed = bool(identity.marker) or not effect.natural_key
        if (
            self._search_first
            and identity.find
            and (unnamed or identity.when_unsure != "resend_once")
        ):
            await self._search_past(intent, effect, store, find)
            return
        if identity.marker or not identity.find or identity.when_unsure != "resend_once":
            return
        if effect.natural_key and await self._settled_by_another(intent, effect, store):
            return
        if effect.natural_key:
            criteria = strong_criteria_of(intent.action, effect.inputs)
        else:
            criteria = criteria_of(intent.action, effect.inputs)
        found = await find(identity.find, criteria) if criteria else {}
        ids = ids_of(found)
        if not effect.natural_key or not ids:
            effect.known = ids
        elif len(ids) == 1:
            self._note(effect, None, f"it was there already as {ids[0]}: used, not made again")
            await self._adopt(effect, store, ids[0], record_of(found, ids[0]))
        else:
            await self._park(
                effect, store, f"{len(ids)} records have this key already: {', '.join(ids[:5])}."
            )

    async def _search_past(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find
    ) -> None:
        """Look as if it had been sent: an older copy of the database does not know what was."""
        identity = intent.action.identity
        seen = await self._seen(intent, effect, store, find)
        ids = seen.ours
        if len(ids) == 1 and identity.marker:
            self._note(effect, None, f"searched first: it was written as {ids[0]} in the past")
            await self._adopt(effect, store, ids[0], record_of(seen.found, ids[0]))
            return
        if not ids and not by_mark(intent.action):
            # Where the mark cannot be searched for, whatever has this key may be ours.
            ids = seen.alike
        if ids:
            await self._park(
                effect, store, f"Searched first: it may have been written as {', '.join(ids[:5])}."
            )

    async def _settled_by_another(
        self, intent: Intent, effect: EffectRow, store: EffectStore
    ) -> bool:
        """Whether another write of ours of this very record is done (it is used) or still open."""
        other = await self._another(intent, effect, store)
        if other is None or other.remote_id is None:
            return False
        self._note(effect, None, f"another event made it as {other.remote_id}: used")
        await self._adopt(effect, store, other.remote_id, other.output)
        return True

    async def _made_by_another(
        self, intent: Intent, effect: EffectRow, store: EffectStore
    ) -> str | None:
        """The id of a record that another write of ours has just made; no list need show it yet."""
        if not effect.natural_key or not intent.action.identity.ensures:
            return None
        other = await self._another(intent, effect, store)
        return other.remote_id if other is not None else None

    async def _another(
        self, intent: Intent, effect: EffectRow, store: EffectStore
    ) -> EffectRow | None:
        """Another write of this very record that was done of late. Raises Wait for an open one."""
        recent = self._clock() - self._second_look
        for node in kin_of(intent.action):
            for natural in naturals_of(intent.action, effect.inputs):
                for other in await store.effects_about(effect.connection_id, node, natural):
                    if other.key == effect.key:
                        continue
                    if elsewhere(intent.action, effect.inputs, other.inputs or {}):
                        continue
                    if other.state in ("sending", "uncertain"):
                        raise Wait("unsure", max(other.due_at, self._clock() + 1), None)
                    # Later the app's own list is the better witness: it may have been deleted.
                    if other.state == "done" and other.remote_id and other.updated_at >= recent:
                        return other
        return None

    async def _adopt(
        self, effect: EffectRow, store: EffectStore, remote_id: str, record: Any
    ) -> None:
        effect.remote_id = remote_id
        effect.output = output_of(record, int(remote_id) if remote_id.isdecimal() else remote_id)
        await self._save(effect, store, "done")

    async def _look(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find
    ) -> None:
        identity = intent.action.identity
        policy = identity.when_unsure
        if intent.action.prepare is not None and not _makes(effect):
            # What was sent changes a record that is there: it is read again before it goes again.
            policy = "repeat"
        if policy == "repeat" and identity.shows is None and effect.sends < MAX_REPEATS:
            await self._save(effect, store, "planned")
            return
        if not identity.find or (policy == "repeat" and identity.shows is None):
            await self._park(effect, store, "It is not known whether this write arrived.")
            return
        lagged = (effect.sent_at or 0) + 2 * identity.list_lag_seconds
        if self._clock() < max(effect.due_at, lagged):
            raise Wait("unsure", max(effect.due_at, lagged), None)
        try:
            seen = await self._seen(intent, effect, store, find)
        except (NotSent, Unclear) as error:
            # Not seeing is not the same as not being there: no limit of tries ends in a guess.
            effect.due_at = self._clock() + self._second_look
            self._note_look(effect, f"it cannot be looked for now: {error.message}")
            await self._save(effect, store, "uncertain")
            raise Wait("unsure", effect.due_at, error) from error
        except Refused as error:
            if isinstance(error, Unauthorized):
                raise
            await self._park(effect, store, f"The app does not let us look: {error.message}")
            return
        if policy == "repeat":
            await self._compare(intent, effect, store, seen)
        else:
            await self._conclude(policy, effect, store, seen)

    async def _conclude(
        self, policy: str, effect: EffectRow, store: EffectStore, seen: Seen
    ) -> None:
        ours, alike = seen.ours, seen.alike
        if len(ours) == 1:
            self._note(effect, None, f"found in the app as {ours[0]} and adopted")
            await self._adopt(effect, store, ours[0], record_of(seen.found, ours[0]))
        elif ours:
            await self._park(
                effect, store, f"{len(ours)} records in the app match: {', '.join(ours[:5])}."
            )
        elif alike:
            await self._park(
                effect,
                store,
                f"It cannot be found, but made since then and alike: {', '.join(alike[:5])}.",
            )
        elif effect.searches == 0:
            effect.searches = 1
            self._note_look(effect, "looked for in the app: it is not there yet")
            effect.due_at = self._clock() + self._second_look
            await self._save(effect, store, "uncertain")
            raise Wait("unsure", effect.due_at, None)
        elif policy == "resend_once" and effect.sends < 2:
            self._note(effect, None, "searched twice, not found: sent once more")
            await self._save(effect, store, "planned")
        else:
            await self._park(effect, store, "It was sent and cannot be found in the app.")

    async def _compare(
        self, intent: Intent, effect: EffectRow, store: EffectStore, seen: Seen
    ) -> None:
        """Whether a state that was written is there; it is written again a few times if not."""
        if intent.action.identity.ensures and _makes(effect) and len(seen.ours) != 1:
            # An ensure that found nothing and made its record: none, or several, as with a create.
            await self._conclude("resend_once", effect, store, seen)
            return
        record = record_of(seen.found, seen.ours[0]) if len(seen.ours) == 1 else None
        other = not_shown(effect.inputs.get(intent.action.identity.shows or ""), record)
        if record is not None and not other:
            self._note(effect, None, f"read back from {seen.ours[0]}: it shows what was written")
            await self._adopt(effect, store, seen.ours[0], record)
        elif record is not None and effect.sends < MAX_UNSHOWN:
            self._note(effect, None, f"it shows otherwise: {', '.join(other[:9])}; sent once more")
            await self._save(effect, store, "planned")
        elif record is not None:
            await self._park(effect, store, f"The app shows otherwise: {', '.join(other[:9])}.")
        else:
            await self._park(effect, store, "The record that was written cannot be found.")

    async def _seen(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find
    ) -> Seen:
        found = await self._found(intent, effect, find)
        if intent.action.identity.shows is not None:
            if not ids_of(found) and intent.action.identity.ensures and _makes(effect):
                return await self._look_alike(intent, effect, store, find)
            # Whoever changes a record has not made it: that others name it does not matter.
            return Seen(found, ids_of(found), [])
        fresh = await self._fresh(effect, store, found)
        if intent.action.identity.witness:
            return await self._witnessed(intent.action, effect, store, found, fresh)
        if fresh and not intent.action.identity.marker:
            return Seen(found, fresh, [])
        seen = self._sorted(intent.action, effect, found, fresh)
        if seen.ours or seen.alike:
            return seen
        return await self._look_alike(intent, effect, store, find)

    async def _witnessed(
        self, action: Action, effect: EffectRow, store: EffectStore, found: Any, fresh: list[str]
    ) -> Seen:
        """By what was sent and when; what fits as well for another write of ours proves nothing."""
        records = {one: record_of(found, one) for one in fresh}
        alike = [one for one in fresh if witness.fits(action, effect, records[one])]
        ours = [one for one in alike if witness.about_then(action, effect, records[one])]
        others = await store.effects_about(effect.connection_id, effect.node, effect.natural_key)
        if len(ours) != 1 or any(witness.twins(effect, one) for one in others):
            return Seen(found, [], alike)
        return Seen({"ids": ours, "records": [witness.shown(action, records[ours[0]])]}, ours, [])

    async def _look_alike(
        self, intent: Intent, effect: EffectRow, store: EffectStore, find: Find
    ) -> Seen:
        """Once more by plain values: the filter for the mark may fail, or a person removed it."""
        criteria = alike_of(intent.action, effect.inputs)
        found = await find(intent.action.identity.find or "", criteria) if criteria else {}
        fresh = await self._fresh(effect, store, found)
        return self._sorted(intent.action, effect, found, fresh)

    def _sorted(
        self, action: Action, effect: EffectRow, found: dict[str, Any], fresh: list[str]
    ) -> Seen:
        """Records by our mark, which no list is believed to have matched exactly."""
        records = {one: record_of(found, one) for one in fresh}
        ours = [one for one in fresh if carries(action, records[one], effect.marker)]
        since = [one for one in fresh if made_since(action, records[one], effect.sent_at)]
        return Seen(found, ours, [one for one in since if one not in ours])

    async def _fresh(
        self, effect: EffectRow, store: EffectStore, found: dict[str, Any]
    ) -> list[str]:
        """What was found and can be ours: not there before, and no other write's record."""
        ids = [one for one in ids_of(found) if one not in effect.known]
        claimed = await store.claimed_ids(effect.connection_id, effect.node, ids)
        return [one for one in ids if one not in claimed]

    async def _found(self, intent: Intent, effect: EffectRow, find: Find) -> dict[str, Any]:
        identity = intent.action.identity
        if not identity.find:
            return {}
        inputs = witness.known_of(intent.action, effect)
        criteria = criteria_of(intent.action, inputs, effect.marker)
        return await find(identity.find, criteria) if criteria else {}

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
        logger.warning(
            "the write %s (%s, run %d) waits for a person: `connector parked` shows it",
            effect.key, effect.node, effect.run_id,
        )  # fmt: skip

    async def _save(self, effect: EffectRow, store: EffectStore, state: Any) -> None:
        told = state == effect.state or state in ("planned", "sending")
        effect.state = state
        effect.updated_at = self._clock()
        if state == "done":
            await self._save_done(effect, store)
        else:
            await store.save_effect(effect)
        if not told and self._after_write is not None:
            self._after_write(effect)

    async def _save_done(self, effect: EffectRow, store: EffectStore) -> None:
        """What the app has confirmed must not be forgotten for a moment without the disk."""
        kept = False
        for delay in (*SAVE_AGAIN_SECONDS, None):
            try:
                await store.save_effect(effect)
            except StoreError as error:
                if self._confirmed is not None and not kept:
                    # Before waiting: the process may end meanwhile.
                    self._confirmed.keep(effect)
                    kept = True
                if delay is None or not isinstance(error, StoreBusy):
                    raise
                await asyncio.sleep(delay)
            else:
                return

    def _note_look(self, effect: EffectRow, what: str) -> None:
        """Say when it was looked for last; the same outcome again takes the place of the last."""
        last = effect.evidence[-1] if effect.evidence else {}
        looks = 1
        if last.get("look") and last.get("message") == what:
            looks += effect.evidence.pop()["look"]
        effect.evidence.append({"at": self._clock(), "message": what, "look": looks})

    def _note(self, effect: EffectRow, error: ConnectorError | None, why: str = "") -> None:
        note: dict[str, Any] = {"at": self._clock(), "message": why}
        if error is not None:
            note.update(error.as_data())
        effect.evidence.append(note)


def _makes(effect: EffectRow) -> bool:
    """Whether the stored request makes a record."""
    return effect.request is None or unpack(effect.request).method == "POST"


def output_of(record: Any, remote_id: Any) -> dict[str, Any]:
    """What later steps see of a write: the record, and its id as `id`."""
    output = dict(record) if isinstance(record, dict) else {}
    if remote_id is not None and remote_id is not paths.ABSENT:
        output.setdefault("id", remote_id)
    return output
