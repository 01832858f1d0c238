"""Every move here takes many steps."""

from __future__ import annotations

import pytest

from connector.store.moving import source as source_room


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small installation takes many steps."""
    monkeypatch.setattr(source_room, "MOST_ROWS", 20)
    monkeypatch.setattr(source_room, "MOST_CHANGES", 15)
