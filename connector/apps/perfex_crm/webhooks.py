"""Webhooks of Perfex CRM 3.x: signed with a secret of ours, without an id, and sent twice over.

Source: facts on Perfex CRM §9. Nothing in a body is believed but which record to read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from connector import finding
from connector.apps.perfex_crm.events import event_of, names_of
from connector.codec import decode
from connector.errors import Forbidden, HookRefused, Missing, Refused, Unclear
from connector.model import Caller, Delivery, Hook, Inbound, Json

SIGNATURE = "x-perfex-signature"
TOLERANCE = 300.0
"""How old or early a signature may be. A queued retry is signed anew, so that it is never old."""
MAX_BODY = 1024 * 1024
LATEST = 2**53
NO_SUCH_PATH = (404, 405)
SETTLED_SECONDS = 3.0
"""A second, in which another change has the same id, and what a commit may lag behind its hook."""
AT_ONCE = ("create", "delete")
"""Of one record these come once."""
TIMEOUT, RETRIES = 30, 5

_SIGNATURE = re.compile(r"t=(\d{1,12}),\s*v1=([0-9a-f]{64})", re.IGNORECASE)
_ID = re.compile(r"[1-9][0-9]{0,17}")
_NAME = re.compile(r"[A-Za-z0-9_.*-]{1,120}")
_IDS = ("id", "userid", "customer_id", "client_id", "lead_id", "invoice_id", "payment_id")


class PerfexWebhooks:
    """Accepts what is signed with the hook's own secret, within `tolerance` seconds."""

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self._tolerance = tolerance

    def challenge(self, hook: Hook, inbound: Inbound, now: datetime) -> Json:
        """None: this app asks nothing before it sends."""
        return None

    def receive(self, hook: Hook, inbound: Inbound, now: datetime) -> Delivery:
        """One verified event. Raises HookRefused: 401 signature, 400 form."""
        if inbound.method != "POST":
            raise HookRefused("Events come by POST.", status=405)
        if len(inbound.body) > MAX_BODY:
            raise HookRefused("The notification is too long.", status=413)
        self._verify(hook, inbound, now.timestamp())
        told = _object(inbound.body)
        name, moment = told.get("event"), told.get("timestamp")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise _malformed("it names no event")
        if type(moment) is not int or not 0 <= moment < LATEST:
            raise _malformed("its timestamp is no number of seconds")
        event = event_of(name)
        one = _id_in(told.get("data"))
        resource, _, operation = (event or f"other.{name.replace('.', '_')}").partition(".")
        return Delivery(
            delivery_id=_delivery_id(event, one, moment, inbound.body),
            type=name,
            resource=resource,
            operation=operation,
            ids=(one,) if one else (),
            time=_written(moment),
            silent=event is None or not one,
            settles=0 if operation in AT_ONCE else SETTLED_SECONDS,
        )

    def _verify(self, hook: Hook, inbound: Inbound, now: float) -> None:
        given = [value for name, value in inbound.headers if name == SIGNATURE]
        match = _SIGNATURE.fullmatch(given[0].strip()) if len(given) == 1 else None
        if match is None or not hook.secret:
            raise _refused("there is not exactly one signature")
        # Over the bytes as they came: PHP writes JSON otherwise than we would.
        signed = match[1].encode() + b"." + inbound.body
        expected = hmac.new(hook.secret.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, match[2].lower()):
            raise _refused("it was not made with this hook's secret")
        if abs(now - int(match[1])) > self._tolerance:
            raise _refused("it is too old, or the clocks differ")

    async def subscribe(self, caller: Caller, hook: Hook, events: tuple[str, ...]) -> Json:
        """Make one webhook of the installation send these events to the hook.

        An installation of 2.x has none: then nothing is missing, because it is polled.
        """
        polled: dict[str, Any] = {
            "id": None,
            "sink": hook.url,
            "verified": True,
            "polled": True,
            "missing": [],
        }
        if caller.connection.settings.get("webhooks") is False:
            return polled
        try:
            offered = _offered(await caller.request("GET", "/webhooks/events"))
        except Refused as error:
            # Connected before we asked for that, to a version that has none.
            if error.status not in NO_SUCH_PATH:
                raise
            return polled
        found = names_of(events, offered)
        names = sorted({name for asked in found.values() for name in asked})
        ours = [row for row in await _rows(caller) if _is_ours(row, hook)]
        body = {
            "name": "Connector",
            "url": hook.url,
            "events": names,
            "secret": hook.secret,
            "timeout": TIMEOUT,
            "retry_count": RETRIES,
        }
        for beside in ours[1:]:
            await caller.request("DELETE", f"/webhooks/{beside['id']}")
        if ours:
            kept = str(ours[0]["id"])
            await caller.request("PUT", f"/webhooks/{kept}", body=body)
        elif names:
            told = await caller.request("POST", "/webhooks", body=body)
            kept = _made(told)
        else:
            kept = ""
        return {
            "id": kept or None,
            "sink": hook.url,
            "verified": True,
            "types": [event for event, asked in found.items() if asked],
            # What is not offered is found by looking; see `Poll`.
            "missing": [],
            "not_offered": sorted(event for event, asked in found.items() if not asked),
        }

    async def unsubscribe(self, caller: Caller, hook: Hook) -> None:
        """Remove what leads to this hook."""
        if caller.connection.settings.get("webhooks") is False:
            return
        for row in await _rows(caller):
            if _is_ours(row, hook):
                await caller.request("DELETE", f"/webhooks/{row['id']}")


async def probe(caller: Caller) -> Mapping[str, Json]:
    """Which generation of the module answers, and whether it sends webhooks to this token."""
    try:
        await caller.request("GET", "/openapi")
    except Forbidden:
        return {"generation": "3.x", "webhooks": False}
    except (Refused, Unclear) as error:
        if error.status not in NO_SUCH_PATH:
            raise
        return {"generation": "2.x", "webhooks": False}
    try:
        offered = _offered(await caller.request("GET", "/webhooks/events"))
    except Refused:
        # The token came before the upgrade: its box for webhooks is not ticked.
        return {"generation": "3.x", "webhooks": False}
    return {"generation": "3.x", "webhooks": bool(offered)}


async def _rows(caller: Caller) -> list[dict[str, Any]]:
    try:
        told = await caller.request("GET", "/webhooks")
    except Missing:
        # An empty list is "no data" here.
        return []
    rows = finding.rows_in(told, "data" if isinstance(told, dict) else "")
    return [row for row in rows if row.get("id")]


def _is_ours(row: Mapping[str, Any], hook: Hook) -> bool:
    """Whether it leads to this hook, at our present address or an earlier one."""
    return urlsplit(str(row.get("url", ""))).path.endswith(f"/hooks/{hook.id}")


def _made(told: Json) -> str:
    if isinstance(told, dict):
        for place in (told.get("record_id"), told.get("id"), (told.get("data") or {}).get("id")):
            if place:
                return str(place)
    return ""


def _offered(told: Json) -> list[str]:
    groups = told.get("groups") if isinstance(told, dict) else None
    found: list[str] = []
    for names in groups.values() if isinstance(groups, dict) else ():
        rows = names if isinstance(names, list) else list(names) if isinstance(names, dict) else []
        found += [str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in rows]
    return found


def _delivery_id(event: str | None, one: str, moment: int, body: bytes) -> str:
    """The same for a retry, for the two names of one change, and for all changes in one second.

    Nothing tells these apart, so that the record is read when that second is over.
    """
    if event is None or not one:
        return f"body:{hashlib.sha256(body).hexdigest()}"
    return f"{event}:{one}:{moment}"


def _written(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = decode(body)
    except (ValueError, RecursionError):
        raise _malformed("the body is not JSON") from None
    if not isinstance(told, dict):
        raise _malformed("the body is not an object")
    return told


def _id_in(data: Any) -> str:
    """Which record it is about; the app passes on whatever its core had at hand."""
    if isinstance(data, dict):
        for key in _IDS:
            found = _id_in(data.get(key))
            if found:
                return found
        return ""
    if isinstance(data, int | str) and not isinstance(data, bool):
        return str(data) if _ID.fullmatch(str(data)) else ""
    return ""


def _refused(why: str) -> HookRefused:
    return HookRefused(f"The webhook's signature is not accepted: {why}.", status=401)


def _malformed(why: str) -> HookRefused:
    return HookRefused(f"The notification is malformed: {why}.", status=400)
