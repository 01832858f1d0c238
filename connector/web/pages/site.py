"""What every page stands on: routes with a role, rendering, addresses, messages, the audit."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from connector.codec import encode, encode_text
from connector.errors import ConnectorError
from connector.reach import parse_networks
from connector.runtime.people import Person, Role, role_of
from connector.settings import Settings
from connector.web.answers import PROBLEM, log_surprise, problem, problem_of, status_of
from connector.web.pages import safety
from connector.web.pages.asked import MAX_ID
from connector.web.pages.assets import Assets
from connector.web.pages.bare import bare
from connector.web.pages.proxies import is_through
from connector.web.pages.telling import end_of
from connector.web.pages.words import LANGUAGES, SOURCE, Words, choose, mark, words_of
from connector.web.ports import Receive, Runtime, Scope, Send

log = logging.getLogger("connector.web.pages")

Endpoint = Callable[[Request], Awaitable[Response]]
TEMPLATES = Path(__file__).parent / "templates"
LANGUAGE_COOKIE = "connector_language"
ZONE_COOKIE = "connector_zone"
"""Set by our own script: where the browser is."""
ASK = mark("Ask an owner to do it, or to give you another role.")
NAVIGATION = (
    ("/flows", mark("Flows")),
    ("/runs", mark("Runs")),
    ("/inbox", mark("Inbox")),
    ("/parked", mark("Parked")),
    ("/pictures", mark("Pictures")),
    ("/connections", mark("Connections")),
    ("/quota", mark("Quota")),
)


class Site:
    """The door that feature modules use; one of these for each runtime."""

    def __init__(
        self, runtime: Runtime, settings: Settings, clock: Callable[[], float] | None = None
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.clock = clock or runtime.clock
        self.assets = Assets()
        self.routes: list[BaseRoute] = []
        self.roles: dict[tuple[str, str], Role | None] = {}
        """Who may ask what, by method and path."""
        self.reports = 0
        """How many breaches of the content policy browsers have told of."""
        self.secure = settings.base_url.startswith("https://")
        self.proxies = parse_networks(settings.trusted_proxies)
        self._templates: dict[str, Any] = {}

    # --- routes -------------------------------------------------------------------------------

    def page(self, path: str, show: Endpoint, *, role: Role | None = "viewer") -> Route:
        """A page to look at (GET); without a role, everybody may see it."""
        self.roles["GET", path] = role
        return Route(path, self._guarded(show, role), methods=["GET"])

    def act(self, path: str, do: Endpoint, *, role: Role | None = "editor") -> Route:
        """Something that changes (POST): only from a page of ours, only by somebody who may."""
        self.roles["POST", path] = role
        return Route(path, self._guarded(do, role), methods=["POST"])

    def report(self, path: str) -> Route:
        """Where browsers tell that a page tried what its policy forbids: counted, and logged."""

        async def take(request: Request) -> Response:
            self.reports += 1
            told = await _told(request)
            # Anybody may send these: beyond the first hundred, each doubling is told.
            if self.reports <= 100 or self.reports.bit_count() == 1:
                count = self.reports
                log.warning("breach of the content policy, report %d of a browser: %s", count, told)
            return Response(status_code=204)

        return Route(path, take, methods=["POST"])

    def _guarded(self, endpoint: Endpoint, role: Role | None) -> Endpoint:
        async def guarded(request: Request) -> Response:
            try:
                await self._recognise(request)
                response = await self._admit(request, role) or await self._answer(request, endpoint)
            except ConnectorError as error:
                response = await self.failed(request, error)
            except Exception as error:  # noqa: BLE001 - its text may hold a secret
                log_surprise("pages", error)
                response = await self.unforeseen(request)
            self._keep_flashes(request, response)
            return response

        return guarded

    async def _answer(self, request: Request, endpoint: Endpoint) -> Response:
        numbers = [one for one in request.path_params.values() if isinstance(one, int)]
        return await (self.missing if max(numbers, default=0) > MAX_ID else endpoint)(request)

    async def _recognise(self, request: Request) -> None:
        wanted = (request.cookies.get(LANGUAGE_COOKIE, ""),)
        language = choose(wanted, request.headers.get("accept-language", ""))
        zone = request.cookies.get(ZONE_COOKIE, "")[:60].replace("%2F", "/")
        request.state.words = words_of(language).in_zone(zone)
        request.state.flashes = None
        request.state.person = self._vouched_for(request)
        if request.state.person is None:
            secret = request.cookies.get(self.cookie(request))
            if secret:
                request.state.person = await self.runtime.people.session(secret)

    def _vouched_for(self, request: Request) -> Person | None:
        """Whom the platform around us names; only its own proxies are believed."""
        header = self.settings.user_header
        if not header or not is_through(request, self.proxies):
            return None
        names = request.headers.getlist(header)
        if len(names) != 1 or not names[0].strip():
            return None
        roles = request.headers.getlist(self.settings.role_header)
        return Person(names[0].strip()[:60], role_of(roles[0] if len(roles) == 1 else ""))

    async def _admit(self, request: Request, role: Role | None) -> Response | None:
        """Why this request goes no further."""
        unsafe = request.method not in ("GET", "HEAD")
        person = self.person(request)
        if unsafe and safety.from_elsewhere(request):
            return await self.refused(request, 403, mark("This came from another site."))
        if role is None:
            if unsafe and not safety.names_itself(request):
                return await self.refused(request, 403, mark("This came from another site."))
            return None
        if person is None:
            return await self._ask_to_log_in(request)
        if unsafe and not safety.fits(await safety.given_token(request), self._csrf(person)):
            text = mark("This page was open for too long. Load it again, and repeat what you did.")
            return await self.refused(request, 403, text)
        if not person.may(role):
            return await self.refused(request, 403, mark("Your role does not allow this."), ASK)
        return None

    async def _ask_to_log_in(self, request: Request) -> Response:
        if self.wants_data(request) or request.method not in ("GET", "HEAD"):
            return await self.refused(request, 401, mark("You are not logged in."))
        back = self.below(request.scope)
        if request.url.query:
            back += f"?{request.url.query}"
        return RedirectResponse(self.url(request, "/login", next=back), 303)

    # --- what a module asks -------------------------------------------------------------------

    def person(self, request: Request) -> Person | None:
        """Who asks; always somebody where the route has a role."""
        found: Person | None = getattr(request.state, "person", None)
        return found

    def who(self, request: Request) -> str:
        """The name for the audit."""
        person = self.person(request)
        return person.name if person else "nobody"

    def words(self, request: Request) -> Words:
        """The reader's language: `_ = site.words(request)`."""
        found: Words = request.state.words
        return found

    async def note(self, request: Request, what: str, subject: str, **details: Any) -> None:
        """Record in the audit what this person decided."""
        await self.runtime.note(self.who(request), what, subject, details)

    def url(self, request: Request, path: str, **query: Any) -> str:
        """The address of one of our paths, wherever we are mounted."""
        given = {name: value for name, value in query.items() if value not in (None, "")}
        text = urlencode(given, doseq=True)
        return f"{root_of(request.scope)}{path}{'?' if text else ''}{text}"

    def go(self, request: Request, path: str, **query: Any) -> Response:
        """See another page: the answer to everything that changed something."""
        return RedirectResponse(self.url(request, path, **query), 303)

    def flash(self, request: Request, text: str, kind: str = "good") -> None:
        """Show a message on the next page; kinds are good, note and bad."""
        kept = request.state.flashes or []
        request.state.flashes = [*kept, [kind, text[:600]]]

    def data(self, value: Any, status: int = 200) -> Response:
        """JSON for our own modules, with every digit of a Decimal."""
        return Response(encode(value), status, media_type="application/json")

    def below(self, scope: Scope) -> str:
        """The path below the prefix that we are mounted under."""
        path: str = scope["path"]
        root = root_of(scope)
        return path[len(root) :] if root and path.startswith(f"{root}/") else path

    def wants_data(self, request: Request) -> bool:
        """Whether a module of ours asks, and not a browser for a page."""
        return "text/html" not in request.headers.get("accept", "")

    # --- answers ------------------------------------------------------------------------------

    async def render(
        self, request: Request, template: str, code: int = 200, **values: Any
    ) -> Response:
        """A page from a template in the reader's language, with all that the layout needs."""
        words = self.words(request)
        shared = await self._shared(request, words)
        page = self._environment(words.language).get_template(template)
        text = page.render({**shared, "words": words, **values})
        return HTMLResponse(text, code, {"content-language": words.language})

    async def failed(self, request: Request, error: ConnectorError) -> Response:
        """What one of our errors says."""
        if self.wants_data(request):
            kind, body = PROBLEM.decode(), self.words(request).told_data(problem_of(error))
            return Response(encode(body), body["status"], media_type=kind)
        code = status_of(error)
        return await self.render(request, "error.html", code, status=code, error=error.as_data())

    async def refused(self, request: Request, status: int, text: str, remedy: str = "") -> Response:
        """A refusal with a sentence, and what to do about it."""
        text = self.words(request)(text)
        remedy = self.words(request)(remedy) if remedy else ""
        if self.wants_data(request):
            body = problem(status, text, remedy=remedy)
            return JSONResponse(body, status, media_type=PROBLEM.decode())
        error = {"message": text, "remedy": remedy}
        return await self.render(request, "error.html", status, status=status, error=error)

    async def unforeseen(self, request: Request) -> Response:
        """What nobody foresaw; the layout may be what failed."""
        text = mark("Something failed here that we did not foresee.")
        if self.wants_data(request):
            return JSONResponse(problem(500, text), 500, media_type=PROBLEM.decode())
        style = root_of(request.scope) + self.assets.path("base.css")
        start, now = self.url(request, "/"), self.clock()
        return HTMLResponse(bare(self.words(request), text, style, start, now), 500)

    async def missing(self, request: Request, what: str = "") -> Response:
        """There is no such thing; another tenant's looks the same."""
        remedy = mark("It may have been removed, or the address may be mistyped.")
        text = what or mark("There is nothing at this address.")
        return await self.refused(request, 404, text, remedy)

    async def nothing_here(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer of every path without a route."""
        request = Request(scope, receive)
        response = await self._guarded(
            self.missing, None if scope["method"] == "GET" else "viewer"
        )(request)
        await response(scope, receive, send)

    def policy(self, scope: Scope) -> str:
        """The content policy: our own files and nothing else, in a frame of nobody unnamed."""
        frames = " ".join(self.settings.frames) or "'none'"
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; "
            f"frame-ancestors {frames}; report-uri {root_of(scope)}/csp-report"
        )

    # --- cookies ------------------------------------------------------------------------------

    def cookie(self, request: Request) -> str:
        """The name of the session's cookie; ports of one machine share their cookies."""
        if self.secure:
            return "__Host-connector"
        host = request.headers.get("host", "")
        return f"connector_{urlsplit(f'//{host}').port or 80}"

    def set_cookie(
        self,
        request: Request,
        response: Response,
        name: str,
        value: str,
        seconds: float | None,
        *,
        strict: bool = False,
    ) -> None:
        """Let the browser keep a value, for our own requests only; no time is until it closes.

        The session (and what is as `strict`) is never sent from within another site's page. What is
        no secret is, where we may be framed: each site has its own (`Partitioned`), over https.
        """
        framed = self.secure and bool(self.settings.frames) and not strict
        before = len(response.raw_headers)
        response.set_cookie(
            name,
            value,
            max_age=None if seconds is None else int(seconds),
            path="/" if self.secure else root_of(request.scope) or "/",
            secure=self.secure,
            httponly=True,
            samesite="none" if framed else "lax",
        )
        if framed:
            for place, (header, text) in enumerate(response.raw_headers[before:], before):
                response.raw_headers[place] = (header, text + b"; Partitioned")

    def _flash_cookie(self, request: Request) -> str:
        return f"{self.cookie(request)}_said"

    def _keep_flashes(self, request: Request, response: Response) -> None:
        flashes = getattr(request.state, "flashes", None)
        if flashes is None:
            return
        kept = safety.sealed(self.runtime.people.key, flashes) if flashes else ""
        seconds = 60 if flashes else 0
        self.set_cookie(request, response, self._flash_cookie(request), kept, seconds)

    def _take_flashes(self, request: Request) -> list[list[str]]:
        kept = request.cookies.get(self._flash_cookie(request), "")
        before = safety.unsealed(self.runtime.people.key, kept) if kept else []
        shown = [*(before or []), *(request.state.flashes or [])]
        if shown:
            request.state.flashes = []
        return shown

    # --- inside -------------------------------------------------------------------------------

    def binding(self, request: Request) -> str:
        """What ties something begun here to this session (or vouched-for person) until its end."""
        person = self.person(request)
        if person is None:
            return ""
        whose = f"consent {person.session or f'= {person.name}'}"
        return safety.secret_of(self.runtime.people.key, whose).hex()

    def _csrf(self, person: Person) -> bytes:
        return safety.secret_of(self.runtime.people.key, person.session or f"= {person.name}")

    async def _shared(self, request: Request, words: Words) -> Mapping[str, Any]:
        """What the layout shows on every page."""
        person = self.person(request)
        path = self.below(request.scope)
        notices: Mapping[str, Any] = {"alarms": [], "parked": 0}
        if person is not None:
            notices = await self.runtime.notices()
        return {
            "person": person,
            "may": person.may if person else (lambda role: False),
            "csrf_token": safety.masked(self._csrf(person)) if person else "",
            "path": path,
            "here": path + (f"?{request.url.query}" if request.url.query else ""),
            "root": root_of(request.scope),
            "url": lambda path, **query: self.url(request, path, **query),
            "static": lambda name: root_of(request.scope) + self.assets.path(name),
            "navigation": NAVIGATION,
            "languages": LANGUAGES,
            "alarms": notices["alarms"],
            "parked_count": notices["parked"],
            "flashes": self._take_flashes(request),
            "now": self.clock(),
        }

    def _environment(self, language: str) -> Any:
        """The templates of a language, compiled once."""
        found = self._templates.get(language)
        if found is None:
            found = self._templates[language] = make_environment(words_of(language))
        return found


def make_environment(words: Words) -> Any:
    """Templates that escape everything, and fail for a name that does not exist."""
    from datetime import UTC, datetime

    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(_=words, plural=words.plural, words=words, language=words.language)
    for name in ("ago", "money", "number", "percent", "person", "span"):
        made.filters[name] = getattr(words, name)
    for name in ("date", "time", "when"):
        made.filters[name] = _where_the_reader_is(name)
    made.globals["end_of"] = end_of
    made.filters["told"] = words.told
    made.filters["part"] = words.part
    made.filters["summary"] = words.summary
    made.globals["foreign"] = lambda text: words.language != SOURCE and words.told(text) == text
    made.filters["utc_day"] = lambda at: words.date(datetime.fromtimestamp(at, UTC).date())
    made.filters["iso"] = lambda at: datetime.fromtimestamp(float(at), UTC).isoformat()
    made.filters["json"] = lambda value: encode(value).decode("utf-8")
    made.filters["for_script"] = _for_script
    return made


def _where_the_reader_is(name: str) -> Any:
    from jinja2 import pass_context

    @pass_context
    def told(context: Any, value: Any) -> str:
        text: str = getattr(context["words"], name)(value)
        return text

    return told


async def _told(request: Request) -> str:
    """The directive and the kind of thing that was blocked; no addresses, which may be secret."""
    try:
        told = (await request.json())["csp-report"]
        names = ("violated-directive", "effective-directive", "line-number")
        return ", ".join(f"{name} {str(told[name])[:60]!r}" for name in names if name in told)
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def root_of(scope: Scope) -> str:
    """The prefix that we are mounted under, without a slash at its end."""
    root: str = scope.get("root_path", "")
    return root.rstrip("/")


def _for_script(value: Any) -> Any:
    """JSON that can stand in a script element: nothing in it can end that."""
    from jinja2.utils import htmlsafe_json_dumps

    return htmlsafe_json_dumps(value, dumps=encode_text)
