"""What is prepared in the builder and kept: drafts, the pinned sample, tests."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.runtime.drafts import NEW
from connector.web.pages.asked import MAX_VERSION, number_in, number_of, read_asked, sample_in
from connector.web.pages.flows import kept_when
from connector.web.pages.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Keep and throw away drafts, pin, and test."""
    pages = Prepared(site)
    return [
        site.act("/flows/draft/save", pages.save),
        site.act("/flows/draft/discard", pages.discard),
        site.act("/flows/drafts/{draft}/drop", pages.drop),
        site.act("/flows/draft/pin", pages.pin),
        site.act("/flows/draft/tests", pages.run_tests, role="viewer"),
        site.act("/flows/draft/tests/save", pages.save_test),
        site.act("/flows/draft/tests/remove", pages.remove_test),
        site.page("/flows/{flow}/tests", pages.download),
    ]


class Prepared:
    """What the builder's module asks; `flow` is a flow's key or the name of a new draft."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def _workshop(self) -> Any:
        return self._site.runtime.workshop

    async def save(self, request: Request) -> Response:
        """Keep a draft, unless somebody else changed it."""
        asked = await read_asked(request)
        told = await self._workshop.drafts.save(
            str(asked.get("flow", "")),
            str(asked.get("text", "")),
            number_in(asked, "version"),
            number_in(asked, "base"),
            who=self._site.who(request),
        )
        return self._site.data(self._with_when(request, told))

    async def discard(self, request: Request) -> Response:
        """Throw a draft away, unless somebody else changed it."""
        asked = await read_asked(request)
        told = await self._workshop.drafts.discard(
            str(asked.get("flow", "")), number_in(asked, "version")
        )
        return self._site.data(self._with_when(request, told))

    async def drop(self, request: Request) -> Response:
        """Throw the draft of a new flow away, from the list of flows."""
        _ = self._site.words(request)
        form = await request.form()
        version = number_of(form.get("version", ""), MAX_VERSION)
        told = await self._workshop.drafts.discard(request.path_params["draft"], version or 0)
        if told["other"] is not None:
            self._site.flash(request, _("Somebody changed this draft just now. Look at it."), "bad")
        else:
            self._site.flash(request, _("The draft was thrown away."))
        return self._site.go(request, "/flows")

    async def pin(self, request: Request) -> Response:
        """Choose the sample that everybody sees first."""
        _ = self._site.words(request)
        asked = await read_asked(request)
        flow, kept = str(asked.get("flow", "")), self._workshop.kept
        await kept.pin(flow, sample_in(asked), who=self._site.who(request))
        what = "unpin_sample" if sample_in(asked) is None else "pin_sample"
        await self._site.note(request, what, f"flow {flow}")
        pinned = await kept.pinned(flow)
        return self._site.data({"pinned": pinned and kept_when(pinned, _)})

    async def run_tests(self, request: Request) -> Response:
        """Every test of a flow with what is otherwise now."""
        asked = await read_asked(request)
        return await self._tests(request, str(asked.get("flow", "")), str(asked.get("text", "")))

    async def save_test(self, request: Request) -> Response:
        """Keep what the flow does now; `expect` takes it for a test that is there."""
        asked = await read_asked(request)
        flow, text, name = (str(asked.get(one, "")) for one in ("flow", "text", "name"))
        who = self._site.who(request)
        if asked.get("expect"):
            await self._workshop.kept.expect(flow, text, name, who=who)
        else:
            await self._workshop.kept.save(flow, text, name, sample_in(asked), who=who)
        await self._site.note(request, "save_test", f"flow {flow}", test=name)
        return await self._tests(request, flow, text)

    async def remove_test(self, request: Request) -> Response:
        """Remove a test."""
        asked = await read_asked(request)
        flow, text, name = (str(asked.get(one, "")) for one in ("flow", "text", "name"))
        if await self._workshop.kept.remove(flow, name):
            await self._site.note(request, "remove_test", f"flow {flow}", test=name)
        return await self._tests(request, flow, text)

    async def download(self, request: Request) -> Response:
        """The tests as the file that `connector test` runs."""
        flow = request.path_params["flow"]
        text = await self._workshop.kept.as_file(flow)
        name = flow if not flow.startswith(NEW) else "new-flow"
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            return await self._site.missing(request)
        return Response(
            text,
            media_type="application/yaml",
            headers={"content-disposition": f'attachment; filename="{name}.cases.yaml"'},
        )

    async def _tests(self, request: Request, flow: str, text: str) -> Response:
        _ = self._site.words(request)
        items = await self._workshop.kept.run(flow, text, _.language)
        return self._site.data({"items": [kept_when(one, _) for one in items]})

    def _with_when(self, request: Request, told: dict[str, Any]) -> dict[str, Any]:
        other = told.get("other")
        if other is None:
            return told
        _ = self._site.words(request)
        return {**told, "other": {**other, "when": _.when(other["saved_at"])}}
