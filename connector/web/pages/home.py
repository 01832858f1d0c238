"""The start page: how things stand, or the first minute."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.store.rows import RunFilter
from connector.web.pages.naming import flow_names
from connector.web.pages.play import may_play, on_stage
from connector.web.pages.site import Site
from connector.web.pages.telling import Telling

RUN_STATES = ("succeeded", "waiting", "queued", "parked", "failed", "mended", "filtered")


def routes(site: Site) -> list[BaseRoute]:
    """The start page."""

    async def show(request: Request) -> Response:
        runtime = site.runtime
        connections = list(await runtime.list_connections())
        flows = await runtime.list_flows()
        if not connections and not flows:
            return await site.render(request, "welcome.html", may_play=may_play(site))
        # Up to a thousand of each: the page is loaded often, and nobody reads more.
        counts = await runtime.past.counts(RunFilter(), RUN_STATES)
        runs = (await runtime.past.runs(RunFilter(), 5))["items"]
        return await site.render(
            request,
            "home.html",
            connections=connections,
            broken=await runtime.accounts.broken(),
            flows=flows,
            enabled=[one for one in flows if one["enabled"]],
            problems=[one for one in flows if one["problem"]],
            counts=[(state, counts[state]) for state in RUN_STATES if counts.get(state)],
            runs=runs,
            names=await flow_names(runtime, site.words(request)),
            staged=await on_stage(site),
            tell=Telling(site.words(request), runtime.catalog),
            may_play=may_play(site),
        )

    return [site.page("/", show)]
