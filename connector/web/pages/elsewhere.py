"""Emulated apps that another program of this machine runs, such as those of `connector run`."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from connector.codec import encode
from connector.errors import ConnectorError
from connector.http import HttpClient
from connector.model import Connection, HttpRequest, Method

RECORDS = "/_sandbox/records/clients"
"""Where a person adds a client in an emulated Fatture in Cloud (docs/sandbox.md)."""
TIMEOUT_SECONDS = 2.0


def emulated(connections: Iterable[Connection], ours: str) -> str | None:
    """The address of a connected Fatture in Cloud that is emulated here, but not by us (`ours`)."""
    for one in connections:
        if one.name == ours:
            continue
        if one.app == "fatture_in_cloud" and one.settings.get("emulated") and _here(one.base_url):
            return one.base_url.rstrip("/")
    return None


async def clients(address: str) -> list[dict[str, Any]] | None:
    """Its clients, the newest first; None when nobody answers there."""
    try:
        return list((await _call("GET", address))["data"])[::-1]
    except (ConnectorError, ValueError, KeyError, TypeError):
        return None


async def add(address: str, client: dict[str, Any]) -> None:
    """Somebody adds a client there. Raises ConnectorError when nobody answers."""
    await _call("POST", address, encode(client))


async def _call(method: Method, address: str, body: bytes = b"") -> Any:
    request = HttpRequest(
        method=method,
        url=f"{address}{RECORDS}",
        headers=(("content-type", "application/json"),) if body else (),
        body=body,
    )
    async with HttpClient() as outside:
        # No person gave this address: it is one of this machine, where emulated apps stand.
        answer = await outside.send(request, timeout=TIMEOUT_SECONDS, trusted=True)
    if answer.status != 200:
        raise ConnectorError(
            f"The emulated Fatture in Cloud at {address} answered {answer.status} instead of 200.",
            remedy="Start `connector run`, or `connector sandbox`, once more and connect it.",
            who="user",
        )
    return answer.json()


def _here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
