"""One installation with its pages, and the browsers of the people who use it."""

from __future__ import annotations

import re
from typing import Any

import httpx

from connector.runtime import Runtime
from connector.runtime.people import People
from connector.settings import Settings
from connector.store.rows import ConnectionRow
from connector.web.app import make_app
from connector.web.pages import make_site
from connector.web.pages.site import Site

HTML = {"accept": "text/html"}
PHRASE = "seven brown horses"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class House:
    """One installation with its pages; `browser()` is somebody with cookies of their own."""

    def __init__(self, runtime: Runtime, settings: Settings, clock: Clock) -> None:
        self.runtime = runtime
        self.settings = settings
        self.clock = clock
        self.site: Site = make_site(runtime, settings)
        self.open: list[httpx.AsyncClient] = []

    def browser(
        self, *, root: str = "", address: str = "127.0.0.1", base: str = "http://localhost:8420"
    ) -> httpx.AsyncClient:
        app = make_app(self.runtime, self.settings)
        transport = httpx.ASGITransport(app, root_path=root, client=(address, 1234))  # type: ignore[arg-type]
        client = httpx.AsyncClient(transport=transport, base_url=base, headers=HTML)
        self.open.append(client)
        return client

    async def inside(
        self, role: Any = "owner", name: str = "anna", **more: Any
    ) -> httpx.AsyncClient:
        """Somebody who used a link."""
        browser = self.browser(**more)
        link = await self.runtime.people.make_link(name, role)
        root = more.get("root", "")
        answer = await browser.post(f"{root}/login/{link}", headers=same(browser))
        assert answer.status_code == 303, answer.text
        return browser


def same(browser: httpx.AsyncClient) -> dict[str, str]:
    """What a browser says of a form of our own page."""
    origin = str(browser.base_url).rstrip("/")
    return {"origin": origin, "sec-fetch-site": "same-origin"}


async def token_of(browser: httpx.AsyncClient, path: str = "/quota") -> str:
    found = re.search(r'data-csrf="([^"]+)"', (await browser.get(path)).text)
    assert found
    return found[1]


async def post(browser: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    """A form of our own page."""
    data = {"csrf": await token_of(browser), **form}
    return await browser.post(path, data=data, headers=same(browser))


def another(house: House) -> People:
    """What lets people in, in a process that has just begun."""
    return People(house.runtime._store, house.clock, house.runtime.people.key)


def a_connection(name: str, status: str = "active") -> ConnectionRow:
    return ConnectionRow(
        id="con_1",
        tenant="main",
        app="perfex_crm",
        name=name,
        base_url="https://x.example",
        settings={},
        status=status,
        created_at=0,
    )


def in_a_frame() -> dict[str, str]:
    """What a form says that is sent inside a frame."""
    return {"sec-fetch-dest": "iframe", "sec-fetch-site": "same-origin"}


def path_of(template: str) -> str:
    # The app's answer to a consent of the pages is known by how its state begins.
    query = "?state=p.1" if template == "/oauth/callback" else ""
    return re.sub(r"\{[^}]+\}", "1", template) + query
