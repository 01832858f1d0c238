"""The loops of one process among several: none of them waits for another one."""

from __future__ import annotations

import asyncio
from typing import Any

from connector.engine.sharing import BEATS, MOST_EVENTS, SILENT_SECONDS, SharedDrive
from connector.errors import StoreBusy
from tests.engine.virtual import simulate


class Claims:
    """A database in which nothing is to be done."""

    def __init__(self) -> None:
        self.beats: list[float] = []
        self.tended = 0
        self.held = asyncio.Event()
        self.away = False
        self.shares: list[int] = []
        self.event_shares: list[int] = []

    async def join(self, name: str) -> None: ...

    async def leave(self) -> None: ...

    async def release_mended(self) -> int:
        return 0

    async def runs(self, limit: int, now: float, share: int) -> list[Any]:
        self.shares.append(share)
        return []

    async def events(self, limit: int, now: float, share: int) -> list[Any]:
        self.event_shares.append(share)
        return []

    async def beat(self) -> bool:
        if self.away:
            raise StoreBusy("Away.")
        self.beats.append(asyncio.get_running_loop().time())
        return True

    async def tend(self, silent_seconds: float) -> list[str]:
        self.tended += 1
        await self.held.wait()
        return []


class Events:
    open = 0

    async def stop(self) -> None: ...


def drive(claims: Any) -> SharedDrive:
    async def perform(run: Any) -> None: ...

    def make(*_: Any) -> Any:
        return Events()

    clock = asyncio.get_running_loop().time
    return SharedDrive(claims, perform, make, clock, 4, "one", listen=False)


def test_beats_go_on_while_looking_after_others_takes_long() -> None:
    async def story() -> None:
        claims = Claims()
        one = drive(claims)
        await one.start(())
        await asyncio.sleep(10 * SILENT_SECONDS)
        await one.stop()
        assert claims.tended == 1
        assert len(claims.beats) >= 10 * BEATS - 1

    simulate(story)


def test_one_tenant_may_have_three_parts_in_four() -> None:
    async def story() -> None:
        claims = Claims()
        one = drive(claims)
        await one.start(())
        await asyncio.sleep(5)
        await one.stop()
        assert set(claims.shares) == {3}
        assert set(claims.event_shares) == {MOST_EVENTS * 3 // 4}

    simulate(story)


def test_nobody_is_counted_as_dead_right_after_the_database_was_away() -> None:
    async def story() -> None:
        claims = Claims()
        claims.held.set()
        one = drive(claims)
        await one.start(())
        await asyncio.sleep(2 * SILENT_SECONDS)
        claims.away = True
        await asyncio.sleep(2 * SILENT_SECONDS)
        before = claims.tended
        claims.away = False
        await asyncio.sleep(SILENT_SECONDS)
        assert claims.tended == before
        await asyncio.sleep(SILENT_SECONDS)
        assert claims.tended > before
        await one.stop()

    simulate(story)
