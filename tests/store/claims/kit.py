"""Runs to claim, and a process that falls silent."""

from __future__ import annotations

from typing import Any

import psycopg

from connector.store.postgres.database import Database
from connector.store.rows import EventRow, RunRow
from tests.store.kit import accepted, run_row


async def matched(
    database: Database, *items: str, tenant: str = "main", **more: Any
) -> list[RunRow]:
    """One event with a run for each of these records."""
    store = database.tenant(tenant)
    event = await accepted(store, f"d-{tenant}-{'-'.join(items)}-{more}")
    event.state = "matched"
    rows = [run_row(tenant, event.id, item_id=item, **more) for item in items]
    return await store.match(event, rows)


def silence(url: str) -> None:
    """Make it look as if "one" had not been heard of for a minute."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE worker SET beat_at = beat_at - 60 WHERE name = 'one'")


def ids(rows: list[RunRow] | list[EventRow]) -> list[int]:
    return sorted(row.id for row in rows)
