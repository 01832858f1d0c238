"""A PostgreSQL that neither answers nor goes away: whoever waits for it is told to try again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connector.errors import StoreBusy
from connector.store.postgres import counter, database as reading, journal, turns
from connector.store.postgres.database import Database

SECONDS = 0.5


@pytest.mark.timeout(60)
async def test_nothing_waits_for_ever(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "ANSWER_SECONDS", SECONDS)
    monkeypatch.setattr(reading, "READ_SECONDS", SECONDS)
    monkeypatch.setattr(journal, "STORE_SECONDS", SECONDS)
    monkeypatch.setattr(turns, "ANSWER_SECONDS", SECONDS)
    store = Database(postgres_url)
    await store.open()
    try:
        await _stop_and_go_on(store)
    finally:
        await store.close()


async def _stop_and_go_on(store: Database) -> None:

    async def count() -> None:
        await store.change_quota("app/7", lambda account, now: True)

    work: dict[str, Callable[[], Awaitable[Any]]] = {
        "a read": lambda: store.all("SELECT 1"),
        "a write": lambda: store.write(("SELECT 1", ())),
        "a count on a quota": count,
        "a turn": lambda: store.turn("record").__aenter__(),
    }
    await store.write(("SELECT 1", ()))
    await count()
    async with store.turn("another record"):
        pass
    pids = [row[0] for row in await store.all(_PIDS, store._name)]
    assert len(pids) == len(work)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        ends = await asyncio.gather(*(one() for one in work.values()), return_exceptions=True)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert {what: type(end) for what, end in zip(work, ends, strict=True)} == dict.fromkeys(
        work, StoreBusy
    )
    await count()
    assert await store.all("SELECT 1") == [(1,)]


_PIDS = "SELECT pid FROM pg_stat_activity WHERE application_name = ?"
