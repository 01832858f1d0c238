"""Connections: the accounts at apps that flows work with."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.web.pages.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """The list of connections."""

    async def show(request: Request) -> Response:
        return await site.render(
            request,
            "connections.html",
            connections=list(await site.runtime.list_connections()),
            apps=site.runtime.catalog.apps,
        )

    return [site.page("/connections", show)]
