"""The keyring of one connection."""

from __future__ import annotations

import pytest

from tests.connections.kit import House, TokenServer


@pytest.fixture
def house() -> House:
    return House(TokenServer())
