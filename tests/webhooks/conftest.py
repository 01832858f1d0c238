"""What verifies them."""

from __future__ import annotations

import pytest

from connector.apps.fatture_in_cloud import FattureWebhooks
from tests.webhooks.kit import PEM


@pytest.fixture
def source() -> FattureWebhooks:
    return FattureWebhooks([PEM], app_ids=[4711])
