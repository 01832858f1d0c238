"""Every public error, named after what must happen next.

ConnectorError
├── ExpressionError     an expression cannot be read or evaluated
├── SchemaError         a schema file is missing or cannot be used
├── BundleError         a manifest, node or plugin cannot be loaded
├── MappingError        values do not fit an action's fields; carries every issue
├── FlowError           a flow document is not valid; carries every issue
├── NotConnected        a connection is missing, unknown or must be renewed
├── HookRefused         an incoming webhook is not accepted
│   └── HookUnsure      it may be genuine: answer 503 so that the sender tries again
├── ApiError            a foreign API did not do what was asked
│   ├── NotSent         nothing reached it: safe to try again
│   │   └── Uncounted   our own database could not count it: it goes in a moment
│   ├── Unclear         it may have been applied: never resend blindly
│   ├── Throttled       a quota is used up: wait `retry_after` seconds
│   └── Refused         it answered no, and nothing was written
│       ├── Unauthorized    the credentials are dead
│       ├── Forbidden       scope, role, plan or licence is missing
│       ├── Missing         no such record
│       ├── Conflict        it clashes with an existing record
│       └── Invalid         fields are wrong; carries every issue
└── StoreError          the database cannot do what was asked
    ├── StoreBusy       for the moment
    ├── StoreOwned      another process drives this database
    ├── Raced           it was worked out from what is no longer the newest
    └── TakenOver       another process goes on with this very piece of work
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Who = Literal["user", "connection_owner", "wait", "developer"]
Severity = Literal["error", "warning"]
Lack = Literal["value", "choice", "step", "one_of"]


class Issue(BaseModel):
    """One thing wrong with one field (a dotted path); `line` and `column` count from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: str
    remedy: str = ""
    field: str | None = None
    value_type: str | None = None
    where: str | None = None
    line: int | None = None
    column: int | None = None
    who: Who = "user"
    severity: Severity = "error"
    lacks: Lack | None = None
    """What is only not there yet, where nothing that is there is wrong."""

    def __str__(self) -> str:
        place = self.where or ""
        if self.line is not None:
            place = f"{place} (line {self.line}, column {self.column or 1})".strip()
        parts = [part for part in (place, self.field) if part]
        head = " · ".join(parts)
        text = f"{head}: {self.message}" if head else self.message
        return f"{text} {self.remedy}".strip()


class ConnectorError(Exception):
    """Base of all our errors: says what failed, on which field, what to do and who acts."""

    who: Who = "user"

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        field: str | None = None,
        value_type: str | None = None,
        who: Who | None = None,
        issues: Sequence[Issue] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field
        self.value_type = value_type
        self.issues = tuple(issues)
        if who is not None:
            self.who = who

    def __str__(self) -> str:
        head = f"{self.field}: {self.message}" if self.field else self.message
        lines = [f"{head} {self.remedy}".strip(), *(f"  - {issue}" for issue in self.issues)]
        return "\n".join(lines)

    def as_data(self) -> dict[str, Any]:
        """The error as JSON, for run records, problem+json answers and `--json` output."""
        return {
            "kind": type(self).__name__,
            "message": self.message,
            "remedy": self.remedy,
            "field": self.field,
            "value_type": self.value_type,
            "who": self.who,
            "issues": [issue.model_dump(exclude_none=True) for issue in self.issues],
        }


class ExpressionError(ConnectorError):
    """An expression cannot be read or evaluated; `offset` counts characters from 0 where known."""

    def __init__(self, message: str, *, offset: int | None = None, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.offset = offset


class SchemaError(ConnectorError):
    """A schema file is missing or cannot be turned into fields."""

    who: Who = "developer"


class BundleError(ConnectorError):
    """A manifest, a node file or a plugin cannot be loaded."""

    who: Who = "developer"


class MappingError(ConnectorError):
    """Values do not fit an action's fields; `issues` lists every one of them."""


class FlowError(ConnectorError):
    """A flow document is not valid; `issues` lists every fault with its line and column."""


class NotConnected(ConnectorError):
    """A connection is missing, belongs to another app, or must be renewed by its owner."""

    who: Who = "connection_owner"


class HookRefused(ConnectorError):
    """An incoming webhook is forged or malformed; `status` is the 4xx to answer."""

    who: Who = "developer"

    def __init__(self, message: str, *, status: int = 401, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.status = status


class HookUnsure(HookRefused):
    """A webhook may be genuine though we cannot prove it: the sender must try again."""

    def __init__(self, message: str, **rest: Any) -> None:
        super().__init__(message, status=503, **rest)


class ApiError(ConnectorError):
    """A foreign API did not do what was asked; `status` is its HTTP status, if it gave one."""

    def __init__(self, message: str, *, status: int | None = None, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.status = status


class NotSent(ApiError):
    """No byte of the request reached the API (DNS, refused, TLS): trying again is safe."""

    who: Who = "wait"


class Uncounted(NotSent):
    """The quota could not be counted, for our own database is away: nothing may be sent."""


class Unclear(ApiError):
    """The request may or may not have been applied: look before sending again."""

    who: Who = "wait"


class Throttled(ApiError):
    """A quota is used up; `retry_after` is the wait in seconds."""

    who: Who = "wait"

    def __init__(self, message: str, *, retry_after: float, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.retry_after = retry_after


class Refused(ApiError):
    """The API understood and answered no; nothing was written."""


class Unauthorized(Refused):
    """The credentials are missing, expired or revoked: the owner must reconnect."""

    who: Who = "connection_owner"


class Forbidden(Refused):
    """A scope, role, plan feature or licence is missing."""

    who: Who = "connection_owner"


class Missing(Refused):
    """The API has no such record."""


class Conflict(Refused):
    """The write clashes with a record that exists already."""


class Invalid(Refused):
    """The API refuses some fields; `issues` lists them by our dotted paths."""


class StoreError(ConnectorError):
    """The database cannot do what was asked."""

    who: Who = "developer"


class StoreBusy(StoreError):
    """The database cannot write at this moment; nothing was stored."""

    who: Who = "wait"


class StoreOwned(StoreError):
    """Another process already drives this database."""

    who: Who = "user"


class Raced(StoreError):
    """Somebody stored a newer state meanwhile, so that this must be worked out anew."""

    who: Who = "wait"


class TakenOver(StoreError):
    """Another process goes on with this piece of work, so that nothing of ours may be stored."""

    who: Who = "wait"
