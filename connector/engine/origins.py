"""The loop guard: which records our own writes made or changed, so that their echo is known.

An event names a record and a moment, never who did it. So each write is kept with its record, and
an event about that record is compared with it: by the record's own date, or by our clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.engine.covering import WRITES
from connector.engine.moments import LAG, SLACK, instant, wall
from connector.engine.packing import unpack
from connector.engine.waits import Clock
from connector.model import Action, App
from connector.store.rows import EffectRow, EventRow, OriginRow, RunRow

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.engine.looking import Intent
    from connector.store.port import Store

CHAIN = 5
"""How many runs may follow from each other's writes."""
KEEP_SECONDS = 60 * 86_400.0
"""An event may come very late; a chain of runs is still explained weeks later."""
HEARD_SECONDS = 15.0
"""How long an event waits for a write under way that it may be the echo of."""
GLANCE_SECONDS = 0.2
"""How often to look whether a write of another process has been heard of."""
SKEW = 5.0
"""How far the app's clock and ours may lie apart."""

_INPUT = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Cause:
    """The write of ours that an event tells of; not `sure` when it may be somebody else's."""

    origin: OriginRow
    sure: bool


@dataclass(frozen=True, slots=True)
class Target:
    """What an action writes: where its records lie, and which one (None: it makes a new one)."""

    place: str
    item: str | None


def place_of(app: App, resource: str) -> str:
    """Where the records of a resource lie; resources that share it share their ids."""
    reader = app.readers.get(resource)
    return _bare(reader.get.path).removesuffix("/{}") if reader else ""


def place_of_states(app: App, resource: str, account: str) -> str:
    """Where the states of records are kept: resources that share their ids share them."""
    return f"{account}:{place_of(app, resource) or resource}"


def target_of(app: App, action: Action, inputs: Mapping[str, Any]) -> Target | None:
    """What an action writes, when events may tell of it; an action of own code does not say."""
    if action.request is None:
        return None
    path = _bare(action.request.path)
    places = {place_of(app, one) for one in app.readers}
    if path in places:
        return Target(path, None)
    around = [one for one in places if path.startswith(f"{one}/{{}}")]
    if not around:
        return None
    place = max(around, key=len)
    item = inputs.get(_INPUT.findall(action.request.path)[place.count("{}")])
    return None if item in (None, "") else Target(place, str(item))


def _bare(path: str) -> str:
    return _INPUT.sub("{}", path)


def realm_of(app: App, account: str, connection_id: str) -> str:
    """Whose records they are: two connections to one account see the same ones."""
    return f"{app.key}:{account}" if app.account_input and account else connection_id


class Origins:
    """Keeps where changes of ours came from, and knows them again."""

    def __init__(self, clock: Clock, catalog: Catalog | None = None) -> None:
        """With a `catalog`, other processes write as well, and only the store tells of theirs."""
        self._clock = clock
        self._catalog = catalog
        self._under_way: dict[tuple[str, str, str], set[asyncio.Event]] = {}

    @contextlib.asynccontextmanager
    async def around(
        self, intent: Intent, app: App, account: str, run: RunRow, store: Store
    ) -> AsyncIterator[None]:
        """Keep the origin of what is written inside; its echo waits until then."""
        target = target_of(app, intent.action, intent.inputs)
        if target is None:
            yield
            return
        realm = realm_of(app, account, intent.connection_id)
        ended = asyncio.Event()
        place = (store.tenant, realm, target.place)
        self._under_way.setdefault(place, set()).add(ended)
        try:
            yield
            await self._keep(intent, app, target, realm, run, store)
        finally:
            ended.set()
            self._under_way[place].discard(ended)
            if not self._under_way[place]:
                del self._under_way[place]

    async def _keep(
        self, intent: Intent, app: App, target: Target, realm: str, run: RunRow, store: Store
    ) -> None:
        effect = await store.effect(intent.key(store.tenant))
        item = target.item or (effect.remote_id if effect else None)
        # Not sent: the record was there already, and somebody else made it.
        if effect is None or not item or not effect.sends:
            return
        cause = run.context.get("cause") or {}
        now = self._clock()
        row = OriginRow(
            realm=realm,
            place=target.place,
            item_id=item,
            effect_key=effect.key,
            run_id=run.id,
            depth=int(cause.get("depth", 1)),
            flows=tuple(dict.fromkeys((*cause.get("flows", ()), run.flow_id))),
            made=target.item is None and _makes(effect),
            sent_at=effect.sent_at or now,
            done_at=now,
            updated_at=_dated(app, target.place, effect.output),
        )
        await store.save_origin(row, now - KEEP_SECONDS)

    async def of(
        self, app: App, event: EventRow, items: Sequence[str], store: Store
    ) -> Mapping[str, list[OriginRow]]:
        """The writes of ours behind these records of an event's resource, by record."""
        place = place_of(app, event.resource)
        if not place:
            return {}
        realm = realm_of(app, event.account, event.connection_id)
        under_way = list(self._under_way.get((store.tenant, realm, place), ()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARD_SECONDS):
                # An app may tell of a write before it has answered it.
                for one in under_way:
                    await one.wait()
                # Another process tells nobody of its own that it is done. Those that it begins
                # only now are not waited for: their echo comes later still.
                waited = await self._elsewhere(app, realm, place, store)
                while waited:
                    await asyncio.sleep(GLANCE_SECONDS)
                    waited &= await self._elsewhere(app, realm, place, store)
        return await store.origins(realm, place, items)

    async def _elsewhere(self, app: App, realm: str, place: str, store: Store) -> set[str]:
        """Writes there, by any process, whose origin is not kept yet."""
        found: set[str] = set()
        if self._catalog is None:
            return found
        for key, connection_id, node, inputs in await store.unheard(self._clock() - HEARD_SECONDS):
            action = self._catalog.nodes.get(node)
            if not isinstance(action, Action) or action.app != app.key:
                continue
            account = str(inputs.get(app.account_input, "")) if app.account_input else ""
            target = target_of(app, action, inputs)
            if target and target.place == place and realm_of(app, account, connection_id) == realm:
                found.add(key)
        return found


def _makes(effect: EffectRow) -> bool:
    """Whether it made its record; a find-and-change may have changed one that was there."""
    return effect.request is None or unpack(effect.request).method == "POST"


def _dated(app: App, place: str, output: Any) -> str:
    for resource, reader in app.readers.items():
        if reader.updated_at and place_of(app, resource) == place and isinstance(output, Mapping):
            told = output.get(reader.updated_at)
            return told if isinstance(told, str) and wall(told) else ""
    return ""


def cause_of(event: EventRow, updated_at: str, origins: Sequence[OriginRow]) -> Cause | None:
    """The write of ours that an event tells of; None when it is somebody else's doing."""
    perhaps = None
    for origin in origins if event.operation in WRITES else ():
        ours = _is_ours(event, wall(updated_at), origin)
        if ours:
            return Cause(origin, sure=True)
        if ours is None and perhaps is None:
            perhaps = Cause(origin, sure=False)
    return perhaps


def _is_ours(event: EventRow, read: float, origin: OriginRow) -> bool | None:
    """Whether an event tells of this write; None when nothing decides it."""
    if event.operation == "create":
        return origin.made
    written, told = wall(origin.updated_at), wall(event.happened_at)
    if not written:
        return _may_be_ours(event, origin)
    if not told:
        return read <= written if read else None
    if told < written - SLACK:
        # Somebody's change from before it, told of late: our write does not undo that.
        return False
    if read > written:
        # Changed again since: is the event that change's, or still ours?
        return told <= written or (told <= written + SLACK and told < read - SLACK)
    if read:
        return told <= written + LAG
    if told <= written + SLACK:
        return True
    return None if told <= written + LAG else False


def _may_be_ours(event: EventRow, origin: OriginRow) -> bool | None:
    """By our own clock: never sure."""
    at = instant(event.happened_at)
    if at is None:
        near = origin.sent_at - SLACK <= event.received_at <= origin.done_at + LAG
    else:
        near = origin.sent_at - SKEW <= at <= origin.done_at + SKEW
    return None if near else False
