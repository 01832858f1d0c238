"""The one object an embedder holds: apps, connections, flows and what runs of them.

async with await open_runtime(Settings.load()) as runtime:
    await runtime.apply_flow(text, enable=True)
    await runtime.start()
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

from connector.connections import Keyring
from connector.engine.book import Book, as_connection
from connector.engine.doors import Doors
from connector.engine.effects import Effects
from connector.engine.events import Events
from connector.engine.intake import Intake
from connector.engine.origins import Origins
from connector.engine.precedence import Precedence
from connector.engine.runs import Runs
from connector.engine.waits import Backoff, connection_reason
from connector.errors import StoreError
from connector.model import Connection, Inbound, Json
from connector.runtime.accounts import Accounts
from connector.runtime.adopting import Witness
from connector.runtime.choosing import Choosing
from connector.runtime.connect import Connect
from connector.runtime.consents import Consents
from connector.runtime.decisions import Choice, Decisions
from connector.runtime.driving import make_drive, worker_name
from connector.runtime.looking_back import LookingBack
from connector.runtime.oversight import Oversight
from connector.runtime.parts import Parts
from connector.runtime.people import People
from connector.runtime.removing import Removing
from connector.runtime.replaying import Replaying
from connector.runtime.scopes import not_granted
from connector.runtime.views import (
    event_details,
    event_view,
    flow_view,
    quota_views,
    run_view,
)
from connector.runtime.watching import Watch
from connector.runtime.workshop import Workshop
from connector.store.rows import COUNTED, EventRow, RunRow

logger = logging.getLogger("connector.runtime")

REVISION_SECONDS = 0.2
"""How long a look at what is set up holds, where asking goes over the network."""


class Runtime:
    """Accepts events, runs flows and answers questions for one tenant.

    Without `start` nothing runs: reading, applying flows and connecting work beside a server.
    """

    def __init__(self, parts: Parts) -> None:
        self.catalog = parts.catalog
        self.tenant = parts.tenant
        self.public_url = parts.public_url
        self._parts = parts
        self._database = parts.database
        self.clock = self._clock = parts.clock
        self._store = parts.database.tenant(parts.tenant)
        shared = parts.database.claims is not None
        self._book = Book(
            parts.catalog,
            parts.database,
            REVISION_SECONDS if shared else 0,
            parts.vault.derive("hook-secrets"),
        )
        self._keyring = Keyring(
            parts.vault,
            parts.http,
            clock=parts.clock,
            oauth_client=parts.oauth_client,
            draw=parts.draw,
            turn=parts.database.turn,
        )
        self.doors = Doors(self._book, self._keyring, parts.database, parts.http, parts.clock)
        self._connect = Connect(self._book, self.doors, self._keyring, parts)
        self.consents = Consents(self._connect, self._store, parts.clock, self._released)
        self.accounts = Accounts(self._book, self.doors, self._keyring, parts)
        plugins, tuning, store_of = parts.plugins, parts.tuning, parts.database.tenant
        self._confirmed = parts.confirmed()
        effects = Effects(
            parts.clock,
            parts.vault.derive("effect-marker"),
            settle_seconds=tuning.settle_seconds,
            second_look_seconds=tuning.second_look_seconds,
            before_write=plugins.before_write if plugins else None,
            after_write=plugins.after_write if plugins else None,
            confirmed=self._confirmed,
            search_first=tuning.search_first,
            turn=parts.database.turn,
        )
        precedence, self._choosing = Precedence(), Choosing(parts, self.doors)
        self.choices = self._choosing.listing
        origins = Origins(parts.clock, parts.catalog if shared else None)
        backoff = Backoff(parts.clock, parts.draw, tuning.retry_seconds)
        runs = Runs(
            parts.catalog,
            self._book,
            self.doors,
            effects,
            store_of,
            backoff,
            parts.clock,
            plugins.on_run_finished if plugins else None,
            origins,
            precedence,
            self._choosing.chooser,
        )
        make_events = partial(
            Events,
            self._book,
            self.doors,
            store_of,
            backoff,
            parts.clock,
            origins=origins,
            chain=tuning.chain_runs,
            precedence=precedence,
        )
        self._drive = make_drive(parts, runs.perform, make_events)
        self._intake = Intake(self._book, store_of, parts.clock, self._hand_on, precedence.arrived)
        self._oversight = Oversight(parts, self._book, self.doors, self._hand_on)
        self.retention = parts.retention()
        self._watch = Watch(
            parts.tenant,
            parts.database,
            self._drive,
            self._oversight,
            self.retention,
            self._stop_work,
        )
        witness = Witness(parts.catalog, self.doors)
        self.decisions = Decisions(self._store, self._book, witness, parts.clock, self._go_on)
        replaying = Replaying(self._store, self.decisions, parts.clock, self._go_on)
        self.past = LookingBack(self._store, self._book, parts.clock, replaying, tuning)
        self.workshop = Workshop(
            parts.catalog, self._store, parts.clock, self.apply_flow, self.retention, parts.draw
        )
        self.removing = Removing(self._store, self._book, parts.clock)
        self.people = People(self._store, parts.clock, parts.vault.derive("pages"))
        self._started = False

    # --- life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Runtime:
        await self._store.ensure(self._clock())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        await self._parts.http.aclose()
        await self._database.close()

    async def for_tenant(self, tenant: str) -> Runtime:
        """The same installation as another tenant sees it; it ends with this one, not by itself."""
        other = Runtime(replace(self._parts, tenant=tenant))
        await other._store.ensure(self._clock())
        return other

    async def start(self) -> None:
        """Drive the runs of this store: unfinished ones go on. Raises StoreOwned."""
        self._database.own()
        await self._confirmed.settle()
        self._started = True
        await self._drive.start(await self.accounts.usable())
        await self._watch.start()

    async def stop(self) -> None:
        """Stop at the next safe point; what is interrupted goes on at the next start."""
        await self._watch.stop()
        await self._stop_work()

    async def _stop_work(self) -> None:
        self._started = False
        await self._watch.stop_chores()
        await self._drive.stop()

    @property
    def worker_name(self) -> str:
        """This process among those that share the work."""
        return worker_name()

    async def list_workers(self) -> list[dict[str, Any]]:
        """Every process that drives runs, and how long it has been silent; empty where one does."""
        claims = self._database.claims
        return [] if claims is None else await claims.workers()

    async def ready(self) -> Mapping[str, str]:
        """Why we cannot work now, by part; empty when we can."""
        reasons: dict[str, str] = {}
        if not self._started:
            reasons["runtime"] = "It is not started, or it is stopping."
        try:
            await self._database.ping()
        except StoreError as error:
            reasons["database"] = error.message
        if self._confirmed.waiting:
            reasons["writes"] = "The database must first take what the apps have confirmed."
        return reasons

    async def is_driven(self) -> bool:
        """Whether some process drives runs now, so that what is decided goes on at once."""
        return self._started or await self._database.is_driven()

    async def settled(self) -> None:
        """Return when no event and no run is open."""
        await self._drive.settled()

    # --- events and runs ----------------------------------------------------------------------

    async def hook_bytes(self, hook_id: str) -> int:
        """How long a body the app behind a hook may send. Raises HookRefused (404)."""
        return (await self._book.hook(hook_id)).app.hook_bytes

    async def receive(self, hook_id: str, inbound: Inbound) -> Json | None:
        """Store one webhook durably; gives the answer of a handshake, else None.

        Raises HookRefused (404 for an unknown hook), HookUnsure and StoreBusy.
        """
        return await self._intake.receive(hook_id, inbound)

    async def list_events(self, limit: int = 50, before: int | None = None) -> list[dict[str, Any]]:
        """The newest events first; `before` is an event's id, for the next page."""
        events = await self._store.events(limit=limit, before=before)
        counts = await self._store.run_counts([event.id for event in events])
        return [event_view(event, counts.get(event.id, 0)) for event in events]

    async def get_event(self, event_id: int) -> dict[str, Any] | None:
        """One event with its runs."""
        event = await self._store.event(event_id)
        if event is None:
            return None
        runs = await self._store.runs(event_id=event_id, limit=1_000)
        return event_details(event, runs, await self._store.flow_keys())

    async def list_runs(
        self,
        limit: int = 50,
        before: int | None = None,
        state: str | None = None,
        flow: str | None = None,
    ) -> list[dict[str, Any]]:
        """The newest runs first; `state` and `flow` narrow them, `before` is a run's id."""
        runs = await self._store.runs(limit=limit, before=before, state=state, flow=flow)
        flows = await self._store.flow_keys()
        summaries = await self._store.summaries([run.id for run in runs])
        return [run_view(run, flows, summaries.get(run.id)) for run in runs]

    async def get_run(self, run_id: int) -> dict[str, Any] | None:
        """A run with its steps and writes; `mended_by` is the replay that ended well."""
        return await self.past.details(run_id)

    async def replay(
        self, run_id: int, from_step: str | None = None, *, who: str = ""
    ) -> int | None:
        """Run it again from its first step that is not done; gives the new run's id.

        Raises ConnectorError for a run that succeeded, unless `from_step` names where to begin, and
        FlowError when the present flow does not want the record.
        """
        return await self.past.replaying.one(run_id, from_step, who=who)

    async def replay_event(self, event_id: int) -> bool:
        """Match an event once more, for flows that had no run for it; tells whether it could."""
        done = await self.decisions.replay_event(event_id)
        if done and self._started:
            await self._drive.look()
        return done

    async def list_parked(self) -> list[dict[str, Any]]:
        """The writes that wait for a person, with their evidence."""
        return await self.decisions.parked()

    async def resolve(
        self, key: str, choice: Choice, *, who: str, remote_id: str | None = None,
        force: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Decide a parked write: `adopt` (with `remote_id`), `send_again` or `drop`; audited."""
        return await self.decisions.resolve(key, choice, who=who, remote_id=remote_id, force=force)

    async def list_audits(self, limit: int = 100) -> list[dict[str, Any]]:
        """What people decided, the newest first."""
        return await self._store.audits(limit)

    async def note(self, who: str, what: str, subject: str, details: Any = None) -> None:
        """Record what a person decided."""
        await self._store.audit(self._clock(), who, what, subject, details or {})

    async def counts(self, most: int = COUNTED) -> Mapping[str, Mapping[str, int]]:
        """How many events, runs and effects are in each state, up to `most`; what sweeps found."""
        return {**await self._store.counts(most), "sweep": await self._oversight.swept()}

    async def notices(self) -> dict[str, Any]:
        """What every page shows: lasting `alarms`, and how many writes are `parked`."""
        alarms = await self._oversight.alarms.open()
        return {"alarms": alarms, "parked": await self._store.count_parked()}

    async def recovered(self) -> list[dict[str, Any]]:
        """The changes that no event told of, by connection and resource; cheap at any size."""
        return await self._oversight.alarms.recovered()

    async def status(self) -> dict[str, Any]:
        """The `counts` (each up to `counted_to`), what sweeps `recovered`, and lasting `alarms`."""
        told = await self._oversight.status()
        return {"counts": await self.counts(), "counted_to": COUNTED, **told}

    async def quotas(self) -> list[dict[str, Any]]:
        """What the accounts in use have used of their apps' quotas, and where that leads."""
        return await quota_views(self._store, self.catalog.apps, self._clock())

    # --- flows --------------------------------------------------------------------------------

    async def list_flows(self) -> list[dict[str, Any]]:
        """Every flow by key, with what it `waits` for."""
        await self._book.active(self.tenant)
        problems, waits = self._book.problems(self.tenant), await self.accounts.waits()
        return [
            {**flow_view(row, problems.get(row.key)), "waits": waits.get(row.key, [])}
            for row in await self._store.flows()
        ]

    async def get_flow(self, key: str) -> dict[str, Any] | None:
        """One flow with its document."""
        await self._book.active(self.tenant)
        row = await self._store.flow(key)
        return flow_view(row, self._book.problems(self.tenant).get(key)) if row else None

    async def check_flow(self, text: str) -> dict[str, Any]:
        """Every issue of a document, without storing it."""
        check = await self._choosing.checked(text)
        return {
            "flow": check.flow.key if check.flow else None,
            "ok": not any(issue.severity == "error" for issue in check.issues),
            "issues": [issue.model_dump(exclude_none=True) for issue in check.issues],
        }

    async def apply_flow(
        self, text: str, enable: bool | None = None, *, who: str = ""
    ) -> dict[str, Any]:
        """Store a flow; a changed document is its next version, by `who`. Raises FlowError.

        Without `enable` it stays on or off as it was; a new one is off.
        """
        check = await self._choosing.checked(text)
        check.raise_for_errors()
        assert check.flow is not None  # without one there are errors
        row = await self._store.save_flow(check.flow.key, text, self._clock(), enable, who)
        self._book.forget()
        connections = await self._store.connections()
        issues = [*check.issues, *not_granted(check.flow, connections, self.catalog)]
        return {
            **flow_view(row),
            "issues": [issue.model_dump(exclude_none=True) for issue in issues],
        }

    async def enable_flow(self, key: str, on: bool) -> dict[str, Any] | None:
        """Switch a flow on or off; off, its events are kept and can be replayed.

        Its `problem` says why it cannot run, if so: what it needs may be gone since it was stored.
        """
        if not await self._store.enable_flow(key, on):
            return None
        self._book.forget()
        view = await self.get_flow(key)
        if view is not None and on and view["problem"] is None:
            found = (await self._choosing.checked(view["document"])).errors
            view["problem"] = "\n".join(map(str, found)) or None
        return view

    # --- connections --------------------------------------------------------------------------

    async def list_connections(self) -> Iterable[Connection]:
        """Every connection, by name."""
        return [as_connection(row) for row in await self._store.connections()]

    async def start_connect(
        self, app: str, name: str, settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Begin an OAuth consent: `authorize_url` and its one-time `state`."""
        return await self._connect.start(app, name, settings)

    async def finish_connect(self, state: str, code: str) -> Connection:
        """End an OAuth consent: prove the account and store it. Runs that waited for it go on."""
        row = await self._connect.finish(state, code)
        await self._released(row.id)
        return as_connection(row)

    async def consent_ended(self, state: str, name: str, before: Connection | None) -> Connection:
        """Wait until this consent has made (or renewed) the connection, whoever serves the answer.

        Raises NotConnected when the answer came and made none; the browser shows why.
        """
        return as_connection(
            await self._connect.ended(state, name, known_before=before is not None)
        )

    async def connect_with_token(
        self, app: str, name: str, token: str, settings: Mapping[str, Any]
    ) -> Connection:
        """Store an account by its token, after proving that it works."""
        row = await self._connect.with_token(app, name, token, settings)
        await self._released(row.id)
        return as_connection(row)

    async def _released(self, connection_id: str) -> None:
        self._book.forget()
        await self._store.hurry_events(connection_id)
        released = await self._store.release_runs(connection_reason(connection_id))
        if self._started:
            self._drive.released([run_id for run_id, _, _ in released], connection_id)

    # --- subscriptions ------------------------------------------------------------------------

    async def reconcile(self) -> list[dict[str, Any]]:
        """Make the apps send what the enabled flows follow; the server must be listening."""
        return await self._watch.reconcile()

    # --- inside -------------------------------------------------------------------------------

    def _hand_on(self, event: EventRow) -> None:
        if self._parts.plugins is not None:
            self._parts.plugins.on_event(event)
        if self._started:
            self._drive.event(event)

    def _go_on(self, run: RunRow) -> None:
        if self._started:
            self._drive.run(run)
