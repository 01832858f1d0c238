"""The rows of the store as plain data; names are the words, times are seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

EventState = Literal["received", "matched", "unmatched", "silent", "failed"]
RunState = Literal["queued", "waiting", "succeeded", "filtered", "failed", "parked"]
StepState = Literal["done", "skipped", "failed"]
EffectState = Literal["planned", "sending", "done", "refused", "uncertain", "parked"]

LOOKED = "look:"
"""How the delivery ids begin of events that a daily look made."""
POLLED = "poll:"
"""How the delivery ids begin of what was seen in a list, where the app sends no events."""
HEALED = "heal:"
"""The same where it does, but may lose them."""
SWEPT = "sweep:"
"""How the delivery ids begin of events that no app sent and a sweep found."""
GONE, MASKED = "purged_at", "masked_at"
"""First in the context of a run whose payloads were removed, or masked; when, as its value."""
MENDING: frozenset[str] = frozenset({"succeeded", "filtered"})
"""Ends of a replay after which its failed run needs nobody any more."""
COUNTED = 10_000
"""Where counting what is in a state ends, unless more is asked for: so it never takes long."""
EFFECT = "effect"
"""Where the error of a parked run names the key of the write whose decision it waits for."""
FINAL_RUN_STATES: frozenset[str] = frozenset({"succeeded", "filtered", "failed", "parked"})


@dataclass(slots=True)
class EventRow:
    """One accepted delivery; `ids` are hints of what changed."""

    tenant: str
    connection_id: str
    delivery_id: str
    type: str
    resource: str
    operation: str
    ids: tuple[str, ...]
    received_at: float
    account: str = ""
    happened_at: str = ""
    state: EventState = "received"
    attempts: int = 0
    due_at: float = 0
    error: Any = None
    id: int = 0
    owner: str = ""
    """The process that has it in hand, where several drive one database."""

    @property
    def swept(self) -> bool:
        """Whether no app sent it: a sweep found what it tells of."""
        return self.delivery_id.startswith(SWEPT)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody who may use the pages; the passphrase is kept as its hash."""

    name: str
    role: str
    passphrase: str = field(repr=False)
    created_at: float = 0


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One browser that is logged in; its id is the hash of what the browser holds."""

    id: str
    name: str
    role: str
    created_at: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class HandledRow:
    """What a flow has handled of a record.

    Moments that are compared across events and records are seconds on the app's own wall, whatever
    its zone; 0 is never.
    """

    updated_at: str = ""
    """The newest state that it was run with, in the app's own words; empty when it reads none."""
    made: str = ""
    """Who told it that the record was made: `event` or `sweep`; empty when nobody did."""
    told_to: float = 0
    """The newest moment that an event of the app told of."""
    swept_to: float = 0
    """Up to which moment a sweep's findings, and the states they were run with, reach."""
    swept_by: int = 0
    """The event that the latest of them became."""


@dataclass(frozen=True, slots=True)
class WatchRow:
    """Since when a flow of a derived trigger watches its `subject`."""

    flow_id: int
    subject: str
    since: float
    ready_at: float | None = None
    """When it knew where things stood; until then its events wait."""
    looked_on: str = ""
    """The date of its last daily look."""


@dataclass(frozen=True, slots=True)
class PolledRow:
    """What a record looked like in a list, and how often it was seen changed."""

    digest: str
    version: int


@dataclass(frozen=True, slots=True)
class StateRow:
    """A record's state as a derived trigger judged it; `version` 0 was never stored."""

    place: str
    state: Mapping[str, Any]
    updated_at: str = ""
    version: int = 0


@dataclass(slots=True)
class FlowRow:
    """A flow as it stands: the document of its present version."""

    id: int
    tenant: str
    key: str
    enabled: bool
    version: int
    document: str
    created_at: float


@dataclass(frozen=True, slots=True)
class DraftRow:
    """What somebody is building; `version` counts its changes, 0 before the first."""

    flow: str
    """The key of a stored flow, or a name that begins with ~ for a new one."""
    document: str
    version: int
    base: int
    """The version of the flow that it was begun from; 0 for a new flow."""
    who: str
    saved_at: float


@dataclass(frozen=True, slots=True)
class SampleRow:
    """The sample that a flow is shown with (without a name), or one of its tests."""

    flow: str
    name: str
    content: Any
    personal: bool
    """Whether it holds a record of somebody: it is then kept no longer than what runs work on."""
    who: str
    saved_at: float


@dataclass(slots=True)
class FlowVersionRow:
    """One version of a flow's document: its number, when it was stored, and who did."""

    version: int
    created_at: float
    who: str = ""


@dataclass(slots=True)
class RunRow:
    """One flow applied to one record of one event; `context` is what its expressions see."""

    tenant: str
    flow_id: int
    flow_version: int
    event_id: int
    item_id: str
    state: RunState
    context: dict[str, Any]
    created_at: float
    replay: int = 0
    reason: str | None = None
    attempts: int = 0
    due_at: float = 0
    epoch: int = 0
    ordered: bool = True
    """Whether it waits for the earlier runs of its flow about the same record."""
    finished_at: float | None = None
    error: Any = None
    id: int = 0
    handled: HandledRow | None = None
    """What its flow has handled of its record with this run; kept by itself, no column."""
    derived: StateRow | None = None
    """The state of its record that comes with it, for a derived trigger; no column either."""
    owner: str = ""
    """The process that has it in hand, where several drive one database."""
    fresh: bool = False
    """Stored a moment ago by this very process, so that it has no steps yet; not a column."""


@dataclass(frozen=True, slots=True)
class RunAge:
    """How old a run is, and whether its payloads are `whole`, `masked` or `gone`."""

    tenant: str
    id: int
    state: RunState
    created_at: float
    finished_at: float | None
    kept: str


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are asked for; what is None does not matter."""

    state: str | None = None
    flow: str | None = None
    record: str | None = None
    event_id: int | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None
    replays: bool = False
    first: int | None = None
    last: int | None = None
    ids: tuple[int, ...] | None = None
    mended: bool | None = None
    """Of the failed ones only: those that a replay has mended, or those that none has."""


def in_state(state: str) -> dict[str, Any]:
    """What a RunFilter says of a state, where `failed` is told apart from `mended`."""
    if state in ("failed", "mended"):
        return {"state": "failed", "mended": state == "mended"}
    return {"state": state, "mended": None}


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are asked for; what is None does not matter."""

    state: str | None = None
    resource: str | None = None
    recovered: bool = False
    since: float | None = None
    until: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list, without its payload; `newer` is the latest replay of the same."""

    id: int
    flow_id: int
    flow: str
    flow_version: int
    event_id: int
    item_id: str
    replay: int
    state: RunState
    reason: str | None
    attempts: int
    due_at: float
    created_at: float
    finished_at: float | None
    error: Any
    newer: int | None
    mended_by: int | None = None
    """The replay that ended well, of a run that failed."""


@dataclass(slots=True)
class StepRow:
    """The recorded end of one step of a run."""

    run_id: int
    position: int
    id: str
    state: StepState
    started_at: float
    finished_at: float
    summary: str | None = None
    output: Any = None
    error: Any = None
    exchange: Any = None


@dataclass(slots=True)
class EffectRow:
    """One write to a foreign API, recorded before it is sent; `request` is exactly what is sent."""

    key: str
    tenant: str
    connection_id: str
    run_id: int
    step_id: str
    node: str
    state: EffectState
    marker: str
    inputs: dict[str, Any]
    created_at: float
    updated_at: float
    natural_key: str = ""
    known: list[str] = field(default_factory=list)
    request: bytes | None = None
    payload_hash: str = ""
    sends: int = 0
    searches: int = 0
    due_at: float = 0
    sent_at: float | None = None
    remote_id: str | None = None
    output: Any = None
    answer: Any = None
    """What the app answered last, as it may be shown: status, headers and body."""
    evidence: list[dict[str, Any]] = field(default_factory=list)
    version: int = 0
    """How often it was stored: who stores it must have read its latest state."""


@dataclass(slots=True)
class HookRow:
    """Where one app's events for one connection and account arrive."""

    id: str
    tenant: str
    connection_id: str
    url: str
    account: str
    created_at: float
    verify_until: float | None = None
    subscription: Any = None


@dataclass(frozen=True, slots=True)
class SweepRow:
    """How far one resource of an account was looked through for changes that no event told of.

    `newest` and `floor` are in the app's own words: nothing up to `floor` is ever looked for.
    `asked_at` and `told` are kept apart: when somebody wanted a look at once, what the last showed.
    """

    connection_id: str
    account: str
    resource: str
    operations: str
    newest: str
    floor: str
    swept_at: float
    asked_at: float = 0
    told: Any = None


@dataclass(frozen=True, slots=True)
class OriginRow:
    """A record that a write of ours has made or changed, so that its echo is known.

    `realm` is the account at the app (or the connection), `place` where its records of this kind
    lie; `flows` are those that led to the write, the one that wrote it last.
    """

    realm: str
    place: str
    item_id: str
    effect_key: str
    run_id: int
    depth: int
    flows: tuple[int, ...]
    made: bool
    sent_at: float
    done_at: float
    updated_at: str = ""
    """When the record says that it was changed by this write, in the app's own words."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """What a person must know although work goes on; `ended_at` is None while it lasts."""

    kind: str
    connection_id: str
    account: str
    since: float
    message: str
    remedy: str = ""
    details: Any = None
    ended_at: float | None = None


@dataclass(slots=True)
class ConnectionRow:
    """One authorised account; `secrets` is ciphertext only."""

    id: str
    tenant: str
    app: str
    name: str
    base_url: str
    settings: dict[str, Any]
    status: str
    created_at: float
    secrets: bytes | None = None
    version: int = 0
