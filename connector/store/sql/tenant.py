"""The store of one tenant."""

from __future__ import annotations

from connector.store.sql.keeping import Keeping
from connector.store.sql.setup import SetUp
from connector.store.sql.work import Work


class TenantStore(SetUp, Work, Keeping):
    """Everything of one tenant; reads see every commit, writes return after theirs."""
