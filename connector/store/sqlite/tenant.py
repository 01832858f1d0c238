"""The store of one tenant on SQLite."""

from __future__ import annotations

from connector.store.sqlite.setup import SetUp
from connector.store.sqlite.work import Work


class TenantStore(SetUp, Work):
    """Everything of one tenant; reads see every commit, writes return after theirs."""
