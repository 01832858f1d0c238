"""A consent begun in the pages ends in the session that began it, by redirect or in a window."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from connector.errors import NotConnected
from connector.forms import encode_form
from connector.model import Answer, HttpRequest
from connector.runtime.consents import AGAIN, ELSEWHERE
from tests.runtime.kit import FATTURE, FIC, HUB, World, query_of, story, world

HTML = ("accept", "text/html")
SAME = (("origin", HUB), ("sec-fetch-site", "same-origin"))


class Browser:
    """Somebody with cookies, who follows no redirect by himself."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.cookies: dict[str, str] = {}

    async def get(self, url: str) -> Answer:
        return self._kept(await self.w.call("GET", place(url), headers=[HTML, *self._cookie()]))

    async def post(self, path: str, data: Any) -> Answer:
        more = [("x-csrf-token", await self._token()), *SAME, *self._cookie()]
        return self._kept(await self.w.call("POST", place(path), data, more))

    async def form(self, path: str, *, dest: str = "document", **fields: str) -> Answer:
        kind = ("content-type", "application/x-www-form-urlencoded")
        body = encode_form({"csrf": await self._token(), **fields})
        headers = (HTML, kind, *SAME, *self._cookie(), ("sec-fetch-dest", dest))
        request = HttpRequest(method="POST", url=place(path), headers=headers, body=body)
        return self._kept(await self.w.outside.send(request))

    async def enter(self, role: Any = "owner") -> Browser:
        link = await self.w.runtime.people.make_link("anna", role)
        assert (await self.form(f"/login/{link}")).status == 303
        return self

    async def _token(self) -> str:
        page = (await self.get("/quota")).body.decode() if self.cookies else ""
        found = re.search(r'data-csrf="([^"]*)"', page)
        return found[1] if found else ""

    def _cookie(self) -> list[tuple[str, str]]:
        text = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [("cookie", text)] if text else []

    def _kept(self, answer: Answer) -> Answer:
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return answer


def place(url: str) -> str:
    return url if url.startswith("http") else HUB + url


async def begin(browser: Browser, *, window: str = "") -> str:
    """Up to the link that leads to the app."""
    asked = await browser.form(
        "/connections/consent", app=FATTURE, name="books", address=FIC, window=window
    )
    page = asked.body.decode()
    assert asked.status == 200, page
    found = re.search(rf'href="({re.escape(FIC)}[^"]+)"', page)
    assert found, page
    return found[1].replace("&amp;", "&")


async def agree(w: World, address: str, **more: str) -> str:
    """The owner says yes (or no) at the app: where it sends the browser."""
    told = "".join(f"&{name}={value}" for name, value in more.items())
    back = (await w.browse(address + told)).header("location")
    assert back is not None
    return back


async def names(w: World) -> list[str]:
    return [one.name for one in await w.runtime.list_connections()]


@story
async def test_by_redirect_it_goes_on_at_the_connection(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna = await Browser(w).enter()
        back = await anna.get(await agree(w, await begin(anna)))
        assert back.status == 303
        assert re.search(r"/connections/con_\w+\?connected=1$", back.header("location") or "")
        assert await names(w) == ["books"]
        told = w.rows("SELECT who, what, subject FROM audit WHERE what LIKE '%con%'")
        assert told == [("anna", "start_consent", "books"), ("anna", "connect", "books")]


@story
async def test_the_window_ends_and_the_page_that_opened_it_learns_how(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna = await Browser(w).enter()
        address = await begin(anna, window="1")
        asked = {"state": query_of(address)["state"]}
        waits = await anna.post("/connections/consent/ended", asked)
        assert (waits.status, waits.body) == (200, b"{}")
        back = await anna.get(await agree(w, address))
        assert (back.header("location") or "").startswith("/connections/consent/done?id=con_")
        page = await anna.get(back.header("location") or "")
        assert b"data-consent-done" in page.body
        ended = await anna.post("/connections/consent/ended", asked)
        assert re.fullmatch(rb'\{"place":"/connections/con_\w+\?connected=1"\}', ended.body)
        # It is told once; afterwards nothing is known of it.
        assert (await anna.post("/connections/consent/ended", asked)).body == b'{"gone":true}'


@story
async def test_the_link_of_a_consent_is_of_no_use_in_another_browser(tmp_path: Path) -> None:
    """Whoever gets hold of it would agree with an account of his own."""
    async with world(tmp_path, connected=False) as w:
        anna, mallory = await Browser(w).enter(), Browser(w)
        for stranger in (mallory, await Browser(w).enter()):
            address = await begin(anna, window="1")
            back = await stranger.get(await agree(w, address))
            assert back.header("location") == "/connections/consent/done"
            page = (await stranger.get("/connections/consent/done")).body.decode()
            assert "begun in another browser" in page
            assert await names(w) == []
            assert w.fic.seen("POST", "/oauth/token") == [], "the code is not even exchanged"
            # Anna's page says so; the state is spent.
            state = query_of(address)["state"]
            told = await anna.post("/connections/consent/ended", {"state": state})
            assert ELSEWHERE.encode() in told.body
            with pytest.raises(NotConnected):
                await w.runtime.finish_connect(state, "c/0")


@story
async def test_somebody_is_not_made_to_finish_what_another_began(tmp_path: Path) -> None:
    """The other way round: an address with the attacker's code, opened by the owner."""
    async with world(tmp_path, connected=False) as w:
        mallory, anna = await Browser(w).enter(), await Browser(w).enter()
        back = await anna.get(await agree(w, await begin(mallory)))
        assert back.header("location") == "/connections"
        assert ELSEWHERE.encode() in (await anna.get("/connections")).body
        assert await names(w) == []


@story
async def test_a_new_login_ends_what_the_old_one_began(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna = await Browser(w).enter()
        address = await begin(anna)
        await anna.enter()
        await anna.get(await agree(w, address))
        assert await names(w) == []


@story
async def test_a_no_at_the_app_is_told_on_both_pages(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna = await Browser(w).enter()
        address = await begin(anna, window="1")
        back = await anna.get(await agree(w, address, decision="deny"))
        assert back.header("location") == "/connections/consent/done"
        assert b"access_denied" in (await anna.get("/connections/consent/done")).body
        told = await anna.post("/connections/consent/ended", {"state": query_of(address)["state"]})
        assert b"access_denied" in told.body
        assert AGAIN.encode() in told.body
        assert await names(w) == []


@story
async def test_what_the_api_or_the_shell_began_ends_without_a_session(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        begun = await w.runtime.start_connect(FATTURE, "books", {"address": FIC})
        page = await Browser(w).get(await agree(w, begun["authorize_url"]))
        assert page.status == 200
        assert "“books” is connected" in page.body.decode()
        assert await names(w) == ["books"]


@story
async def test_the_api_does_not_end_what_a_session_began(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna = await Browser(w).enter()
        told = query_of(await agree(w, await begin(anna)))
        with pytest.raises(NotConnected, match="a session of the pages"):
            await w.runtime.finish_connect(told["state"], told["code"])
        assert await names(w) == []


@story
async def test_only_who_began_it_is_told_how_it_ended(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna, other = await Browser(w).enter(), await Browser(w).enter()
        address = await begin(anna, window="1")
        await anna.get(await agree(w, address))
        told = await other.post("/connections/consent/ended", {"state": query_of(address)["state"]})
        assert b"con_" not in told.body


@story
async def test_an_answer_without_a_code_and_nonsense_are_refused(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna = await Browser(w).enter()
        for query in ("state=w.x", "state=p.unknown&code=c", "state=p.x&error=%3Cb%3E"):
            assert (await anna.get(f"/oauth/callback?{query}")).status == 303
        for body in ([], "x", {"state": 7}):
            answer = await anna.post("/connections/consent/ended", body)
            assert (answer.status, answer.body) == (200, b'{"gone":true}')
        assert await names(w) == []


@story
async def test_in_a_frame_the_link_leads_out_of_it(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        anna = await Browser(w).enter()
        for dest, out in (("document", False), ("iframe", True)):
            asked = await anna.form(
                "/connections/consent", app=FATTURE, name="books", address=FIC, dest=dest
            )
            assert ('target="_blank"' in asked.body.decode()) == out
