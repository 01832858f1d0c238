"""Runs: a live list, one run as a timeline, and doing things again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.errors import ConnectorError
from connector.web.pages.asked import RUN_STATES, Asked, number_of
from connector.web.pages.emptiness import Situation, situation
from connector.web.pages.naming import flow_names
from connector.web.pages.plainly import Plainly, currency_in
from connector.web.pages.play import Staged, on_stage
from connector.web.pages.site import Site
from connector.web.pages.telling import Telling, body_text, labels, pretty
from connector.web.pages.words import Words, mark

PAGE = 50
OPEN = ("queued", "waiting")
_TOKEN = re.compile(rb'name="csrf" value="[^"]*"')


def routes(site: Site) -> list[BaseRoute]:
    """The list, one run, and the replay of one or many."""
    pages = RunPages(site)
    return [
        site.page("/runs", pages.list),
        site.page("/runs/replay", pages.preview, role="editor"),
        site.act("/runs/replay", pages.replay_many),
        site.page("/runs/{run:int}", pages.show),
        site.act("/runs/{run:int}/replay", pages.replay),
    ]


class RunPages:
    """What `routes` leads to."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, request: Request) -> Response:
        """The runs that fit the address; `part=rows` gives the rows alone, when they changed."""
        site, past = self._site, self._site.runtime.past
        words = site.words(request)
        asked = Asked.of(request.query_params, site.clock(), words.zone)
        before = asked.number("before")
        found = await past.runs(asked.runs, PAGE, before)
        values: dict[str, Any] = {
            "asked": asked,
            "found": found,
            "names": await flow_names(site.runtime, words),
            "tell": Telling(words, site.runtime.catalog),
            "narrowed": bool(asked.kept("before", "part")),
            "newest": before is None,
            "states": RUN_STATES,
            "batch": await self._batch(asked),
            "why": None if found["items"] else await self._why(asked),
            "staged": [] if found["items"] else await self._staged(asked),
            "one_flow": asked.word("flow") and not asked.kept("before", "part", "flow"),
        }
        if request.query_params.get("part") == "rows":
            return await part(site, request, "runs_rows.html", values)
        flows = await site.runtime.list_flows()
        values["flows"] = [flow["key"] for flow in flows]
        documents = [one["document"] for one in flows if asked.word("flow") in (None, one["key"])]
        values["broken"] = await site.runtime.accounts.broken(documents)
        values["counts"] = await past.counts(asked.runs)
        return await site.render(request, "runs.html", **values)

    async def _why(self, asked: Asked) -> Situation:
        """What keeps runs away, where it is not the filters."""
        flow = asked.word("flow")
        if flow is None and asked.kept("before", "part"):
            return Situation()
        return await situation(self._site, flow)

    async def _staged(self, asked: Asked) -> Sequence[Staged]:
        """What would start a run, where nothing has and the apps are emulated."""
        flow = asked.word("flow")
        if asked.kept("before", "part", "flow"):
            return []
        return [one for one in await on_stage(self._site) if flow in (None, one.flow)]

    async def _batch(self, asked: Asked) -> dict[str, int] | None:
        """Of the runs of one bulk replay, how many are in which state."""
        if asked.number("first") is None or "replays" not in asked.plain:
            return None
        return await self._site.runtime.past.counts(asked.runs, RUN_STATES)

    async def show(self, request: Request) -> Response:
        """One run; `part=run` gives what may change alone."""
        site = self._site
        run = await site.runtime.past.run(request.path_params["run"])
        if run is None:
            return await site.missing(request, mark("There is no such run."))
        words = site.words(request)
        tell = Telling(words, site.runtime.catalog)
        flow = await site.runtime.get_flow(run["flow"])
        faulty = run["state"] not in ("succeeded", "filtered", "queued")
        error = tell.error(run["error"]) if run["error"] and faulty else None
        values: dict[str, Any] = {
            "run": run,
            "place": place_of(error) if flow and error else "",
            "names": await flow_names(site.runtime, words),
            "tell": tell,
            "steps": timeline(run, tell, site.runtime.catalog, words),
            "error": error,
            "trigger": pretty(run["trigger"]) if run["trigger"] is not None else "",
            "open": run["state"] in OPEN,
            "companies": await site.runtime.accounts.account_names(),
            "driven": await site.runtime.is_driven(),
            "broken": await site.runtime.accounts.broken([flow["document"]]) if flow else [],
            "newer": next((one for one in run["replays"] if one["replay"] > run["replay"]), None),
        }
        if request.query_params.get("part") == "run":
            return await part(site, request, "run_body.html", values)
        return await site.render(request, "run.html", **values)

    async def replay(self, request: Request) -> Response:
        """Do one again, from the step that failed or from the one that was chosen."""
        site, run = self._site, request.path_params["run"]
        form = await request.form()
        step = str(form.get("from") or "") or None
        _ = site.words(request)
        try:
            new = await site.runtime.replay(run, step, who=site.who(request))
        except ConnectorError as error:
            site.flash(request, f"{_.told(error.message)} {_.told(error.remedy)}".strip(), "bad")
            return site.go(request, f"/runs/{run}")
        if new is None:
            return await site.missing(request, mark("There is no such run."))
        said = _(
            "This run replays run %(run)s. What is written already is not written again.", run=run
        )
        site.flash(request, said)
        return site.go(request, f"/runs/{new}")

    async def preview(self, request: Request) -> Response:
        """What a replay of all that fit would do."""
        site = self._site
        words = site.words(request)
        asked = Asked.of(request.query_params, site.clock(), words.zone)
        preview = await site.runtime.past.replaying.preview(asked.runs)
        return await site.render(
            request,
            "replay.html",
            asked=asked,
            preview=preview,
            tell=Telling(words),
            names=await flow_names(site.runtime, words),
        )

    async def replay_many(self, request: Request) -> Response:
        """Do those again that were shown and confirmed."""
        site = self._site
        form = await request.form()
        given = map(number_of, form.getlist("run"))
        chosen = [number for number in given if number is not None]
        _ = site.words(request)
        if not chosen:
            site.flash(request, _("No run was chosen."), "note")
            return site.go(request, "/runs")
        done = await site.runtime.past.replaying.many(chosen, who=site.who(request))
        for one in done["refused"][:3]:
            told = one["error"]["message"]
            site.flash(request, _("Run %(run)s: %(why)s", run=one["run"], why=told), "bad")
        new = [one["run"] for one in done["replayed"]]
        if not new:
            return site.go(request, "/runs")
        site.flash(
            request,
            _.plural("%(count)s run is replayed.", "%(count)s runs are replayed.", len(new)),
        )
        return site.go(request, "/runs", replays=1, first=min(new), last=max(new))


async def part(site: Site, request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """A piece of a page; nothing when it is what the browser has, so that asking costs little."""
    response = await site.render(request, template, **values)
    # The mask of the token in its forms is another one each time.
    same = _TOKEN.sub(b"", bytes(response.body))
    tag = f'"{hashlib.sha256(same).hexdigest()[:24]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    response.headers["etag"] = tag
    return response


def timeline(
    run: Mapping[str, Any], tell: Telling, catalog: Any, words: Words
) -> list[dict[str, Any]]:
    """Every step of a run in order, with its writes; also those that have not begun."""
    nodes = {one["id"]: one["node"] for one in run["plan"]}
    off = {one["id"] for one in run["plan"] if not one["enabled"]}
    ran = {step["id"]: step for step in run["steps"]}
    effects: dict[str, list[Any]] = {}
    for effect in run["effects"]:
        effects.setdefault(effect["step"], []).append(effect)
        nodes.setdefault(effect["step"], effect["node"])
    later = [one["id"] for one in run["replays"] if one["replay"] > run["replay"]]
    newer = max(later, default=None)
    order = [one["id"] for one in run["plan"]] or [
        *ran,
        *(one for one in effects if one not in ran),
    ]
    order += [one for one in ran if one not in order]
    shown = []
    stuck = False
    for name in order:
        step = ran.get(name)
        writes = [
            {**_write(one, tell), "sent": sent(one, Plainly(catalog, str(one["node"]), words))}
            for one in effects.get(name, ())
        ]
        state = (
            step["state"]
            if step
            else "open"
            if not stuck and run["state"] != "succeeded"
            else "never"
        )
        if step is None and run["state"] in ("failed", "filtered") and not writes:
            state = "never"
        stuck = stuck or step is None or state == "failed"
        shown.append(
            {
                "id": name,
                **labels(catalog, nodes.get(name, name), tell.language),
                "state": state,
                "off": name in off,
                "step": step,
                "output": pretty(step["output"]) if step and step["output"] is not None else "",
                "writes": writes,
                # A write has one key, and stands with the run that last went on with it.
                "went_on": newer
                if step and state == "failed" and not writes and _writes(catalog, nodes.get(name))
                else None,
                "waits": state == "open" and run["state"] in ("waiting", "parked"),
            }
        )
    return shown


def _writes(catalog: Any, node: str | None) -> bool:
    try:
        return getattr(catalog.node(node or ""), "kind", "") == "action"
    except ConnectorError:
        return False


def _write(effect: Mapping[str, Any], tell: Telling) -> dict[str, Any]:
    request, answer = effect["request"], effect["answer"]
    return {
        **effect,
        # Nothing was sent where what was to be written stood there already.
        "told": "used" if effect["state"] == "done" and not effect["sends"] else effect["state"],
        "story": tell.story(effect),
        "request_body": body_text(request["body"], request["headers"]) if request else "",
        "answer_body": body_text(answer["body"], answer["headers"]) if answer else "",
    }


def place_of(error: Mapping[str, Any]) -> str:
    """Where the builder shows what an error is about, as the end of its address."""
    if not error.get("step") or error.get("who") not in (None, "user"):
        return ""
    fields = [error.get("field"), *(one.get("field") for one in error.get("issues") or ())]
    field = next((str(one) for one in fields if one), "")
    return f"#step={quote(str(error['step']))}&field={quote(field)}"


def sent(effect: Mapping[str, Any], plainly: Plainly) -> list[dict[str, str]]:
    """What a write has sent as `label`, `path` where it says more, and `value`; nothing unsent."""
    if not effect["sends"]:
        return []
    rows = [one for one in effect.get("values", ()) if one["value"] not in (None, "", [], {})]
    names = plainly.names([one["field"] for one in rows])
    currency = currency_in(rows)
    return [
        {
            "label": names[one["field"]][0],
            "path": names[one["field"]][1],
            "value": plainly.value(one["field"], one["value"], currency),
        }
        for one in rows
    ]
