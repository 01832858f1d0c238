"""A small foreign API that forgets nothing: what it was sent, what it holds, and when it shows it.

It has no idempotency keys, its lists lag behind, and it can commit late: like the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from connector.codec import decode, encode
from connector.engine.packing import pack
from connector.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    Missing,
    NotSent,
    StoreBusy,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import Action, Answer, HttpRequest, Identity, Operation
from connector.store.rows import EffectRow

TOKEN = "s3cr3t-access-token"
LIST_LAG = 5.0
LATE = 50.0
"""How late a write that nobody heard of may still be applied; longer than no settle time."""

# What may happen to a write. Those of the first group are applied.
APPLIED = (
    "ok",
    "reset after",
    "5xx after",
    "timeout after",
    "timeout, late",
    "truncated",
    "no id",
    "crash after",
)
UNHEARD = ("reset before", "5xx before", "timeout before", "foreign page", "redirect")
UNTOUCHED = ("connect refused", "401", "429", "403 quota")
REFUSED = ("403", "404", "409", "422")
FAULTS = (*APPLIED, *UNHEARD, *UNTOUCHED, *REFUSED, "crash before")


class Crash(BaseException):
    """The process ends here, without any chance to tidy up."""


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def until(self, moment: float) -> None:
        self.now = max(self.now, moment)


@dataclass
class Record:
    """One record of the foreign system."""

    id: int
    body: dict[str, Any]
    applied_at: float


@dataclass
class Remote:
    """The foreign system, and the door to it; `faults` says what happens to each next write."""

    clock: Callable[[], float]
    faults: Iterator[str] = field(default_factory=lambda: iter(()))
    looking: Iterator[str] = field(default_factory=lambda: iter(()))
    records: list[Record] = field(default_factory=list)
    late: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    """What became of each of them."""
    searches: list[float] = field(default_factory=list)
    before_send: Callable[[bytes], None] = lambda stored: None
    says: bytes | None = None
    """What it answers to each write that went well, in place of the record."""

    # --- the door -----------------------------------------------------------------------------

    def render(self, action: Operation, inputs: dict[str, Any]) -> HttpRequest:
        assert action.request is not None
        return HttpRequest(
            method=action.request.method,
            url=f"https://books.example{action.request.path}",
            headers=(("content-type", "application/json"),),
            body=encode({"rendered_at": self.clock(), **inputs}),
        )

    async def send(
        self, prepared: HttpRequest, *, write: bool, not_after: float | None = None
    ) -> Answer:
        assert write
        self.settle()
        signed = dict([*prepared.headers, ("authorization", f"Bearer {TOKEN}")])
        assert TOKEN in signed["authorization"]
        self.before_send(pack(prepared))
        fault = next(self.faults, "ok")
        if fault == "connect refused":
            raise NotSent("books.example could not be reached.")
        self.sent.append(pack(prepared))
        self.outcomes.append(fault)
        await asyncio.sleep(0)
        if fault == "crash before":
            raise Crash
        body = decode(prepared.body)
        if fault in APPLIED and fault != "timeout, late":
            record = self._apply(prepared.method, body)
        elif fault == "timeout, late":
            self.late.append((self.clock() + LATE, prepared.method, body))
            record = None
        else:
            record = None
        if fault == "crash after":
            raise Crash
        return self._answer(fault, record)

    def read_error(self, answer: Answer) -> ApiError | None:
        status = answer.status
        if status < 300:
            return None
        known: dict[int, type[ApiError]] = {
            403: Forbidden, 404: Missing, 409: Conflict, 422: Invalid,
        }  # fmt: skip
        wait = answer.header("retry-after")
        if status == 429 or (status == 403 and wait):
            return Throttled("The quota is used up.", retry_after=float(wait or 1), status=status)
        if status == 401:
            return Unauthorized("The token is dead.", status=status)
        kind = known.get(status, Unclear)
        return kind(f"books.example answered {status}.", status=status)

    def _answer(self, fault: str, record: Record | None) -> Answer:
        if fault.startswith(("reset", "timeout")):
            raise Unclear(f"The request has an unclear outcome: {fault}.")
        if fault.startswith("5xx"):
            return Answer(status=502, body=b"<h1>Bad gateway</h1>")
        if fault == "redirect":
            return Answer(status=302, headers=(("location", "https://else.example"),))
        if fault == "foreign page":
            return Answer(status=200, body=b"<html>please log in</html>")
        if fault == "403 quota":
            return Answer(status=403, headers=(("retry-after", "77"),))
        if fault == "429":
            return Answer(status=429, headers=(("retry-after", "33"),))
        if fault.isdecimal():
            return Answer(status=int(fault), body=b'{"error":{"message":"no"}}')
        assert record is not None
        if fault == "no id":
            return Answer(status=200, body=b'{"status":true}')
        if self.says is not None:
            return Answer(status=200, body=self.says)
        whole = encode({"data": {"id": record.id, **record.body["data"]}})
        return Answer(status=201, body=whole[:15] if fault == "truncated" else whole)

    # --- the system ---------------------------------------------------------------------------

    def _apply(self, method: str, body: dict[str, Any], at: float | None = None) -> Record:
        applied = self.clock() if at is None else at
        if method == "PUT":
            record = self.records[0]
            record.body, record.applied_at = body, applied
            return record
        record = Record(len(self.records) + 1, body, applied)
        self.records.append(record)
        return record

    def settle(self, *, to_the_end: bool = False) -> None:
        """Apply what was late and is due by now."""
        for one in list(self.late):
            due, method, body = one
            if to_the_end or due <= self.clock():
                self.late.remove(one)
                self._apply(method, body, due)

    async def find(self, key: str, criteria: dict[str, Any]) -> dict[str, Any]:
        """The Search of this app: by the text of one field, in a list that lags."""
        await self.asked()
        seen = [
            one
            for one in self.records
            if one.applied_at + LIST_LAG <= self.clock()
            and all(str(value) in str(one.body["data"].get(name)) for name, value in
                    criteria.items())
        ]  # fmt: skip
        first = {"id": seen[0].id, **seen[0].body["data"]} if seen else None
        return {
            "found": bool(seen),
            "count": len(seen),
            "id": seen[0].id if seen else None,
            "ids": [one.id for one in seen],
            "record": first,
            "records": [{"id": one.id, **one.body["data"]} for one in seen],
        }

    async def asked(self) -> None:
        """A search arrives; raises what `looking` says of it."""
        self.settle()
        self.searches.append(self.clock())
        await asyncio.sleep(0)
        fault = next(self.looking, "ok")
        if fault != "ok":
            raise {
                "connect refused": NotSent("books.example could not be reached."),
                "unclear": Unclear("books.example answered 502.", status=502),
                "429": Throttled("The quota is used up.", retry_after=12, status=429),
                "401": Unauthorized("The token is dead.", status=401),
                "403": Forbidden("The scope for reading is missing.", status=403),
            }[fault]

    def marked(self, marker: str) -> list[Record]:
        """Every record that carries a mark, shown by lists or not, and those still to come."""
        self.settle(to_the_end=True)
        return [one for one in self.records if marker in encode(one.body).decode()]


# --- actions ----------------------------------------------------------------------------------


def action(key: str, method: Any, identity: Identity) -> Action:
    from connector.model import Request

    return Action(
        app="books",
        key=key,
        noun="Record",
        label=key,
        description=key,
        request=Request(method=method, path=f"/{key}", root="data"),
        result="data",
        identity=identity,
    )


INVOICE = action(
    "create_invoice",
    "POST",
    Identity(record_id="data.id", marker="data.subject", find="find_invoice",
             by={"subject": "data.subject"}, when_unsure="park"),
)  # fmt: skip
CLIENT = action(
    "create_client",
    "POST",
    Identity(record_id="data.id", marker="data.notes", find="find_client",
             by={"notes": "data.notes"}, when_unsure="resend_once"),
)  # fmt: skip
UPDATE = action("update_client", "PUT", Identity(record_id="", when_unsure="repeat"))
BLIND = action("create_entry", "POST", Identity(record_id="data.id", when_unsure="park"))


# --- a store that can fail --------------------------------------------------------------------


class Effects:
    """Effects in memory, copied in and out; `faults` says what happens to each next save.

    "busy": nothing is stored and the caller is told. "crash before" and "crash after": the process
    ends on this or that side of the commit.
    """

    def __init__(self, tenant: str = "main", faults: Iterable[str] = ()) -> None:
        self.tenant = tenant
        self.faults = iter(faults)
        self.rows: dict[str, EffectRow] = {}
        self.saved: list[tuple[str, bytes]] = []
        """The state and the request of every save, in order."""

    async def effect(self, key: str) -> EffectRow | None:
        await asyncio.sleep(0)
        return deepcopy(self.rows.get(key))

    async def effects_about(
        self, connection_id: str, node: str, natural_key: str
    ) -> list[EffectRow]:
        place = (connection_id, node, natural_key)
        return [
            deepcopy(one)
            for one in reversed(self.rows.values())
            if natural_key and (one.connection_id, one.node, one.natural_key) == place
        ]

    async def claimed_ids(self, connection_id: str, node: str, ids: Sequence[str]) -> set[str]:
        done = {
            one.remote_id
            for one in self.rows.values()
            if one.state == "done" and (one.connection_id, one.node) == (connection_id, node)
        }
        return {one for one in ids if one in done}

    async def save_effect(self, effect: EffectRow) -> None:
        await asyncio.sleep(0)
        fault = next(self.faults, "ok")
        if fault == "crash before":
            raise Crash
        if fault == "busy":
            raise StoreBusy("The database cannot write now.")
        # Through bytes, as a real column: what cannot be stored must not look as if it could.
        decode(encode([effect.inputs, effect.output, effect.evidence]))
        self.rows[effect.key] = deepcopy(effect)
        self.saved.append((effect.state, effect.request or b""))
        if fault == "crash after":
            raise Crash

    def only(self) -> EffectRow:
        (row,) = self.rows.values()
        return row
