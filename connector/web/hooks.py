"""`/hooks/<id>`: the only way events come in. Bare ASGI, because every event passes here.

What a provider makes of our status decides whether an event lives: 2xx is a promise that it is
stored, 5xx brings it back, and anything else loses it for good. So 4xx is only for what no genuine
sender would send, our own trouble is always 503, and 3xx, 408, 410 and 429 never leave this door.
"""

from __future__ import annotations

import asyncio
import logging
import re
from urllib.parse import parse_qsl

from connector.codec import encode
from connector.errors import HookRefused
from connector.model import Inbound, Json
from connector.settings import Limits
from connector.web.answers import JSON, PROBLEM, bare_problem, log_surprise, send_answer
from connector.web.bodies import BodyRefused, ClientGone, check_framing, is_within, read_body
from connector.web.ports import Hooks, Receive, Scope, Send

log = logging.getLogger("connector.web.hooks")

ACCEPTED = 202
UNSURE = 503
NEVER = frozenset({408, 410, 429})
MAX_QUERY_FIELDS = 32
LONG_BYTES = 8 * 1024 * 1024
"""Room for all the bodies together that may be longer than others: so memory stays bounded."""
_HOOK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_JSON_TYPE = re.compile(rb"application/(?:[a-z0-9.-]+\+)?json")


class Room:
    """How many bytes of long bodies are in memory, all of them together."""

    def __init__(self) -> None:
        self.taken = 0


class Held:
    """The part of one long body; one that finds no room must come again."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def add(self, size: int) -> None:
        """Take room for some more. Raises BodyRefused."""
        if self._room.taken + size > LONG_BYTES:
            raise BodyRefused(UNSURE)
        self._room.taken += size
        self._size += size

    def let_go(self) -> None:
        """Give all of it back."""
        self._room.taken -= self._size
        self._size = 0


class HookEdge:
    """The ASGI app of `/hooks/…`; `serve_hook` takes the part of the path after it."""

    def __init__(self, runtime: Hooks, limits: Limits) -> None:
        self._runtime = runtime
        self._limits = limits
        self._room = Room()
        self._storing: set[asyncio.Task[Json | None]] = set()

    async def serve_hook(self, hook_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one webhook; never raises but for cancellation."""
        try:
            status, body = await self._judge(hook_id, scope, receive)
        except ClientGone:
            return
        except asyncio.CancelledError:
            # The server gives up waiting for us: the sender must try again elsewhere or later.
            await self._answer(send, UNSURE, b"")
            raise
        await self._answer(send, status, body)

    async def _answer(self, send: Send, status: int, body: bytes) -> None:
        if status < 400:
            await send_answer(send, status, body, JSON)
        elif status == 405:
            allow = ((b"allow", b"GET, POST"),)
            await send_answer(send, status, bare_problem(status), PROBLEM, allow)
        else:
            await send_answer(send, status, bare_problem(status), PROBLEM)

    async def _judge(self, hook_id: str, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        name = hook_id[-4:] if _HOOK_ID.fullmatch(hook_id) else "?"
        held = Held(self._room)
        try:
            limit = self._limits.hook_bytes
            if name != "?" and not is_within(scope["headers"], limit):
                # Only what may be long waits to hear whose it is.
                async with asyncio.timeout(self._limits.hook_seconds):
                    limit = max(limit, await self._runtime.hook_bytes(hook_id))
            inbound = await self._read(scope, receive, limit, held)
            if name == "?":
                return 404, b""
            reply = await self._store(hook_id, inbound)
            return (ACCEPTED, b"{}") if reply is None else (200, encode(reply))
        except BodyRefused as refusal:
            log.info("hook …%s: %d, malformed request", name, refusal.status)
            return refusal.status, b""
        except HookRefused as error:
            status = _safe(error.status)
            level = logging.INFO if status < 500 else logging.WARNING
            log.log(level, "hook …%s: %d, %s", name, status, type(error).__name__)
            return status, b""
        except TimeoutError:
            log.warning("hook …%s: not stored in time", name)
            return UNSURE, b""
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the event must come again
            log_surprise(f"hook …{name}", error)
            return UNSURE, b""
        finally:
            held.let_go()

    async def _store(self, hook_id: str, inbound: Inbound) -> Json | None:
        """Wait for the commit, but not for ever; a commit that began is never cut short.

        It could be durable already, while the rest of the runtime never heard of the event: the
        sender's next attempt would only be a duplicate.
        """
        storing = asyncio.create_task(self._runtime.receive(hook_id, inbound))
        self._storing.add(storing)
        storing.add_done_callback(self._stored)
        async with asyncio.timeout(self._limits.hook_seconds):
            return await asyncio.shield(storing)

    def _stored(self, storing: asyncio.Task[Json | None]) -> None:
        self._storing.discard(storing)
        if not storing.cancelled():
            # The sender was told 503 when it took too long; its end is no news any more.
            storing.exception()

    async def _read(self, scope: Scope, receive: Receive, limit: int, held: Held) -> Inbound:
        method: str = scope["method"]
        if method not in ("GET", "POST"):
            raise BodyRefused(405)
        kind = check_framing(scope["headers"], limit)
        if method == "POST" and not _JSON_TYPE.fullmatch(kind):
            raise BodyRefused(415)
        query = _query(scope.get("query_string", b""))
        async with asyncio.timeout(self._limits.body_seconds):
            if limit > self._limits.hook_bytes:
                body = await read_body(receive, limit, held.add)
            else:
                body = await read_body(receive, limit)
        if method == "GET" and body:
            raise BodyRefused(400)
        headers = tuple(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        )
        return Inbound(method=method, headers=headers, query=query, body=body)


def _query(raw: bytes) -> tuple[tuple[str, str], ...]:
    if not raw:
        return ()
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise BodyRefused(400) from None
    return tuple(pairs)


def _safe(status: int) -> int:
    """The status to send: one that a provider cannot misread, else 503."""
    return status if 400 <= status < 500 and status not in NEVER else UNSURE
