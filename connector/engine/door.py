"""The one way to an app, as the engine sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from connector.errors import ApiError
from connector.model import Answer, Caller, Encoding, HttpRequest, Json, Method, Operation


class Door(Caller, Protocol):
    """The one way to an app: rendering is apart from sending so that bytes are stored first."""

    def render(self, action: Operation, inputs: dict[str, Any]) -> HttpRequest: ...

    async def send(
        self, prepared: HttpRequest, *, write: bool, not_after: float | None = None
    ) -> Answer:
        """Raises ApiError; any other error of ours means that nothing was sent.

        Nothing leaves after the moment `not_after` of the monotonic clock.
        """
        ...

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        encoding: Encoding = "json",
        not_after: float | None = None,
    ) -> Json: ...

    def read_error(self, answer: Answer) -> ApiError | None: ...
