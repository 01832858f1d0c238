"""What a back end must offer to one tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from connector.quota import Account
from connector.store.past import History
from connector.store.port.sides import Drafts, Keeping, People
from connector.store.rows import (
    COUNTED,
    AlarmRow,
    ConnectionRow,
    EffectRow,
    EventRow,
    FlowRow,
    FlowVersionRow,
    HandledRow,
    HookRow,
    OriginRow,
    PolledRow,
    RunRow,
    StateRow,
    StepRow,
    SweepRow,
    WatchRow,
)


class Store(History, Drafts, Keeping, People, Protocol):
    """One tenant's rows: reads see every commit, writes return after theirs."""

    tenant: str

    async def ensure(self, now: float) -> None:
        """Make the tenant's own row."""
        ...

    async def connections(self) -> list[ConnectionRow]:
        """Every connection, by name."""
        ...

    async def connection(self, id_or_name: str) -> ConnectionRow | None:
        """The connection with this id or name."""
        ...

    async def save_connection(self, row: ConnectionRow) -> None:
        """Add a connection, or replace what one of the same id says (its secrets included)."""
        ...

    async def save_secrets(self, connection_id: str, secrets: bytes, version: int) -> bool:
        """Replace the secrets if nobody has since `version`; tells whether it was done."""
        ...

    async def set_connection_status(self, connection_id: str, status: str) -> None:
        """Mark a connection as usable or as waiting for its owner."""
        ...

    async def change_connection(self, was: ConnectionRow, name: str, settings: Any) -> bool:
        """Replace name and settings, unless somebody has changed them since the row was read.

        The secrets stay, whoever renews them meanwhile.
        """
        ...

    async def drop_hooks(self, connection_id: str) -> None:
        """Forget the hooks of a connection: what comes to them is unknown from now on."""
        ...

    async def drop_connection(self, connection_id: str, now: float) -> bool:
        """Remove a connection with its secrets, hooks and sweeps; tells whether it was there.

        Its events, runs and writes stay. Its alarms end.
        """
        ...

    async def hooks(self) -> list[HookRow]:
        """Every hook."""
        ...

    async def save_hook(self, row: HookRow) -> None:
        """Add a hook or replace what it says."""
        ...

    async def start_consent(self, state: str, request: Any, expires_at: float) -> None:
        """Remember what a one-time consent state stands for."""
        ...

    async def take_consent(self, state: str, now: float) -> Any:
        """Give back what a state stands for, once; None when it is unknown, used or too old."""
        ...

    async def has_consent(self, state: str) -> bool:
        """Whether a state waits for its answer."""
        ...

    async def flows(self) -> list[FlowRow]:
        """Every flow, by key."""
        ...

    async def flow_keys(self) -> dict[int, str]:
        """The key of every flow there is or was, by its number."""
        ...

    async def flow(self, key: str) -> FlowRow | None:
        """The flow with this key."""
        ...

    async def flow_document(self, flow_id: int, version: int) -> str | None:
        """The text of one version of a flow."""
        ...

    async def flow_versions(self, key: str) -> list[FlowVersionRow]:
        """Every version of a flow without its text, the newest first."""
        ...

    async def save_flow(
        self, key: str, document: str, now: float, enable: bool | None, who: str = ""
    ) -> FlowRow:
        """Store a flow; a changed document becomes its next version, the old ones stay."""
        ...

    async def enable_flow(self, key: str, enabled: bool) -> bool:
        """Switch a flow on or off; tells whether there is such a flow."""
        ...

    async def accept(self, event: EventRow) -> int | None:
        """Store an event durably; its new id, or None when this delivery was here before."""
        ...

    async def events(self, *, limit: int = 50, before: int | None = None) -> list[EventRow]:
        """The newest events first; `before` is the last id of the page before."""
        ...

    async def event(self, event_id: int) -> EventRow | None:
        """One event."""
        ...

    async def event_of(self, connection_id: str, delivery_id: str) -> EventRow | None:
        """The event that a delivery became."""
        ...

    async def hurry_events(self, connection_id: str) -> None:
        """Let the open events of a connection be read now: its owner has renewed it."""
        ...

    async def items_with_runs(self, event_id: int) -> set[tuple[int, str]]:
        """The flow and record of every run that an event already has."""
        ...

    async def handled(
        self, connection_id: str, account: str, resource: str, items: Sequence[str]
    ) -> Mapping[tuple[int, str], HandledRow]:
        """What each flow has handled of each of these records, by flow and record."""
        ...

    async def watches(self) -> dict[int, WatchRow]:
        """Since when each flow of a derived trigger watches, by flow."""
        ...

    async def save_watch(self, row: WatchRow) -> None:
        """Store since when a flow watches, or how far it has come."""
        ...

    async def drop_watch(self, flow_id: int) -> None:
        """Forget what a flow has seen: it watches no more, or begins anew."""
        ...

    async def states(
        self, place: str, flows: Sequence[int], items: Sequence[str]
    ) -> dict[tuple[int, str], StateRow]:
        """The newest states of these records, by flow and record."""
        ...

    async def add_states(
        self, flow_id: int, place: str, states: Mapping[str, tuple[Any, str]], now: float
    ) -> None:
        """Store where records stood when a flow began to watch; what it has seen since stays."""
        ...

    async def polled(self, place: tuple[str, str, str]) -> dict[str, PolledRow]:
        """What was seen of each record of a place: connection, account, resource."""
        ...

    async def polled_places(self) -> list[tuple[str, str, str]]:
        """Every place that was looked at."""
        ...

    async def save_polled(self, place: tuple[str, str, str], seen: Mapping[str, PolledRow]) -> None:
        """Store what was seen of these records."""
        ...

    async def drop_polled(self, place: tuple[str, str, str]) -> None:
        """Forget a place: nobody follows its records any more."""
        ...

    async def sweeps(self) -> list[SweepRow]:
        """How far each sweep has come."""
        ...

    async def save_sweep(self, row: SweepRow) -> None:
        """Store how far a sweep has come."""
        ...

    async def ask_sweeps(self, now: float) -> None:
        """Let every sweep of this tenant look at once."""
        ...

    async def tell_sweep(self, place: tuple[str, str, str], told: Any) -> None:
        """Keep what the last look at a place (connection, account, resource) showed."""
        ...

    async def drop_sweep(self, row: SweepRow) -> None:
        """Forget a sweep: nobody follows its records any more."""
        ...

    async def recovered(self, since: float) -> list[dict[str, Any]]:
        """How many changes sweeps have found for each place: `ever` (as far as kept), `lately`.

        A place is a `connection_id`, an `account` and a `resource`; `first_id` is the first event
        of the late ones.
        """
        ...

    async def heard(self, connection_id: str, account: str, after: int) -> bool:
        """Whether the app has sent an event after the one with this id."""
        ...

    async def origins(
        self, realm: str, place: str, items: Sequence[str]
    ) -> Mapping[str, list[OriginRow]]:
        """The writes of ours that made or changed these records, the newest first."""
        ...

    async def unheard(self, since: float) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Key, connection, node and inputs of writes since then whose origin is not kept yet."""
        ...

    async def save_origin(self, row: OriginRow, forget_before: float) -> None:
        """Keep where a record's change came from; those from before a time are forgotten."""
        ...

    async def alarms(self, *, ended: bool = False) -> list[AlarmRow]:
        """What lasts, the newest first; with `ended`, what is over as well."""
        ...

    async def raise_alarm(self, row: AlarmRow) -> bool:
        """Store an alarm, unless one of its kind and place lasts already; tells whether it did."""
        ...

    async def end_alarm(self, kind: str, connection_id: str, account: str, now: float) -> bool:
        """Note that it is over; tells whether it had lasted."""
        ...

    async def match(self, event: EventRow, runs: Iterable[RunRow]) -> list[RunRow]:
        """Store an event's runs and its new state in one commit; gives the runs that are new.

        Raises Raced, and stores nothing, when a derived state is not the newest any more.
        """
        ...

    async def runs(
        self,
        *,
        limit: int = 50,
        before: int | None = None,
        state: str | None = None,
        flow: str | None = None,
        event_id: int | None = None,
    ) -> list[RunRow]:
        """The newest runs first, filtered by state, flow key or event."""
        ...

    async def run_counts(self, events: Sequence[int]) -> Mapping[int, int]:
        """How many runs each of these events has."""
        ...

    async def summaries(self, runs: Sequence[int]) -> Mapping[int, str]:
        """What the last step of each of these runs says it did."""
        ...

    async def run(self, run_id: int) -> RunRow | None:
        """One run."""
        ...

    async def steps(self, run_id: int) -> list[StepRow]:
        """The recorded steps of a run, in order."""
        ...

    async def add_run(self, run: RunRow, *, copy_of: int | None = None, before: int = 0) -> RunRow:
        """Store one more run of an event (a replay) and give it its id.

        The steps of `copy_of` that are done and stand before the position `before` come with it.
        """
        ...

    async def reopen_event(self, event_id: int) -> bool:
        """Let an event be matched once more; tells whether it had been and is now open again."""
        ...

    async def record_step(self, run: RunRow, step: StepRow) -> None:
        """Store the end of a step. Raises TakenOver when the run is another process's by now."""
        ...

    async def record_run(self, run: RunRow, step: StepRow | None = None) -> None:
        """Let go of a run in its new state, with the end of its last step in the same commit.

        Raises TakenOver when the run is another process's by now.
        """
        ...

    async def park_run(self, run: RunRow, key: str) -> bool:
        """Let a run wait for the decision of this write; False, and queued, when there was one.

        Raises TakenOver when the run is another process's by now.
        """
        ...

    async def release_runs(self, reason: str) -> list[tuple[int, int, str]]:
        """Make the runs that wait for `reason` due at once; gives (run id, flow id, record id)."""
        ...

    async def count_waiting(self, reason: str, most: int) -> int:
        """How many runs wait for `reason`; no more than `most` are counted."""
        ...

    async def counts(self, most: int = COUNTED) -> Mapping[str, Mapping[str, int]]:
        """How many events, runs and writes are in each state, of each at most `most`."""
        ...

    async def effect(self, key: str) -> EffectRow | None:
        """The write with this key."""
        ...

    async def effects(
        self, *, run_id: int | None = None, state: str | None = None
    ) -> list[EffectRow]:
        """Writes of a run or in a state, oldest first."""
        ...

    async def effects_about(
        self, connection_id: str, node: str, natural_key: str
    ) -> list[EffectRow]:
        """Writes of the same record by its natural key, the newest first."""
        ...

    async def claimed_ids(
        self, connection_id: str, node: str, ids: Sequence[str]
    ) -> Mapping[str, int]:
        """Those of these remote ids that a write of ours has made or adopted, with its run."""
        ...

    async def decide(
        self,
        effect: EffectRow,
        at: float,
        who: str,
        what: str,
        details: Any,
        unclaimed: Sequence[str] = (),
    ) -> list[int]:
        """Store what a person decided of a write, the audit of it, and that its runs go on.

        Gives those runs: the write's own, and every other that was parked on it.

        All of it in one commit, or nothing. Raises TakenOver when the write changed meanwhile, or
        when another write of one of the nodes `unclaimed` has its record.
        """
        ...

    async def audit(self, at: float, who: str, what: str, subject: str, details: Any) -> None:
        """Record what a person decided."""
        ...

    async def audits(self, limit: int = 100) -> list[dict[str, Any]]:
        """What people decided, the newest first."""
        ...

    async def save_effect(self, effect: EffectRow) -> None:
        """Store a write's present state durably, if nobody has since it was read.

        Raises TakenOver when somebody has: then the write must be looked at anew.
        """
        ...

    async def quotas(self) -> list[tuple[str, Account]]:
        """Every account that one of this tenant's calls has reached, by key."""
        ...
