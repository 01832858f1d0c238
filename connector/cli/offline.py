"""Commands beside a running server: they use the store for a moment and drive nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from connector.runtime import Runtime

T = TypeVar("T")


def with_runtime(work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Open the store of the settings, do the work, close it. Raises ConnectorError."""
    from connector.runtime import open_runtime
    from connector.settings import Settings

    async def go() -> T:
        async with await open_runtime(Settings.load()) as runtime:
            return await work(runtime)

    return asyncio.run(go())
