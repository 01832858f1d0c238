"""`connector quota`: what is used, and where that leads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.apps import fatture_in_cloud
from connector.cli.quota import _pace
from connector.quota.account import Account, Told
from connector.store.sqlite.database import Database
from tests.cli.kit import connector

KEY = "fatture_in_cloud/108061"


def change(place: Path, how: Callable[[Account], bool]) -> None:
    async def go() -> None:
        database = Database(place / "connector.db")
        await database.change_quota(KEY, lambda account, _: how(account))
        await database.close()

    asyncio.run(go())


@pytest.fixture
def used(place: Path) -> Path:
    """An installation that has called Fatture in Cloud, just now and for the first time."""
    connector("connections")  # makes the tenant
    quotas = fatture_in_cloud.build().quotas

    def call(account: Account) -> bool:
        account.reached("main")
        return account.take(quotas, "read", time.time()) == 0

    change(place, call)
    return place


def test_nothing_used_says_what_to_do(place: Path) -> None:
    said = connector("quota")
    assert "No call was counted yet" in said.out
    assert "connector flow enable" in said.out
    assert connector("quota", "--json").json == []


def test_help_teaches() -> None:
    said = connector("quota", "--help").out
    for word in ("80 %", "90 %", "minutes", "waits"):
        assert word in said


def test_each_window_is_a_row(used: Path) -> None:
    lines = connector("quota").out.splitlines()
    assert " ".join(lines[0].split()) == "account window used of room for reads at this pace"
    assert [line.split()[2] for line in lines[1:4]] == ["5", "hour", "month"]
    assert lines[3].split()[3:7] == ["1", "40,000", "0%", "now"]
    assert "not known yet" in lines[3]


def test_json_has_every_figure(used: Path) -> None:
    (row,) = connector("quota", "--json").json
    assert (row["app"], row["account"], row["blocked_until"]) == (
        "fatture_in_cloud", "108061", None,
    )  # fmt: skip
    assert [one["limit"] for one in row["windows"]] == [300, 1_000, 40_000]
    assert row["windows"][2]["forecast"]["state"] == "unknown"
    assert set(row["windows"][0]) == {
        "name", "seconds", "kind", "used", "limit", "resets_at", "reads_wait_until",
        "writes_wait_until", "forecast", "days",
    }  # fmt: skip


def test_a_wait_that_the_app_asked_for_is_said(used: Path) -> None:
    until = datetime(2099, 1, 2, tzinfo=UTC).timestamp()
    change(used, lambda account: account.learn(Told(blocked_until=until), 0, time.time()))
    assert "has asked us to send nothing" in connector("quota").out


@pytest.mark.parametrize(
    ("forecast", "said"),
    [
        (None, ""),
        ({"state": "unknown"}, "not known yet: it takes a day of calls to tell"),
        ({"state": "lasts", "expected": 12_000}, "it lasts: about 12,000 by its end"),
        (
            {"state": "ends", "reads_wait_from": 1_774_094_400.0, "writes_wait_from": None},
            "reads wait from 2026-03-21",
        ),
        (
            {
                "state": "ends",
                "reads_wait_from": 1_774_094_400.0,
                "writes_wait_from": 1_774_267_200.0,
            },
            "reads wait from 2026-03-21, writes from 2026-03-23",
        ),
    ],
)
def test_where_the_month_leads_is_said_in_words(forecast: Any, said: str) -> None:
    assert _pace(forecast) == said
