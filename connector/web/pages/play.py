"""Playing with emulated apps: one click starts them, connects both and lets a flow run.

They live in this process and forget everything when it ends, unless those of another program are
connected already, as with `connector run`. It is offered only where this server is for this machine
alone: emulated apps stand at loopback addresses.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.bundle import examples_folder
from connector.engine.book import EMULATED_KEY
from connector.errors import ConnectorError
from connector.web.pages import elsewhere
from connector.web.pages.site import Site

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
PATIENCE_SECONDS = 20.0
LOOK_SECONDS = 0.05
START_SECONDS = 30.0

_KINDS = ("Officine", "Panificio", "Studio", "Trasporti", "Cantina", "Tipografia", "Vivai")
_NAMES = ("Adda", "Brenta", "Chiese", "Dora", "Isonzo", "Lambro", "Oglio", "Ticino")
_TOWNS = (("Bergamo", "BG", "24121"), ("Padova", "PD", "35121"), ("Cremona", "CR", "26100"))


def routes(site: Site) -> list[BaseRoute]:
    """Start to play, make one more client, and see what both apps hold."""
    pages = Pages(site, Playground(site))
    return [
        site.page("/play", pages.show),
        site.act("/play", pages.start, role="owner"),
        site.act("/play/client", pages.add_client, role="editor"),
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

    async def begin(self) -> None:
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
            await runtime.apply_flow(example(), enable=True)
            for report in await runtime.reconcile():
                if report["connection"] == FATTURE and "error" in report:
                    error = report["error"]
                    raise ConnectorError(error["message"], remedy=error["remedy"], who=error["who"])

    async def add_client(self) -> int | None:
        """Somebody adds a client in the emulated app; gives the run that follows, once it ended."""
        if self.served is None:
            raise ConnectorError(
                "The emulated apps do not run.", remedy="Start them once more, here."
            )
        runtime = self._site.runtime
        newest = await runtime.list_runs(1, None, None, FLOW)
        last = newest[0]["id"] if newest else 0
        self.served.sandbox.person.create("clients", a_client())
        waited = 0.0
        while waited < PATIENCE_SECONDS:
            runs = await runtime.list_runs(1, None, None, FLOW)
            if runs and runs[0]["id"] > last and runs[0]["finished_at"] is not None:
                return int(runs[0]["id"])
            await asyncio.sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS
        return None

    def records(self) -> dict[str, list[dict[str, Any]]]:
        """What the emulated apps hold by now, the newest first."""
        if self.served is None:
            return {"clients": [], "customers": []}
        sandbox = self.served.sandbox
        clients = sandbox.fic.first_company.tables["clients"].view()
        customers = sandbox.perfex.tables["customers"].view()
        return {"clients": clients[::-1][:20], "customers": customers[::-1][:20]}

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
        fatture = {"address": told["fic"], "emulated": True, EMULATED_KEY: told["public_key"]}
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
        """Both emulated apps side by side, or what can be seen of another program's."""
        others = None
        if self._ground.served is None and (address := await self._elsewhere()):
            others = await elsewhere.clients(address)
        return await self._site.render(
            request,
            "play.html",
            running=self._ground.served is not None,
            others=others,
            may_play=may_play(self._site),
            records=self._ground.records(),
            flow=FLOW,
        )

    async def _elsewhere(self) -> str | None:
        if not may_play(self._site):
            return None
        return elsewhere.emulated(await self._site.runtime.list_connections(), FATTURE)

    async def start(self, request: Request) -> Response:
        """Start, make a client, open its run."""
        await self._ground.begin()
        await self._site.note(request, "play", FLOW)
        return await self.add_client(request)

    async def add_client(self, request: Request) -> Response:
        """One more client."""
        _ = self._site.words(request)
        if self._ground.served is None and (address := await self._elsewhere()):
            await elsewhere.add(address, a_client())
            self._site.flash(
                request,
                _("A client was added in the emulated Fatture in Cloud. Its runs appear here."),
            )
            return self._site.go(request, "/runs")
        run = await self._ground.add_client()
        if run is None:
            text = _("The run has not ended yet; it is among these.")
            self._site.flash(request, text, "note")
            return self._site.go(request, "/runs", flow=FLOW)
        text = _(
            "A client was added in the emulated Fatture in Cloud. This is the run that followed; "
            "nothing left this machine."
        )
        self._site.flash(request, text)
        return self._site.go(request, f"/runs/{run}")


def example() -> str:
    """The example flow, between the emulated apps."""
    text = (examples_folder() / EXAMPLE).read_text(encoding="utf-8")
    for before, after in RENAMED:
        text = text.replace(before, after)
    return text


def a_client() -> dict[str, Any]:
    """An invented client with a VAT number whose check digit is right."""
    draw = random.SystemRandom()
    town, province, code = draw.choice(_TOWNS)
    vat = vat_number(draw.randrange(10**10))
    name = f"{draw.choice(_KINDS)} {draw.choice(_NAMES)}"
    return {
        "name": f"{name} S.r.l.",
        "type": "company",
        "vat_number": f"IT{vat}",
        "tax_code": vat,
        "address_street": f"Via Roma {draw.randint(1, 99)}",
        "address_postal_code": code,
        "address_city": town,
        "address_province": province,
        "country": "Italia",
        "country_iso": "IT",
        "phone": f"+39 035 {draw.randint(100_000, 999_999)}",
        "email": f"info@{name.lower().replace(' ', '-')}.example",
    }


def vat_number(number: int) -> str:
    """An Italian VAT number from ten digits."""
    digits = f"{number:010}"
    doubled = [int(one) * 2 for one in digits[1::2]]
    total = sum(int(one) for one in digits[::2]) + sum(one - 9 * (one > 9) for one in doubled)
    return f"{digits}{-total % 10}"
