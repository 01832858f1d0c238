"""The store of one tenant."""

from __future__ import annotations

from connector.store.sql.setup import SetUp
from connector.store.sql.watching import Watching
from connector.store.sql.work import Work


class TenantStore(SetUp, Work, Watching):
    """Everything of one tenant; reads see every commit, writes return after theirs."""
