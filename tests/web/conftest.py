"""The web of a fake runtime on a real socket, and the pages of a real one without any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connector.runtime import open_runtime
from connector.settings import Settings
from connector.web.app import make_app
from tests.loaded import the_catalog
from tests.web.door.kit import Clock, House
from tests.web.kit import FakeRuntime, Served, served, settings


@pytest.fixture
async def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
async def web(runtime: FakeRuntime) -> AsyncIterator[Served]:
    async with served(make_app(runtime, settings())) as server:
        yield server


@pytest.fixture
def given() -> dict[str, Any]:
    """Settings that a class of tests changes."""
    return {}


@pytest.fixture
async def house(tmp_path: Path, given: dict[str, Any]) -> AsyncIterator[House]:
    settings = Settings.load(database=f"sqlite:///{tmp_path / 'connector.db'}", **given)
    clock = Clock()
    async with await open_runtime(settings, clock=clock, catalog=the_catalog()) as runtime:
        one = House(runtime, settings, clock)
        yield one
        for client in one.open:
            await client.aclose()
