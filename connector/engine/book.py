"""What the engine looks up all the time, kept in memory and asked for anew: hooks, apps, flows.

Another process (a command at the shell) may change them, so a look-up first asks the store for its
revision: once in a turn of the event loop, because a commit wakes many runs in the same turn. Where
asking means a way over the network, the answer holds for a moment longer.
"""

from __future__ import annotations

import asyncio
import hmac
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connector.derived import DerivedTrigger
from connector.engine.deriving import Derived
from connector.engine.events import ActiveFlow
from connector.errors import ConnectorError, FlowError, HookRefused, NotConnected
from connector.model import App, Connection, Hook, Trigger
from connector.reach import is_this_machine
from connector.store.rows import ConnectionRow, FlowRow, HookRow

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.flow import CompiledFlow
    from connector.store.port import Database, Store


EMULATED_KEY = "emulated_key"
"""The setting of a connection that holds the public key of an emulated app."""


MOST_KEPT = 2_000
"""So many flows are kept ready to run: of ten thousand tenants few are at work at a time."""

FORMER_NAMES = "former_names"
"""The setting of a connection that holds the names that it had."""


@dataclass(frozen=True, slots=True)
class OpenHook:
    """A hook ready to receive."""

    tenant: str
    hook: Hook
    app: App


class Book:
    """Reads hooks, connections and flows through memory."""

    def __init__(
        self, catalog: Catalog, database: Database, fresh_seconds: float = 0, root: bytes = b""
    ) -> None:
        """`root` is what the secrets of hooks are worked out from."""
        self._catalog = catalog
        self._database = database
        self._fresh_seconds = fresh_seconds
        self._root = root
        self._revision = -1
        self._asked: asyncio.AbstractEventLoop | None = None
        self._hooks: dict[str, OpenHook] = {}
        self._active: dict[str, list[ActiveFlow]] = {}
        self._connections: dict[tuple[str, str], ConnectionRow] = {}
        self._compiled: dict[tuple[int, int], CompiledFlow] = {}
        self._of_text: dict[str, CompiledFlow] = {}
        """A platform gives thousands of tenants one and the same flow: it is checked once."""
        self._problems: dict[str, dict[str, str]] = {}

    def forget(self) -> None:
        """Read everything anew at the next look-up; call after a change of one's own."""
        self._hooks.clear()
        self._active.clear()
        self._connections.clear()

    async def _fresh(self) -> None:
        # Which loop runs is a question to the system; whether this one still does is not.
        if self._asked is not None and self._asked.is_running():
            return
        revision = await self._database.revision()
        self._asked = asyncio.get_running_loop()
        if self._fresh_seconds:
            self._asked.call_later(self._fresh_seconds, self.ask_again)
        else:
            self._asked.call_soon(self.ask_again)
        if revision != self._revision:
            self._revision = revision
            self.forget()

    def ask_again(self) -> None:
        """Ask the store at the next look-up, however fresh the last answer is."""
        self._asked = None

    async def hook(self, hook_id: str) -> OpenHook:
        """The hook of an incoming request. Raises HookRefused (404) for an unknown one."""
        await self._fresh()
        known = self._hooks.get(hook_id)
        if known is None:
            row = await self._database.hook(hook_id)
            if row is None:
                raise HookRefused("There is no such hook.", status=404)
            connection = await self.connection(row.tenant, row.connection_id)
            app = _rehearsed(self._catalog.app(connection.app), connection)
            known = self._hooks[hook_id] = OpenHook(row.tenant, self.as_hook(row), app)
        return known

    def as_hook(self, row: HookRow) -> Hook:
        """The hook as an app's webhook code sees it, with the secret that it may use."""
        until = row.verify_until
        return Hook(
            id=row.id,
            connection_id=row.connection_id,
            url=row.url,
            account=row.account,
            verify_until=None if until is None else datetime.fromtimestamp(until, UTC),
            subscription=row.subscription,
            secret=hmac.new(self._root, row.id.encode(), "sha256").hexdigest()
            if self._root
            else "",
        )

    async def connection(self, tenant: str, id_or_name: str) -> ConnectionRow:
        """A tenant's connection. Raises NotConnected."""
        await self._fresh()
        known = self._connections.get((tenant, id_or_name))
        if known is None:
            row = await self._database.tenant(tenant).connection(id_or_name)
            if row is None:
                row = await self._once_named(tenant, id_or_name)
            if row is None:
                raise NotConnected(
                    f"There is no connection named {id_or_name!r}.",
                    remedy=f"Make it with `connector connect APP --name {shlex.quote(id_or_name)}`,"
                    " or name another one in the flow.",
                    who="user",
                )
            known = self._connections[(tenant, id_or_name)] = row
        return known

    async def _once_named(self, tenant: str, name: str) -> ConnectionRow | None:
        """The connection that had this name before: runs may still go by an older version."""
        rows = await self._database.tenant(tenant).connections()
        return next((row for row in rows if name in row.settings.get(FORMER_NAMES, ())), None)

    async def app(self, tenant: str, connection_id: str) -> App:
        """The app of a connection."""
        row = await self.connection(tenant, connection_id)
        return self._catalog.app(row.app)

    async def following(self, tenant: str, connection_id: str) -> Sequence[ActiveFlow]:
        """The enabled flows that follow a connection's events."""
        return [flow for flow in await self.active(tenant) if flow.connection_id == connection_id]

    async def active(self, tenant: str) -> Sequence[ActiveFlow]:
        """Every enabled flow of a tenant that can run; the others are its `problems`."""
        await self._fresh()
        known = self._active.get(tenant)
        if known is None:
            store = self._database.tenant(tenant)
            known = []
            problems: dict[str, str] = {}
            for row in await store.flows():
                if not row.enabled:
                    continue
                try:
                    known.append(await self._activate(row, store))
                except ConnectorError as error:
                    problems[row.key] = str(error)
            self._active[tenant] = known
            self._problems[tenant] = problems
            _keep_newest(self._active)
        return known

    def problems(self, tenant: str) -> Mapping[str, str]:
        """The enabled flows that could not run when `active` was asked last, and why."""
        return self._problems.get(tenant, {})

    async def compiled(self, tenant: str, flow_id: int, version: int) -> CompiledFlow:
        """One version of a flow, ready to run. Raises FlowError."""
        known = self._compiled.get((flow_id, version))
        if known is None:
            document = await self._database.tenant(tenant).flow_document(flow_id, version)
            if document is None:
                raise FlowError(f"Version {version} of this flow is no longer stored.")
            known = self._of_text.get(document)
            if known is None:
                known = self._of_text[document] = self._compile(document)
                _keep_newest(self._of_text)
            self._compiled[(flow_id, version)] = known
            _keep_newest(self._compiled)
        return known

    def _compile(self, document: str) -> CompiledFlow:
        from connector.flow import check_flow

        return check_flow(document, self._catalog).raise_for_errors()

    async def _activate(self, row: FlowRow, store: Store) -> ActiveFlow:
        flow = await self.compiled(row.tenant, row.id, row.version)
        trigger = self._catalog.node(flow.trigger.node)
        if not isinstance(trigger, Trigger):
            raise FlowError(f"{trigger.name} is no Trigger.")
        connection = await self.connection(row.tenant, flow.trigger.connection or "")
        app = self._catalog.app(trigger.app)
        given = dict(flow.trigger.inputs)
        account = given.get(app.account_input) if app.account_input else None
        derived = None
        if isinstance(trigger, DerivedTrigger):
            derived = Derived(trigger, given, self._catalog.filters)
            named, operations = trigger.events(given)
        else:
            named = (str(given.get("resource", "")),)
            operations = _texts(given.get("event_types", ()))
        members = (two for one in named for two in app.resource_groups.get(one, ()))
        return ActiveFlow(
            row=row,
            flow=flow,
            trigger=trigger,
            connection_id=connection.id,
            account=None if account is None else str(account),
            resources=frozenset((*named, *members)),
            operations=frozenset(operations),
            derived=derived,
        )


def _keep_newest(kept: dict[Any, Any]) -> None:
    if len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]


def _rehearsed(app: App, row: ConnectionRow) -> App:
    """The app, trusting the key of the emulated one that this connection leads to.

    Only for an address of this machine: no other connection believes anything but the app's key.
    """
    key = row.settings.get(EMULATED_KEY)
    trusting = getattr(app.webhook, "trusting", None)
    if not key or trusting is None or not is_this_machine(urlsplit(row.base_url).hostname or ""):
        return app
    return app.model_copy(update={"webhook": trusting(str(key))})


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(one) for one in value)


def as_connection(row: ConnectionRow) -> Connection:
    """The connection as nodes see it: no secrets."""
    return Connection(
        id=row.id,
        tenant=row.tenant,
        app=row.app,
        name=row.name,
        base_url=row.base_url,
        settings=row.settings,
        status="active" if row.status == "active" else "reconnect",
    )
