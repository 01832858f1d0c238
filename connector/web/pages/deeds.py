"""What somebody does in an emulated app of this machine, so that a flow has something to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date
from ipaddress import ip_address
from random import SystemRandom
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from connector.building.words import Words, words_of
from connector.codec import encode
from connector.deeds import Deed
from connector.derived import DerivedTrigger
from connector.errors import ConnectorError
from connector.flow import parse_flow
from connector.http import HttpClient
from connector.model import Answer, Connection, HttpRequest, Method
from connector.runtime.scopes import events_of
from connector.web.ports import Runtime

RECORDS: Final = "/_sandbox/records"
"""Where a person adds and changes records in an emulated app (docs/sandbox.md)."""
TIMEOUT_SECONDS = 2.0
PATIENCE_SECONDS = 20.0
LOOK_SECONDS = 0.05


class Stage(NamedTuple):
    """A deed that would start a flow, where it is done, and for which company."""

    key: str
    deed: Deed
    connection: Connection
    deeds: Mapping[str, Deed]
    """All that can be done in its app."""
    words: Words
    company: str = ""
    follows: tuple[str, ...] = ()
    """All deeds that the flow follows."""

    def label(self, language: str) -> str:
        """What it does, in a reader's language."""
        return self.words.text(self.deed.label, language)


def is_emulated(one: Connection) -> bool:
    """Whether this connection leads to an emulated app of this machine, and to nobody else."""
    host = urlsplit(one.base_url).hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    return here and bool(one.settings.get("emulated"))


def stage_of(document: str, catalog: Any, connections: Iterable[Connection]) -> Stage | None:
    """What would start this flow, where its app is emulated; None where nothing of ours does."""
    try:
        flow = parse_flow(document)
        trigger = catalog.trigger(flow.trigger.node)
        events = events_of(flow, trigger)
    except ConnectorError:
        return None
    if isinstance(trigger, DerivedTrigger) and len({one.rpartition(".")[2] for one in events}) > 1:
        # It looks at more than one thing that happens, such as that an invoice is paid.
        return None
    for one in connections:
        if one.name == flow.trigger.connection and is_emulated(one):
            known = {stage.key: stage for stage in stages([one], catalog)}
            keys = tuple(sorted({f"{one.app}.{event}" for event in events} & known.keys()))
            company = str(flow.trigger.inputs.get(catalog.app(one.app).account_input or "") or "")
            return known[keys[0]]._replace(company=company, follows=keys) if keys else None
    return None


def stages(connections: Iterable[Connection], catalog: Any) -> list[Stage]:
    """Everything that can be done in these connections' emulated apps, as their Apps say."""
    found = []
    for one in connections:
        app = catalog.apps.get(one.app)
        if app is not None and is_emulated(one):
            words = words_of(app.key, catalog.schemas.roots)
            found += [
                Stage(f"{app.key}.{event}", deed, one, app.deeds, words)
                for event, deed in app.deeds.items()
            ]
    return found


async def do(stage: Stage, today: date) -> None:
    """Do it there. Raises ConnectorError when nobody answers."""
    deed, at = stage.deed, stage.connection
    query = f"?company={quote(stage.company, safe='')}" if stage.company else ""
    newest: Mapping[str, Any] = {}
    draw = SystemRandom()
    if deed.based_on:
        known = await records(at, deed.based_on, query)
        first = _first(stage)
        if not known and first is not None:
            made = first.made({}, today, draw)
            await _call(at, "POST", f"/{deed.based_on}{query}", encode(made))
            known = await records(at, deed.based_on, query)
        newest = known[0] if known else {}
    try:
        body = encode(deed.made(newest, today, draw))
        path = f"/{deed.records}/{newest[deed.id_key]}" if deed.changes else f"/{deed.records}"
    except KeyError:
        raise _not_emulated(
            f"The emulated app at {_address(at)} answered without records."
        ) from None
    await _call(at, "PUT" if deed.changes else "POST", f"{path}{query}", body)


def _first(stage: Stage) -> Deed | None:
    """What makes the record that a deed is based on."""
    wanted = stage.deed.based_on
    made = (one for one in stage.deeds.values() if one.records == wanted and not one.based_on)
    return next(made, None)


async def records(connection: Connection, kind: str, query: str = "") -> list[dict[str, Any]]:
    """The records of an emulated app, the newest first. Raises ConnectorError."""
    told = (await _call(connection, "GET", f"/{kind}{query}")).json()
    rows = told.get("data") if isinstance(told, dict) else None
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise _not_emulated(f"The emulated app at {_address(connection)} answered without records.")
    return rows[::-1]


async def followed(runtime: Runtime, flow: str, last: int) -> int | None:
    """The run of this flow that comes after the run `last`, when it ended or nearly."""
    waited, found = 0.0, None
    while waited < PATIENCE_SECONDS:
        runs = await runtime.list_runs(1, None, None, flow)
        if runs and runs[0]["id"] > last:
            found = int(runs[0]["id"])
            # Its page follows it anyhow: one that takes its time is not waited for.
            if runs[0]["finished_at"] is not None or waited > PATIENCE_SECONDS / 4:
                return found
        await asyncio.sleep(LOOK_SECONDS)
        waited += LOOK_SECONDS
    return found


async def _call(connection: Connection, method: Method, path: str, body: bytes = b"") -> Answer:
    address = _address(connection)
    request = HttpRequest(
        method=method,
        url=f"{address}{RECORDS}{path}",
        headers=(("content-type", "application/json"),) if body else (),
        body=body,
    )
    async with HttpClient() as outside:
        # No person gave this address: it is one of this machine, where emulated apps stand.
        answer = await outside.send(request, timeout=TIMEOUT_SECONDS, trusted=True)
    if answer.status != 200:
        raise _not_emulated(
            f"The emulated app at {address} answered {answer.status} instead of 200."
        )
    return answer


def _address(connection: Connection) -> str:
    parts = urlsplit(connection.base_url)
    return f"{parts.scheme}://{parts.netloc}"


def _not_emulated(message: str) -> ConnectorError:
    remedy = "Start `connector run`, or `connector sandbox`, once more and connect it."
    return ConnectorError(message, remedy=remedy, who="user")
