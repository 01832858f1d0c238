"""The list of flows: what each does, how it stands, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.web.pages.naming import plain, told_name
from connector.web.pages.play import on_stage
from connector.web.pages.site import Site
from connector.web.pages.telling import labels
from connector.web.pages.words import Words


class FlowList:
    """The page of all flows."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, request: Request) -> Response:
        """Every flow with how it stands."""
        runtime, words = self._site.runtime, self._site.words(request)
        accounts = await runtime.accounts.list_all()
        flows = []
        for flow in await runtime.list_flows():
            last = await runtime.list_runs(1, None, None, flow["key"])
            told = self._told(flow["document"], words)
            used = [one for one in accounts if any(flow["key"] == of["key"] for of in one["flows"])]
            flows.append({
                **flow,
                **told,
                "last": next(iter(last), None),
                "waits": any(one["status"] != "active" for one in used),
                "narrow": [one for one in used if one["missing_scopes"]],
            })  # fmt: skip
        drafts = await runtime.workshop.drafts.list_all()
        return await self._site.render(
            request,
            "flows.html",
            flows=flows,
            staged={one.flow: one for one in await on_stage(self._site)},
            companies=await runtime.accounts.account_names(),
            broken=await runtime.accounts.broken([one["document"] for one in flows]),
            new_drafts=[one for one in drafts if one["new"]],
            drafts={one["flow"]: one for one in drafts},
        )

    def _told(self, text: str, words: Words) -> dict[str, Any]:
        """A flow's name and nodes, as far as its text can be read."""
        data = plain(text)
        given = data.get("steps")
        parts = [data.get("trigger"), *(given if isinstance(given, list) else [])]
        names = [str(one.get("node")) for one in parts if isinstance(one, dict)]
        catalog = self._site.runtime.catalog
        nodes = [
            {
                "label": labels(catalog, name, words.language)["label"],
                "app": catalog.apps[catalog.nodes[name].app].title,
            }
            for name in names
            if name in catalog.nodes
        ]
        return {
            "name": told_name(text, words),
            "nodes": nodes,
            "companies": _companies(catalog, parts),
        }


def _companies(catalog: Any, parts: Iterable[Any]) -> list[str]:
    """The accounts that a flow names, each once."""
    found: dict[str, None] = {}
    for one in parts:
        node = catalog.nodes.get(str(one.get("node"))) if isinstance(one, dict) else None
        name = catalog.apps[node.app].account_input if node is not None else None
        for holder in (one.get("with"), one.get("map")) if name else ():
            if isinstance(holder, dict) and str(holder.get(name, "")).isdecimal():
                found[str(holder[name])] = None
    return list(found)
