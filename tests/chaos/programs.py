"""Real servers and workers that a test starts, kills and pauses, with a sandbox as the outside."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg

from connector.runtime import Runtime, open_runtime
from connector.sandbox import SandboxConfig
from connector.sandbox.config import Deliveries, Limits
from connector.settings import Settings

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 240


def config() -> SandboxConfig:
    """An outside that sends again soon, and whose quotas are no matter here."""
    return SandboxConfig(
        limits=Limits(five_minutes=10**6, hour=10**6, month=10**6, perfex_hour=10**6),
        deliveries=Deliveries(gaps=(0.3, 0.6, 1.2), timeout=5),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """One `connector serve` or `connector worker` at a time."""

    def __init__(self, command: str, environment: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "connector",
                self._command,
                "--json",
                env=self._environment,
                cwd=self._log.parent,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line, f"it did not start:\n{self._log.read_text()[-3000:]}"

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), 60)


Query = Callable[[str], list[Any]]


def rows_of(url: str) -> Query:
    """Asks the database directly, whichever it is."""

    def sqlite(query: str) -> list[Any]:
        file = url.removeprefix("sqlite:///")
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def postgres(query: str) -> list[Any]:
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]

    return sqlite if url.startswith("sqlite") else postgres


async def until(what: str, holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)


async def until_settled(rows: Query) -> None:
    """Every event is matched and every run ends: a backlog may take long, standing still not."""
    left = open_work(rows)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left != (0, 0):
        assert time.monotonic() < deadline, f"open events and runs, standing still: {left}"
        await asyncio.sleep(0.1)
        if (now := open_work(rows)) != left:
            left, deadline = now, time.monotonic() + PATIENCE_SECONDS


def environment_of(url: str, folder: Path, told: Mapping[str, Any]) -> dict[str, str]:
    return {
        "CONNECTOR_DATABASE": url,
        "CONNECTOR_KEY_FILE": str(folder / "connector.key"),
        "CONNECTOR_API_TOKEN": "a-token-for-chaos-only",
        "CONNECTOR_PORT": str(free_port()),
        "CONNECTOR_FATTURE_IN_CLOUD_KEYS": told["public_key"],
        "CONNECTOR_SETTLE_SECONDS": "1",
        "CONNECTOR_SECOND_LOOK_SECONDS": "1",
        "CONNECTOR_SILENT_SECONDS": "4",
    }


async def set_up(
    environment: Mapping[str, str],
    told: Mapping[str, Any],
    *,
    flow: str = "",
    consent: bool = False,
) -> None:
    """Both connections, and the example flow (or another one) switched on."""
    settings = Settings.load(
        database=environment["CONNECTOR_DATABASE"],
        key_file=Path(environment["CONNECTOR_KEY_FILE"]),
        port=int(environment["CONNECTOR_PORT"]),
        fatture_in_cloud_client_id=told["client_id"],
        fatture_in_cloud_client_secret=told["client_secret"],
    )
    async with await open_runtime(settings) as runtime:
        if consent:
            await _by_consent(runtime, told)
        else:
            await runtime.connect_with_token(
                "fatture_in_cloud", "fatture", told["manual_token"], {"address": told["fic"]}
            )
        await runtime.connect_with_token(
            "perfex_crm", "perfex", told["authtoken"], {"address": told["perfex"]}
        )
        example = ROOT / "examples" / "fic-client-to-perfex.yaml"
        await runtime.apply_flow(flow or example.read_text("utf-8"), enable=True)


async def _by_consent(runtime: Runtime, told: Mapping[str, Any]) -> None:
    """A token that ends and can be renewed, by the page on which the sandbox's user agrees."""
    begun = await runtime.start_connect("fatture_in_cloud", "fatture", {"address": told["fic"]})
    async with httpx.AsyncClient() as browser:
        page = await browser.get(begun["authorize_url"] + "&auto=1")
    answer = parse_qs(urlsplit(page.headers["location"]).query)
    await runtime.finish_connect(answer["state"][0], answer["code"][0])


def client(number: int) -> dict[str, Any]:
    return {
        # Perfex looks for the longest word, and thousands who share it would all be sent each time.
        "name": f"Cliente{number:04d} S.r.l.",
        "vat_number": f"IT{number:011d}",
        "address_street": "Via Po 7",
        "address_city": "Bergamo",
        "address_province": "BG",
        "address_postal_code": "24121",
        "country": "Italia",
        "country_iso": "IT",
    }


def open_work(rows: Query) -> tuple[int, int]:
    """Events that are not matched, and runs that have not ended."""
    return (
        rows("SELECT count(*) FROM event WHERE state = 'received'")[0][0],
        rows("SELECT count(*) FROM run WHERE finished_at IS NULL")[0][0],
    )


def customers(served: Any) -> list[dict[str, Any]]:
    return list(served.sandbox.perfex.tables["customers"].rows.values())
