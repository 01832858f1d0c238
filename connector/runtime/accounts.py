"""Looking after connections: how each stands, what it reaches, a new name, an end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector.engine.book import FORMER_NAMES
from connector.engine.waits import connection_reason
from connector.errors import ConnectorError, Issue, NotConnected, StoreError
from connector.flow import check_flow, parse_flow
from connector.flow.document import DocumentFault, read_document
from connector.model import App, OAuth2
from connector.runtime.connect import ACCOUNT, ACCOUNT_NAMES, checked_name, names_of
from connector.runtime.reaching import beyond
from connector.runtime.scopes import covered, needed_by

if TYPE_CHECKING:
    from connector.connections import Keyring
    from connector.engine.book import Book
    from connector.engine.doors import Doors
    from connector.flow.document import Value
    from connector.runtime.parts import Parts
    from connector.store.rows import ConnectionRow, FlowRow

COMPANIES = "companies"
"""The choices of an app whose accounts are companies."""
MOST_COUNTED = 1_000
OPEN_RUNS = ("queued", "waiting", "parked")
OPEN_WRITES = ("planned", "sending", "uncertain", "parked")
_TRIES = 5
"""So often something is learnt anew, when somebody changes the same connection meanwhile."""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORDS = frozenset({"true", "false", "null"})


class Accounts:
    """The connections of one tenant, as their owner sees them."""

    def __init__(self, book: Book, doors: Doors, keyring: Keyring, parts: Parts) -> None:
        self._book = book
        self._doors = doors
        self._keyring = keyring
        self._parts = parts
        self._store = parts.database.tenant(parts.tenant)

    async def list_all(self) -> list[dict[str, Any]]:
        """Every connection with how it stands, by name."""
        flows = await self._store.flows()
        hooks = await self._store.hooks()
        return [self._view(row, flows, hooks) for row in await self._store.connections()]

    async def waits(self) -> dict[str, list[str]]:
        """What each flow waits for: connections to renew, or too narrow for it."""
        found: dict[str, list[str]] = {}
        for one in await self.list_all():
            said = []
            if one["status"] != "active":
                said.append(f"The connection {one['name']!r} must be renewed.")
            if one["missing_scopes"]:
                missing = ", ".join(one["missing_scopes"])
                said.append(f"The connection {one['name']!r} was not granted {missing}.")
            for flow in one["flows"]:
                found.setdefault(flow["key"], []).extend(said)
        reached = {row.name: names_of(row) for row in await self._store.connections()}
        for row in await self._store.flows():
            for name, account in beyond(row.document, self._parts.catalog, reached):
                found.setdefault(row.key, []).append(
                    f"The company {account} is not one that the connection {name!r} is known to"
                    " reach."
                )
        return found

    async def broken(self, documents: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The connections that must be renewed, with how many runs wait (1,000 at most counted).

        With the documents of flows, only those that one of them names.
        """
        found: list[dict[str, Any]] = []
        for row in await self._store.connections():
            app = self._parts.catalog.apps.get(row.app)
            if row.status == "active" and not self._is_over(row, app):
                continue
            if documents is not None and not any(row.name in names_in(one) for one in documents):
                continue
            found.append({
                "id": row.id,
                "name": row.name,
                "app": row.app,
                "title": app.title if app else row.app,
                "waiting": await self._store.count_waiting(connection_reason(row.id), MOST_COUNTED),
            })  # fmt: skip
        return found

    async def usable(self) -> set[str]:
        """Reasons that no longer hold: what was wrong was ours to mend, such as a client secret."""
        rows = await self._store.connections()
        return {connection_reason(row.id) for row in rows if row.status == "active"}

    async def get(self, id_or_name: str) -> dict[str, Any] | None:
        """One connection with how it stands."""
        row = await self._store.connection(id_or_name)
        if row is None:
            return None
        return self._view(row, await self._store.flows(), await self._store.hooks())

    async def reached(self, id_or_name: str) -> list[dict[str, str]]:
        """Ask the app which companies a connection reaches, where it has any. Raises ApiError."""
        row = await self._row(id_or_name)
        app = self._parts.catalog.app(row.app)
        source = app.choices.get(COMPANIES)
        if source is None or source.read is None:
            return []
        found = await source.read(await self._doors.open(self._parts.tenant, row.id), {})
        told = [
            {
                "id": str(one["id"]),
                "name": str(one["name"] or one["id"]),
                "number": str(one.get("vat_number") or one.get("tax_code") or ""),
                "through": str(one.get("through") or ""),
            }
            for one in found
        ]
        await self._learn(row, {one["id"]: one["name"] for one in told})
        return told

    async def account_names(self) -> dict[str, str]:
        """What the accounts of all connections are called, by their ids, as far as it is known."""
        found: dict[str, str] = {}
        for row in await self._store.connections():
            found.update(names_of(row))
        return found

    async def _learn(self, row: ConnectionRow, names: Mapping[str, str]) -> None:
        for _ in range(_TRIES):
            # While the app was asked, somebody may have renamed it or chosen another account.
            now = await self._store.connection(row.id)
            known = names_of(now) if now is not None else {}
            if now is None or names.items() <= known.items():
                return
            settings = {**now.settings, ACCOUNT_NAMES: {**known, **names}}
            if await self._store.change_connection(now, now.name, settings):
                self._book.forget()
                return

    async def choose(self, id_or_name: str, account: str, *, who: str) -> None:
        """Take an account as the one of new flows; audited."""
        for _ in range(_TRIES):
            row = await self._row(id_or_name)
            settings = {**row.settings, ACCOUNT: account}
            if await self._store.change_connection(row, row.name, settings):
                break
        else:
            raise _busy(id_or_name)
        self._book.forget()
        await self._audit(who, "choose_account", row, account=account)

    async def rename(self, id_or_name: str, name: str, *, who: str) -> dict[str, Any]:
        """Give a connection another name, in the flows as well; audited. Raises ConnectorError.

        Runs that go by an older version of a flow still find it by its former name.
        """
        name = checked_name(name)
        for _ in range(_TRIES):
            row = await self._row(id_or_name)
            if name == row.name:
                return self._view(row, await self._store.flows(), await self._store.hooks())
            await self._check_free(row, name)
            changed = [
                (flow, renamed(flow.document, row.name, name))
                for flow in await self._using(row.name)
            ]
            for flow, text in changed:
                self._check_renamed(flow, text, row.name)
            former = [one for one in row.settings.get(FORMER_NAMES, ()) if one != name]
            settings = {**row.settings, FORMER_NAMES: [*former, row.name]}
            if await self._store.change_connection(row, name, settings):
                break
        else:
            raise _busy(id_or_name)
        for flow, text in changed:
            await self._store.save_flow(flow.key, text, self._parts.clock(), None, who)
        self._book.forget()
        flows = [flow.key for flow, _ in changed]
        await self._audit(who, "rename_connection", row, to=name, flows=flows)
        return await self.get(row.id) or {}

    async def remove(self, id_or_name: str, *, who: str, force: bool = False) -> dict[str, Any]:
        """Remove a connection with its secrets; flows that use it are switched off. Audited.

        First the app is told to send no more events. Raises ConnectorError while work is open that
        needs the connection, unless forced; that work then fails, and can be replayed.
        """
        row = await self._row(id_or_name)
        flows = await self._using(row.name)
        if not force:
            await self._check_over(row, flows)
        for flow in flows:
            await self._store.enable_flow(flow.key, False)
        self._book.forget()
        issues = await self._unsubscribe(row)
        await self._store.drop_connection(row.id, self._parts.clock())
        self._keyring.forget(row.tenant, row.id)
        self._book.forget()
        keys = [flow.key for flow in flows]
        await self._audit(who, "remove_connection", row, flows=keys, forced=force)
        return {"name": row.name, "flows": keys, "issues": [one.model_dump() for one in issues]}

    async def forget_hooks(self, id_or_name: str) -> None:
        """Begin anew with events: the app that sent them is no longer there."""
        row = await self._store.connection(id_or_name)
        if row is not None:
            await self._store.drop_hooks(row.id)
            self._book.forget()

    # --- inside -------------------------------------------------------------------------------

    async def _row(self, id_or_name: str) -> ConnectionRow:
        row = await self._store.connection(id_or_name)
        if row is None:
            raise NotConnected(f"There is no connection named {id_or_name!r}.", who="user")
        return row

    async def _using(self, name: str) -> list[FlowRow]:
        return [flow for flow in await self._store.flows() if name in names_in(flow.document)]

    def _view(
        self, row: ConnectionRow, flows: Sequence[FlowRow], hooks: Sequence[Any]
    ) -> dict[str, Any]:
        app = self._parts.catalog.apps.get(row.app)
        using = [flow for flow in flows if row.name in names_in(flow.document)]
        granted = row.settings.get("scopes")
        known = list(granted) if isinstance(granted, list) else None
        return {
            "id": row.id,
            "name": row.name,
            "app": row.app,
            "title": app.title if app else row.app,
            "base_url": row.base_url,
            "status": row.status,
            "emulated": bool(row.settings.get("emulated")),
            "account": row.settings.get(ACCOUNT),
            "account_names": names_of(row),
            "created_at": row.created_at,
            "scopes": known,
            "missing_scopes": self._missing(app, row, using, known),
            "flows": [{"key": flow.key, "enabled": flow.enabled} for flow in using],
            "events": [_events(hook) for hook in hooks if hook.connection_id == row.id],
            **self._life(row, app),
        }

    def _missing(
        self, app: App | None, row: ConnectionRow, using: Sequence[FlowRow], known: Any
    ) -> list[str]:
        if app is None or known is None:
            return []
        needed: set[str] = set()
        for flow in using:
            try:
                needed.update(needed_by(parse_flow(flow.document), row.name, self._parts.catalog))
            except ConnectorError:
                continue  # the list of flows says what is wrong with it
        return sorted(one for one in needed if not covered(one, known))

    def _life(self, row: ConnectionRow, app: App | None) -> dict[str, Any]:
        by_consent = app is not None and isinstance(app.auth, OAuth2)
        told: dict[str, Any] = {"expires_at": None, "renews": False, "by": "token"}
        if row.secrets is None:
            return told
        try:
            life = self._keyring.life_of(row.secrets, tenant=row.tenant, connection_id=row.id)
        except (StoreError, ValueError):
            return told
        by = "consent" if by_consent and life.renews else "token"
        return {"expires_at": life.expires_at, "renews": life.renews, "by": by}

    def _is_over(self, row: ConnectionRow, app: App | None) -> bool:
        """Whether its token has come to its end, though no call has met that yet."""
        life = self._life(row, app)
        ends = life["expires_at"]
        return ends is not None and not life["renews"] and ends <= self._parts.clock()

    async def _check_free(self, row: ConnectionRow, name: str) -> None:
        for other in await self._store.connections():
            if other.id != row.id and name in (other.name, *other.settings.get(FORMER_NAMES, ())):
                raise NotConnected(
                    f"The name {name!r} is taken.",
                    field="name",
                    remedy="Choose another name.",
                    who="user",
                )

    def _check_renamed(self, flow: FlowRow, text: str, old: str) -> None:
        """Nothing is stored unless every flow is as good as before."""
        before = check_flow(flow.document, self._parts.catalog, None)
        after = check_flow(text, self._parts.catalog, None)
        if len(after.errors) > len(before.errors) or old in names_in(text):
            raise ConnectorError(
                f"In the flow {flow.key!r} the name cannot be changed from here.",
                remedy=f"Write the new name into the flow {flow.key!r} by hand first.",
                who="user",
            )

    async def _check_over(self, row: ConnectionRow, flows: Sequence[FlowRow]) -> None:
        issues = []
        for flow in flows:
            found = [
                s for s in OPEN_RUNS if await self._store.runs(limit=1, state=s, flow=flow.key)
            ]
            if found:
                issues.append(Issue(field=flow.key, message=f"It has runs that are {found[0]}."))
        for state in OPEN_WRITES:
            for effect in await self._store.effects(state=state):
                if effect.connection_id == row.id:
                    message = f"A write of run {effect.run_id} is {state}."
                    issues.append(Issue(field=effect.step_id, message=message))
        if issues:
            raise ConnectorError(
                f"Work is open that needs the connection {row.name!r}.",
                remedy="Let it end, or decide what is parked; or remove it all the same: open runs "
                "then fail.",
                who="user",
                issues=issues[:20],
            )

    async def _unsubscribe(self, row: ConnectionRow) -> list[Issue]:
        app = self._parts.catalog.apps.get(row.app)
        end = getattr(app.webhook, "unsubscribe", None) if app else None
        issues: list[Issue] = []
        if end is None:
            return issues
        for hook in await self._store.hooks():
            if hook.connection_id != row.id:
                continue
            try:
                door = await self._doors.open(row.tenant, row.id, account=hook.account)
                await end(door, self._book.as_hook(hook))
            except ConnectorError as error:
                issues.append(
                    Issue(
                        message=f"The app could not be told to send no more events of "
                        f"{hook.account}: {error.message}",
                        remedy="What it still sends is refused; remove the subscription there.",
                        severity="warning",
                        who="connection_owner",
                    )
                )
        return issues

    async def _audit(self, who: str, what: str, row: ConnectionRow, **details: Any) -> None:
        told = {"id": row.id, "app": row.app, **details}
        await self._store.audit(self._parts.clock(), who, what, row.name, told)


def _events(hook: Any) -> dict[str, Any]:
    told = hook.subscription if isinstance(hook.subscription, dict) else {}
    return {
        "account": hook.account,
        "verified": bool(told.get("verified")),
        "types": list(told.get("types") or ()),
        "missing": list(told.get("missing") or ()),
    }


def names_in(document: str) -> set[str]:
    """The connections that a flow's document names, even one that can no longer run."""
    return {str(value.data) for value in _places(document)}


def renamed(document: str, old: str, new: str) -> str:
    """The document with another name of a connection; not a character more is changed."""
    written = new if _PLAIN.fullmatch(new) and new.lower() not in _WORDS else json.dumps(new)
    for value in sorted(_places(document), key=lambda one: -one.spot.index):
        if value.data != old:
            continue
        start = value.spot.index
        rest = document[start:]
        found = re.match(r"'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\"", rest)
        length = len(found[0]) if found else len(old)
        document = document[:start] + written + document[start + length :]
    return document


def _places(document: str) -> Iterator[Value]:
    """Where a document names a connection: at its trigger, and at its steps."""
    try:
        whole, _ = read_document(document)
    except DocumentFault:
        return
    if not isinstance(whole.data, dict):
        return
    holders = [whole.data.get("trigger")]
    steps = whole.data.get("steps")
    if steps is not None and isinstance(steps.data, list):
        holders += steps.data
    for holder in holders:
        if holder is not None and isinstance(holder.data, dict) and "connection" in holder.data:
            yield holder.data["connection"]


def _busy(name: str) -> ConnectorError:
    return ConnectorError(
        f"The connection {name!r} is being changed by somebody else.",
        remedy="Look at it and try again.",
        who="user",
    )
