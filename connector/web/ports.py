"""What the web asks of the runtime; `connector.runtime.Runtime` fits it without knowing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Literal, Protocol

from connector.model import AnyNode, App, Connection, Field, Inbound, Json
from connector.runtime.accounts import Accounts
from connector.runtime.consents import Consents
from connector.runtime.decisions import Decisions
from connector.runtime.looking_back import LookingBack
from connector.runtime.people import People
from connector.runtime.removing import Removing
from connector.runtime.workshop import Workshop

Row = Mapping[str, Json]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Catalog(Protocol):
    """The apps and nodes of this installation, by their names."""

    @property
    def apps(self) -> Mapping[str, App]: ...

    @property
    def nodes(self) -> Mapping[str, AnyNode]: ...

    def node(self, name: str) -> AnyNode:
        """A node by its full name; raises BundleError with the nearest names."""
        ...

    def fields(self, node: AnyNode) -> tuple[Field, ...]: ...


class Hooks(Protocol):
    """The calls of the hot path."""

    async def hook_bytes(self, hook_id: str) -> int:
        """How long a body the app behind a hook may send. Raises HookRefused (404)."""
        ...

    async def receive(self, hook_id: str, inbound: Inbound) -> Json | None:
        """Store one webhook durably; gives the answer of a handshake, else None.

        Raises HookRefused (404 for an unknown hook) and HookUnsure. Any other error is answered
        with 503, so the sender tries again; so is slowness, while the call goes on to its end.
        """
        ...


class Runtime(Hooks, Protocol):
    """Everything the web can ask; ids and cursors are positive integers, rows are plain JSON.

    A getter gives None where this tenant has no such record; so do `enable_flow` and `replay`.
    Lists come newest first and hold the rows with an id below `before`.
    """

    people: People
    clock: Callable[[], float]
    accounts: Accounts
    consents: Consents
    past: LookingBack
    decisions: Decisions
    workshop: Workshop
    removing: Removing

    async def is_driven(self) -> bool:
        """Whether some process drives runs now, so that what is decided goes on at once."""
        ...

    @property
    def catalog(self) -> Catalog: ...

    async def ready(self) -> Mapping[str, str]:
        """Why we cannot work now, by part; empty when we can."""
        ...

    async def list_connections(self) -> Iterable[Connection]: ...

    async def choices(
        self, node: str, field: str, connection: str, search: str = "", inputs: Row | None = None
    ) -> Row:
        """What can be chosen for a field: `title`, `options`, `read_at`, `note` and `open`."""
        ...

    async def start_connect(self, app: str, name: str, settings: Row) -> Row:
        """Begin an OAuth consent: `authorize_url` and its one-time `state`."""
        ...

    async def finish_connect(self, state: str, code: str) -> Connection: ...

    async def connect_with_token(
        self, app: str, name: str, token: str, settings: Row
    ) -> Connection: ...

    async def list_events(self, limit: int, before: int | None) -> Sequence[Row]: ...

    async def get_event(self, event_id: int) -> Row | None: ...

    async def list_runs(
        self, limit: int, before: int | None, state: str | None, flow: str | None
    ) -> Sequence[Row]: ...

    async def get_run(self, run_id: int) -> Row | None:
        """A run with its `steps` and `effects`."""
        ...

    async def replay(
        self, run_id: int, from_step: str | None = None, *, who: str = ""
    ) -> int | None:
        """Run it again with the same effect keys; gives the id of the new run.

        Raises ConnectorError for a step that did not run, and without one for a run that succeeded.
        """
        ...

    async def replay_event(self, event_id: int) -> bool:
        """Match an event once more; False when there is none or it is not matched yet."""
        ...

    async def list_parked(self) -> Sequence[Row]:
        """The writes that wait for a person, with their evidence."""
        ...

    async def resolve(
        self,
        key: str,
        choice: Literal["adopt", "send_again", "drop"],
        *,
        who: str,
        remote_id: str | None = None,
        force: bool = False,
    ) -> Row:
        """Decide a parked write. Raises ConnectorError when `adopt` has no id."""
        ...

    async def list_audits(self, limit: int = 100) -> Sequence[Row]:
        """What people decided."""
        ...

    async def note(self, who: str, what: str, subject: str, details: Any = None) -> None:
        """Record what a person decided."""
        ...

    async def quotas(self) -> Sequence[Row]:
        """What the accounts in use have used of their apps' quotas."""
        ...

    async def notices(self) -> Row:
        """What every page shows: lasting `alarms`, and how many writes are `parked`."""
        ...

    async def recovered(self) -> Sequence[Row]:
        """The changes that no event told of, by connection and resource."""
        ...

    async def status(self) -> Row:
        """The `counts`, the changes that no event told of (`recovered`), and lasting `alarms`."""
        ...

    async def reconcile(self) -> Sequence[Row]:
        """Make the apps send what the enabled flows follow; the server must be listening."""
        ...

    async def list_flows(self) -> Sequence[Row]: ...

    async def get_flow(self, key: str) -> Row | None: ...

    async def apply_flow(self, text: str, enable: bool | None = None, *, who: str = "") -> Row: ...

    async def enable_flow(self, key: str, on: bool) -> Row | None: ...

    async def check_flow(self, text: str) -> Row: ...
