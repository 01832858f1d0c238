"""Inbox: every accepted event, where it ended, and sums that add up."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.web.pages.asked import EVENT_STATES, Asked
from connector.web.pages.emptiness import Situation, situation
from connector.web.pages.naming import connection_names, flow_names
from connector.web.pages.runs import part
from connector.web.pages.site import Site
from connector.web.pages.telling import Telling
from connector.web.pages.words import mark

PAGE = 50


def routes(site: Site) -> list[BaseRoute]:
    """The list with its sums, one event, and offering it again."""

    async def show(request: Request) -> Response:
        words, past = site.words(request), site.runtime.past
        asked = Asked.of(request.query_params, site.clock(), words.zone, "week")
        before = asked.number("before")
        now = site.clock()
        narrowed = bool(asked.kept("before", "part", "period", "from", "to"))
        found = await past.events(asked.events, PAGE, before)
        values: dict[str, Any] = {
            "asked": asked,
            "sweeps": await past.sweeps(),
            "account": await past.account(asked.since or 0.0, asked.until or now + 1),
            "found": found,
            "why": Situation() if narrowed or found["items"] else await situation(site),
            "connections": await connection_names(site.runtime),
            "names": await flow_names(site.runtime, words),
            "tell": Telling(words, site.runtime.catalog),
            "states": EVENT_STATES,
            "narrowed": narrowed,
        }
        if request.query_params.get("part") == "inbox":
            return await part(site, request, "inbox_body.html", values)
        values["companies"] = await site.runtime.accounts.account_names()
        values["recovered"] = await site.runtime.recovered()
        return await site.render(request, "inbox.html", **values)

    async def one(request: Request) -> Response:
        event = await site.runtime.get_event(request.path_params["event"])
        if event is None:
            return await site.missing(request, mark("There is no such event."))
        words = site.words(request)
        accounts = await connection_names(site.runtime)
        return await site.render(
            request,
            "event.html",
            event=event,
            companies=await site.runtime.accounts.account_names(),
            connection=accounts.get(str(event["connection_id"]), event["connection_id"]),
            names=await flow_names(site.runtime, words),
            tell=Telling(words, site.runtime.catalog),
        )

    async def again(request: Request) -> Response:
        number = request.path_params["event"]
        _ = site.words(request)
        if await site.runtime.replay_event(number):
            await site.note(request, "offer", f"event {number}")
            site.flash(request, _("The event is offered to the flows again."))
        else:
            site.flash(request, _("This event is open: it is tried by itself."), "note")
        return site.go(request, f"/inbox/{number}")

    async def look(request: Request) -> Response:
        _ = site.words(request)
        await site.runtime.past.sweep_now()
        await site.note(request, "sweep", "inbox")
        said = (
            _("We look for lost changes now; what is found stands below.")
            if await site.runtime.is_driven()
            else _("It is looked for as soon as `connector serve` runs; nothing does so now.")
        )
        site.flash(request, said)
        return Response(
            status_code=303, headers={"location": f"{site.url(request, '/inbox')}#sweeps"}
        )

    return [
        site.page("/inbox", show),
        site.act("/inbox/look", look),
        site.page("/inbox/{event:int}", one),
        site.act("/inbox/{event:int}/replay", again),
    ]
