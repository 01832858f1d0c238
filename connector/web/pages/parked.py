"""Parked: writes of which nobody knows whether they arrived, the evidence, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.errors import ConnectorError
from connector.runtime.adopting import Unproven
from connector.web.pages.plainly import Plainly, currency_of
from connector.web.pages.runs import _write
from connector.web.pages.site import Site
from connector.web.pages.telling import Telling, labels, pretty
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
        insist: str = "", code: int = 200, chosen: str = "",
    ) -> Response:  # fmt: skip
        site, key = self._site, str(row["key"])
        words = site.words(request)
        tell = Telling(words)
        wanted = request.query_params.get("id", "").strip()[:200] or None
        look, trouble = None, None
        if wanted or "look" in request.query_params:
            try:
                look = await site.runtime.decisions.look(key, wanted)
            except ConnectorError as error:
                trouble = error.as_data()
        known = look or await site.runtime.decisions.meant(key)
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
            beside=beside(known, Plainly(site.runtime.catalog, str(row["node"]), words)),
            raw={
                "inputs": pretty(known["inputs"]),
                "records": [(one["id"], pretty(one["record"])) for one in known.get("shown", ())],
            },
            wanted=wanted or "",
            chosen=chosen or preselected(look, wanted),
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
        picked = str(form.get("choice") or "")
        # One record of those that were found, or one that is named by its id.
        choice, _colon, number = picked.partition(":")
        number = number.strip() or str(form.get("remote_id") or "").strip()
        _ = site.words(request)
        if choice not in CHOICES:
            told = _("Choose what is true.")
            return await self._page(request, row, {"message": told}, code=422)
        if choice == "send_again" and not form.get("sure"):
            told = _("Confirm first that you have looked in the app and it is not there.")
            return await self._page(request, row, {"message": told}, code=422, chosen=picked)
        verb = cast("Literal['adopt', 'send_again', 'drop']", choice)
        try:
            done = await site.runtime.resolve(
                str(row["key"]), verb, who=site.who(request), remote_id=number or None,
                # Whoever insisted on one record has not seen what speaks against another.
                force=bool(number) and str(form.get("insist") or "") == number,
            )  # fmt: skip
        except ConnectorError as error:
            mistake = {**error.as_data(), "field": None}
            insist = number if isinstance(error, Unproven) else ""
            return await self._page(request, row, mistake, insist, 422, chosen=picked)
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


def preselected(look: Mapping[str, Any] | None, wanted: str | None) -> str:
    """Which choice is made already: a record that a person has asked for, or that alone can be it.

    Never one that another run of ours wrote.
    """
    if look is None:
        return ""
    if wanted is None:
        return f"adopt:{look['offered']}" if look["offered"] else ""
    if any(one["writer"] for one in look["shown"]):
        return ""
    listed = any(one["id"] == wanted for one in look["candidates"])
    return f"adopt:{wanted}" if listed else "adopt"


def beside(known: Mapping[str, Any], plainly: Plainly) -> dict[str, Any]:
    """The rows of the comparison as text: those that `differ`, the `equal`, and the `unseen`."""
    rows = known["compared"]
    names = plainly.names([row["field"] for row in rows])
    records = [one["record"] for one in known.get("shown", ())]
    ours = currency_of(known["inputs"])
    # An app's usual currency, beside a write that named none, would look like a difference.
    theirs = [currency_of(one) if ours else "" for one in records]
    told: dict[str, list[dict[str, Any]]] = {"differ": [], "equal": [], "unseen": []}
    for row in rows:
        field, found = row["field"], row["found"]
        states = {one["same"] for one in found} - {None}
        kind = "differ" if False in states else "equal" if states else "unseen"
        values = [
            {**one, "text": plainly.value(field, one["value"], theirs[place])}
            for place, one in enumerate(found)
        ]
        label, path = names[field]
        meant = plainly.value(field, row["meant"], ours)
        told[kind].append({"label": label, "path": path, "meant": meant, "found": values})
    return {**told, "ids": [one["id"] for one in known.get("shown", ())]}
