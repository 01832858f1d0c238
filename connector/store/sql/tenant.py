"""The store of one tenant."""

from __future__ import annotations

from connector.store.sql.drafts import Drafts
from connector.store.sql.history import History
from connector.store.sql.keeping import Keeping
from connector.store.sql.people import People
from connector.store.sql.quotas import OwnQuotas
from connector.store.sql.setup import SetUp
from connector.store.sql.watching import Watching
from connector.store.sql.work import Work
from connector.store.sql.writes import Writes


class TenantStore(SetUp, Drafts, Work, Writes, Watching, OwnQuotas, History, People, Keeping):
    """Everything of one tenant; reads see every commit, writes return after theirs."""
