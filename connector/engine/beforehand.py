"""What an action reads before it is sent: whether it is there already, and what it is made of."""

from __future__ import annotations

import hashlib

from connector import paths
from connector.codec import decode
from connector.engine import witness
from connector.engine.door import Door
from connector.engine.looking import EffectStore, Intent, Looking
from connector.engine.packing import pack, unpack
from connector.errors import Refused, Unauthorized
from connector.model import MADE, Action, OwnCode, Prepared, Preparing
from connector.store.rows import EffectRow
from connector.updating import differences


class Beforehand(Looking):
    """Looking, and what actions themselves read each time before anything is sent."""

    async def _check(
        self, check: OwnCode, intent: Intent, effect: EffectRow, store: EffectStore, door: Door
    ) -> None:
        """Let the action read before it is sent, each time; what is there already is used."""
        others = await store.effects_about(effect.connection_id, effect.node, effect.natural_key)
        if any(one.key != effect.key and one.state == "parked" for one in others):
            await self._park(effect, store, "Another write of this very record waits for a person.")
            return
        if effect.natural_key and await self._settled_by_another(intent, effect, store):
            return
        try:
            there = await check(door, effect.inputs)
        except Unauthorized:
            raise
        except Refused as error:
            self._note(effect, error)
            await self._save(effect, store, "refused")
            raise
        if there:
            remote_id = str(paths.get(there, intent.action.identity.own_id))
            self._note(effect, None, f"it was there already as {remote_id}: nothing was sent")
            await self._adopt(effect, store, remote_id, there)

    async def _prepare(
        self,
        prepare: Preparing,
        intent: Intent,
        effect: EffectRow,
        store: EffectStore,
        door: Door,
    ) -> None:
        """Read, and render what is sent from it: each time anew, as long as nothing was sent.

        After a doubt the record tells: as it was before, the same goes again; as it is wanted, it
        arrived; otherwise somebody else wrote meanwhile, and a person decides.
        """
        action = intent.action
        inputs = effect.inputs
        made = await self._made_by_another(intent, effect, store)
        if made is not None:
            inputs = {**inputs, MADE: made}
        ready = await prepare(door, inputs)
        before = _read_before(effect)
        arrived = effect.sends > 0 and ready.record is not None and _shown(effect, action, ready)
        if ready.enough or arrived:
            remote_id = str(paths.get(ready.record or {}, action.identity.own_id))
            why = "it is so already" if ready.enough else "it shows what was written"
            self._note(effect, None, f"read as {remote_id}: {why}, nothing was sent")
            await self._adopt(effect, store, remote_id, ready.record)
            return
        if effect.sends and before is not None and before != ready.state:
            told = ", ".join(ready.differs[:9])
            await self._park(
                effect, store, f"Somebody changed the record meanwhile; it shows otherwise: {told}."
            )
            return
        if ready.record is not None:
            self._note(effect, None, f"read first, as it was at {ready.state or 'an unknown time'}")
            effect.evidence[-1]["read"] = ready.state
        if ready.request is not None:
            action = action.model_copy(update={"request": ready.request})
        effect.request = pack(door.render(action, ready.inputs))
        effect.payload_hash = hashlib.sha256(effect.request).hexdigest()[:16]
        if action.identity.witness:
            effect.natural_key = witness.key_of(action, effect)


def _read_before(effect: EffectRow) -> str | None:
    """The state that was read last; a person who says that it goes again has seen a newer one."""
    for note in reversed(effect.evidence):
        if "read" in note or note.get("again"):
            state: str | None = note.get("read")
            return state
    return None


def _shown(effect: EffectRow, action: Action, ready: Prepared) -> bool:
    """Whether the record shows what was sent, or all that is wanted."""
    if not ready.differs:
        return True
    wrapped = action.request.wrap if action.request else ()
    if effect.request is None or not wrapped:
        return False
    sent = paths.get(decode(unpack(effect.request).body), wrapped[0])
    return isinstance(sent, dict) and not differences(sent, ready.record or {})
