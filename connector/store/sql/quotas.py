"""What each account has used of its quotas: one row, counted on by one at a time."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from connector.codec import decode_kept, encode_text
from connector.errors import StoreBusy
from connector.quota.account import TICKS, Account, Calendar
from connector.quota.limiter import Change
from connector.store.sql.backend import Outcome, Statement, TenantRows

QUOTA_COLUMNS = "key, sent, calendars, blocked_until, began, tenants, days, version"
INSERT_QUOTA = (
    f"INSERT INTO quota ({QUOTA_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING"
)
UPDATE_QUOTA = (
    "UPDATE quota SET sent = ?, calendars = ?, blocked_until = ?, began = ?, tenants = ?, days = ?,"
    " version = version + 1 WHERE key = ? AND version = ?"
)
READ_QUOTA = f"SELECT {QUOTA_COLUMNS} FROM quota WHERE key = ?"
MOST_TRIES = 50
PROMISED = "promised"
"""Beside the calendars: what those who wait were told."""


class Quotas:
    """Counting on accounts; a back end adds reading and writing."""

    async def all(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query. Raises StoreBusy when it cannot be read now."""
        raise NotImplementedError

    async def write(self, *unit: Statement) -> Outcome:
        """Store a unit whole or not at all; returns after its commit. Raises StoreBusy."""
        raise NotImplementedError

    async def change_quota(self, key: str, change: Change) -> None:
        """Let `change` count on an account and keep it, unless another process came before.

        Then it counts again on what that one has left. Raises StoreBusy.
        """
        for _ in range(MOST_TRIES):
            rows = await self.all(READ_QUOTA, key)
            account, version = account_of(rows[0]) if rows else (Account(), 0)
            if not change(account, None):
                return
            outcome = await self.write(count_on(key, account, version))
            if outcome[0][0]:
                return
        raise StoreBusy(
            "Too many processes count on one quota.", remedy="It goes on by itself in a moment."
        )


class OwnQuotas(TenantRows):
    """The accounts that a tenant has reached."""

    async def quotas(self) -> list[tuple[str, Account]]:
        """Every account that one of this tenant's calls has reached, by key."""
        mark = encode_text(self.tenant)
        rows = await self._all(
            f"SELECT {QUOTA_COLUMNS} FROM quota WHERE tenants LIKE ? ESCAPE '!' ORDER BY key",
            f"%{_literal(mark)}%",
        )
        found = [(row[0], account_of(row)[0]) for row in rows]
        # LIKE looks at letters only, and in SQLite not at their case.
        return [(key, account) for key, account in found if self.tenant in account.tenants]


def _literal(text: str) -> str:
    for one in "!%_":
        text = text.replace(one, f"!{one}")
    return text


def count_on(key: str, account: Account, version: int) -> Statement:
    """Stores an account in the place of its last version, if that is still there."""
    values = (
        pack(account.sent),
        encode_text(
            {
                str(seconds): {
                    "used": {str(int(start)): used for start, used in one.used.items()},
                    "limit": one.limit,
                    "before": one.before,
                }
                for seconds, one in account.calendars.items()
            }
            | {PROMISED: {name: told for name, told in account.promised.items() if told}}
        ),
        account.blocked_until,
        account.began,
        encode_text(account.tenants),
        encode_text(_days(account)),
    )
    if version:
        return UPDATE_QUOTA, (*values, key, version)
    return INSERT_QUOTA, (key, *values)


def _days(account: Account) -> dict[str, Any]:
    if not account.days_from:
        return {}
    calls = {str(day): calls for day, calls in account.days.items()}
    return {"from": account.days_from, "calls": calls}


def account_of(row: Sequence[Any]) -> tuple[Account, int]:
    """A row's account and its version."""
    _, sent, calendars, blocked_until, began, tenants, days, version = row
    counted, told = decode_kept(days), decode_kept(calendars)
    promised = told.pop(PROMISED, {})
    account = Account(
        sent=unpack(bytes(sent)),
        calendars={
            int(seconds): Calendar(
                {float(start): used for start, used in one["used"].items()},
                one["limit"],
                one["before"],
            )
            for seconds, one in told.items()
        },
        blocked_until=blocked_until,
        began=began,
        tenants=decode_kept(tenants),
        days={int(day): calls for day, calls in counted.get("calls", {}).items()},
        days_from=float(counted.get("from", 0)),
        promised={name: [float(one) for one in moments] for name, moments in promised.items()},
    )
    return account, version


def pack(moments: Sequence[float]) -> bytes:
    """Moments as ticks since the first: 300 of them stay small enough to lie in the row itself."""
    if not moments:
        return b""
    first = int(moments[0] * TICKS)
    return struct.pack(f"<q{len(moments)}I", first, *(int(one * TICKS) - first for one in moments))


def unpack(packed: bytes) -> list[float]:
    """The moments again, exactly."""
    if not packed:
        return []
    first, *offsets = struct.unpack(f"<q{len(packed) // 4 - 2}I", packed)
    return [(first + one) / TICKS for one in offsets]
