"""A form of ours is taken, and nothing that another site or nobody's page sends."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.web.door.kit import PHRASE, House, post, same, token_of


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
