"""Ctrl-C and its relatives, for commands that wait for something."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, as shells know it."""

T = TypeVar("T")


class Stopped(Exception):
    """The signal came first."""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. Raises Stopped when `stop` is set before it is done."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Stopped
        return working.result()
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def end_like_ctrl_c() -> None:
    """Let SIGTERM and a closed terminal end this program as Ctrl-C does: tidily."""
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGHUP"):
        # Windows has neither the handlers nor the second signal.
        with contextlib.suppress(NotImplementedError, AttributeError):
            loop.add_signal_handler(getattr(signal, name), signal.raise_signal, signal.SIGINT)
