"""What is stored of a write: its exact bytes, and the mark that finds its record again."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from typing import Any

from connector import paths
from connector.codec import decode, encode
from connector.model import Answer, HttpRequest
from connector.redaction import redact

MARKER_CHARACTERS = 12
MOST_OF_AN_ANSWER = 16 * 1024


def marker_of(installation_key: bytes, effect_key: str) -> str:
    """The mark of a written record: the same after a restored backup, meaningless to others."""
    digest = hmac.new(installation_key, effect_key.encode(), hashlib.sha256).digest()
    return "#" + b32encode(digest).decode("ascii")[:MARKER_CHARACTERS]


def marked(inputs: dict[str, Any], place: str | None, marker: str) -> dict[str, Any]:
    """The inputs with the mark at the end of a text, where the action has a place for one."""
    if place is None:
        return inputs
    marked: dict[str, Any] = decode(encode(inputs))
    present = paths.get(marked, place)
    text = "" if present in (paths.ABSENT, None) else str(present)
    paths.put(marked, place, f"{text} {marker}".strip())
    return marked


def decode_or_none(answer: Answer) -> Any:
    """The answer's JSON, or None when it has none (an empty 200)."""
    try:
        return decode(answer.body)
    except ValueError:
        return None


def shown_answer(answer: Answer) -> dict[str, Any]:
    """What is kept of an answer for whoever looks at the write: clean, and of bounded size."""
    shown = redact(answer)
    if len(shown["body"]) > MOST_OF_AN_ANSWER:
        shown["body"] = shown["body"][:MOST_OF_AN_ANSWER]
        shown["cut"] = len(answer.body)
    return shown


def pack(request: HttpRequest) -> bytes:
    """A request as stored bytes; what is unpacked is sent exactly as it was packed."""
    head = encode({"method": request.method, "url": request.url, "headers": request.headers})
    return head + b"\n" + request.body


def unpack(stored: bytes) -> HttpRequest:
    """The request that `pack` stored."""
    head, _, body = stored.partition(b"\n")
    told = decode(head)
    return HttpRequest(
        method=told["method"],
        url=told["url"],
        headers=tuple((name, value) for name, value in told["headers"]),
        body=body,
    )
