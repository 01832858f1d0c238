"""Reading a request's body without trusting what it says about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from connector.web.ports import Receive


class BodyRefused(Exception):
    """The body is too large (413), coded (415) or contradicts its headers (400)."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ClientGone(Exception):
    """The client hung up before its body was complete."""


def check_framing(headers: Iterable[tuple[bytes, bytes]], limit: int) -> bytes:
    """Refuse by headers alone, before a byte is read; gives the media type in lower case.

    Two lengths, or a length beside a transfer coding, are how requests are smuggled past proxies.
    """
    length: bytes | None = None
    kind = b""
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if length is not None or not value.isdigit():
                raise BodyRefused(400)
            length = value
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"content-type":
            if kind:
                raise BodyRefused(400)
            kind = value.split(b";", 1)[0].strip().lower()
        elif name == b"content-encoding":
            raise BodyRefused(415)
    if length is None:
        return kind
    if chunked:
        raise BodyRefused(400)
    if len(length) > 18 or int(length) > limit:
        raise BodyRefused(413)
    return kind


def is_within(headers: Iterable[tuple[bytes, bytes]], size: int) -> bool:
    """Whether a request says that its body is no longer than this; unsaid, it may be."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return False
        if name == b"content-length" and value.isdigit():
            return len(value) <= 18 and int(value) <= size
    return True


async def read_body(
    receive: Receive, limit: int, hold: Callable[[int], None] = lambda size: None
) -> bytes:
    """The whole body, counted while it comes; raises BodyRefused and ClientGone.

    `hold` hears of each part before it is kept, and may refuse it.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise BodyRefused(413)
    hold(len(body))
    if not message.get("more_body", False):
        return body
    parts, size = [body], len(body)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyRefused(413)
        hold(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
