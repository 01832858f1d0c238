"""Every route of the API, as its own document lists them, asked by those who may not.

Who has no token, or a wrong one, is refused. Who serves another tenant of the same database finds
nothing of the first one, changes nothing of it, and cannot tell its ids from ids that never were.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.codec import decode, encode
from connector.model import Answer, HttpRequest
from connector.runtime import Runtime, Tuning
from connector.web.app import make_app
from connector.web.pages import make_site
from tests.chaos.pages import let_in
from tests.runtime.kit import CLIENTS, FATTURE, FIC, HUB, World, client, flow, story, world

PREFIX = "/api/v1"
NAME = "Fabbrica Segreta"
KEY = base64.b64encode(b"no secret at all, but it has 32b").decode()
STRANGE = 987_654
"""An id, and part of a key, that nothing has."""
RIGHT = "a token of sixteen and more"
WRONG: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "another": [("authorization", "Bearer not-the-token-of-anybody")],
    "empty": [("authorization", "Bearer ")],
    "a part": [("authorization", f"Bearer {RIGHT[:-1]}")],
    "another case": [("authorization", f"Bearer {RIGHT.upper()}")],
    "another scheme": [("authorization", f"Basic {RIGHT}")],
    "in a cookie": [("cookie", f"token={RIGHT}")],
    "in another header": [("x-api-key", RIGHT)],
}
BODIES: dict[str, Any] = {
    "/connections": {"app": FATTURE, "name": "fatture", "token": "x", "settings": {"address": FIC}},
    "/connections/start": {"app": FATTURE, "name": "fatture", "settings": {"address": FIC}},
    "/flows": {"text": CLIENTS},
    "/flows/check": {"text": CLIENTS},
    "/parked/{key}": {"choice": "drop"},
    "/drafts": {"text": CLIENTS},
    "/drafts/{flow}": {"text": CLIENTS, "version": 1},
    "/flows/{key}/sample": {"record": {"id": 1}},
    "/flows/{key}/tests/run": {},
    "/flows/{key}/tests/{test}": {},
    "/flows/{key}/tests/{test}/expect": {},
}
QUERIES = {("DELETE", "/drafts/{flow}"): "?version=1"}
SHARED = ("/apps", "/nodes", "/nodes/{name}", "/nodes/{name}/fields", "/nodes/{name}/form")
"""They tell of the installation, not of a tenant."""


async def ask(w: World, method: Any, path: str, headers: Any = (), body: Any = None) -> Answer:
    data = b"" if body is None else encode(body)
    kind = [("content-type", "application/json")] if body is not None else []
    sent = HttpRequest(method=method, url=HUB + path, headers=(*headers, *kind), body=data)
    return await w.outside.send(sent)


async def own(w: World, method: str, path: str, body: Any = None) -> Answer:
    return await ask(w, method, path, [("authorization", f"Bearer {RIGHT}")], body)


async def routes(w: World) -> list[tuple[str, str]]:
    """Every method and path, from the document that the API gives of itself."""
    document = decode((await own(w, "GET", f"{PREFIX}/openapi.json")).body)
    return [
        (method.upper(), path.removeprefix(PREFIX))
        for path, operations in document["paths"].items()
        for method in operations
    ]


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How a world is told where to keep what it stores."""
    if request.param == "sqlite":
        return {}
    url = request.getfixturevalue("postgres_url")
    # Time passes when nobody waits for a socket, and who listens waits for ever.
    return {"settings": {"database": url, "key": SecretStr(KEY)}, "tuning": Tuning(listen=False)}


@contextlib.asynccontextmanager
async def filled(
    tmp_path: Path, kept: Mapping[str, Any]
) -> AsyncIterator[tuple[World, dict[str, Any]]]:
    """A tenant that has one of everything, and the values for the places in paths."""
    async with world(tmp_path, **kept) as w:
        await w.follow(CLIENTS, flow("simple"))
        w.person.create("clients", client(NAME))
        await w.quiet()
        runs = await w.runs()
        # It waits for a person now, so that there is something to decide.
        key = (await w.run())["effects"][0]["key"]
        await w.runtime._database.write(
            ("UPDATE effect SET state = 'parked'", ()), ("UPDATE run SET state = 'parked'", ())
        )
        consent = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        places = {
            "run_id": runs[0]["id"],
            "event_id": (await w.events())[-1]["id"],
            "key": key,
            "flow": "simple",
            "version": 1,
            "name": "perfex_crm.create_customer",
            "state": consent["state"],
            "test": "new client",
        }
        workshop, text = w.runtime.workshop, flow("simple")
        await workshop.drafts.save("simple", f"{text}# {NAME}", 0, 1, who="anna")
        record = {"record": {"name": NAME}}
        await workshop.kept.pin("simple", record, who="anna")
        await workshop.kept.save("simple", text, "new client", record, who="anna")
        yield w, places


def filled_in(path: str, places: dict[str, Any]) -> str:
    if path.startswith("/flows/"):
        path = path.replace("{key}", str(places["flow"]))
    for name, value in places.items():
        path = path.replace("{" + name + "}", str(value))
    assert "{" not in path, f"this test knows no value for {path}"
    return PREFIX + path


@contextlib.asynccontextmanager
async def served_to_another(w: World) -> AsyncIterator[Runtime]:
    """HUB is answered by a process that serves another tenant of the same database."""
    other = await w.another_process(tenant="another")
    mine = w.hub.app
    w.hub.app = make_app(other, w.settings)
    try:
        yield other
    finally:
        w.hub.app = mine
        await other.__aexit__(None, None, None)


async def everything(w: World) -> dict[str, list[Any]]:
    """Every row of every table that names a tenant, but those of the other one."""
    ask_for = w.runtime._database.all
    if w.settings.database.startswith("sqlite"):
        of_tables = (
            "SELECT known.name FROM sqlite_master AS known, pragma_table_info(known.name) AS one"
            " WHERE known.type = 'table' AND one.name = 'tenant'"
        )
    else:
        of_tables = "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant'"
    # When a tenant is looked after next changes by itself.
    tables = sorted({one for (one,) in await ask_for(of_tables)} - {"duty"})
    assert len(tables) > 15
    return {
        table: sorted(await ask_for(f"SELECT * FROM {table} WHERE tenant != 'another'"), key=repr)
        for table in tables
    }


@story
async def test_every_route_refuses_who_has_no_token_or_a_wrong_one(
    tmp_path: Path, kept: dict[str, Any]
) -> None:
    async with filled(tmp_path, kept) as (w, places):
        known = await routes(w)
        before = await everything(w)
        asked = 0
        paths = sorted({path for _, path in known} | {"/openapi.json", "/", "/nothing", "/runs/"})
        for path in paths:
            url = filled_in(path, places)
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                for what, headers in WRONG.items():
                    body = BODIES.get(path) if method in ("POST", "PUT", "PATCH") else None
                    answer = await ask(w, method, url, headers, body)
                    asked += 1
                    assert answer.status == 401, f"{method} {path}, token: {what}"
                    assert NAME.encode() not in answer.body
            assert (await ask(w, "GET", f"{url}?token={RIGHT}&access_token={RIGHT}")).status == 401
        print(f"{len(known)} routes, {asked} requests")
        assert len(known) >= 20
        assert await everything(w) == before


@story
async def test_nothing_else_is_served(tmp_path: Path, kept: dict[str, Any]) -> None:
    async with filled(tmp_path, kept) as (w, _):
        for path in ("/", "/docs", "/redoc", "/openapi.json", "/api", "/metrics", "/connector.db"):
            answer = await ask(w, "GET", path)
            # A page is shown to whoever is logged in; to everybody else it looks like any other.
            assert answer.status in (401, 404), path
            assert NAME.encode() not in answer.body
        for path in ("/healthz", "/readyz"):
            assert NAME.encode() not in (await ask(w, "GET", path)).body


@story
async def test_another_tenant_finds_nothing_by_any_route_and_changes_nothing(
    tmp_path: Path, kept: dict[str, Any]
) -> None:
    async with filled(tmp_path, kept) as (w, places):
        known = await routes(w)
        before = await everything(w)
        unknown = {**places, "run_id": STRANGE, "event_id": STRANGE, "key": "k" * 64, "flow": "no"}
        async with served_to_another(w):
            for method, path in known:
                more = QUERIES.get((method, path), "")
                body = None if method in ("GET", "DELETE") else BODIES.get(path)
                answer = await own(w, method, filled_in(path, places) + more, body)
                assert NAME.encode() not in answer.body, path
                if path in SHARED:
                    continue
                if "{" in path:
                    strange = await own(w, method, filled_in(path, unknown) + more, body)
                    assert answer.status == strange.status >= 400, f"{method} {path}"
                    assert same(answer, places) == same(strange, unknown), f"{method} {path}"
                elif method == "GET":
                    told = decode(answer.body)
                    assert not told.get("items"), f"{path}: {told}"
            back = await ask(w, "GET", f"/oauth/callback?state={places['state']}&code=c")
            assert back.status >= 400
        assert await everything(w) == before


PLACES = {"run:int": "run_id", "event:int": "event_id", "draft": "flow", "secret": "state"}
"""Which of the values of paths a page means by a name of its own."""
APART = ("/play", "/play/do", "/logout", "/login", "/login/{secret}", "/language/{language}")
"""They start programs of their own, or are of whoever asks; nobody's things are shown there."""


def page_at(template: str, places: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name == "key" and template.startswith("/flows"):
            name = "flow"
        return str(places[PLACES.get(name, name)])

    return re.sub(r"\{([^}]+)\}", value, template)


@story
async def test_another_tenant_finds_nothing_on_any_page_and_changes_nothing(
    tmp_path: Path, kept: dict[str, Any]
) -> None:
    async with filled(tmp_path, kept) as (w, places):
        mine = await let_in(w, w.runtime)
        places["id"] = (await w.connection("fatture")).id
        unknown = {**places, "run_id": STRANGE, "event_id": STRANGE, "key": "k" * 64, "flow": "no"}
        unknown["id"] = "con_none"
        before = await everything(w)
        form = {
            "text": flow("simple"), "flow": "simple", "key": "simple", "draft": "simple",
            "stored": "simple", "name": "new client", "version": "1", "on": "yes", "run": "1",
            "choice": "drop", "step": "0", "app": FATTURE, "connection": "fatture", "token": "x",
            "sample": {"record": {}}, "account": "108061", "person": "anna",
        }  # fmt: skip
        shown = asked = 0
        async with served_to_another(w) as other:
            stranger = await let_in(w, other)
            for (method, template), role in make_site(other, w.settings).roles.items():
                if template in APART or role is None:
                    continue
                told = []
                for known in (places, unknown):
                    path = page_at(template, known)
                    sent = stranger.get(path) if method == "GET" else stranger.form(path, form)
                    answer = await sent
                    assert NAME.encode() not in answer.body, f"{method} {path}"
                    told.append(answer.status)
                asked += 1
                assert len(set(told)) == 1, f"{method} {template}: {told}"
                if "{" in template and method == "GET":
                    # The list of a draft's tests is empty for a flow that is not stored yet, too.
                    assert told[0] == (200 if template.endswith("/tests") else 404), template
        assert await everything(w) == before
        # The same pages show it to whom it belongs, so that there was something to find.
        for template in ("/runs/{run:int}", "/inbox/{event:int}", "/parked/{key}", "/flows/{key}"):
            shown += NAME.encode() in (await mine.get(page_at(template, places))).body
        assert shown >= 2
        print(f"{asked} pages and forms")
        assert asked >= 50


def same(answer: Answer, places: dict[str, Any]) -> bytes:
    """An answer but for the id that was asked for."""
    body = answer.body
    for value in sorted((str(one) for one in places.values()), key=len, reverse=True):
        body = body.replace(value.encode(), b"*") if len(value) > 3 else body
    return body


@story
async def test_the_consent_that_another_tenant_tried_to_finish_is_still_good(
    tmp_path: Path, kept: dict[str, Any]
) -> None:
    async with world(tmp_path, **kept) as w:
        begun = await w.runtime.start_connect(FATTURE, "second", {"address": FIC})
        page = await w.browse(begun["authorize_url"])
        back = page.header("location")
        async with served_to_another(w):
            assert (await w.browse(back)).status >= 400
        assert (await w.browse(back)).status == 200
        assert (await w.connection("second")).status == "active"


@story
async def test_a_hook_of_nobody_and_a_malformed_one_look_alike(
    tmp_path: Path, kept: dict[str, Any]
) -> None:
    async with filled(tmp_path, kept) as (w, _):
        ids = ("A" * 22, "x", "hook", "%00", "x/y", "a" * 500)
        told = [await ask(w, "POST", f"/hooks/{one}", body={"data": {"ids": [1]}}) for one in ids]
        assert {(one.status, one.body) for one in told} == {(404, told[0].body)}
