"""The way in: links, passphrases, sessions, and what guesses cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector.errors import Throttled
from connector.runtime.people import (
    FREE_ATTEMPTS,
    IDLE_SECONDS,
    LINK_SECONDS,
    LONGEST_SECONDS,
    REMEMBERED_SECONDS,
)
from connector.web.pages.login import local
from tests.web.door.kit import PHRASE, Clock, House, another, post, same


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

    async def test_who_is_removed_has_no_link_left(self, house: House) -> None:
        people = house.runtime.people
        for name in ("Anna", "Bruno"):
            await people.set_passphrase(name, "owner", PHRASE)
        theirs, ours = await people.make_link("Bruno"), await people.make_link("Anna")
        assert await people.remove("Bruno")
        assert await people.use_link(theirs) is None
        assert await people.use_link(ours)

    @pytest.mark.parametrize(
        "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", ""]
    )
    def test_back_is_never_elsewhere(self, path: str) -> None:
        assert local(path) == "/"
