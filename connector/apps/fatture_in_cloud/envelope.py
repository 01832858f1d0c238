"""Reading one notification: strict JSON, both CloudEvents modes, ids that can be trusted to be ids.

Source: facts on Fatture in Cloud §2.3; limits from the facts on security §3.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from connector.apps.fatture_in_cloud.resources import KNOWN, PREFIX
from connector.errors import HookRefused
from connector.model import Inbound

MAX_BODY = 1024 * 1024
MAX_DEPTH = 32
MAX_IDS = 10_000
MAX_ID = 2**53
ATTRIBUTES = {f"ce-{name}": name for name in ("id", "type", "subject", "time")}

_WORD = re.compile(r"[\x21-\x7e]{1,256}")
_TYPE = re.compile(r"[A-Za-z0-9._-]{1,256}")
_DIGITS = re.compile(r"[1-9][0-9]{0,18}")
# The closing quote is optional: an open string is one match, not a search from every quote.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
_TIME = re.compile(r"[0-9T:.+Z-]{10,40}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A notification before anybody has vouched for it."""

    delivery_id: str
    type: str
    subject: str
    time: str
    ids: tuple[str, ...]

    @property
    def resource(self) -> str:
        """What changed, as in `entities.clients`."""
        return self.type.removeprefix(PREFIX).rpartition(".")[0]

    @property
    def operation(self) -> str:
        """What happened to it, as in `update`."""
        return self.type.rpartition(".")[2]

    @property
    def known(self) -> bool:
        """Whether this is an event about records; welcome events and new types are not."""
        return self.type.startswith(PREFIX) and self.type.removeprefix(PREFIX) in KNOWN


def malformed(why: str) -> HookRefused:
    """The refusal of what no genuine sender would send."""
    return HookRefused(f"The notification is malformed: {why}.", status=400)


def read_envelope(inbound: Inbound) -> Envelope:
    """The envelope of a POST in binary or structured mode; raises HookRefused (400)."""
    if len(inbound.body) > MAX_BODY:
        raise HookRefused("The notification is too long.", status=413)
    body = strict_json(inbound.body)
    if not isinstance(body, dict):
        raise malformed("the body is not an object")
    told: Any = _attributes(inbound)
    if "type" not in told:
        # One sample of the vendor sends the structured mode as plain application/json, so the
        # content type does not tell the modes apart.
        told = body
        if "type" not in body:
            raise malformed("it names no event type")
    return Envelope(
        delivery_id=_text(told.get("id"), _WORD, "id"),
        type=_text(told.get("type"), _TYPE, "type"),
        subject=_text(told.get("subject"), _WORD, "subject"),
        time=_time(told.get("time")),
        ids=_ids(body.get("data")),
    )


def strict_json(text: bytes) -> Any:
    """JSON without the corners that two parsers read differently; raises HookRefused (400)."""
    _check_depth(text)
    try:
        return _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        raise malformed("the body is not plain JSON") from None


def _check_depth(text: bytes) -> None:
    # Counting is enough for all but the strangest bodies, and costs nothing.
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _TOKENS.finditer(text):
        found = token.group()
        if found in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise malformed(f"it is nested deeper than {MAX_DEPTH}")
        elif found in (b"]", b"}"):
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _attributes(inbound: Inbound) -> dict[str, str]:
    """The attributes that the headers of a binary notification carry."""
    found: dict[str, str] = {}
    for header, value in inbound.headers:
        name = ATTRIBUTES.get(header)
        if name is None:
            continue
        if name in found:
            raise malformed(f"the header {header} stands twice")
        found[name] = value
    return found


def _text(value: Any, form: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise malformed(f"its {name} is missing or cannot be one")
    return value


def _time(value: Any) -> str:
    """When it happened; an event with an odd time is still an event."""
    return value if isinstance(value, str) and _TIME.fullmatch(value) else ""


def _ids(data: Any) -> tuple[str, ...]:
    found = data.get("ids") if isinstance(data, dict) else None
    if data is not None and not isinstance(data, dict):
        raise malformed("its data is not an object")
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > MAX_IDS:
        raise malformed(f"its ids are not a list of at most {MAX_IDS}")
    return tuple(dict.fromkeys(map(_id, found)))


def _id(value: Any) -> str:
    if type(value) is int and 0 < value < MAX_ID:
        return str(value)
    # The cashbook's own ids are texts of digits.
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return value
    raise malformed("one of its ids is not a positive whole number")
