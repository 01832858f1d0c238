"""The words of the product as data: App, Trigger, Action, Search, Field, Request, Identity.

A node prints as JSON unless it carries `run`, own code for what a request cannot say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field as Attribute

from connector.codec import decode
from connector.deeds import Deed
from connector.demands import Demand
from connector.errors import ApiError

Json = Any
Key = Annotated[str, Attribute(pattern=r"^[a-z][a-z0-9_]*$")]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
FieldType = Literal["string", "integer", "number", "boolean", "date", "datetime", "object", "any"]


class Data(BaseModel):
    """Base of everything a bundle declares: frozen, keyword-only, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


# --- fields ---------------------------------------------------------------------------------


class Choice(Data):
    """One allowed value and the words for it."""

    value: str | int | float | bool | None
    label: str = ""


class Field(Data):
    """One input or output of a node: a leaf of its schema, addressed by a dotted path."""

    path: str
    label: str
    type: FieldType = "string"
    required: bool = False
    read_only: bool = False
    write_only: bool = False
    list: bool = False
    """It repeats: it is, or lies in, an array."""
    array: str | None = None
    """The path of the innermost array it is or lies in."""
    choices: tuple[Choice, ...] = ()
    """The values known today; an API may accept more tomorrow (`open_choices`)."""
    open_choices: bool = False
    format: str | None = None
    """A stricter form than the type, as JSON Schema names it: email, uri, decimal …"""
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    default: Json = None
    example: Json = None
    help: str = ""
    group: str = ""
    """The title of the object it belongs to, for forms."""
    choices_from: str = ""
    """The app's list that its values are chosen from, by the key of a ChoiceSource."""
    by_id: str | None = None
    """Path of the id that already chooses the object this field only describes."""


class SchemaRef(Data):
    """A schema file by name (`fatture_in_cloud/client`) and the path its fields hang under."""

    schema_name: str
    prefix: str = ""
    require: tuple[str, ...] = ()
    """Paths (with the prefix) that this node needs although the schema does not."""


def schema(name: str, prefix: str = "", *, require: tuple[str, ...] = ()) -> SchemaRef:
    """Name the schema whose fields a node takes or gives; nothing is read yet."""
    return SchemaRef(schema_name=name, prefix=prefix, require=require)


# --- HTTP as data ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request as it leaves us, without credentials: those are added when it is sent."""

    method: Method
    url: str
    # Signed, it carries a token, and a body names people: neither belongs in a log or a traceback.
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer: lower-case header names, the whole body."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def json(self) -> Json:
        """The body as JSON with exact decimals, or None when it is not JSON."""
        try:
            return decode(self.body)
        except ValueError:
            return None


class Request(Data):
    """How a node's inputs become one HTTP request.

    `path` and `query` values name inputs in braces: `/c/{company_id}/entities/clients`.
    `wrap` lists the top-level inputs that become keys of the body; `root` names the one input
    whose value is the whole body.
    """

    method: Method
    path: str
    query: Mapping[str, str] = {}
    wrap: tuple[str, ...] = ()
    root: str | None = None
    encoding: Literal["json", "form"] = "json"


# --- nodes ----------------------------------------------------------------------------------


class Identity(Data):
    """How a written record is recognised, so that it is never written twice.

    `find` is the key of a Search of the same app; `by` maps its inputs to our inputs. `when_unsure`
    says what follows when a write may or may not have arrived and the search finds nothing: `park`
    waits for a person (legal documents), `resend_once` sends once more, `repeat` may be sent again
    and again because the write sets a state.
    """

    record_id: str = "id"
    """Path of the new record's id in the answer."""
    marker: str | None = None
    """Path of an input where our mark is appended: stored, listed, not printed."""
    natural_key: tuple[str, ...] = ()
    """Paths of inputs, the strongest first; `a+b` is one key made of both."""
    same_as: tuple[str, ...] = ()
    """Other actions that make, or change, the same kind of record: they wait for each other."""
    ensures: bool = False
    """Its `prepare` looks for the record itself, and knows what to do with one that is there."""
    find: str | None = None
    by: Mapping[str, str] = {}
    """The search is asked for the mark alone where this names the input that carries it."""
    alike: Mapping[str, str] = {}
    """The same for a second search, by plain values: what it finds without our mark is suspect."""
    read: Request | None = None
    """Reads one record: `{id}` and the action's inputs fill its path."""
    own_id: str = "id"
    """Path of the id in a record that was read."""
    made_at: str = "created_at"
    """Path of the moment a record was made."""
    shows: str | None = None
    """The input whose values the found record must show: what a mere yes says is not believed."""
    witness: Mapping[str, str] = {}
    """Without a mark: places of a found record, and those of what was sent that they must show. It
    is ours only if it was also made at that moment (`made_at`), and no other write sent the same.
    """
    clock_hours: tuple[int, ...] = (0,)
    """So many hours the clock of `made_at` may be before UTC, where it tells no zone."""
    gives: Literal["answer", "record"] = "answer"
    """What later steps get: what was answered, or the record that was read back (by `shows`)."""
    list_lag_seconds: float = 5
    when_unsure: Literal["park", "resend_once", "repeat"] = "park"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file on its way to an app: a part of a body that is sent as `multipart`."""

    name: str
    content: bytes = field(repr=False)
    media_type: str = "application/octet-stream"


Encoding = Literal["json", "form", "multipart"]
"""How a body is written; `multipart` is for bodies with an Upload."""


class Caller(Protocol):
    """What a node's own code may do: read and write its app through the one guarded door."""

    connection: Connection

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        encoding: Encoding = "json",
    ) -> Json:
        """Send one request with the connection's credentials; raises ApiError, gives the JSON."""
        ...

    async def download(
        self, where: str, *, query: Mapping[str, str] | None = None, most: int = 0
    ) -> Answer:
        """Read what is no JSON: a path of the app, or a whole address elsewhere, without
        credentials and only where addresses of users may lead. Raises ApiError, also for more than
        `most` bytes.
        """
        ...


OwnCode = Callable[[Caller, dict[str, Any]], Awaitable[dict[str, Any]]]
"""What a node does that a request cannot say: given its inputs, gives its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a write is made of, after its app was read: nothing has been sent."""

    inputs: dict[str, Any]
    request: Request | None = None
    """The request to send instead of the node's own (change what is there, not make it)."""
    record: dict[str, Any] | None = None
    """The record as it was read."""
    state: str = ""
    """Which state was read: its own `updated_at`."""
    differs: tuple[str, ...] = ()
    """What the record shows otherwise than it is wanted."""
    enough: bool = False
    """The record is used as it is, and nothing is sent."""


MADE = "made_by_another"
"""An input of `prepare`: the id of the same record, that another write of ours has just made."""

Preparing = Callable[[Caller, dict[str, Any]], Awaitable[Prepared]]
"""Reads what a write depends on, each time before it is sent; it may not write."""


class ScopesBy(Data):
    """An input that narrows a node's scopes: where a flow fixes its value, of the scopes in `of`
    only that value's own is needed.
    """

    input: str
    of: Mapping[str, str]


class Node(Data):
    """What a Trigger, an Action and a Search share."""

    app: Key
    key: Key
    noun: str
    label: str
    description: str
    docs_url: str | None = None
    inputs: tuple[Field | SchemaRef, ...] = ()
    output: SchemaRef | None = None
    sample: Json = None
    scopes: tuple[str, ...] = ()
    scopes_by: ScopesBy | None = None

    @property
    def name(self) -> str:
        """The full name, unique everywhere: `app.key`."""
        return f"{self.app}.{self.key}"


class Operation(Node):
    """A node that a step can run: by a request, or by its own code."""

    request: Request | None = None
    result: str = ""
    """Path in the answer where the record lies; empty means the whole answer."""
    run: OwnCode | None = Attribute(default=None, exclude=True)
    summary: str = ""
    """One line for the run list, an expression over `input` and `output`."""
    operations: tuple[str, ...] = ()
    """The operations of the app that it uses, by the app's own names."""
    demands: tuple[Demand, ...] = ()
    """What it needs of several inputs together."""


class Action(Operation):
    """A node that writes."""

    kind: Literal["action"] = "action"
    identity: Identity = Identity()
    destructive: bool = False
    """It deletes, or cannot be taken back: every face asks before it is switched on."""
    removes: str | None = None
    """The input that names the record it deletes: that it is gone already is a success."""
    empty_means: Mapping[str, Any] = {}
    """What steps get when the app says yes without a word."""
    prepare: Preparing | None = Attribute(default=None, exclude=True)
    """Reads before each send and gives what is sent: an update that keeps what others wrote."""
    check: OwnCode | None = Attribute(default=None, exclude=True)
    """Reads before each send: raises Refused when this must not be sent, gives the record when
    what is wanted is there already, and nothing when it may go."""


class Search(Operation):
    """A node that reads."""

    kind: Literal["search"] = "search"


class Trigger(Node):
    """A node that starts a flow when one of its resource's events arrives."""

    kind: Literal["trigger"] = "trigger"
    enrich: bool = True
    """Whether the record is read before the flow runs."""
    outputs: Mapping[str, SchemaRef] = {}
    """The schema of `trigger.resource` for each resource."""


AnyNode = Trigger | Action | Search


# --- apps -----------------------------------------------------------------------------------


class OAuth2(Data):
    """Authorization-code consent; `authorize_path` and `token_path` hang on the base URL."""

    kind: Literal["oauth2"] = "oauth2"
    authorize_path: str
    token_path: str
    manual_token: bool = True
    """Whether the app also issues a long-lived token by hand."""


class Token(Data):
    """A token that the owner copies from the app, sent in `header` after `prefix`."""

    kind: Literal["token"] = "token"
    header: str
    prefix: str = ""
    help: str = ""


class ChoiceSource(Data):
    """A list of an app from which a person chooses a value, by its words instead of its id.

    Each row is read by `request`, by own code (`read`, which is told `search`), or stands in
    `fixed`. `label` and `also` are expressions over `row`; all of them name the row.
    """

    title: str
    request: Request | None = None
    read: Callable[[Caller, dict[str, Any]], Awaitable[list[Any]]] | None = Attribute(
        default=None, exclude=True
    )
    fixed: tuple[Choice, ...] = ()
    result: str = "data"
    """Path in the answer where the rows lie."""
    value: str = "id"
    """Path in a row of the value that is sent; empty when the row is the value."""
    label: str = "{{ row.name }}"
    also: tuple[str, ...] = ()
    unless: str = ""
    """Path in a row that hides it when it is true."""
    needs: tuple[str, ...] = ()
    """Inputs of the node that say which list is meant, such as the company."""
    page_size: int = 0
    """How many rows a full page has, where the request has a `{page}` (from 1)."""
    searched: bool = False
    """It may be long: the app looks for `search`, and it is never listed whole."""
    search_filter: Callable[[str], str] | None = Attribute(default=None, exclude=True)
    """Turns what is looked for into `{search}`, in the app's own language."""
    open: bool = False
    """Other values are accepted too; nothing is looked up when a flow runs."""
    seconds: float = 600
    """How long what was read counts as fresh."""
    scopes: tuple[str, ...] = ()
    found_by: str = ""
    """The Search of the app that finds one of these, by its key: offered where one is missing."""


class Quota(Data):
    """At most `calls` in `seconds`; `calendar` windows start afresh on the hour or month."""

    calls: int
    seconds: int
    window: Literal["sliding", "calendar"] = "sliding"


class Poll(Data):
    """The list that shows what is new or changed where an app sends no events of it."""

    request: Request
    """Without `{page}` it gives all at once."""
    result: str = ""
    key: str = "id"
    """The id in a row."""


class Reader(Data):
    """How the records of one resource are read: singly, and in batches where the list allows."""

    get: Request
    """Reads one record; `{id}` and the trigger's inputs fill its path."""
    batch: Request | None = None
    """Lists records; `{q}` is the id filter in the app's own language."""
    batch_size: int = 40
    batch_each: Mapping[str, tuple[str, ...]] = {}
    """Inputs of `batch` that take each of these values in turn, one request for each."""
    result: str = "data"
    updated_at: str | None = "updated_at"
    """Where a record says when it was changed, so that an older state never follows a newer one."""
    created_at: str | None = "created_at"
    """Where it says when it was made."""
    more: Mapping[str, Request] = {}
    """Reads what a record does not carry itself, kept in it under these names."""
    more_when: tuple[str, tuple[str, ...]] | None = None
    """The place in a record, and the values there with which there is more to read."""
    poll: Poll | None = None
    sweep: Request | None = None
    """Lists what was changed at `{since}` or later, page by page (`{page}`, from 1); only id and
    dates of a record are used."""
    sweep_size: int = 100
    """How many records a full page has."""
    sweep_each: Mapping[str, tuple[str, ...]] = {}
    """Inputs of `sweep` that take each of these values in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One incoming webhook request; header names in lower case, in the order they came."""

    method: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The first value of a header given in lower case."""
        return next((value for key, value in self.headers if key == name), None)


class Hook(Data):
    """The place where one app's events for one connection arrive."""

    id: str
    connection_id: str
    url: str
    """The public address we registered; never built from request headers."""
    account: str = ""
    """The app's own account id (Fatture in Cloud: the company)."""
    verify_until: datetime | None = None
    """Until when a handshake we asked for may be answered."""
    subscription: Json = None
    secret: str = Attribute(default="", exclude=True, repr=False)
    """What its events can be signed with: worked out from our key, stored nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One verified event: ids are hints to be read, never values to act on."""

    delivery_id: str
    type: str
    resource: str
    operation: str
    ids: tuple[str, ...] = ()
    subject: str = ""
    time: str = ""
    silent: bool = False
    """Kept and acknowledged, but it starts no run (welcome events, unknown types)."""
    settles: float = 0
    """Seconds before it is read: so long another change may come that has the same id."""


class Connection(Data):
    """One authorised account at an app; its secrets stay in the vault."""

    id: str
    tenant: str = "main"
    app: str
    name: str
    base_url: str
    settings: Mapping[str, Json] = {}
    status: Literal["active", "reconnect"] = "active"


@runtime_checkable
class WebhookSource(Protocol):
    """How an app's webhooks are recognised and subscribed to."""

    def challenge(self, hook: Hook, inbound: Inbound, now: datetime) -> Json:
        """The JSON that answers a handshake, or None when this is an event. Raises HookRefused."""
        ...

    def receive(self, hook: Hook, inbound: Inbound, now: datetime) -> Delivery:
        """Verify and read one event. Raises HookRefused for forged or malformed requests."""
        ...

    async def subscribe(self, caller: Caller, hook: Hook, events: tuple[str, ...]) -> Json:
        """Make the app send these events (`resource.operation`) to the hook; gives its record."""
        ...


class App(Data):
    """A product we connect to, and what all its nodes share."""

    key: Key
    title: str
    docs_url: str | None = None
    base_url: str | None = None
    """None when every owner has an own address (then it is a setting of the connection)."""
    base_path: str = ""
    """What follows the owner's own address in every request: `/api`."""
    auth: OAuth2 | Token
    headers: Mapping[str, str] = {}
    quotas: tuple[Quota, ...] = ()
    choices: Mapping[str, ChoiceSource] = {}
    """The lists that fields are chosen from (`Field.choices_from`)."""
    check: Request
    """A cheap read that proves a connection works."""
    check_may_miss: bool = False
    """Whether "no such record" proves it as well, since only those who may ask are told."""
    probe: Callable[[Caller], Awaitable[Mapping[str, Json]]] | None = Attribute(
        default=None, exclude=True
    )
    """Asks an installation what it can do: kept in the settings of the connection.

    `account_names` among it (by the id of the account) is what pages show instead of the id.
    """
    read_error: Callable[[Answer], ApiError | None] = Attribute(exclude=True)
    """Turns an answer into the error it means, or None when it is a success."""
    webhook: WebhookSource | None = Attribute(default=None, exclude=True)
    hook_bytes: int = Attribute(default=1024 * 1024, exclude=True)
    """How long the body of one of its events may be; longer than `CONNECTOR_LIMITS__HOOK_BYTES`."""
    event_prefix: str = ""
    """What precedes `resource.operation` in the type of an event."""
    readers: Mapping[str, Reader] = {}
    """How `enriched_event` reads each resource."""
    operations: Mapping[str, tuple[str, ...]] = {}
    """What can happen to each resource that sends events; empty when it is not known."""
    account_input: str | None = None
    """The trigger input that names the account whose events are followed (the company)."""
    resource_groups: Mapping[str, tuple[str, ...]] = {}
    """Resources that stand for several (`entities.all`)."""
    event_scopes: Callable[[tuple[str, ...]], tuple[str, ...]] | None = Attribute(
        default=None, exclude=True
    )
    """The scopes needed to follow these events (`resource.operation`) and read their records."""
    id_filter: Callable[[tuple[str, ...]], str] | None = Attribute(default=None, exclude=True)
    """Writes the list filter that picks these ids."""
    deeds: Mapping[str, Deed] = Attribute(default={}, exclude=True)
    """What a person can do in the emulated app, by the event that it causes."""
