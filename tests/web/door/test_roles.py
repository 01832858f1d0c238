"""Who may do what: every address has a role, of one tenant, and a platform may say who it is."""

from __future__ import annotations

from typing import Any

import pytest

from connector.runtime import open_runtime
from connector.runtime.people import ROLES
from tests.loaded import the_catalog
from tests.web.door.kit import PHRASE, House, a_connection, path_of, post, same


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
