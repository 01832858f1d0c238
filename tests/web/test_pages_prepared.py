"""What is prepared in the builder, as its module asks for it: drafts, samples, tests, an end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from connector.engine.cases import differences, read_cases
from connector.flow import check_flow
from tests.runtime.kit import CREATE, HUB, World, client, flow, story, world

TEXT = flow(steps=CREATE)


class Person:
    """Somebody who builds flows, in a browser of their own."""

    def __init__(self, browser: httpx.AsyncClient) -> None:
        self._browser = browser
        self._token = ""

    async def get(self, path: str) -> httpx.Response:
        return await self._browser.get(path, headers={"accept": "text/html"})

    async def begin(self, path: str) -> Any:
        """What the builder's module begins with."""
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        found = re.search(r'id="begin">(.+?)</script>', answer.text, re.DOTALL)
        assert found is not None
        return json.loads(found[1])["begin"]

    async def ask(self, path: str, status: int = 200, **data: Any) -> Any:
        if not self._token:
            found = re.search(r'data-csrf="([^"]+)"', (await self.get("/flows")).text)
            assert found is not None
            self._token = found[1]
        answer = await self._browser.post(
            f"/flows/draft/{path}", json=data, headers={"x-csrf-token": self._token}
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def send(self, path: str, page: str, **values: Any) -> httpx.Response:
        shown = await self.get(page)
        token = re.search(r'name="csrf" value="([^"]+)"', shown.text)
        assert token is not None, f"{page} has no form"
        return await self._browser.post(path, data={"csrf": token[1], **values})


@contextlib.asynccontextmanager
async def person(w: World, name: str, role: Any = "editor") -> AsyncIterator[Person]:
    people = w.runtime.people
    secret = await people.use_link(await people.make_link(name, role))
    assert secret is not None
    transport = httpx.ASGITransport(app=w.hub.app)  # type: ignore[arg-type]
    cookies = {"__Host-connector": secret, "connector_zone": "Europe/Rome"}
    async with httpx.AsyncClient(transport=transport, base_url=HUB, cookies=cookies) as browser:
        yield Person(browser)


@story
async def test_a_draft_is_there_in_another_browser_and_is_published_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "anna") as anna, person(w, "bea") as bea:
        made = await anna.ask("save", flow="", text=TEXT, version=0, base=0)
        name = made["flow"]
        assert "simple" in (await bea.get("/flows")).text
        begin = await bea.begin(f"/flows/new?draft={name}")
        assert (begin["text"], begin["draft"]["who"], begin["me"]) == (TEXT, "anna", "bea")
        assert begin["draft"]["when"]
        assert begin["published"] != TEXT
        hers = TEXT.replace("trigger.resource.name", "trigger.resource.name | upper")
        assert (await bea.ask("save", flow=name, text=hers, version=1, base=0))["version"] == 2
        late = await anna.ask("save", flow=name, text=TEXT, version=1, base=0)
        assert (late["other"]["who"], late["other"]["text"]) == ("bea", hers)
        await bea.ask("pin", flow=name, sample={"record": {"id": 3, "name": "Rossi"}})
        done = await bea.ask(
            "publish", text=hers, enable=False, new=True, draft={"flow": name, "version": 2}
        )
        assert (done["key"], done["version"]) == ("simple", 1)
        assert (await anna.get(f"/flows/new?draft={name}")).status_code == 404
        begin = await anna.begin("/flows/simple")
        assert (begin["draft"], begin["text"]) == (None, hers)
        assert begin["pinned"]["sample"] == {"record": {"id": 3, "name": "Rossi"}}
        # Whoever did not know that it was published finds out before anything is stored.
        late = await anna.ask("save", flow=name, text=TEXT, version=1, base=0)
        assert late["other"] is None
        again = await anna.ask("publish", 422, text=TEXT, new=True)
        assert "already" in again["detail"]


@story
async def test_nobody_publishes_over_what_they_have_not_seen(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "anna") as anna, person(w, "bea") as bea:
        await w.runtime.apply_flow(TEXT)
        await w.runtime.apply_flow(TEXT.replace("flow: simple", "flow: other"))
        seen = {"stored": "simple", "version": 1}
        await bea.ask("publish", text=TEXT + "\n# reviewed\n", **seen)
        late = await anna.ask("publish", 422, text=TEXT + "\n# mine\n", **seen)
        assert "version 2" in late["detail"]
        # Nor does a changed key make it the next version of another flow.
        taken = TEXT.replace("flow: simple", "flow: other") + "\n# mine\n"
        await anna.ask("publish", 422, text=taken, stored="simple", version=2)
        versions = {one["key"]: one["version"] for one in await w.runtime.list_flows()}
        assert versions == {"simple": 2, "other": 1}


@story
async def test_a_draft_of_a_stored_flow_outlives_nothing_that_others_did(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "anna") as anna, person(w, "bea") as bea:
        await w.runtime.apply_flow(TEXT)
        hers = TEXT.replace("[create, update, delete]", "[create]")
        await anna.ask("save", flow="simple", text=hers, version=0, base=1)
        # Bea does not know of the draft, and publishes: the draft stays, and is told to be behind.
        await bea.ask("publish", text=TEXT + "\n# reviewed\n", draft=None)
        begin = await anna.begin("/flows/simple")
        assert (begin["text"], begin["draft"]["base"], begin["version"]) == (hers, 1, 2)
        assert "Not published yet, by anna" in (await bea.get("/flows")).text
        other = await bea.ask("discard", flow="simple", version=7)
        assert other["other"]["who"] == "anna"
        assert await anna.ask("discard", flow="simple", version=1) == {
            "flow": "simple", "other": None,
        }  # fmt: skip
        assert (await anna.begin("/flows/simple"))["draft"] is None


@story
async def test_a_new_draft_is_thrown_away_from_the_list(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w, person(w, "anna") as anna:
        name = (await anna.ask("save", flow="", text="flow: x\nname: Mia", version=0))["flow"]
        assert "Mia" in (await anna.get("/flows")).text
        await anna.send(f"/flows/drafts/{name}/drop", "/flows", version="9")
        assert "Mia" in (await anna.get("/flows")).text, "somebody changed it"
        await anna.send(f"/flows/drafts/{name}/drop", "/flows", version="1")
        assert "Mia" not in (await anna.get("/flows")).text


@story
async def test_tests_are_saved_run_and_downloaded(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "anna") as anna:
        await w.runtime.apply_flow(TEXT)
        pasted = {"record": client("Anna Rossi", id=5)}
        asked = {"flow": "simple", "text": TEXT}
        told = await anna.ask("tests/save", **asked, name="made up", sample=None)
        assert [(one["name"], one["until"]) for one in told["items"]] == [("made up", None)]
        told = await anna.ask("tests/save", **asked, name="a real one", sample=pasted)
        assert [bool(one["until"]) for one in told["items"]] == [True, False]
        other = TEXT.replace("{{ trigger.resource.name }}", "Fixed")
        told = await anna.ask("tests", flow="simple", text=other)
        first = told["items"][0]["differences"][0]
        assert first["where"] == "steps.create.inputs.data.company"
        assert (first["expected"], first["found"]) == ("Anna Rossi", "Fixed")
        file = await anna.get("/flows/simple/tests")
        assert 'filename="simple.cases.yaml"' in file.headers["content-disposition"]
        compiled = check_flow(TEXT, w.runtime.catalog).raise_for_errors()
        cases = read_cases(file.text)
        assert [one.name for one in cases] == ["a real one", "made up"]
        assert [differences(compiled, w.runtime.catalog, one) for one in cases] == [[], []]
        told = await anna.ask("tests/save", flow="simple", text=other, name="made up", expect=True)
        assert [len(one["differences"]) > 0 for one in told["items"]] == [True, False]
        told = await anna.ask("tests/remove", **asked, name="made up")
        assert [one["name"] for one in told["items"]] == ["a real one"]
        assert (await anna.ask("tests/save", 422, **asked, name=" "))["fields"]
        assert (await anna.get("/flows/a%22b/tests")).status_code == 404
        whats = [one["what"] for one in await w.runtime.list_audits()]
        assert whats[:2] == ["remove_test", "save_test"]


@story
async def test_an_old_version_comes_back_as_the_next_one(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "anna") as anna, person(w, "carlo", "viewer") as c:
        await w.runtime.apply_flow(TEXT)
        await w.runtime.apply_flow(TEXT.replace("{{ trigger.resource.name }}", "Fixed"))
        versions = "/flows/simple/versions"
        assert "Company" in (await anna.get(versions)).text, "it says what was changed"
        assert "Go back" not in (await c.get(versions)).text
        answer = await anna.send("/flows/simple/back", versions, version="9")
        assert answer.status_code == 422
        assert (await w.runtime.get_flow("simple") or {})["version"] == 2
        answer = await anna.send("/flows/simple/back", versions, version="1")
        assert answer.headers["location"].endswith("/flows/simple")
        shown = (await anna.get("/flows/simple")).text
        assert "Version 1 is back, as version 3." in shown
        stored = await w.runtime.get_flow("simple")
        assert stored is not None
        assert (stored["version"], stored["document"]) == (3, TEXT)


@story
async def test_a_viewer_looks_and_keeps_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "carlo", "viewer") as carlo:
        await w.runtime.apply_flow(TEXT)
        assert (await carlo.begin("/flows/simple"))["draft"] is None
        assert await carlo.ask("tests", flow="simple", text=TEXT) == {"items": []}
        for path in ("save", "discard", "pin", "tests/save", "tests/remove"):
            await carlo.ask(path, 403, flow="simple", text=TEXT, name="x")
        assert (await carlo.get("/flows/simple/delete")).status_code == 403
        assert "/delete" not in (await carlo.get("/flows")).text


@story
async def test_deleting_says_what_goes_and_what_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "anna") as anna:
        await w.follow(TEXT)
        w.perfex.plugged = False
        w.person.create("clients", client())
        await asyncio.sleep(60)
        await anna.ask("save", flow="simple", text=TEXT, version=0, base=1)
        shown = (await anna.get("/flows/simple/delete")).text
        for part in ("Its draft, by anna", "1 waiting", "writes nothing twice", "It is on now"):
            assert part in shown
        await anna.send("/flows/simple/delete", "/flows/simple/delete")
        assert await w.runtime.get_flow("simple") is not None, "it has open runs"
        answer = await anna.send("/flows/simple/delete", "/flows/simple/delete", force="1")
        assert answer.headers["location"] == "/flows"
        assert "is deleted" in (await anna.get("/flows")).text
        assert (await anna.get("/flows/simple")).status_code == 404
        assert (await anna.get("/flows/simple/delete")).status_code == 404
        assert "simple" in (await anna.get("/runs")).text
        audit = (await w.runtime.list_audits())[0]
        assert (audit["who"], audit["what"]) == ("anna", "delete_flow")


@story
async def test_what_a_check_finds_is_told_in_the_readers_language(tmp_path: Path) -> None:
    async with world(tmp_path) as w, person(w, "anna") as anna:
        off = CREATE.replace("    map:", "    enabled: false\n    map:")
        reads = CREATE.replace("create\n", "again\n", 1).replace(
            "trigger.resource.name", "steps.create.company"
        )
        anna._browser.cookies.set("connector_language", "it")
        told = await anna.ask("check", text=flow(steps=off + reads))
        (error,) = [one for one in told["issues"] if one["severity"] == "error"]
        assert "è spento" in error["message"]
        assert error["remedy"].startswith("Accendi 'create'")
        refused = await anna.ask("tests/save", 422, flow="none", text=TEXT, name="x")
        assert refused["detail"] == "Non c’è nessun flusso 'none'."
        tried = await anna.ask("try", text=flow(steps=off))
        assert (tried["steps"][0]["state"], tried["error"]) == ("skipped", None)
