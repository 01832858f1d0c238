"""The pages of connections, asked as a browser asks."""

from __future__ import annotations

import re
from pathlib import Path

from tests.runtime.kit import CREATE, PERFEX, client, flow, story, world
from tests.web.test_pages_consent import Browser


def told(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode()))


@story
async def test_a_wrong_token_while_reconnecting_keeps_the_page(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = await Browser(w).enter()
        before = await w.connection("perfex")
        page = (await anna.get("/connections/new?app=perfex_crm&name=perfex")).body
        assert b"<h1>Reconnect perfex</h1>" in page
        assert b'name="renews" value="1"' in page
        asked = {"app": "perfex_crm", "name": "perfex", "renews": "1", "address": PERFEX}
        answer = await anna.form("/connections/token", **asked, token="of-yesterday")
        page = answer.body
        assert answer.status >= 400
        assert b"<h1>Reconnect perfex</h1>" in page, "it still knows which connection it was"
        assert b'type="hidden" name="name" value="perfex"' in page
        assert f'value="{PERFEX}"'.encode() in page, "what was typed is kept"
        assert b"of-yesterday" not in page, "but no secret"
        assert "Not reconnected: perfex stays as it was" in told(page)
        mistake = re.search(rb'<p class="mistake" id="e-token-token">([^<]+)', page)
        assert mistake is not None, "the error stands beside the field"
        assert mistake[1].startswith(b"Perfex CRM does not accept this token.")
        assert await w.connection("perfex") == before

        asked["name"], asked["renews"] = "another", ""
        page = (await anna.form("/connections/token", **asked, token="of-yesterday")).body
        assert b"<h1>Connect Perfex CRM</h1>" in page
        assert b'value="another"' in page


@story
async def test_a_company_is_called_by_its_name(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        anna = await Browser(w).enter()
        await w.follow(flow(steps=CREATE))
        w.person.create("clients", client("Rossi"))
        await w.quiet()
        (row,) = [one for one in await w.runtime.accounts.list_all() if one["name"] == "fatture"]
        (name,) = [one for id_, one in row["account_names"].items() if id_ == "108061"]
        for path in (f"/connections/{row['id']}", "/flows", "/runs/1", "/inbox/1", "/quota"):
            shown = told((await anna.get(path)).body)
            assert f"{name} 108061" in shown, path
