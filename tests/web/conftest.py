"""The web of a fake runtime on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connector.web.app import make_app
from tests.web.kit import FakeRuntime, Served, served, settings


@pytest.fixture
async def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
async def web(runtime: FakeRuntime) -> AsyncIterator[Served]:
    async with served(make_app(runtime, settings())) as server:
        yield server
