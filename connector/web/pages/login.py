"""Getting in: the one-time link, the passphrase, leaving, the language, people."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from connector.errors import Throttled
from connector.runtime.people import IDLE_SECONDS, LEAST_PASSPHRASE, LONGEST_SECONDS, ROLES, role_of
from connector.web.pages.proxies import address_of
from connector.web.pages.site import LANGUAGE_COOKIE, Site
from connector.web.pages.words import LANGUAGES

log = logging.getLogger("connector.web.pages")

YEAR_SECONDS = 365 * 86_400.0


def routes(site: Site) -> list[BaseRoute]:
    """Login, logout, language, people, and what browsers report."""
    return [
        site.page("/login", Login(site).show, role=None),
        site.act("/login", Login(site).enter, role=None),
        site.page("/login/{secret}", Login(site).show_link, role=None),
        site.act("/login/{secret}", Login(site).use_link, role=None),
        site.act("/logout", Login(site).leave, role="viewer"),
        site.page("/language/{language}", Login(site).choose_language, role=None),
        site.page("/people", People(site).show, role="owner"),
        site.act("/people", People(site).save, role="owner"),
        site.act("/people/remove", People(site).remove, role="owner"),
        site.report("/csp-report"),
    ]


class Login:
    """The pages of somebody who is not known yet."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, request: Request) -> Response:
        """Ask for name and passphrase."""
        return await self._form(request)

    async def enter(self, request: Request) -> Response:
        """Let in who knows the passphrase."""
        if self._keeps_nothing(request):
            return await self._form(request, unkept=True, status=403)
        form = await request.form()
        name, passphrase = str(form.get("name", "")), str(form.get("passphrase", ""))
        back = local(str(form.get("next", "")))
        address = address_of(request, self._site.proxies)
        try:
            secret = await self._site.runtime.people.enter(name, passphrase, address)
        except Throttled as error:
            return await self._form(request, wait=error.retry_after, name=name, status=429)
        if secret is None:
            return await self._form(request, wrong=True, name=name, status=403)
        return await self._begin(request, secret, back)

    async def show_link(self, request: Request) -> Response:
        """Ask before the link is used up: a preview of a chat program would do that."""
        if not await self._site.runtime.people.knows_link(request.path_params["secret"]):
            person = self._site.person(request)
            if person is not None and person.session:
                # Whoever opens a link once more is in already.
                return self._site.go(request, "/")
            return await self._form(request, old_link=True, status=403)
        return self._probed(request, await self._site.render(request, "login_link.html"))

    async def use_link(self, request: Request) -> Response:
        """Let in who holds a one-time link."""
        if self._keeps_nothing(request):
            return await self._form(request, unkept=True, status=403)
        secret = await self._site.runtime.people.use_link(request.path_params["secret"])
        if secret is None:
            return await self._form(request, old_link=True, status=403)
        return await self._begin(request, secret, "/")

    async def leave(self, request: Request) -> Response:
        """End this session."""
        person = self._site.person(request)
        if person is not None and person.session:
            await self._site.runtime.people.leave(person)
        response = self._site.go(request, "/login")
        self._site.set_cookie(request, response, self._site.cookie(request), "", 0, strict=True)
        return response

    async def choose_language(self, request: Request) -> Response:
        """Remember a language, and go back."""
        language = request.path_params["language"]
        back = self._site.url(request, local(request.query_params.get("next", "")))
        response = RedirectResponse(back, 303)
        if language in LANGUAGES:
            self._site.set_cookie(request, response, LANGUAGE_COOKIE, language, YEAR_SECONDS)
        return response

    async def _form(
        self,
        request: Request,
        *,
        wrong: bool = False,
        old_link: bool = False,
        wait: float = 0,
        name: str = "",
        unkept: bool = False,
        status: int = 200,
    ) -> Response:
        people = await self._site.runtime.people.list_people()
        elsewhere = framed(request) and request.headers.get("sec-fetch-site") == "cross-site"
        response = await self._site.render(
            request,
            "login.html",
            status,
            wrong=wrong,
            old_link=old_link,
            wait=wait,
            name=name,
            has_people=bool(people),
            unkept=unkept or elsewhere,
            next_path=local(request.query_params.get("next", "")),
        )
        return self._probed(request, response)

    def _probe(self, request: Request) -> str:
        return f"{self._site.cookie(request)}_probe"

    def _probed(self, request: Request, response: Response) -> Response:
        """In a frame, find out whether the browser keeps a session there."""
        if framed(request):
            self._site.set_cookie(request, response, self._probe(request), "1", None, strict=True)
        return response

    def _keeps_nothing(self, request: Request) -> bool:
        """Whether a login would be forgotten at once; then no link and no attempt is used up."""
        return framed(request) and self._probe(request) not in request.cookies

    async def _begin(self, request: Request, secret: str, back: str) -> Response:
        people = self._site.runtime.people
        before = self._site.person(request)
        if before is not None and before.session:
            await people.leave(before)
        person = await people.session(secret)
        if person is not None:
            await self._site.runtime.note(person.name, "log_in", "pages")
        response = self._site.go(request, back)
        cookie = self._site.cookie(request)
        self._site.set_cookie(request, response, cookie, secret, LONGEST_SECONDS, strict=True)
        return response


class People:
    """Who may come in by a passphrase."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, request: Request) -> Response:
        """Everybody, and a form for one more."""
        return await self._site.render(
            request,
            "people.html",
            people=await self._site.runtime.people.list_people(),
            roles=ROLES,
            least=LEAST_PASSPHRASE,
            idle_hours=round(IDLE_SECONDS / 3600),
        )

    async def save(self, request: Request) -> Response:
        """Give somebody a passphrase and a role."""
        _ = self._site.words(request)
        form = await request.form()
        name, role = str(form.get("name", "")), role_of(str(form.get("role", "")))
        person = self._site.person(request)
        await self._site.runtime.people.set_passphrase(name, role, str(form.get("passphrase", "")))
        await self._site.note(request, "set_passphrase", name, role=role)
        self._site.flash(request, _("%(name)s can now log in.", name=name))
        if person is not None and person.name == name and person.session:
            self._site.flash(request, _("Log in once more with your new passphrase."), "note")
        return self._site.go(request, "/people")

    async def remove(self, request: Request) -> Response:
        """Let somebody in no longer."""
        _ = self._site.words(request)
        name = str((await request.form()).get("name", ""))
        if not await self._site.runtime.people.remove(name):
            return await self._site.missing(request)
        await self._site.note(request, "remove_person", name)
        self._site.flash(request, _("%(name)s can no longer log in.", name=name))
        return self._site.go(request, "/people")


def framed(request: Request) -> bool:
    """Whether the browser shows this inside another page."""
    return request.headers.get("sec-fetch-dest") in ("iframe", "frame")


def local(path: str) -> str:
    """A path of ours to go back to; anything that could lead elsewhere is the start."""
    plain = path.isprintable() and "\\" not in path
    return path if path.startswith("/") and not path.startswith("//") and plain else "/"
