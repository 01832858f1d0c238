"""The door that a node's own code writes through: what leaves has an intent that is fresh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from connector.engine.waits import Clock
from connector.errors import NotSent, Refused, Throttled
from connector.model import Answer, Connection, Encoding, Json, Method

if TYPE_CHECKING:
    from connector.engine.door import Door

NOT_APPLIED = (NotSent, Throttled, Refused)


class WritingDoor:
    """A Caller whose every write leaves within the seconds of a stored intent, or not at all.

    Own code may read for a minute before it writes, and its process may be stopped meanwhile; then
    another has looked for the write already. So an old intent is stored anew, which only the
    process whose turn it still is can do.
    """

    def __init__(
        self,
        door: Door,
        seconds: float,
        monotonic: Clock,
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        self.connection: Connection = door.connection
        self.wrote = False
        """Whether anything may have been written, so that a failure is a doubt."""
        self._door = door
        self._seconds = seconds
        self._monotonic = monotonic
        self._renew = renew
        self._not_after: float | None = None

    def begin(self) -> None:
        """The intent is about to be stored: from now on its seconds count."""
        self._not_after = self._monotonic() + self._seconds

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        encoding: Encoding = "json",
    ) -> Json:
        """See Caller. Raises StoreError when the write is another process's by now."""
        if method == "GET":
            return await self._door.request(method, path, query=query)
        assert self._not_after is not None
        # Half of the time is for what is on its way to the network: the quota, a new token.
        if self._monotonic() > self._not_after - self._seconds / 2:
            self.begin()
            await self._renew()
        before, self.wrote = self.wrote, True
        try:
            return await self._door.request(
                method, path, query=query, body=body, encoding=encoding, not_after=self._not_after
            )
        except NOT_APPLIED:
            self.wrote = before
            raise

    async def download(
        self, where: str, *, query: Mapping[str, str] | None = None, most: int = 0
    ) -> Answer:
        """See Caller."""
        return await self._door.download(where, query=query, most=most)
