"""The API of drafts, pinned samples and flow tests, on a real installation."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from connector.codec import decode
from connector.model import HttpRequest
from tests.runtime.kit import CREATE, HUB, World, client, flow, story, world


async def raw(w: World, method: Any, path: str, body: bytes) -> Any:
    bearer = ("authorization", f"Bearer {w.settings.api_token.get_secret_value()}")  # type: ignore[union-attr]
    headers = (bearer, ("content-type", "application/json"))
    return await w.outside.send(
        HttpRequest(method=method, url=f"{HUB}/api/v1{path}", headers=headers, body=body)
    )


async def ask(w: World, method: Any, path: str, body: Any = None) -> tuple[int, Any]:
    bearer = [("authorization", f"Bearer {w.settings.api_token.get_secret_value()}")]  # type: ignore[union-attr]
    answer = await w.call(method, f"{HUB}/api/v1{path}", body, bearer)
    return answer.status, decode(answer.body)


@story
async def test_a_draft_is_kept_and_two_who_change_it_notice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=CREATE))
        assert await ask(w, "GET", "/drafts") == (200, {"items": []})
        assert (await ask(w, "GET", "/drafts/simple"))[0] == 404
        first = {"text": "flow: simple\n# half", "base": 1}
        assert await ask(w, "PUT", "/drafts/simple", first) == (
            200, {"flow": "simple", "version": 1},
        )  # fmt: skip
        status, told = await ask(w, "GET", "/drafts/simple")
        assert (status, told["text"], told["base"], told["who"]) == (200, first["text"], 1, "api")
        status, told = await ask(w, "PUT", "/drafts/simple", first)
        assert (status, told["detail"]) == (409, "Somebody changed this draft meanwhile.")
        assert (await ask(w, "DELETE", "/drafts/simple?version=0"))[0] == 409
        assert (await ask(w, "DELETE", "/drafts/simple"))[0] == 422, "the version must be said"
        assert await ask(w, "DELETE", "/drafts/simple?version=1") == (200, {"flow": "simple"})
        assert (await ask(w, "PUT", "/drafts/nobody", first))[0] == 404
        status, new = await ask(w, "POST", "/drafts", {"text": "flow: another\nname: Another"})
        assert status == 200
        _, told = await ask(w, "GET", "/drafts")
        assert [(one["flow"], one["new"], one["name"]) for one in told["items"]] == [
            (new["flow"], True, "Another")
        ]
        status, told = await ask(w, "POST", "/drafts", {"text": "x", "who": "me"})
        assert (status, told["fields"][0]["field"]) == (422, "who")


@story
async def test_a_sample_is_pinned_by_its_record_or_its_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=CREATE))
        assert (await ask(w, "GET", "/flows/simple/sample"))[0] == 404
        record = {"name": "Adda", "price": Decimal("12345678901234567.10")}
        status, told = await ask(w, "PUT", "/flows/simple/sample", {"record": record})
        assert (status, told["sample"]) == (200, {"record": record}), "every digit is kept"
        w.person.create("clients", client("Rossi"))
        await w.quiet()
        status, told = await ask(w, "PUT", "/flows/simple/sample", {"run": 1})
        assert (status, told["sample"], told["gone"]) == (200, {"run": 1}, False)
        for wrong in ({}, {"run": 1, "record": record}, {"run": "x"}):
            status, told = await ask(w, "PUT", "/flows/simple/sample", wrong)
            assert (status, bool(told["fields"])) == (422, True), wrong
        assert (await ask(w, "PUT", "/flows/nobody/sample", {"run": 1}))[0] == 404
        # FastAPI reads them, JSON does not know them.
        for body in (
            b'{"record":{"price":NaN}}',
            b'\xef\xbb\xbf{"record":{}}',
            b'{"record":"\\ud800"}',
        ):
            assert (await raw(w, "PUT", "/flows/simple/sample", body)).status == 422, body
        assert (await ask(w, "DELETE", "/flows/simple/sample"))[0] == 200
        assert (await ask(w, "DELETE", "/flows/simple/sample"))[0] == 404
        assert {one["what"] for one in await w.runtime.list_audits()} >= {
            "pin_sample", "unpin_sample",
        }  # fmt: skip


@story
async def test_a_flow_test_is_kept_run_and_expected_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        text = flow(steps=CREATE)
        await w.follow(text)
        asked = {"sample": {"record": {"name": "Adda", "code": "A1"}}}
        status, saved = await ask(w, "PUT", "/flows/simple/tests/a%20client", asked)
        assert (status, saved["name"]) == (200, "a client")
        status, told = await ask(w, "GET", "/flows/simple/tests")
        assert [(one["name"], one["differences"], one["who"]) for one in told["items"]] == [
            ("a client", [], "api")
        ]
        other = text.replace("trigger.resource.name", "trigger.resource.code")
        status, told = await ask(w, "POST", "/flows/simple/tests/run", {"text": other})
        found = {(one["expected"], one["found"]) for one in told["items"][0]["differences"]}
        assert ("Adda", "A1") in found
        path = "/flows/simple/tests/a%20client"
        assert (await ask(w, "POST", f"{path}/expect", {"text": other}))[0] == 200
        _, told = await ask(w, "POST", "/flows/simple/tests/run", {"text": other})
        assert told["items"][0]["differences"] == []
        status, told = await ask(w, "GET", "/flows/simple/tests/file")
        assert "name: a client" in told["text"]
        status, told = await ask(w, "POST", "/flows/simple/tests/run", {"text": "flow: x"})
        assert (status, bool(told["fields"])) == (422, True)
        assert (await ask(w, "DELETE", path))[0] == 200
        assert (await ask(w, "DELETE", path))[0] == 404
        assert (await ask(w, "POST", f"{path}/expect", {}))[0] == 404
        assert (await ask(w, "GET", "/flows/nobody/tests"))[0] == 404


@story
async def test_the_document_tells_of_every_route(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        _, document = await ask(w, "GET", "/openapi.json")
        paths = {path.removeprefix("/api/v1") for path in document["paths"]}
        assert paths >= {
            "/drafts", "/drafts/{flow}", "/flows/{key}/sample", "/flows/{key}/tests",
            "/flows/{key}/tests/run", "/flows/{key}/tests/file", "/flows/{key}/tests/{test}",
            "/flows/{key}/tests/{test}/expect",
        }  # fmt: skip
