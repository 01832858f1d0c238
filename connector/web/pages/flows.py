"""A placeholder for the page `/flows`, until its feature is here."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.web.pages.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """One page that says that it is not there yet."""

    async def show(request: Request) -> Response:
        _ = site.words(request)
        return await site.render(request, "placeholder.html", title=_("Flows"))

    return [site.page("/flows", show)]
