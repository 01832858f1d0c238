"""Connections: the accounts at apps that flows work with."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.errors import ConnectorError
from connector.model import App, OAuth2
from connector.runtime.accounts import COMPANIES
from connector.web.answers import status_of
from connector.web.pages.consent import ask
from connector.web.pages.naming import flow_names
from connector.web.pages.scopes import rights
from connector.web.pages.site import Site

MAX_TOKEN = 8_192


def routes(site: Site) -> list[BaseRoute]:
    """List, connect, renew, choose a company, rename, remove."""
    pages = Connections(site)
    return [
        site.page("/connections", pages.list_all),
        site.page("/connections/new", pages.new, role="owner"),
        site.act("/connections/token", pages.connect_with_token, role="owner"),
        site.act("/connections/consent", pages.start_consent, role="owner"),
        site.page("/connections/{id}", pages.show),
        site.act("/connections/{id}/account", pages.choose_account, role="owner"),
        site.act("/connections/{id}/rename", pages.rename, role="owner"),
        site.act("/connections/{id}/remove", pages.remove, role="owner"),
    ]


class Connections:
    """The pages of connections."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def list_all(self, request: Request) -> Response:
        """Every connection, with how it stands."""
        rows = await self._site.runtime.accounts.list_all()
        return await self._site.render(request, "connections.html", connections=rows)

    async def new(self, request: Request) -> Response:
        """Choose an app, then say what it needs."""
        asked = request.query_params
        app = self._app(asked.get("app", ""))
        if app is None:
            return await self._choose_app(request)
        return await self._form(request, app, name=asked.get("name", ""))

    async def connect_with_token(self, request: Request) -> Response:
        """Try a token and store it; runs that waited for it go on."""
        form = await request.form()
        app = self._app(_text(form, "app"))
        if app is None:
            return await self._choose_app(request)
        name = _text(form, "name") or app.key
        try:
            made = await self._site.runtime.connect_with_token(
                app.key, name, _text(form, "token")[:MAX_TOKEN], _settings(form)
            )
        except ConnectorError as error:
            return await self._form(request, app, name=name, form=form, error=error)
        await self._site.note(request, "connect", name, app=app.key)
        self._say_connected(request, name)
        return self._site.go(request, f"/connections/{made.id}")

    async def start_consent(self, request: Request) -> Response:
        """Say what will be asked for, and lead to the app."""
        form = await request.form()
        app = self._app(_text(form, "app"))
        if app is None:
            return await self._choose_app(request)
        name = _text(form, "name") or app.key
        try:
            return await ask(
                self._site, request, app, name, _settings(form), _text(form, "window") == "1"
            )
        except ConnectorError as error:
            return await self._form(request, app, name=name, form=form, error=error)

    async def show(self, request: Request) -> Response:
        """One connection; `companies` also asks the app what it reaches."""
        if "connected" in request.query_params:
            found = await self._site.runtime.accounts.get(request.path_params["id"])
            if found is not None:
                self._say_connected(request, found["name"])
                return self._site.go(request, f"/connections/{found['id']}")
        return await self._show(request)

    async def choose_account(self, request: Request) -> Response:
        """Take one company for new flows."""
        _ = self._site.words(request)
        id_, account = request.path_params["id"], _text(await request.form(), "account")
        who = self._site.who(request)
        await self._site.runtime.accounts.choose(id_, account, who=who)
        self._site.flash(request, _("New flows begin with this company."))
        return self._site.go(request, f"/connections/{id_}")

    async def rename(self, request: Request) -> Response:
        """Another name, in the flows as well."""
        _ = self._site.words(request)
        id_, name = request.path_params["id"], _text(await request.form(), "name")
        who = self._site.who(request)
        try:
            made = await self._site.runtime.accounts.rename(id_, name, who=who)
        except ConnectorError as error:
            return await self._show(request, error)
        self._site.flash(request, _("Its name is now %(name)s.", name=made["name"]))
        return self._site.go(request, f"/connections/{id_}")

    async def remove(self, request: Request) -> Response:
        """An end; flows that used it are switched off."""
        _ = self._site.words(request)
        form = await request.form()
        force, who = "force" in form, self._site.who(request)
        try:
            gone = await self._site.runtime.accounts.remove(
                request.path_params["id"], who=who, force=force
            )
        except ConnectorError as error:
            return await self._show(request, error, may_force=True)
        self._site.flash(request, _("%(name)s was removed.", name=gone["name"]))
        for key in gone["flows"]:
            self._site.flash(request, _("The flow %(key)s was switched off.", key=key), "note")
        for issue in gone["issues"]:
            text = f"{_.told(issue['message'])} {_.told(issue['remedy'])}"
            self._site.flash(request, text, "bad")
        return self._site.go(request, "/connections")

    # --- inside -------------------------------------------------------------------------------

    def _app(self, key: str) -> App | None:
        return self._site.runtime.catalog.apps.get(key)

    def _say_connected(self, request: Request, name: str) -> None:
        _ = self._site.words(request)
        text = _("%(name)s is connected. Runs that waited for it go on.", name=name)
        self._site.flash(request, text)

    async def _choose_app(self, request: Request) -> Response:
        apps = sorted(self._site.runtime.catalog.apps.values(), key=lambda app: app.title)
        return await self._site.render(request, "connect.html", apps=apps)

    async def _form(
        self,
        request: Request,
        app: App,
        *,
        name: str = "",
        form: FormData | None = None,
        error: ConnectorError | None = None,
    ) -> Response:
        known = await self._site.runtime.accounts.get(name) if name else None
        address = _text(form, "address") if form else ""
        if not address and known is not None and known["app"] == app.key:
            address = known["base_url"].removesuffix(app.base_path)
            address = "" if known["base_url"] == app.base_url else address
        by_consent = isinstance(app.auth, OAuth2)
        return await self._site.render(
            request,
            "connect_app.html",
            200 if error is None else status_of(error),
            app=app,
            name=name,
            renews=known is not None
            and known["app"] == app.key
            and (error is None or (form is not None and _text(form, "renews") == "1")),
            tried=form is not None and "token" in form,
            address=address,
            by_consent=by_consent,
            by_token=not by_consent or getattr(app.auth, "manual_token", False),
            has_client=self._site.settings.oauth_client(app.key) is not None,
            redirect=f"{self._site.settings.base_url}/oauth/callback",
            token_help=getattr(app.auth, "help", ""),
            error=error.as_data() if error else None,
        )

    async def _show(
        self,
        request: Request,
        error: ConnectorError | None = None,
        may_force: bool = False,
    ) -> Response:
        accounts = self._site.runtime.accounts
        found = await accounts.get(request.path_params["id"])
        if found is None:
            return await self._site.missing(request)
        app = self._app(found["app"])
        reached: list[Any] | None = None
        if "companies" in request.query_params:
            try:
                reached = await accounts.reached(found["id"])
            except ConnectorError as failed:
                error = failed
        words = self._site.words(request)
        return await self._site.render(
            request,
            "connection.html",
            200 if error is None else status_of(error),
            one=found,
            names=await flow_names(self._site.runtime, words),
            rights=None if found["scopes"] is None else rights(found["scopes"], words),
            missing=rights(found["missing_scopes"], words),
            has_accounts=app is not None and COMPANIES in app.choices,
            reached=reached,
            may_force=may_force,
            error=error.as_data() if error else None,
        )


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


def _settings(form: FormData) -> dict[str, Any]:
    address = _text(form, "address")
    return {"address": address} if address else {}
