"""A consent at an app: what will be asked for, its small window, and its end in this session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.errors import ConnectorError
from connector.model import App
from connector.runtime.connect import CALLBACK_PATH
from connector.runtime.consents import way_of
from connector.web.consent import error_code, single_values
from connector.web.pages.asked import decode_plain
from connector.web.pages.scopes import rights
from connector.web.pages.site import Site
from connector.web.pages.words import mark

MAX_STATE = 200
DONE = "/connections/consent/done"
NO_ANSWER = mark("The app sent no usable answer. Start connecting again.")


def routes(site: Site) -> list[BaseRoute]:
    """The app's answer, the page that waits for it, and the end of the small window."""
    pages = ConsentEnds(site)
    return [
        site.page(CALLBACK_PATH, pages.end, role=None),
        site.act("/connections/consent/ended", pages.ended, role="owner"),
        site.page(DONE, pages.done, role=None),
    ]


async def ask(
    site: Site, request: Request, app: App, name: str, settings: Mapping[str, Any], window: bool
) -> Response:
    """Begin a consent, and say what will be asked for. Raises NotConnected."""
    begun = await site.runtime.consents.begin(
        app.key,
        name,
        settings,
        by=site.binding(request),
        way="window" if window else "page",
    )
    await site.note(request, "start_consent", name, app=app.key)
    return await site.render(
        request,
        "consent.html",
        app=app,
        name=name,
        address=begun["authorize_url"],
        state=begun["state"],
        window=window,
        framed=request.headers.get("sec-fetch-dest") in ("iframe", "frame"),
        rights=rights(begun.get("scopes", ()), site.words(request)),
    )


class ConsentEnds:
    """What follows once the owner has said yes or no at the app."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def end(self, request: Request) -> Response:
        """Take the app's answer; every address that holds it leads on at once."""
        site, values = self._site, single_values(request.scope.get("query_string", b""))
        state, code = values.get("state", ""), values.get("code", "")
        refused = error_code(values) if "error" in values else ""
        if not code and not refused:
            return self._failed(request, state, site.words(request)(NO_ANSWER))
        try:
            made = await site.runtime.consents.end(
                state, by=site.binding(request), code=code, refused=refused
            )
        except ConnectorError as error:
            _ = site.words(request)
            text = f"{_.told(error.message)} {_.told(error.remedy)}".strip()
            return self._failed(request, state, text)
        await site.note(request, "connect", made.name, app=made.app)
        if way_of(state) == "window":
            return site.go(request, DONE, id=made.id)
        return site.go(request, f"/connections/{made.id}", connected=1)

    def _failed(self, request: Request, state: str, text: str) -> Response:
        self._site.flash(request, text, "bad")
        here = way_of(state) == "page" and self._site.person(request) is not None
        return self._site.go(request, "/connections" if here else DONE)

    async def ended(self, request: Request) -> Response:
        """Whether it has ended: `place`, `error` or `gone`; nothing of these while it is open."""
        site = self._site
        told = decode_plain(await request.body())
        state = str(told.get("state", ""))[:MAX_STATE] if isinstance(told, dict) else ""
        end = await site.runtime.consents.ended(state, by=site.binding(request))
        if end is None:
            return site.data({})
        if "connection" in end:
            place = site.url(request, f"/connections/{end['connection']}", connected=1)
            return site.data({"place": place})
        if "error" in end:
            _, error = site.words(request), end["error"]
            return site.data({"error": [_.told(error["message"]), _.told(error["remedy"])]})
        return site.data({"gone": True})

    async def done(self, request: Request) -> Response:
        """The last page of the small window."""
        return await self._site.render(
            request, "consent_done.html", id=request.query_params.get("id", "")[:80]
        )
