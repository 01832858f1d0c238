"""An office for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.nodes.fatture_in_cloud.office import Office


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    one = Office(tmp_path)
    await one.store.ensure(0)
    yield one
    await one.http.aclose()
    await one.database.close()
