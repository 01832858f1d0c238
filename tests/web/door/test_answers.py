"""Every answer is guarded, small, and keeps the prefix under which we are served."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from connector.runtime import open_runtime
from connector.settings import Settings
from tests.loaded import the_catalog
from tests.web.door.kit import PHRASE, Clock, House, a_connection, in_a_frame, path_of, post, same


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

    async def test_nobody_fills_the_log_with_breaches(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = house.browser()
        kind = {"content-type": "application/csp-report"}
        for _ in range(260):
            assert (await one.post("/csp-report", content=b"[]", headers=kind)).status_code == 204
        told = [line.args[0] for line in caplog.records if "content policy" in line.msg]  # type: ignore[index]
        assert told == [*range(1, 101), 128, 256]

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
