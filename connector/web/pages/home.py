"""The start page: how things stand, or the first minute."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.web.pages.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """The start page."""

    async def show(request: Request) -> Response:
        runtime = site.runtime
        connections = list(await runtime.list_connections())
        return await site.render(
            request,
            "home.html",
            connections=connections,
            flows=await runtime.list_flows(),
            status=await runtime.status(),
        )

    return [site.page("/", show)]
