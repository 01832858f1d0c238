"""Quota: what each account may still ask of its app, and where the month leads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.web.pages.emptiness import situation
from connector.web.pages.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """The gauges."""

    async def show(request: Request) -> Response:
        quotas = await site.runtime.quotas()
        why = None if quotas else await situation(site)
        counted = {str(one["title"]) for one in quotas}
        apps = [
            site.runtime.catalog.apps.get(one.app) for one in await site.runtime.list_connections()
        ]
        free = sorted({one.title for one in apps if one is not None} - counted) if quotas else []
        return await site.render(request, "quota.html", quotas=quotas, why=why, free=free)

    return [site.page("/quota", show)]
