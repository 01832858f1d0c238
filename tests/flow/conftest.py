"""The catalogue that flows are checked against."""

from __future__ import annotations

import pytest

from connector.catalog import Catalog
from tests.loaded import the_catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return the_catalog()
