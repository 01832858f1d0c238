"""Consents begun in the pages: they end in the session that began them, and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from connector.connections.oauth import CONSENT_SECONDS
from connector.engine.book import as_connection
from connector.engine.waits import Clock
from connector.errors import ConnectorError, NotConnected
from connector.model import Connection
from connector.runtime.connect import Connect

if TYPE_CHECKING:
    from connector.store.port import Store

AGAIN = "Start connecting again."
STAY = "Start connecting again. Stay in one browser."
UNFORESEEN = "Something failed here that we did not foresee."
ELSEWHERE = "This consent was begun in another browser, or before you logged in anew."
Way = Literal["page", "window"]
PREFIXES: Mapping[str, Way] = {"p.": "page", "w.": "window"}
"""How the state of such a consent begins: it says where the browser goes on, and proves nothing."""


class Consents:
    """Begins and ends the consents of people; `by` is the session (or the person) that asks.

    Without it, somebody could agree with an account of his own on another's consent page, and
    flows would from then on write there.
    """

    def __init__(
        self,
        connect: Connect,
        store: Store,
        clock: Clock,
        released: Callable[[str], Awaitable[None]],
    ) -> None:
        self._connect = connect
        self._store = store
        self._clock = clock
        self._released = released

    async def begin(
        self, app: str, name: str, settings: Mapping[str, Any], *, by: str, way: Way
    ) -> dict[str, Any]:
        """Begin one: `authorize_url`, `state` and `scopes`. Raises NotConnected."""
        prefix = next(one for one, kind in PREFIXES.items() if kind == way)
        return await self._connect.start(app, name, settings, by=by, prefix=prefix)

    async def end(self, state: str, *, by: str, code: str = "", refused: str = "") -> Connection:
        """End one with the app's answer: its code, or why it was refused. Raises NotConnected."""
        kept = await self._connect.take(state)
        began = str(kept["request"].get("by", ""))
        end: dict[str, Any] = {"error": {"message": UNFORESEEN, "remedy": AGAIN}}
        try:
            if not began or not hmac.compare_digest(began.encode(), by.encode()):
                raise NotConnected(ELSEWHERE, remedy=STAY, who="user")
            if refused:
                raise NotConnected(f"The app answered: {refused}.", remedy=AGAIN, who="user")
            row = await self._connect.use(kept, code)
            await self._released(row.id)
            end = {"connection": row.id}
        except ConnectorError as error:
            end = {"error": {"message": error.message, "remedy": error.remedy}}
            raise
        finally:
            # For the page that waits for it, which may ask another process.
            told = {"by": began, "end": end}
            await self._store.start_consent(_place(state), told, self._clock() + CONSENT_SECONDS)
        return as_connection(row)

    async def ended(self, state: str, *, by: str) -> Mapping[str, Any] | None:
        """How one ended, told once: a `connection` or an `error`; None while nobody answered.

        Neither of them is told while the answer is worked on, and when nothing is known any more.
        """
        told = await self._store.take_consent(_place(state), self._clock())
        if told is not None and hmac.compare_digest(str(told["by"]).encode(), by.encode()):
            found: Mapping[str, Any] = told["end"]
            return found
        return None if await self._store.has_consent(state) else {}


def way_of(state: str) -> Way | None:
    """Whether a consent was begun in the pages, and how; None for one of the API or the shell."""
    return PREFIXES.get(state[:2])


def _place(state: str) -> str:
    return f"end {hashlib.sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()}"
