"""Quota: what each account may still ask of its app, and where the month leads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.web.pages.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """The gauges."""

    async def show(request: Request) -> Response:
        return await site.render(request, "quota.html", quotas=await site.runtime.quotas())

    return [site.page("/quota", show)]
