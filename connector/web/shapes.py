"""What the API takes and gives, as its OpenAPI document tells it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connector.errors import Issue
from connector.model import Connection, Field as NodeField

Setting = str | int | bool | list[str] | None
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Asked(BaseModel):
    """Base of every request body: an unknown key is an error, not a surprise later."""

    model_config = ConfigDict(extra="forbid")


class StartConnect(Asked):
    """An OAuth connection to begin."""

    app: Name
    name: Name
    settings: dict[str, Setting] = {}


class ConnectWithToken(StartConnect):
    """A connection by a token that its owner copied from the app; the token is never given back."""

    token: Annotated[SecretStr, Field(min_length=1, max_length=16384)]


class FlowText(Asked):
    """A flow document in YAML."""

    text: str


class ApplyFlow(FlowText):
    """A flow document to store; without `enable`, it stays switched on or off as it was."""

    enable: bool | None = None


class Suggest(Asked):
    """A mapping to complete; `context` holds `trigger` and `steps` as expressions see them."""

    node: Name
    map: dict[str, Any] = {}
    context: dict[str, Any] = {}
    language: Literal["en", "it"] = "en"


class TryMapping(Asked):
    """A mapping to try; with `only`, the line of one field."""

    node: Name
    map: dict[str, Any]
    context: dict[str, Any] = {}
    only: Annotated[str, Field(max_length=400)] | None = None


class NewDraft(FlowText):
    """A draft; `base` is the version of the flow that it was begun from."""

    base: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class SaveDraft(NewDraft):
    """A draft's next text; `version` is what was changed, 0 where there is no draft yet."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class Sample(Asked):
    """What a flow is tried with: the record of a run, or a record as its app gives it."""

    run: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    record: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one(self) -> Sample:  # noqa: N804 - it is called on the instance
        if (self.run is None) == (self.record is None):
            raise ValueError("Give either run or record.")
        return self


class SaveTest(Asked):
    """A test: without `sample` of the made-up one, without `text` of the stored flow."""

    sample: Sample | None = None
    text: str | None = None


class RunTests(Asked):
    """The text to test, such as a draft's; without it the stored flow's."""

    text: str | None = None


class RollBack(Asked):
    """The version to go back to."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class Resolve(Asked):
    """What a person decided of a parked write; `adopt` names the record that is there.

    It is read first; `force` adopts one that cannot be read, does not match or is another run's.
    """

    choice: Literal["adopt", "send_again", "drop"]
    remote_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    force: bool = False


class Replay(Asked):
    """Where a replay begins; without a step, at the first one that is not done."""

    from_step: Name | None = None


class Problem(BaseModel):
    """Every error, whatever its cause (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    fields: list[Issue]
    kind: str | None = None
    who: str | None = None


class Items(BaseModel):
    """A whole list."""

    items: list[dict[str, Any]]


class Sentences(BaseModel):
    """What changed, in plain words."""

    items: list[str]


class Status(BaseModel):
    """Counts by state, what no event told of, and the alarms that last.

    A count as high as `counted_to` means at least so many.
    """

    counts: dict[str, dict[str, int]]
    counted_to: int
    recovered: list[dict[str, Any]]
    alarms: list[dict[str, Any]]


class Page(Items):
    """A part of a list, newest first; `next` is the cursor of the following part, if any."""

    next: int | None


class RunPage(Page):
    """A part of the runs; `looked_to` is where a search for a text stopped, if it did."""

    looked_to: int | None


class ReplayMany(Asked):
    """Which runs a replay is about: those with these numbers, or all that fit."""

    runs: Annotated[list[int], Field(max_length=200)] | None = None
    state: Name | None = None
    flow: Name | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: Name | None = None
    from_step: Name | None = None


class ReplayRuns(Asked):
    """The runs to replay, at most 200 at a time: `ready` of the preview."""

    runs: Annotated[list[int], Field(min_length=1, max_length=200)]
    from_step: Name | None = None


class Preview(BaseModel):
    """What each run would do, and how many writes are done already and not repeated."""

    items: list[dict[str, Any]]
    ready: list[int]
    refused: int
    writes: int
    more: bool


class ReplayedMany(BaseModel):
    """The new runs, each with the one that it replays, and what was refused."""

    replayed: list[dict[str, int]]
    refused: list[dict[str, Any]]


class Account(BaseModel):
    """Where events and their runs ended, by state; `unaccounted` is what no sum holds."""

    accepted: int
    events: dict[str, int]
    runs_made: int
    runs: dict[str, int]
    replays: dict[str, int]
    recovered: int
    open: int
    unaccounted: int


class Connections(BaseModel):
    """All connections; their secrets are write-only."""

    items: list[Connection]


class Fields(BaseModel):
    """The inputs of a node, in order."""

    items: list[NodeField]


class Choices(BaseModel):
    """What can be chosen for a field; with `open`, any other value may be sent as well."""

    title: str
    options: list[dict[str, Any]]
    read_at: float | None
    note: str
    open: bool


class Consent(BaseModel):
    """Where to send the owner's browser."""

    authorize_url: str


class Replayed(BaseModel):
    """The new run."""

    run: int


Record = dict[str, Any]
