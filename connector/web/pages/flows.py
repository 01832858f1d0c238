"""Flows: the list, and the builder with its mapper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.codec import decode
from connector.errors import FlowError
from connector.runtime.drafts import NEW
from connector.web.pages.flow_list import FlowList
from connector.web.pages.naming import told_name
from connector.web.pages.play import on_stage
from connector.web.pages.site import Site
from connector.web.pages.words import Words, mark

EMPTY = "flow: {key}\nname: {name}\n\ntrigger:\n  node: ''\n\nsteps: []\n"


def routes(site: Site) -> list[BaseRoute]:
    """List, build, check, publish, switch, copy."""
    pages = Flows(site)
    return [
        site.page("/flows", FlowList(site).show),
        site.page("/flows/new", pages.new, role="editor"),
        site.page("/flows/nodes", pages.nodes),
        site.page("/flows/form", pages.form),
        site.page("/flows/samples", pages.samples),
        site.act("/flows/draft/check", pages.check, role="viewer"),
        site.act("/flows/draft/step", pages.step, role="viewer"),
        site.act("/flows/draft/preview", pages.preview, role="viewer"),
        site.act("/flows/draft/suggest", pages.suggest, role="viewer"),
        site.act("/flows/draft/try", pages.dry_run, role="viewer"),
        site.act("/flows/draft/publish", pages.publish),
        site.act("/flows/draft/changes", pages.changes, role="viewer"),
        site.page("/flows/choices", pages.choices),
        site.page("/flows/{key}/versions", pages.versions),
        site.page("/flows/{key}/delete", pages.ask_delete, role="editor"),
        site.act("/flows/{key}/delete", pages.delete),
        site.act("/flows/{key}/back", pages.back),
        site.act("/flows/{key}/switch", pages.switch),
        site.page("/flows/{key}", pages.edit),
    ]


class Flows:
    """The pages of flows, and what their modules ask."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def new(self, request: Request) -> Response:
        """The builder with nothing in it, with the text of another flow, or with a draft."""
        _ = self._site.words(request)
        if request.query_params.get("draft"):
            draft = await self._site.runtime.workshop.drafts.get(request.query_params["draft"])
            if draft is None:
                return await self._site.missing(
                    request, mark("This draft was published or thrown away.")
                )
            text = EMPTY.format(key="my-flow", name=_("My flow"))
            return await self._builder(request, text, None, draft)
        other = request.query_params.get("from", "")
        found = await self._site.runtime.get_flow(other) if other else None
        known = {one["key"] for one in await self._site.runtime.list_flows()}
        key = _free(f"{other}-copy" if found else "my-flow", known)
        text = EMPTY.format(key=key, name=_("My flow"))
        if found is not None:
            # Only the key changes: whatever else the text says stays as it was written.
            text = re.sub(
                rf"(?m)^flow:\s*['\"]?{re.escape(other)}['\"]?\s*$",
                f"flow: {key}",
                found["document"],
                count=1,
            )
        return await self._builder(request, text, None)

    async def edit(self, request: Request) -> Response:
        """The builder on a stored flow."""
        flow = await self._site.runtime.get_flow(request.path_params["key"])
        if flow is None:
            return await self._site.missing(request)
        draft = await self._site.runtime.workshop.drafts.get(flow["key"])
        return await self._builder(request, flow["document"], flow, draft)

    async def _builder(
        self,
        request: Request,
        text: str,
        flow: Mapping[str, Any] | None,
        draft: Mapping[str, Any] | None = None,
    ) -> Response:
        runtime, _ = self._site.runtime, self._site.words(request)
        connections = [
            {
                "name": one.name,
                "app": one.app,
                "status": one.status,
                "settings": {
                    key: value
                    for key, value in one.settings.items()
                    if isinstance(value, int | str)
                },
            }
            for one in await runtime.list_connections()
        ]
        kept_as = draft["flow"] if draft else flow["key"] if flow else ""
        pinned = await runtime.workshop.kept.pinned(kept_as) if kept_as else None
        begin = {
            **_.told_data(await runtime.workshop.check(draft["text"] if draft else text)),
            "published": text,
            "pinned": pinned and kept_when(pinned, _),
            "stored": None if flow is None else flow["key"],
            "enabled": bool(flow and flow["enabled"]),
            "version": flow["version"] if flow else 0,
            "connections": connections,
            "filters": _filters(runtime.catalog, _),
            "keys": [] if flow else [one["key"] for one in await runtime.list_flows()],
            "draft": draft and {**draft, "when": _.when(draft["saved_at"])},
            "me": self._site.who(request),
        }
        broken = await runtime.accounts.broken([draft["text"] if draft else text])
        made = flow["key"] if flow and "published" in request.query_params else None
        staged = [one for one in await on_stage(self._site) if one.flow == made] if made else []
        names = {flow["key"]: told_name(flow["document"], _)} if flow else {}
        return await self._site.render(
            request, "builder.html",
            flow=flow, begin=begin, broken=broken, names=names, staged=staged,
        )  # fmt: skip

    async def nodes(self, request: Request) -> Response:
        """Every node as a card to choose from."""
        language = self._site.words(request).language
        return self._site.data({"items": self._site.runtime.workshop.cards(language)})

    async def form(self, request: Request) -> Response:
        """The form of one node."""
        language, node = self._site.words(request).language, request.query_params.get("node", "")
        return self._site.data(self._site.runtime.workshop.form(node, language))

    async def samples(self, request: Request) -> Response:
        """The runs whose records can serve as samples."""
        items = await self._site.runtime.workshop.samples(request.query_params.get("flow") or None)
        _ = self._site.words(request)
        return self._site.data({"items": [{**one, "when": _.when(one["at"])} for one in items]})

    async def check(self, request: Request) -> Response:
        """A document checked, after a change of its data where one is given."""
        asked = await read_asked(request)
        text, data = str(asked.get("text", "")), asked.get("data")
        workshop, words = self._site.runtime.workshop, self._site.words(request)
        if isinstance(data, dict):
            told = await workshop.change(text, data)
        else:
            told = await workshop.check(text)
        return self._site.data(words.told_data(told))

    async def step(self, request: Request) -> Response:
        """What a step sees."""
        asked = await read_asked(request)
        language = self._site.words(request).language
        told = await self._site.runtime.workshop.sees(
            _data(asked), number_in(asked, "step"), sample_in(asked), language
        )
        return self._site.data(told)

    async def preview(self, request: Request) -> Response:
        """What a step would send."""
        asked = await read_asked(request)
        only = asked.get("only")
        told = await self._site.runtime.workshop.preview(
            _data(asked),
            number_in(asked, "step"),
            sample_in(asked),
            only if isinstance(only, str) else None,
        )
        _ = self._site.words(request)
        fields = {
            path: {
                **_.told_data(one),
                "type": _.part(one["type"]),
                **({"note": _.part(one["note"])} if "note" in one else {}),
            }
            for path, one in told["fields"].items()
        }
        return self._site.data({**told, "fields": fields, "issues": _.told_data(told["issues"])})

    async def suggest(self, request: Request) -> Response:
        """What could fill a step's fields."""
        asked = await read_asked(request)
        language = self._site.words(request).language
        items = await self._site.runtime.workshop.suggest(
            _data(asked), number_in(asked, "step"), sample_in(asked), language
        )
        return self._site.data({"items": items})

    async def dry_run(self, request: Request) -> Response:
        """Every request that would be sent; nothing is."""
        asked = await read_asked(request)
        workshop = self._site.runtime.workshop
        told = await workshop.dry_run(str(asked.get("text", "")), sample_in(asked))
        _ = self._site.words(request)
        steps = [
            {**_.told_data(one), "warnings": [_.told(text) for text in one["warnings"]]}
            for one in told["steps"]
        ]
        return self._site.data({**_.told_data(told), "steps": steps})

    async def changes(self, request: Request) -> Response:
        """What publishing would change in meaning; nothing is told of a new flow."""
        asked = await read_asked(request)
        told = await self._site.runtime.workshop.versions.would_change(
            str(asked.get("key", "")),
            str(asked.get("text", "")),
            self._site.words(request).language,
        )
        return self._site.data({"items": told})

    async def choices(self, request: Request) -> Response:
        """What can be chosen for a field, from the app."""
        asked = request.query_params
        given = decode(asked.get("with", "{}").encode())
        told = await self._site.runtime.choices(
            asked.get("node", ""),
            asked.get("field", ""),
            asked.get("connection", ""),
            asked.get("search", ""),
            given if isinstance(given, dict) else {},
        )
        return self._site.data(self._site.words(request).told_data(told))

    async def versions(self, request: Request) -> Response:
        """Every version of a flow, and what each changed."""
        key = request.path_params["key"]
        language = self._site.words(request).language
        versions = self._site.runtime.workshop.versions
        found = await versions.list_all(key)
        if found is None:
            return await self._site.missing(request)
        for one, before in zip(found, [*found[1:], None], strict=True):
            one["changes"] = (
                await versions.changes(key, before["version"], one["version"], language)
                if before is not None
                else None
            )
        return await self._site.render(request, "versions.html", key=key, versions=found)

    async def back(self, request: Request) -> Response:
        """Make an old version the next one."""
        _ = self._site.words(request)
        key = request.path_params["key"]
        version = str((await request.form()).get("version", ""))
        made = await self._site.runtime.workshop.versions.roll_back(
            key, int(version) if version.isdecimal() else 0, who=self._site.who(request)
        )
        await self._site.note(request, "roll_back", f"flow {key}", version=version)
        self._site.flash(
            request,
            _("Version %(old)s is back, as version %(new)s.", old=version, new=made["version"]),
        )
        return self._site.go(request, f"/flows/{key}")

    async def publish(self, request: Request) -> Response:
        """Store a document as the next version of its flow."""
        asked = await read_asked(request)
        text, enable, draft = str(asked.get("text", "")), asked.get("enable"), asked.get("draft")
        stored = asked.get("stored")
        if asked.get("new") or isinstance(stored, str):
            await self._refuse_unseen(text, stored, number_in(asked, "version"))
        made = await self._site.runtime.apply_flow(
            text, enable if isinstance(enable, bool) else None, who=self._site.who(request)
        )
        if isinstance(draft, dict):
            workshop, name = self._site.runtime.workshop, str(draft.get("flow", ""))
            if name.startswith(NEW):
                await workshop.kept.move(name, made["key"])
            await workshop.drafts.discard(name, number_in(draft, "version"))
        await self._site.note(
            request, "publish", f"flow {made['key']}", version=made["version"],
            enabled=made["enabled"],
        )  # fmt: skip
        return self._site.data(made)

    async def _refuse_unseen(self, text: str, stored: str | None, version: int) -> None:
        """Nothing becomes the next version of another flow, or of a version that nobody saw."""
        known = await self._site.runtime.check_flow(text)
        flow = await self._site.runtime.get_flow(known["flow"]) if known["flow"] else None
        if flow is not None and flow["key"] != stored:
            raise FlowError(
                f"There is a flow with the key {known['flow']!r} already.",
                field="flow",
                remedy="Choose another key.",
            )
        if flow is not None and flow["version"] != version:
            raise FlowError(
                f"Somebody published version {flow['version']} of this flow meanwhile.",
                remedy="Load the page again: what you have built is kept as a draft.",
            )

    async def switch(self, request: Request) -> Response:
        """Switch a flow on or off."""
        _ = self._site.words(request)
        key = request.path_params["key"]
        on = str((await request.form()).get("on", "")) == "yes"
        made = await self._site.runtime.enable_flow(key, on)
        if made is None:
            return await self._site.missing(request)
        await self._site.note(request, "switch_on" if on else "switch_off", f"flow {key}")
        if made.get("problem"):
            self._site.flash(request, _.told(str(made["problem"])), "bad")
        else:
            self._site.flash(request, _("The flow is on.") if on else _("The flow is off."))
        return self._site.go(request, "/flows")

    async def ask_delete(self, request: Request) -> Response:
        """What would be lost, and what stays."""
        told = await self._site.runtime.removing.would(request.path_params["key"])
        if told is None:
            return await self._site.missing(request)
        return await self._site.render(request, "flow_delete.html", told=told)

    async def delete(self, request: Request) -> Response:
        """Take a flow away, after it was said what is lost."""
        _ = self._site.words(request)
        key, form = request.path_params["key"], await request.form()
        told = await self._site.runtime.removing.would(key)
        if told is None:
            return await self._site.missing(request)
        try:
            who = self._site.who(request)
            await self._site.runtime.removing.remove(key, who=who, force="force" in form)
        except FlowError as error:
            self._site.flash(request, f"{_.told(error.message)} {_.told(error.remedy)}", "bad")
            return self._site.go(request, f"/flows/{key}/delete")
        self._site.flash(request, _("The flow %(key)s is deleted. Its history stays.", key=key))
        return self._site.go(request, "/flows")


def _filters(catalog: Any, words: Words) -> list[dict[str, str]]:
    return [
        {"name": one.name, "help": words.told(one.help), "group": words.part(one.group)}
        for one in catalog.filters.values()
        if one.help
    ]


def kept_when(one: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """A sample or test with the moments that people read."""
    until = one["until"]
    return {**one, "when": words.when(one["saved_at"]), "until": until and words.date(until)}


async def read_asked(request: Request) -> dict[str, Any]:
    """What one of our own modules sent. Raises FlowError."""
    try:
        told = decode(await request.body())
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise FlowError("An object is expected here.", who="developer")
    return told


def _data(asked: Mapping[str, Any]) -> dict[str, Any]:
    data = asked.get("data")
    if not isinstance(data, dict):
        raise FlowError("There is no flow in this request.", field="data", who="developer")
    return data


def number_in(asked: Mapping[str, Any], name: str) -> int:
    """A whole number of what was sent; 0 where it is none."""
    value = asked.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def sample_in(asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The sample that was chosen; None is the made-up one."""
    value = asked.get("sample")
    return value if isinstance(value, dict) else None


def _free(key: str, known: set[str]) -> str:
    numbers = (f"{key}-{number}" for number in range(2, 1_000))
    return key if key not in known else next(one for one in numbers if one not in known)
