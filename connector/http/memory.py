"""A network in memory: apps that answer by their base URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from connector.http.client import HttpClient
from connector.http.lines import origin_of

AsgiApp = Callable[..., Any]


def asgi_client(apps: Mapping[str, AsgiApp]) -> HttpClient:
    """A client whose network is these ASGI apps by base URL; any other host is unreachable."""
    return HttpClient(transport=_AsgiNetwork(apps))


class _AsgiNetwork(httpx.AsyncBaseTransport):
    def __init__(self, apps: Mapping[str, AsgiApp]) -> None:
        self._apps = {
            origin_of(httpx.URL(url)): httpx.ASGITransport(app) for url, app in apps.items()
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self._apps.get(origin_of(request.url))
        if app is None:
            raise httpx.ConnectError("no app listens there", request=request)
        return await app.handle_async_request(request)
