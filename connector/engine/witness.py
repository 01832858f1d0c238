"""What proves a write that bears no mark and answers nothing, as an e-mail: what, and when."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connector import paths
from connector.codec import decode
from connector.engine.packing import unpack
from connector.engine.proof import SKEW_SECONDS, same
from connector.model import Action
from connector.store.rows import EffectRow

LATE_SECONDS = 900.0
"""So long after the request an app may have done, and dated, what it was asked for."""
HOUR = 3_600.0


def sent(effect: EffectRow) -> dict[str, Any]:
    """The body that was sent; empty before it is made."""
    body = decode(unpack(effect.request).body) if effect.request is not None else None
    return dict(body) if isinstance(body, Mapping) else {}


def known_of(action: Action, effect: EffectRow) -> dict[str, Any]:
    """What a search may ask for: the inputs, and where nothing else proves it what was sent."""
    return {**effect.inputs, **sent(effect)} if action.identity.witness else effect.inputs


def key_of(action: Action, effect: EffectRow) -> str:
    """One text for what its witnesses show: two writes with the same one cannot be told apart."""
    body = sent(effect)
    told = [str(paths.get(body, place)).casefold() for place in action.identity.witness.values()]
    return "sent=" + hashlib.sha256("\x1f".join(told).encode()).hexdigest()[:32]


def fits(action: Action, effect: EffectRow, record: Any) -> bool:
    """Whether a record shows what was sent, and was not made before."""
    body, witness = sent(effect), action.identity.witness
    return all(
        same(paths.get(body, wanted), paths.get(record, shown)) for shown, wanted in witness.items()
    ) and (effect.sent_at is None or _latest(action, record) >= effect.sent_at - SKEW_SECONDS)


def against(action: Action, effect: EffectRow, record: Any) -> str:
    """What a record shows that cannot be this write; empty when nothing does."""
    if not action.identity.witness or fits(action, effect, record):
        return ""
    return "it shows otherwise, or was made before"


def about_then(action: Action, effect: EffectRow, record: Any) -> bool:
    """Whether a record says that it was made when this was sent, on one of the app's clocks."""
    told, sent_at = _wall(action, record), effect.sent_at
    return (
        told is not None
        and sent_at is not None
        and any(
            -SKEW_SECONDS <= told - hours * HOUR - sent_at <= LATE_SECONDS
            for hours in action.identity.clock_hours
        )
    )


def twins(effect: EffectRow, other: EffectRow) -> bool:
    """Whether another write of the same may be the one that is seen."""
    near = SKEW_SECONDS + LATE_SECONDS
    return (
        other.key != effect.key
        and other.state not in ("planned", "refused")
        and other.remote_id is None
        and abs((other.sent_at or 0) - (effect.sent_at or 0)) <= near
    )


def shown(action: Action, record: Any) -> dict[str, Any]:
    """What later steps get of it: what they get of one that was answered, and the witnesses."""
    names = (action.identity.own_id, *action.identity.witness, action.identity.made_at)
    told = {name: paths.get(record, name) for name in names}
    return {"done": True, **{k: v for k, v in told.items() if v is not paths.ABSENT}}


def _latest(action: Action, record: Any) -> float:
    told = _wall(action, record)
    return float("inf") if told is None else told - min(action.identity.clock_hours) * HOUR


def _wall(action: Action, record: Any) -> float | None:
    try:
        made = datetime.fromisoformat(str(paths.get(record, action.identity.made_at)))
    except ValueError:
        return None
    return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()
