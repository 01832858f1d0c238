"""Parked: writes of which nobody knows whether they arrived, the evidence, and the decision."""

from __future__ import annotations

from typing import Any, Literal, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.errors import ConnectorError
from connector.runtime.adopting import Unproven
from connector.web.pages.runs import _write
from connector.web.pages.site import Site
from connector.web.pages.telling import Telling, field_names, labels
from connector.web.pages.words import mark

CHOICES = ("adopt", "send_again", "drop")
DECISIONS = (*CHOICES, "replay", "offer")
"""What is shown of the audit: that somebody logged in is kept there as well."""


def routes(site: Site) -> list[BaseRoute]:
    """The list with the audit, one write, and the decision."""
    pages = ParkedPages(site)
    return [
        site.page("/parked", pages.list),
        site.page("/parked/{key}", pages.show),
        site.act("/parked/{key}", pages.decide),
    ]


class ParkedPages:
    """What `routes` leads to."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, request: Request) -> Response:
        """What waits for a person, and what people have decided."""
        site = self._site
        tell = Telling(site.words(request))
        rows = [
            {**row, **self._names(str(row["node"]), tell), "story": tell.story(row)}
            for row in await site.runtime.list_parked()
        ]
        audits = [one for one in await site.runtime.list_audits(300) if one["what"] in DECISIONS][
            :50
        ]
        uses = {row["connection_id"] for row in rows}
        broken = [one for one in await site.runtime.accounts.broken() if one["id"] in uses]
        return await site.render(
            request, "parked.html", rows=rows, audits=audits, tell=tell, broken=broken
        )

    async def show(self, request: Request) -> Response:
        """One write; with `look`, what its app shows now."""
        row = await self._row(request)
        if row is None:
            return await self._gone(request)
        return await self._page(request, row)

    async def _page(
        self, request: Request, row: dict[str, Any], mistake: dict[str, Any] | None = None,
        insist: bool = False, code: int = 200,
    ) -> Response:  # fmt: skip
        site, key = self._site, str(row["key"])
        tell = Telling(site.words(request))
        wanted = request.query_params.get("id", "").strip()[:200] or None
        look, trouble = None, None
        if wanted or "look" in request.query_params:
            try:
                look = await site.runtime.decisions.look(key, wanted)
            except ConnectorError as error:
                trouble = error.as_data()
        compared = look["compared"] if look else await site.runtime.decisions.meant(key)
        names = {one.id: one.name for one in await site.runtime.list_connections()}
        return await site.render(
            request,
            "parked_one.html",
            code,
            row={**_write(row, tell), **self._names(str(row["node"]), tell)},
            connection=names.get(row["connection_id"], row["connection_id"]),
            broken=[
                one
                for one in await site.runtime.accounts.broken()
                if one["id"] == row["connection_id"]
            ],
            look=look,
            trouble=trouble,
            compared=compared,
            names=field_names(
                site.runtime.catalog,
                str(row["node"]),
                [one["field"] for one in compared],
                tell.language,
            ),
            differing=[one for one in compared if one["same"] is False],
            wanted=wanted or (look["shown"] if look else "") or "",
            mistake=mistake,
            insist=insist,
            tell=tell,
        )

    async def decide(self, request: Request) -> Response:
        """Carry out one of the three choices."""
        site = self._site
        row = await self._row(request)
        if row is None:
            return await self._gone(request)
        form = await request.form()
        choice = str(form.get("choice") or "")
        _ = site.words(request)
        if choice not in CHOICES:
            return await self._page(
                request, row, {"message": _("Choose one of the three.")}, code=422
            )
        if choice == "send_again" and not form.get("sure"):
            told = _("Confirm first that you have looked in the app and it is not there.")
            return await self._page(request, row, {"message": told}, code=422)
        verb = cast("Literal['adopt', 'send_again', 'drop']", choice)
        number = str(form.get("remote_id") or "").strip() or None
        try:
            done = await site.runtime.resolve(
                str(row["key"]), verb, who=site.who(request), remote_id=number,
                force=bool(form.get("insist")),
            )  # fmt: skip
        except ConnectorError as error:
            mistake = {**error.as_data(), "field": None}
            return await self._page(request, row, mistake, isinstance(error, Unproven), 422)
        goes = (
            _("The run goes on now.")
            if await site.runtime.is_driven()
            else _("The run goes on as soon as `connector serve` runs; nothing drives runs now.")
        )
        said = Telling(_).note(str(done["evidence"][-1]["message"]))
        site.flash(request, f"{said} {goes}")
        return site.go(request, f"/runs/{done['run']}")

    async def _row(self, request: Request) -> dict[str, Any] | None:
        key = request.path_params["key"]
        rows = await self._site.runtime.list_parked()
        return next((dict(one) for one in rows if one["key"] == key), None)

    async def _gone(self, request: Request) -> Response:
        text = mark("This write is not parked: somebody may have decided it meanwhile.")
        return await self._site.missing(request, text)

    def _names(self, node: str, tell: Telling) -> dict[str, Any]:
        return labels(self._site.runtime.catalog, node, tell.language)
