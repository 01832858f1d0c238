"""Canary secrets: whatever passes through us is found nowhere that it was not sealed into.

The vendors of this test are telltales: in spells they repeat all they were sent, in plain text,
base64 and URL-encoded, as an error, as broken JSON or as a successful answer.
"""

from __future__ import annotations

import base64
import io
import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from pydantic import SecretStr

from connector.codec import decode, encode_text
from connector.errors import ConnectorError
from connector.redaction import Scrubber
from connector.runtime import Tuning
from connector.sandbox.fic.signing import Signer
from connector.sandbox.fic.webhooks import CHALLENGE
from connector.web.app import make_app
from tests.chaos.pages import all_pages, let_in
from tests.cli.kit import connector
from tests.runtime.kit import (
    CLIENTS,
    FATTURE,
    FIC,
    HUB,
    PERFEX,
    World,
    client,
    flow,
    long_story,
    world,
)
from tests.runtime.test_hooks import notice, post, signed

SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
SPELLS = int(os.environ.get("CONNECTOR_CHAOS_SPELLS", "6"))
FEWEST = 40
SHORTEST = 12
API_TOKEN = "canary-api-token-5f1e77aa90"
KEY = base64.b64encode(Random("key").randbytes(32)).decode()
INVOICE = """\
  - id: create
    node: fatture_in_cloud.create_issued_document
    connection: fatture
    map:
      company_id: 108061
      data.type: invoice
      data.subject: "Copy {{ trigger.id }}"
      data.entity.name: "Fornitore"
"""


class Canaries:
    """Every secret that was seen to pass, by what it is."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def add(self, what: str, value: object) -> None:
        # Prefixes such as `a/` are spelled differently in URLs; the rest is the same in all.
        core = str(value).rpartition("/")[2]
        if len(core) >= SHORTEST:
            self.known.setdefault(core, what)

    def found_in(self, place: str, content: bytes) -> list[str]:
        """Each canary that stands there, in any of its spellings."""
        return [
            f"{what} in {place}"
            for core, what in self.known.items()
            if any(form in content for form in spellings(core.encode()))
        ]


def spellings(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield quote(secret, safe="").encode()
    yield secret.hex().encode()
    for before in range(3):
        # Inside a longer text its ends depend on what stands beside it.
        first, last = (0, 2, 3)[before], -1 if (before + len(secret)) % 3 else None
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            yield encoded(bytes(before) + secret).rstrip(b"=")[first:last]


class Telltale:
    """A vendor's server that notes every secret, and in a spell repeats all it was sent."""

    def __init__(self, app: Any, canaries: Canaries, draw: Random) -> None:
        self.app = app
        self.canaries = canaries
        self.draw = draw
        self.telling = 0
        self.told = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self._note(headers, body)
        page = scope["path"].startswith("/oauth/authorize")
        invoice = scope["method"] == "POST" and scope["path"].endswith("/issued_documents")
        if (self.telling or invoice) and not page:
            self.telling -= self.telling > 0
            self.told += 1
            # Whether an invoice was issued is never clear here: it ends as parked.
            await self._tell(scope, body, send, unclear=invoice)
            return
        answer = bytearray()

        async def again() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def listen(message: Any) -> None:
            answer.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, again, listen)
        self._note_pairs("answer", _values(bytes(answer)))

    def _note(self, headers: Mapping[str, str], body: bytes) -> None:
        for name in ("authorization", "authtoken"):
            if name in headers:
                self.canaries.add(f"{name} sent", headers[name].rpartition(" ")[2])
        self._note_pairs("request", _values(body))

    def _note_pairs(self, where: str, values: Mapping[str, Any]) -> None:
        for name in ("access_token", "refresh_token", "client_secret", "code", "code_verifier"):
            if values.get(name):
                self.canaries.add(f"{name} of a {where}", values[name])

    async def _tell(self, scope: Any, body: bytes, send: Any, *, unclear: bool) -> None:
        sent = b"\n".join(b"%b: %b" % pair for pair in scope["headers"]) + b"\n" + body
        said = " | ".join(
            (sent.decode(), base64.b64encode(sent).decode(), quote(sent.decode(), safe=""))
        )
        answers = (
            (400, encode_text({"error": {"message": said, "code": said}})),
            (
                422,
                encode_text({"error": {"message": said, "validation_result": {said: [said]}}}),
            ),
            (400, encode_text({"error": "server_error", "error_description": said})),
            (422, encode_text({"status": False, "message": said, "error": {"company": said}})),
            (500, said),
            (503, said),
            (302, said),
            (200, said),
            (200, encode_text({"data": {"name": said, "id": said}})),
            (429, encode_text({"error": {"message": said}})),
        )
        fitting = [one for one in answers if not unclear or one in ((500, said), (200, said))]
        status, text = self.draw.choice(fitting)
        kind = [(b"content-type", b"application/json"), (b"x-told", said.encode()[:2000])]
        heads = [(name, value.replace(b"\n", b" ")) for name, value in kind]
        await send({"type": "http.response.start", "status": status, "headers": heads})
        await send({"type": "http.response.body", "body": text.encode()})


def _values(body: bytes) -> dict[str, Any]:
    try:
        found = decode(body)
    except ValueError:
        found = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
    return found if isinstance(found, dict) else {}


class Collected:
    """All that we say: logs, errors, answers, what commands print."""

    def __init__(self) -> None:
        self.parts: dict[str, list[str]] = {}

    def add(self, place: str, text: object) -> None:
        self.parts.setdefault(place, []).append(str(text))

    def error(self, error: BaseException) -> None:
        self.add("an error", f"{error} {error!r} {error.args}")
        self.add("a traceback", "".join(traceback.format_exception(error)))
        if isinstance(error, ConnectorError):
            self.add("an error as data", encode_text(error.as_data()))


@dataclass(frozen=True)
class Place:
    """Where an installation keeps what it stores."""

    folder: Path
    url: str = ""
    """Of a PostgreSQL database; empty for a file of SQLite in the folder."""

    @property
    def settings(self) -> dict[str, Any]:
        """What an installation there is told."""
        return {"database": self.url, "key": SecretStr(KEY)} if self.url else {}

    def tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the variables for commands."""
        monkeypatch.setenv(
            "CONNECTOR_DATABASE", self.url or f"sqlite:///{self.folder / 'connector.db'}"
        )
        if self.url:
            monkeypatch.setenv("CONNECTOR_KEY", KEY)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Every file, and every row of every table, each by its name."""
        for file in sorted(self.folder.rglob("*")):
            if file.is_file() and file.suffix != ".key":
                yield file.name, file.read_bytes()
        if self.url:
            yield from dumped(self.url)


def dumped(url: str) -> Iterator[tuple[str, bytes]]:
    """Every table of a PostgreSQL database as text, and those of binary columns as they are."""
    import psycopg

    with psycopg.connect(url) as reader:
        tables = reader.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert len(tables) > 8
        for schema, table in tables:
            rows = reader.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()
            cells = (cell for row in rows for cell in row)
            yield (
                f"table {table}",
                b"\n".join(c if isinstance(c, bytes) else str(c).encode() for c in cells),
            )
            with reader.cursor().copy(f'COPY "{schema}"."{table}" TO STDOUT') as copy:
                yield f"table {table}, as text", b"".join(bytes(part) for part in copy)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path)
    # Hours pass here, and what is due may wait: each look for work is four questions.
    monkeypatch.setattr("connector.engine.sharing.LOOK_SECONDS", 20.0)
    return Place(tmp_path, request.getfixturevalue("postgres_url"))


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Everything that anybody logs, at DEBUG."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def test_no_secret_is_found_in_the_database_the_logs_the_answers_or_the_errors(
    place: Place, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    canaries, said, found = search(place, logs, monkeypatch, SPELLS)
    print(f"seed {SEED}: {len(canaries.known)} canaries; characters searched: {sizes(said)}")
    assert len(canaries.known) >= FEWEST
    assert "parked" in said.parts["parked writes"][0]
    assert len(said.parts["connector run-show"]) > SPELLS
    assert found == []


def test_the_same_search_finds_canaries_where_answers_are_not_scrubbed(
    place: Place, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scrubber, "answer", lambda self, answer: answer)
    _, _, found = search(place, logs, monkeypatch, 2)
    print(f"seed {SEED}, answers not scrubbed: {sorted(set(found))}")
    stored = "in table " if place.url else "in connector.db"
    assert any(stored in one for one in found)


def search(
    place: Place, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch, spells: int
) -> tuple[Canaries, Collected, list[str]]:
    """Push secrets through everything; which there were, what was said, where one was found."""
    said, canaries = Collected(), Canaries()
    pushed(place, said, canaries, spells)
    said.add("the logs at DEBUG", logs.getvalue())
    place.tell(monkeypatch)
    for command in ("connections", "events", "runs", "parked", "flow list"):
        for form in ("--json", ""):
            told = connector(*command.split(), *form.split())
            assert told.code == 0, told
            said.add(f"connector {command}", told.out + told.err)
    for number in range(1, 200):
        told = connector("run-show", str(number), "--json")
        if told.code:
            break
        said.add("connector run-show", told.out + told.err)
    found = [
        one
        for place, texts in said.parts.items()
        for one in canaries.found_in(place, "\n".join(texts).encode())
    ]
    for name, content in place.contents():
        found += canaries.found_in(name, content)
    return canaries, said, found


def sizes(said: Collected) -> str:
    return ", ".join(f"{place} {sum(map(len, texts))}" for place, texts in said.parts.items())


@long_story
async def pushed(place: Place, said: Collected, canaries: Canaries, spells: int) -> None:
    """Connect, refresh, fail and run, again and again, with vendors that tell."""
    draw = Random(SEED)
    # Time passes when nobody waits for a socket, and who listens waits for ever.
    tuning = Tuning(listen=False)
    async with world(place.folder, connected=False, settings=place.settings, tuning=tuning) as w:
        w.settings = w.settings.model_copy(update={"api_token": SecretStr(API_TOKEN)})
        w.hub.app = make_app(w.runtime, w.settings)
        fic = w.fic.app = Telltale(w.fic.app, canaries, draw)
        perfex = w.perfex.app = Telltale(w.perfex.app, canaries, draw)
        canaries.add("our API token", API_TOKEN)
        canaries.add("our client secret", w.sandbox.fic.app.client_secret)
        key = KEY if place.url else (place.folder / "connector.key").read_text().strip()
        canaries.add("the key", key)
        listen(w, canaries)
        await w.consent()
        await w.connect_perfex()
        paper = flow("copy", resource="entities.suppliers", types="[create]", steps=INVOICE)
        await w.follow(CLIENTS, paper)
        await w.quiet()
        for spell in range(spells):
            await one_spell(w, spell, fic, perfex, said, canaries)
        await look(w, said)
        if not place.url:
            keep_copies(place.folder)
        assert fic.told + perfex.told > spells * 3


def listen(w: World, canaries: Canaries) -> None:
    """Note what the vendor sends to us: tokens of webhooks, challenges, codes of consents."""

    async def note(call: Any) -> None:
        canaries.add("a webhook's token", call.headers.get("authorization", "").rpartition(" ")[2])
        canaries.add("a challenge", call.headers.get(CHALLENGE, ""))
        for name, values in parse_qs(call.query).items():
            if name == "code":
                canaries.add("a consent's code", values[0])

    w.hub.before = note


async def one_spell(
    w: World, spell: int, fic: Telltale, perfex: Telltale, said: Collected, canaries: Canaries
) -> None:
    await forged(w, spell, said, canaries)
    for host, app, address in ((fic, FATTURE, FIC), (perfex, "perfex_crm", PERFEX)):
        token = f"canary-token-{app}-{spell}-{Random(spell).randbytes(9).hex()}"
        canaries.add("a token that was refused", token)
        host.telling = spell % 3
        try:
            await w.runtime.connect_with_token(app, "another", token, {"address": address})
        except ConnectorError as error:
            said.error(error)
        host.telling = 1
        asked = {"app": app, "name": "more", "token": token, "settings": {"address": address}}
        said.add("the API", await told(w, "POST", "/api/v1/connections", asked))
    w.sandbox.fic.tokens.expire_access()
    fic.telling, perfex.telling = 2 + spell % 3, 1 + spell % 4
    w.person.create("clients", client(f"Cliente {spell}", f"IT{spell:011d}"))
    w.person.create("suppliers", {"name": f"Fornitore {spell}"})
    await w.quiet(within=10**7)
    fic.telling = 1
    try:
        begun = await w.runtime.start_connect(FATTURE, f"again {spell}", {"address": FIC})
        answer = await w.browse((await w.browse(begun["authorize_url"])).header("location"))
        said.add("the page of the consent", answer.body.decode())
    except ConnectorError as error:
        said.error(error)
    fic.telling = perfex.telling = 0
    if (await w.connection()).status != "active":
        await w.consent()
        await w.quiet(within=10**7)


async def forged(w: World, spell: int, said: Collected, canaries: Canaries) -> None:
    """A token signed by a stranger, and a challenge that nobody asked for."""
    request = signed(w, notice(w, ids=(spell + 1,)), signer=Signer(None, Random(spell), FIC))
    assert await post(w, request) in (401, 503)
    secret = Random(f"challenge {spell}").randbytes(16).hex()
    canaries.add("a challenge of a stranger", secret)
    hook = urlsplit(w.subscriptions[0].sink).path
    said.add("a hook", await told(w, "GET", f"{hook}?{CHALLENGE}={secret}", token=secret))
    said.add("the API", await told(w, "GET", "/api/v1/runs", token=secret))


async def told(w: World, method: Any, path: str, body: Any = None, token: str = API_TOKEN) -> str:
    headers = [("authorization", f"Bearer {token}"), ("host", "hub.example")]
    answer = await w.call(method, HUB + path, body, headers)
    return f"{answer.status} {answer.headers} {answer.body.decode()}"


async def look(w: World, said: Collected) -> None:
    """All that can be asked of the API and of the runtime, and all pages."""
    for path in ("apps", "nodes", "connections", "flows", "events?limit=200", "runs?limit=200"):
        said.add("the API", await told(w, "GET", f"/api/v1/{path}"))
    for run in await w.runs():
        said.add("the API", await told(w, "GET", f"/api/v1/runs/{run['id']}"))
    for event in await w.events():
        said.add("the API", await told(w, "GET", f"/api/v1/events/{event['id']}"))
    person, shown = await let_in(w, w.runtime), 0
    for path in await all_pages(w):
        answer = await person.get(path)
        said.add("the pages", f"{answer.headers}\n{answer.body.decode()}")
        shown += answer.status == 200
    assert shown > 20
    said.add("parked writes", encode_text(await w.runtime.list_parked()))
    said.add("the settings", repr(w.settings) + w.settings.model_dump_json())
    said.add("the connections", repr(await w.runtime.list_connections()))


def keep_copies(folder: Path) -> None:
    """The database with its side file, which SQLite tidies away at the end."""
    for name in ("connector.db", "connector.db-wal"):
        copy = folder / f"{name}.while-open"
        copy.write_bytes((folder / name).read_bytes())
