"""Playing with emulated apps: one click starts them, connects both and lets a flow run.

They live in this process and forget everything when it ends, unless those of another program are
connected already, as with `connector run`. It is offered only where this server is for this machine
alone: emulated apps stand at loopback addresses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.bundle import examples_folder
from connector.engine.book import EMULATED_KEY
from connector.errors import ConnectorError
from connector.model import Connection
from connector.runtime.connect import ACCOUNT, ACCOUNT_NAMES
from connector.web.pages import deeds
from connector.web.pages.naming import flow_names, in_words
from connector.web.pages.site import Site
from connector.web.pages.words import Words

if TYPE_CHECKING:
    from connector.sandbox.ports import Served

EXAMPLE = "fic-client-to-perfex.yaml"
FLOW = "sandbox-client-to-perfex"
FATTURE, PERFEX = "sandbox-fatture", "sandbox-perfex"
RENAMED = (
    ("flow: client-to-perfex", f"flow: {FLOW}"),
    ("connection: fatture\n", f"connection: {FATTURE}\n"),
    ("connection: perfex\n", f"connection: {PERFEX}\n"),
    ("name: New and", "name: Sandbox · new and"),
)
"""So that nothing of ours meets a flow or a connection that somebody made in earnest."""
START_SECONDS = 30.0
SHOWN = {
    "fatture_in_cloud": ("clients", "issued_documents"),
    "perfex_crm": ("customers", "invoices"),
}
"""Which records of the emulated apps are listed."""


def routes(site: Site) -> list[BaseRoute]:
    """Start to play, let something happen, and see what both apps hold."""
    pages = Pages(site, Playground(site))
    return [
        site.page("/play", pages.show),
        site.act("/play", pages.start, role="owner"),
        site.act("/play/do", pages.do, role="editor"),
    ]


def may_play(site: Site) -> bool:
    """Whether this server is for this machine alone."""
    return site.settings.reach.rehearsal


class Playground:
    """The emulated apps of this process, once somebody wants to play."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = asyncio.Lock()
        self._life: asyncio.Task[None] | None = None
        self.served: Served | None = None

    async def begin(self, words: Words) -> None:
        """Start the apps, connect both, and switch the example flow on. Raises ConnectorError."""
        if not may_play(self._site):
            raise ConnectorError(
                "This server is reachable from outside, and the emulated apps are not.",
                remedy="Play on your own machine: `connector serve`, without CONNECTOR_PUBLIC_URL.",
                who="developer",
            )
        async with self._turn:
            fresh = self.served is None
            served = self.served or await self._start()
            if fresh:
                await self._connect(served)
            runtime = self._site.runtime
            await runtime.apply_flow(in_words(example(), words), enable=True)
            for report in await runtime.reconcile():
                if report["connection"] == FATTURE and "error" in report:
                    error = report["error"]
                    raise ConnectorError(error["message"], remedy=error["remedy"], who=error["who"])

    async def _start(self) -> Served:
        from connector.sandbox import SandboxConfig
        from connector.sandbox.ports import serving

        started: asyncio.Future[Served] = asyncio.get_running_loop().create_future()

        async def live() -> None:
            try:
                async with serving(SandboxConfig(auto_approve=True)) as served:
                    started.set_result(served)
                    await asyncio.Event().wait()
            except Exception as error:
                if started.done():
                    raise
                started.set_exception(error)
            finally:
                self.served = None

        self._life = asyncio.create_task(live(), name="connector-playground")
        async with asyncio.timeout(START_SECONDS):
            self.served = await started
        return self.served

    async def _connect(self, served: Served) -> None:
        told = served.as_data()
        runtime = self._site.runtime
        fatture = {
            "address": told["fic"],
            "emulated": True,
            EMULATED_KEY: told["public_key"],
            ACCOUNT: str(told["company_id"]),
        }
        perfex = {"address": told["perfex"], "emulated": True}
        for app, name, token, settings in (
            ("fatture_in_cloud", FATTURE, told["manual_token"], fatture),
            ("perfex_crm", PERFEX, told["authtoken"], perfex),
        ):
            await runtime.connect_with_token(app, name, token, settings)
        await runtime.accounts.forget_hooks(FATTURE)


class Pages:
    """What is shown and clicked."""

    def __init__(self, site: Site, ground: Playground) -> None:
        self._site = site
        self._ground = ground

    async def show(self, request: Request) -> Response:
        """What the emulated apps hold, and what can be done in them."""
        found = await self._apps() if may_play(self._site) else []
        held = await _held(found)
        return await self._site.render(
            request,
            "play.html",
            running=held is not None,
            may_play=may_play(self._site),
            held=held or {},
            stages=deeds.stages(found, self._site.runtime.catalog),
            staged=await on_stage(self._site) if held is not None else [],
            names=await flow_names(self._site.runtime, self._site.words(request)),
            company=await self._company(found),
        )

    async def start(self, request: Request) -> Response:
        """Start, make a client, open its run."""
        await self._ground.begin(self._site.words(request))
        await self._site.note(request, "play", FLOW)
        return await self._do(request, FLOW, "")

    async def do(self, request: Request) -> Response:
        """Let something happen in an emulated app: what starts a flow, or what was chosen."""
        form = await request.form()
        return await self._do(request, str(form.get("flow", "")), str(form.get("deed", "")))

    # --- inside -------------------------------------------------------------------------------

    async def _do(self, request: Request, flow: str, key: str) -> Response:
        _ = self._site.words(request)
        runtime = self._site.runtime
        staged = await on_stage(self._site, every=True)
        if flow:
            found = next((one for one in staged if one.flow == flow), None)
            stage = found and found.stage
        else:
            known = deeds.stages(await self._apps(), runtime.catalog)
            stage = next((one for one in known if one.key == key), None)
            # A flow of another connection to the same app has no run of this.
            at = stage.connection.id if stage else ""
            found = next(
                (
                    one
                    for one in staged
                    if one.enabled and key in one.stage.follows and one.stage.connection.id == at
                ),
                None,
            )
        if stage is None or not may_play(self._site):
            return await self._site.missing(request)
        newest = await runtime.list_runs(1, None, None, found.flow) if found else []
        await deeds.do(stage, datetime.fromtimestamp(self._site.clock(), UTC).date())
        if found is None or not found.enabled:
            text = _("Done, in the emulated app. No flow that is switched on follows it.")
            self._site.flash(request, text, "note")
            return self._site.go(request, "/play")
        run = await deeds.followed(runtime, found.flow, newest[0]["id"] if newest else 0)
        if run is None:
            text = _("Done, in the emulated app. The run of this flow appears here when it begins.")
            self._site.flash(request, text, "note")
            return self._site.go(request, "/runs", flow=found.flow)
        seen = await runtime.get_run(run)
        if seen is not None and seen["state"] == "failed":
            text = _("Created in the emulated app. The run that followed it has failed: see below.")
        else:
            text = _(
                "Created in the emulated app. This is the run that followed; nothing left this"
                " machine."
            )
        self._site.flash(request, text, "note")
        return self._site.go(request, f"/runs/{run}")

    async def _apps(self) -> list[Connection]:
        """One connection to each emulated app: ours where they run, else another program's."""
        ours = self._ground.served is not None
        found: dict[str, Connection] = {}
        for one in await self._site.runtime.list_connections():
            if deeds.is_emulated(one) and (one.name in (FATTURE, PERFEX)) == ours:
                found.setdefault(one.app, one)
        return list(found.values())

    async def _company(self, found: Iterable[Connection]) -> str:
        """The company that the emulated Fatture in Cloud works with."""
        for one in found:
            names = one.settings.get(ACCOUNT_NAMES)
            if isinstance(names, dict) and names:
                chosen = str(one.settings.get(ACCOUNT) or next(iter(names)))
                return str(names.get(chosen, chosen))
        return ""


class Staged(NamedTuple):
    """A flow with what would start it here, and the name of the company that it follows."""

    flow: str
    enabled: bool
    stage: deeds.Stage
    company: str


async def on_stage(site: Site, *, every: bool = False) -> list[Staged]:
    """The flows that something in an emulated app starts; with `every` also those that are off."""
    if not may_play(site):
        return []
    runtime = site.runtime
    connections = list(await runtime.list_connections())
    if not any(deeds.is_emulated(one) for one in connections):
        return []
    names = await runtime.accounts.account_names()
    found = []
    for flow in await runtime.list_flows():
        if every or (flow["enabled"] and not flow["problem"]):
            stage = deeds.stage_of(flow["document"], runtime.catalog, connections)
            if stage is not None:
                company = names.get(stage.company, "")
                found.append(Staged(flow["key"], bool(flow["enabled"]), stage, company))
    return found


async def _held(found: Iterable[Connection]) -> dict[str, list[dict[str, Any]]] | None:
    """What the emulated apps hold by now, the newest first; None when nobody answers."""
    asked = [(kind, one) for one in found for kind in SHOWN.get(one.app, ())]
    try:
        told = await asyncio.gather(*(deeds.records(one, kind) for kind, one in asked))
    except ConnectorError:
        return None
    if not asked:
        return None
    for rows in told:
        for row in rows:
            # Perfex gives amounts as text, and a person may have entered any.
            text = str(row.get("total") or 0)
            row["total"] = Decimal(text if re.fullmatch(r"-?\d{1,15}(\.\d{1,4})?", text) else 0)
    return {kind: rows[:20] for (kind, _), rows in zip(asked, told, strict=True)}


def example() -> str:
    """The example flow, between the emulated apps."""
    text = (examples_folder() / EXAMPLE).read_text(encoding="utf-8")
    for before, after in RENAMED:
        text = text.replace(before, after)
    return text
