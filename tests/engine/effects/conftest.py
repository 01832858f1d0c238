"""A write on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connector.store.sqlite.database import Database
from tests.engine.driving import Driver
from tests.engine.remote import Clock, Record, Remote


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    """A driver on a real store; the remote system checks what is stored before each send."""
    database = Database(tmp_path / "connector.db")
    store = database.tenant("main")
    await store.ensure(0)
    clock = Clock()
    remote = Remote(clock, records=[Record(1, {"data": {"name": "old"}}, 0)])

    def look(stored: bytes) -> None:
        rows = database.reader.execute(
            "SELECT count(*) FROM effect WHERE state = 'sending' AND request = ?", (stored,)
        )
        assert rows.fetchone() == (1,), "stored as SENDING, byte for byte, before the first byte"

    remote.before_send = look
    yield Driver(clock, remote, store)
    await database.close()
