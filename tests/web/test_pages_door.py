"""Who gets into the pages, from where, and what every answer of theirs carries."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from connector.errors import Throttled
from connector.runtime import Runtime, open_runtime
from connector.runtime.people import (
    FREE_ATTEMPTS,
    IDLE_SECONDS,
    LINK_SECONDS,
    LONGEST_SECONDS,
    REMEMBERED_SECONDS,
    ROLES,
    People,
)
from connector.settings import Settings
from connector.store.rows import ConnectionRow
from connector.web.app import make_app
from connector.web.pages import make_site
from connector.web.pages.login import local
from connector.web.pages.site import Site
from tests.loaded import the_catalog

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


@pytest.fixture
def given() -> dict[str, Any]:
    """Settings that a class of tests changes."""
    return {}


@pytest.fixture
async def house(tmp_path: Path, given: dict[str, Any]) -> AsyncIterator[House]:
    settings = Settings.load(database=f"sqlite:///{tmp_path / 'connector.db'}", **given)
    clock = Clock()
    async with await open_runtime(settings, clock=clock, catalog=the_catalog()) as runtime:
        one = House(runtime, settings, clock)
        yield one
        for client in one.open:
            await client.aclose()


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


class TestRoles:
    async def test_nobody_gets_in_without_login(self, house: House) -> None:
        stranger = house.browser()
        for (method, template), role in house.site.roles.items():
            if role is None:
                continue
            answer = await stranger.request(method, path_of(template))
            where = f"{method} {template}"
            if method == "GET":
                assert answer.status_code == 303, where
                assert answer.headers["location"].startswith("/login?next="), where
                data = await stranger.get(path_of(template), headers={"accept": "application/json"})
                assert data.status_code == 401, where
            else:
                assert answer.status_code == 401, where

    @pytest.mark.parametrize("own", ROLES)
    async def test_nobody_does_what_a_role_does_not_allow(self, house: House, own: Any) -> None:
        somebody = await house.inside(own)
        refused = 0
        for (method, template), role in house.site.roles.items():
            if role is None or ROLES.index(role) <= ROLES.index(own):
                continue
            path = path_of(template)
            answer = await (post(somebody, path) if method == "POST" else somebody.get(path))
            assert answer.status_code == 403, f"{own}: {method} {template}"
            refused += 1
        assert bool(refused) == (own != "owner")

    async def test_what_changes_needs_more_than_looking(self, house: House) -> None:
        looking = {
            template
            for (method, template), role in house.site.roles.items()
            if method == "POST" and role == "viewer"
        }
        # A draft lives in the browser: these only say what would be.
        drafts = {one for one in looking if one.startswith("/flows/draft/")}
        assert "/flows/draft/publish" not in drafts
        assert looking - drafts <= {"/logout"}, "does this change nothing?"

    async def test_an_unknown_path_is_404_for_everybody(self, house: House) -> None:
        assert (await house.browser().get("/nowhere")).status_code == 404
        assert (await (await house.inside()).get("/nowhere")).status_code == 404


class TestLogin:
    async def test_a_link_works_once(self, house: House) -> None:
        link = await house.runtime.people.make_link()
        first, second = house.browser(), house.browser()
        # A chat program that looks at the link does not use it up.
        assert (await first.get(f"/login/{link}")).status_code == 200
        assert (await first.post(f"/login/{link}", headers=same(first))).status_code == 303
        assert (await second.post(f"/login/{link}", headers=same(second))).status_code == 403
        assert (await first.get("/quota")).status_code == 200
        assert (await second.get("/quota")).status_code == 303
        # Looked at afterwards, it says so at once; whoever is in already simply is.
        used = await second.get(f"/login/{link}")
        assert used.status_code == 403
        assert "This link was used already" in used.text
        assert (await first.get(f"/login/{link}")).headers["location"].endswith("/")

    async def test_a_link_grows_old(self, house: House) -> None:
        link = await house.runtime.people.make_link()
        house.clock.now += LINK_SECONDS + 1
        one = house.browser()
        assert (await one.post(f"/login/{link}", headers=same(one))).status_code == 403

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"origin": "http://localhost:8420", "sec-fetch-site": "same-site"},
        ],
    )
    async def test_no_other_site_logs_anybody_in(self, house: House, headers: Any) -> None:
        link = await house.runtime.people.make_link()
        answer = await house.browser().post(f"/login/{link}", headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers

    async def test_the_cookie_is_for_this_port_and_no_script(self, house: House) -> None:
        one = house.browser()
        link = await house.runtime.people.make_link()
        answer = await one.post(f"/login/{link}", headers=same(one))
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("connector_8420=")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert link not in str(answer.headers)
        kept = cookie.split("=")[1].split(";")[0]
        ids = [row.id for row in [await house.runtime._store.session(kept)] if row]
        assert ids == [], "the store knows the hash alone"

    async def test_a_new_login_ends_the_session_before(self, house: House) -> None:
        one = await house.inside()
        before = dict(one.cookies)
        link = await house.runtime.people.make_link()
        await one.post(f"/login/{link}", headers=same(one))
        assert dict(one.cookies) != before
        old = house.browser()
        old.cookies.update(before)
        assert (await old.get("/quota")).status_code == 303

    @pytest.mark.parametrize("seconds", [IDLE_SECONDS + 1, LONGEST_SECONDS + 1])
    async def test_a_session_ends_by_itself(self, house: House, seconds: float) -> None:
        one = await house.inside()
        house.clock.now += seconds
        assert (await one.get("/quota")).status_code == 303

    async def test_a_session_in_use_ends_after_a_week(self, house: House) -> None:
        one = await house.inside()
        for _ in range(20):
            house.clock.now += IDLE_SECONDS - 60
            if (await one.get("/quota")).status_code == 303:
                break
        assert house.clock.now - Clock.now > LONGEST_SECONDS

    async def test_leaving(self, house: House) -> None:
        one = await house.inside()
        kept = dict(one.cookies)
        assert (await post(one, "/logout")).status_code == 303
        one.cookies.update(kept)
        assert (await one.get("/quota")).status_code == 303

    async def test_a_passphrase(self, house: House) -> None:
        owner = await house.inside()
        saved = await post(owner, "/people", name="Bruno", role="editor", passphrase=PHRASE)
        assert saved.status_code == 303
        one = house.browser()
        wrong = await one.post(
            "/login", data={"name": "Bruno", "passphrase": "nothing like it"}, headers=same(one)
        )
        assert wrong.status_code == 403
        right = await one.post(
            "/login",
            data={"name": "Bruno", "passphrase": PHRASE, "next": "/runs?state=failed"},
            headers=same(one),
        )
        assert (right.status_code, right.headers["location"]) == (303, "/runs?state=failed")
        assert (await one.get("/people")).status_code == 403
        row = await house.runtime._store.person("Bruno")
        assert row
        assert PHRASE not in repr(row) + row.passphrase

    async def test_guessing_is_slowed_down(self, house: House) -> None:
        await house.runtime.people.set_passphrase("Bruno", "owner", PHRASE)
        one = house.browser()
        for _ in range(FREE_ATTEMPTS):
            data = {"name": "Bruno", "passphrase": "wrong wrong wrong"}
            assert (await one.post("/login", data=data, headers=same(one))).status_code == 403
        data = {"name": "Bruno", "passphrase": PHRASE}
        assert (await one.post("/login", data=data, headers=same(one))).status_code == 429
        house.clock.now += 3
        assert (await one.post("/login", data=data, headers=same(one))).status_code == 303

    async def test_guesses_are_known_after_a_restart_and_to_other_processes(
        self, house: House
    ) -> None:
        await house.runtime.people.set_passphrase("Bruno", "owner", PHRASE)
        for number in range(FREE_ATTEMPTS):
            assert await another(house).enter("Bruno", "wrong wrong", f"1.1.1.{number}") is None
        with pytest.raises(Throttled):
            await another(house).enter("Bruno", PHRASE, "2.2.2.2")
        told = await house.runtime._store._backend.all("SELECT * FROM login_failure")
        assert len(told) == 1 + FREE_ATTEMPTS
        assert "Bruno" not in str(told)
        assert "1.1.1" not in str(told)
        house.clock.now += 3
        assert await another(house).enter("Bruno", PHRASE, "2.2.2.2")
        assert await another(house).enter("Bruno", "wrong wrong", "2.2.2.2") is None

    async def test_many_guesses_at_once_are_as_many_as_one_by_one(self, house: House) -> None:
        await house.runtime.people.set_passphrase("Bruno", "owner", PHRASE)
        guesses = (another(house).enter("Bruno", f"wrong {one}", "1.1.1.1") for one in range(20))
        ended = await asyncio.gather(*guesses, return_exceptions=True)
        assert ended.count(None) == FREE_ATTEMPTS
        assert sum(isinstance(one, Throttled) for one in ended) == 20 - FREE_ATTEMPTS

    async def test_failures_are_forgotten_after_a_day_and_never_too_many(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connector.runtime.people.MOST_KNOWN", 4)
        count = "SELECT count(*) FROM login_failure"
        for number in range(9):
            await house.runtime.people.enter(f"name {number}", "wrong", f"1.1.1.{number}")
            house.clock.now += 1
        # Two of each attempt: the fifth newest stays with the one of the same moment.
        assert await house.runtime._store._backend.all(count) == [(8,)]
        house.clock.now += REMEMBERED_SECONDS + 1
        await house.runtime.people.enter("somebody", "wrong", "1.1.1.1")
        assert await house.runtime._store._backend.all(count) == [(2,)]

    async def test_guessing_names_is_slowed_down(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connector.runtime.people.FREE_FROM_ADDRESS", 3)
        one, other = house.browser(), house.browser(address="127.0.0.2")
        for number in range(3):
            data = {"name": f"name {number}", "passphrase": "wrong wrong wrong"}
            assert (await one.post("/login", data=data, headers=same(one))).status_code == 403
        data["name"] = "somebody else"
        assert (await one.post("/login", data=data, headers=same(one))).status_code == 429
        assert (await other.post("/login", data=data, headers=same(other))).status_code == 403

    async def test_the_last_owner_stays(self, house: House) -> None:
        owner = await house.inside()
        await post(owner, "/people", name="Bruno", role="owner", passphrase=PHRASE)
        assert (await post(owner, "/people/remove", name="Bruno")).status_code == 422
        lesser = await post(owner, "/people", name="Bruno", role="viewer", passphrase=PHRASE)
        assert lesser.status_code == 422

    @pytest.mark.parametrize(
        "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", ""]
    )
    def test_back_is_never_elsewhere(self, path: str) -> None:
        assert local(path) == "/"


class TestForms:
    async def test_a_form_needs_its_token(self, house: House) -> None:
        one, other = await house.inside(), await house.inside(name="bruno")
        foreign = await token_of(other)
        for given in ("", "nonsense", foreign):
            data = {"csrf": given, "name": "x", "passphrase": PHRASE, "role": "owner"}
            assert (await one.post("/people", data=data, headers=same(one))).status_code == 403
        assert await house.runtime.people.list_people() == []
        header = {**same(one), "x-csrf-token": await token_of(one)}
        data = {"name": "x", "passphrase": PHRASE, "role": "owner"}
        assert (await one.post("/people", data=data, headers=header)).status_code == 303

    async def test_a_token_is_never_written_twice_alike(self, house: House) -> None:
        one = await house.inside()
        assert await token_of(one) != await token_of(one)

    @pytest.mark.parametrize(
        "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}]
    )
    async def test_no_other_site_sends_a_form(self, house: House, headers: Any) -> None:
        one = await house.inside()
        data = {"csrf": await token_of(one)}
        assert (await one.post("/logout", data=data, headers=headers)).status_code == 403

    async def test_bodies_are_bounded_and_of_a_known_kind(self, house: House) -> None:
        one = await house.inside()
        files = {"file": ("a.txt", b"text")}
        assert (await one.post("/people", files=files, headers=same(one))).status_code == 415
        large = b"a" * (house.settings.limits.api_bytes + 1)
        kind = {"content-type": "application/x-www-form-urlencoded", **same(one)}
        assert (await one.post("/people", content=large, headers=kind)).status_code == 413

    async def test_a_decision_carries_its_name(self, house: House) -> None:
        owner = await house.inside(name="Anna Esempio")
        await post(owner, "/people", name="Bruno", role="editor", passphrase=PHRASE)
        audits = await house.runtime.list_audits()
        told = [(one["who"], one["what"], one["subject"]) for one in audits]
        assert ("Anna Esempio", "set_passphrase", "Bruno") in told
        assert PHRASE not in str(audits)


ODD = ("[]", "-1", "9" * 30, "1e999", '"\\u0000"', '{"": {"a": null}}', '"{{ [[[ }}"', "[null]")
BROKEN = (
    b"", b"{", b"[]", b"NaN", b"null", b"\xff\xfe", b"\xef\xbb\xbf{}", b'"\\ud800"', b"9" * 5_000,
    b"[" * 50_000, b'{"data":' * 5_000 + b"1" + b"}" * 5_000, b"csrf=%ED%A0%80&choice=%00",
)  # fmt: skip
NAMES = (
    "account", "address", "app", "at", "base", "before", "changed", "choice", "connection", "data",
    "deed", "draft", "enable", "error", "event", "expect", "field", "first", "flow", "from",
    "from_step",
    "id", "insist", "key", "last", "map", "name", "new", "next", "node", "on", "only", "other",
    "part", "passphrase", "period", "q", "record", "remote_id", "role", "run", "runs",
    "sample", "search",
    "state", "step", "stored", "text", "to", "token", "version", "window", "with", "zone",
)  # fmt: skip
"""All that a page asks for by name, in an address, a form or a module's JSON."""


class TestOddInput:
    async def send(self, house: House, method: str, kinds: dict[str, list[Any]]) -> None:
        """All of this to every address of a kind; none may fail in a way that nobody foresaw."""
        one = await house.inside()
        headers = {**same(one), "x-csrf-token": await token_of(one)}
        failed: list[str] = []
        for kind, template in house.site.roles:
            # A new start of the sandbox, and the end of the session, take nothing from outside.
            if kind != method or template in ("/play", "/logout"):
                continue
            for number in ("1", "9" * 30, "%00"):
                path = re.sub(r"\{[^}]+\}", number, template)
                for content_type, bodies in kinds.items():
                    for body in bodies if number == "1" else bodies[:1]:
                        more: dict[str, Any] = {"content": body}
                        if method == "GET":
                            more = {"params": body}
                        said = {**headers, "content-type": content_type}
                        answer = await one.request(method, path, headers=said, **more)
                        if answer.status_code >= 500:
                            failed.append(f"{answer.status_code} {method} {path} {body!r:.120}")
        assert failed == []

    async def test_a_body_that_is_none_is_refused(self, house: House) -> None:
        await self.send(house, "POST", {"application/json": [*BROKEN]})

    async def test_values_of_another_kind_are_refused(self, house: House) -> None:
        objects = ["{" + ",".join(f'"{name}":{value}' for name in NAMES) + "}" for value in ODD]
        await self.send(house, "POST", {"application/json": [one.encode() for one in objects]})

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_texts_that_no_form_of_ours_has_are_refused(
        self, house: House, method: str
    ) -> None:
        values = ["", "{}", "\0", "9" * 17, "9" * 400, "[" * 400, "١", "²"]
        forms = [dict.fromkeys(NAMES, value) for value in values]
        # The ends of the calendar, where no day comes before or after.
        forms += [{"period": "days", "from": "0001-01-01", "to": day} for day in ("", "9999-12-31")]
        if method == "GET":
            await self.send(house, method, {"text/plain": [*forms]})
            return
        kind = "application/x-www-form-urlencoded"
        sent = [urlencode(form).encode() for form in forms]
        await self.send(house, method, {kind: [*sent, *BROKEN]})


class TestAnswers:
    async def test_every_answer_is_guarded(self, house: House) -> None:
        one = await house.inside()
        for method, template in house.site.roles:
            answer = await one.request(method, path_of(template))
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"

    async def test_no_page_has_script_or_style_of_its_own(self, house: House) -> None:
        one = await house.inside()
        for path in ("/", "/quota", "/connections/new", "/people", "/login"):
            text = (await one.get(path)).text
            assert not re.search(
                r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", text
            )

    async def test_a_page_is_small(self, house: House) -> None:
        one = await house.inside()
        for path in ("/", "/connections/new", "/people", "/quota", "/flows/new"):
            answer = await one.get(path)
            assert answer.headers.get("content-encoding") == "gzip"
            assert len(gzip.compress(answer.content)) < 60_000

    async def test_the_scripts_of_a_page_are_small(self, house: House) -> None:
        one = await house.inside()
        for name in ("builder", "watch"):
            sizes, wanted = {}, [f"{name}.js", "base.js"]
            while wanted:
                file = wanted.pop()
                if file not in sizes:
                    text = (await one.get(house.site.assets.path(file))).text
                    sizes[file] = len(gzip.compress(text.encode()))
                    wanted += re.findall(r'(?:from|import) "\./([^"]+)"', text)
            assert len(sizes) > 1, name
            assert sum(sizes.values()) < 30_000, sizes

    async def test_files_are_kept_for_ever_by_their_hash(self, house: House) -> None:
        one = house.browser()
        place = house.site.assets.path("base.css")
        answer = await one.get(place)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        old = place.replace(house.site.assets.version, "0" * 16)
        assert (await one.get(old)).status_code == 404
        assert (await one.get("/static/../site.py")).status_code == 404

    async def test_foreign_hosts_are_not_served(self, house: House) -> None:
        one = house.browser(base="http://rebound.example")
        assert (await one.get("/login")).status_code == 421
        assert (await one.get(house.site.assets.path("base.css"))).status_code == 421

    async def test_what_others_wrote_is_text(self, house: House) -> None:
        name = "<img src=x onerror=alert(1)>'\"{{7*7}}"
        row = a_connection(name, status="reconnect")
        await house.runtime._store.save_connection(row)
        one = await house.inside()
        for path in ("/", "/connections", "/connections/con_1"):
            text = (await one.get(path)).text
            assert "<img" not in text
            assert "&lt;img src=x onerror=alert(1)&gt;" in text
            assert "{{7*7}}" in text

    async def test_breaches_of_the_policy_are_counted(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = house.browser()
        kind = {"content-type": "application/csp-report"}
        told = (
            b'{"csp-report": {"violated-directive": "script-src", "blocked-uri": "https://s3cret"}}'
        )
        assert (await one.post("/csp-report", content=told, headers=kind)).status_code == 204
        assert "script-src" in caplog.text
        assert "s3cret" not in caplog.text
        assert (await one.post("/csp-report", content=b"[]", headers=kind)).status_code == 204

    async def test_messages_are_shown_once_and_are_ours(self, house: House) -> None:
        one = await house.inside()
        await post(one, "/people", name="Bruno", role="owner", passphrase=PHRASE)
        assert "Bruno can now log in" in (await one.get("/people")).text
        assert "Bruno can now log in" not in (await one.get("/people")).text
        one.cookies.set("connector_8420_said", "WyJnb29kIl0=.0000", domain="localhost.local")
        assert (await one.get("/people")).status_code == 200

    async def test_the_language_is_chosen_and_kept(self, house: House) -> None:
        one = house.browser()
        assert 'lang="it"' in (await one.get("/login", headers={"accept-language": "it"})).text
        answer = await one.get("/language/it", params={"next": "/login"})
        assert answer.headers["location"] == "/login"
        assert "Accedi" in (await one.get("/login")).text


class TestPrefix:
    async def test_every_address_keeps_the_prefix(self, house: House) -> None:
        one = await house.inside(root="/crm/connector")
        for path in ("/", "/flows", "/runs", "/connections/new", "/quota", "/people", "/login"):
            answer = await one.get(f"/crm/connector{path}")
            assert answer.status_code == 200, path
            for place in re.findall(r'(?:href|src|action)="([^"#]+)', answer.text):
                assert place.startswith(("/crm/connector/", "?")), f"{path}: {place}"
        out = await house.browser(root="/crm/connector").get("/crm/connector/quota")
        assert out.headers["location"].startswith("/crm/connector/login?")
        assert "report-uri /crm/connector/csp-report" in out.headers["content-security-policy"]

    @pytest.mark.parametrize("given", [{"public_url": "https://localhost/crm"}])
    async def test_behind_a_proxy_that_cuts_the_prefix_off_or_does_not(self, house: House) -> None:
        one = house.browser(base="https://localhost")
        for path in ("/crm/login", "/login"):
            assert 'href="/crm/static/' in (await one.get(path)).text
        link = await house.runtime.people.make_link()
        answer = await one.post(f"/login/{link}", headers=same(one))
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-connector=")
        assert "Secure" in cookie
        assert "Path=/;" in cookie
        assert answer.headers["location"] == "/crm/"

    @pytest.mark.parametrize(
        "given", [{"frame_origins": "https://app.example, https://b.example:8443"}]
    )
    async def test_a_frame_of_a_named_origin(self, house: House) -> None:
        policy = (await house.browser().get("/login")).headers["content-security-policy"]
        assert "frame-ancestors https://app.example https://b.example:8443;" in policy

    @pytest.mark.parametrize("origins", ["", "https://app.example"])
    async def test_only_what_is_no_secret_is_kept_inside_another_site(
        self, tmp_path: Path, origins: str
    ) -> None:
        place = f"sqlite:///{tmp_path / 'connector.db'}"
        settings = Settings.load(
            database=place, public_url="https://localhost", frame_origins=origins
        )
        async with await open_runtime(settings, clock=Clock(), catalog=the_catalog()) as runtime:
            house = House(runtime, settings, Clock())
            one = house.browser(base="https://localhost")
            link = await runtime.people.make_link()
            session = (await one.post(f"/login/{link}", headers=same(one))).headers["set-cookie"]
            assert "SameSite=lax" in session
            assert "Partitioned" not in session
            language = (await one.get("/language/it")).headers["set-cookie"]
            assert ("SameSite=none" in language) is bool(origins)
            assert language.endswith("; Partitioned") is bool(origins)
            assert "Secure" in language
            await one.aclose()

    @pytest.mark.parametrize("given", [{"frame_origins": "https://app.example"}])
    async def test_a_frame_that_keeps_no_login_says_what_to_do(self, house: House) -> None:
        says = "your browser does not keep a login"
        one = house.browser()
        frame = {"sec-fetch-dest": "iframe", "sec-fetch-site": "same-site"}
        assert says not in (await one.get("/login", headers=frame)).text, "it may well keep one"
        cross = {**frame, "sec-fetch-site": "cross-site"}
        assert says in (await one.get("/login", headers=cross)).text
        link = await house.runtime.people.make_link()
        other = house.browser()
        refused = await other.post(f"/login/{link}", headers={**same(other), **in_a_frame()})
        assert (refused.status_code, says in refused.text) == (403, True)
        await one.get(f"/login/{link}", headers=frame)
        kept = await one.post(f"/login/{link}", headers={**same(one), **in_a_frame()})
        assert kept.status_code == 303, "the link was not used up, and this browser keeps cookies"


class TestPlatform:
    @pytest.fixture
    def given(self) -> dict[str, Any]:
        return {"trusted_proxies": "10.0.0.0/8", "user_header": "X-Platform-User"}

    async def test_a_trusted_proxy_says_who_it_is(self, house: House) -> None:
        one = house.browser(address="10.1.2.3")
        one.headers.update({"x-platform-user": "Anna", "x-connector-role": "owner"})
        assert (await one.get("/people")).status_code == 200
        saved = await post(one, "/people", name="Bruno", role="editor", passphrase=PHRASE)
        assert saved.status_code == 303
        assert (await house.runtime.list_audits())[0]["who"] == "Anna"

    async def test_nobody_else_does(self, house: House) -> None:
        one = house.browser(address="203.0.113.9")
        one.headers.update({"x-platform-user": "Anna", "x-connector-role": "owner"})
        assert (await one.get("/people")).status_code == 303

    @pytest.mark.parametrize("role", ["", "root", "OWNER"])
    async def test_an_unknown_role_may_only_look(self, house: House, role: str) -> None:
        one = house.browser(address="10.1.2.3")
        one.headers.update({"x-platform-user": "Anna", "x-connector-role": role})
        assert (await one.get("/quota")).status_code == 200
        assert (await one.get("/people")).status_code == 403

    async def test_two_names_are_none(self, house: House) -> None:
        one = house.browser(address="10.1.2.3")
        headers = [
            ("x-platform-user", "Anna"),
            ("x-platform-user", "Bruno"),
            ("accept", "text/html"),
        ]
        assert (await one.get("/quota", headers=headers)).status_code == 303


class TestTenants:
    async def test_a_session_is_of_one_tenant(self, house: House) -> None:
        one = await house.inside()
        async with await open_runtime(
            house.settings, tenant="other", clock=house.clock, catalog=the_catalog()
        ) as runtime:
            other = House(runtime, house.settings, house.clock)
            stranger = other.browser()
            stranger.cookies.update(dict(one.cookies))
            assert (await stranger.get("/quota")).status_code == 303
            link = await house.runtime.people.make_link()
            asked = await stranger.post(f"/login/{link}", headers=same(stranger))
            assert asked.status_code == 403
            row = a_connection("ours")
            await house.runtime._store.save_connection(row)
            there = await other.inside()
            assert (await there.get("/connections/con_1")).status_code == 404
            assert (await post(there, "/connections/con_1/remove")).status_code in (404, 409)
            assert (await one.get("/connections/con_1")).status_code == 200
            await stranger.aclose()
            await there.aclose()
