"""Staying inside an app's quotas: exact windows, one count for all processes, a look ahead."""

from __future__ import annotations

from connector.quota.account import MONTH, SHARES, Account, Priority
from connector.quota.forecast import quota_view
from connector.quota.limiter import Change, Clock, Ledger, Limiter, MemoryLedger

__all__ = [
    "MONTH",
    "SHARES",
    "Account",
    "Change",
    "Clock",
    "Ledger",
    "Limiter",
    "MemoryLedger",
    "Priority",
    "quota_view",
]
