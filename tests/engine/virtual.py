"""An event loop whose time passes only when nothing else can happen: hours in milliseconds.

Threads (the commits of the store) are waited for in real time, without letting time pass, and so
are answers that a socket is watched for (a database over the network).
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

START = 1_000_000.0
"""When every story begins, in seconds since 1970; a small number keeps the digits of floats."""

T = TypeVar("T")


class Stuck(RuntimeError):
    """Nothing is ready, nothing is due and no thread works: the story would hang for ever."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer instead of sleeping."""

    def __init__(self) -> None:
        self.now = START
        self.threads = 0
        self.real = False
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self.threads += 1
        done = super().run_in_executor(executor, func, *args)
        done.add_done_callback(self._thread_done)
        return done

    def _thread_done(self, done: asyncio.Future[Any]) -> None:
        self.threads -= 1


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        loop = self._loop
        if loop.real or timeout == 0:
            return super().select(timeout)
        # One entry is the loop's own: by it, threads wake it.
        if loop.threads or len(self.get_map()) > 1:
            return super().select(None)
        if timeout is None:
            raise Stuck("nothing is left that could happen")
        loop.now += timeout
        return super().select(0)


def simulate(story: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a story to its end in virtual time."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(story())
        finally:
            # What the runner tidies up at its end happens in threads that it does not tell of.
            loop.real = True
