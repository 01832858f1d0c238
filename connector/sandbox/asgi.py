"""The few types that ASGI apps and senders share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from connector.model import Answer, HttpRequest

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]
"""An ASGI application."""
Send = Callable[[HttpRequest], Awaitable[Answer]]
"""Sends one request; raises NotSent or Unclear."""
