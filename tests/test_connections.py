"""connector.connections: sealed secrets, consent, one refresh for all, addresses."""

from __future__ import annotations

import asyncio
import os
import random
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from connector.apps import fatture_in_cloud, perfex_crm
from connector.codec import encode
from connector.connections import (
    Keyring,
    Tokens,
    Vault,
    authorize_url,
    base_url_of,
    begin_consent,
    exchange_code,
    load_keys,
    open_vault,
    refresh_tokens,
    take_consent,
)
from connector.connections.oauth import CONSENT_SECONDS, pkce_challenge
from connector.errors import (
    NotConnected,
    NotSent,
    Refused,
    StoreError,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.http import HttpClient, asgi_client
from connector.store import open_database
from connector.store.rows import ConnectionRow

FIC = fatture_in_cloud.build()
PERFEX = perfex_crm.build()
BASE = "https://fic.example"
NOW = 1_772_600_000.0
KEY = bytes(range(32))
OUR_SECRET = SecretStr("s3cret-of-ours")
PLACE = {"tenant": "main", "connection": "c1", "field": "tokens"}


@dataclass
class Client:
    client_id: str = "CID"
    client_secret: SecretStr = OUR_SECRET


# --- the vault ----------------------------------------------------------------------------------


def test_what_is_sealed_opens_in_its_place() -> None:
    vault = Vault([KEY])
    sealed = vault.seal(b"a/token", **PLACE)
    assert b"a/token" not in sealed
    assert vault.open(sealed, **PLACE) == b"a/token"
    assert sealed != vault.seal(b"a/token", **PLACE)


@pytest.mark.parametrize("name", ["tenant", "connection", "field"])
def test_a_ciphertext_copied_to_another_place_does_not_open(name: str) -> None:
    vault = Vault([KEY])
    sealed = vault.seal(b"x", **PLACE)
    with pytest.raises(StoreError):
        vault.open(sealed, **{**PLACE, name: "other"})


def test_places_are_not_confused_by_their_spelling() -> None:
    vault = Vault([KEY])
    sealed = vault.seal(b"x", tenant="a", connection="b,c", field="d")
    with pytest.raises(StoreError):
        vault.open(sealed, tenant="a,b", connection="c", field="d")


@pytest.mark.parametrize("position", [0, 1, 8, 9, 20, 21, -1])
def test_a_changed_ciphertext_does_not_open(position: int) -> None:
    vault = Vault([KEY])
    sealed = bytearray(vault.seal(b"secret", **PLACE))
    sealed[position] ^= 1
    with pytest.raises(StoreError):
        vault.open(bytes(sealed), **PLACE)


@pytest.mark.parametrize("length", [0, 1, 9, 21, 36])
def test_a_cut_ciphertext_does_not_open(length: int) -> None:
    vault = Vault([KEY])
    with pytest.raises(StoreError):
        vault.open(vault.seal(b"secret", **PLACE)[:length], **PLACE)


def test_an_older_key_still_opens_and_the_first_one_seals() -> None:
    old, new = Vault([KEY]), Vault([bytes(32), KEY])
    assert new.open(old.seal(b"x", **PLACE), **PLACE) == b"x"
    with pytest.raises(StoreError):
        old.open(new.seal(b"x", **PLACE), **PLACE)


def test_keys_do_not_show() -> None:
    vault = Vault([KEY])
    assert KEY.hex() not in repr(vault)
    assert repr(KEY) not in repr(vault)


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, KEY[:-1]]])
def test_a_key_has_32_bytes(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys)


def test_derived_keys_differ_by_purpose_and_key() -> None:
    found = {
        Vault([KEY]).derive("a"),
        Vault([KEY]).derive("b"),
        Vault([bytes(32)]).derive("a"),
        KEY,
    }
    assert len(found) == 4
    assert Vault([KEY]).derive("a") == Vault([KEY]).derive("a")


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        b64encode(KEY).decode(),
        urlsafe_b64encode(b"\xff" * 31 + b"\xfe").decode(),
        b64encode(KEY).decode().rstrip("=") + "\n",
    ],
)
def test_a_key_is_read_in_either_spelling(text: str) -> None:
    assert len(load_keys(SecretStr(text), None, may_create=False)[0]) == 32


@pytest.mark.parametrize("text", ["password", "a" * 63, "!" * 44, b64encode(b"x" * 16).decode()])
def test_a_text_that_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(StoreError) as caught:
        load_keys(SecretStr(text), None, may_create=True)
    assert text not in str(caught.value)


def test_a_first_start_makes_a_private_key_file(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    vault, canary = open_vault(key=None, key_file=path, canary=None, has_secrets=False)
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = vault.seal(b"x", **PLACE)
    again, same = open_vault(key=None, key_file=path, canary=canary, has_secrets=True)
    assert same == canary
    assert again.open(sealed, **PLACE) == b"x"


@pytest.mark.parametrize(("canary", "has_secrets"), [(True, False), (False, True), (True, True)])
def test_no_new_key_is_made_where_something_was_sealed(
    tmp_path: Path, canary: bool, has_secrets: bool
) -> None:
    path = tmp_path / "connector.key"
    known = Vault([KEY]).canary() if canary else None
    with pytest.raises(StoreError, match="missing"):
        open_vault(key=None, key_file=path, canary=known, has_secrets=has_secrets)
    assert not path.exists()


def test_another_key_than_the_canarys_refuses_to_start() -> None:
    canary = Vault([KEY]).canary()
    with pytest.raises(StoreError, match="does not fit"):
        open_vault(key=SecretStr("00" * 32), key_file=None, canary=canary, has_secrets=True)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    path.write_text(KEY.hex())
    path.chmod(0o640)
    with pytest.raises(StoreError, match="read by others"):
        load_keys(None, path, may_create=False)
    path.chmod(0o600)
    assert load_keys(None, path, may_create=False) == [KEY]


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_key_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(KEY.hex())
    real.chmod(0o600)
    link = tmp_path / "connector.key"
    link.symlink_to(real)
    with pytest.raises(StoreError):
        load_keys(None, link, may_create=True)


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made"):
        load_keys(None, tmp_path / "no" / "connector.key", may_create=True)


def test_without_any_key_there_is_no_vault() -> None:
    with pytest.raises(StoreError, match="no key"):
        open_vault(key=None, key_file=None, canary=None, has_secrets=False)


# --- tokens -------------------------------------------------------------------------------------


def test_tokens_do_not_show() -> None:
    tokens = Tokens(access_token=SecretStr("a/1"), refresh_token=SecretStr("r/1"))
    shown = f"{tokens!r} {tokens} {tokens.model_dump_json()}"
    assert "a/1" not in shown
    assert "r/1" not in shown


@pytest.mark.parametrize(
    "tokens",
    [
        Tokens(access_token=SecretStr("a")),
        Tokens(
            access_token=SecretStr("a/è"),
            refresh_token=SecretStr("r"),
            issued_at=1.5,
            expires_at=2.25,
            refreshing=True,
        ),
    ],
)
def test_tokens_are_packed_and_unpacked(tokens: Tokens) -> None:
    assert Tokens.unpack(tokens.pack()) == tokens


# --- consent ------------------------------------------------------------------------------------


class Consents:
    def __init__(self) -> None:
        self.kept: dict[str, tuple[Any, float]] = {}

    async def start_consent(self, state: str, request: Any, expires_at: float) -> None:
        self.kept[state] = (request, expires_at)

    async def take_consent(self, state: str, now: float) -> Any:
        request, expires_at = self.kept.pop(state, (None, 0))
        return request if expires_at >= now else None


def test_the_consent_address_says_what_is_asked() -> None:
    url = authorize_url(
        FIC,
        client_id="C ID",
        redirect_uri="http://localhost:8420/oauth/callback",
        scopes=("entity.clients:r", "settings:r"),
        state="st&te",
        base_url=BASE + "/",
        verifier="v" * 43,
    )
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{BASE}/oauth/authorize"
    assert dict(parse_qsl(parts.query)) == {
        "response_type": "code",
        "client_id": "C ID",
        "redirect_uri": "http://localhost:8420/oauth/callback",
        "scope": "entity.clients:r settings:r",
        "state": "st&te",
        "code_challenge": pkce_challenge("v" * 43),
        "code_challenge_method": "S256",
    }


def test_the_pkce_challenge_is_that_of_the_standard() -> None:
    """The example of RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert pkce_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_a_state_works_once_and_not_for_long() -> None:
    rows = Consents()
    given: dict[str, Any] = {
        "base_url": BASE,
        "redirect_uri": "http://localhost/cb",
        "scopes": ["a:r"],
        "request": {"name": "Acme"},
        "now": NOW,
    }
    consent = await begin_consent(rows, FIC, Client(), **given)
    other = await begin_consent(rows, FIC, Client(), pkce=True, **given)
    assert consent.state != other.state
    assert len(consent.state) >= 32
    assert f"state={consent.state}" in consent.url
    kept = await take_consent(rows, consent.state, NOW + CONSENT_SECONDS)
    assert kept["request"] == {"name": "Acme"}
    assert (kept["app"], kept["base_url"], kept["verifier"]) == ("fatture_in_cloud", BASE, None)
    with pytest.raises(NotConnected):
        await take_consent(rows, consent.state, NOW)
    with pytest.raises(NotConnected):
        await take_consent(rows, other.state, NOW + CONSENT_SECONDS + 1)


def test_an_app_with_tokens_has_no_consent_page() -> None:
    with pytest.raises(NotConnected):
        authorize_url(PERFEX, client_id="", redirect_uri="", scopes=(), state="", base_url=BASE)


# --- the token endpoint -------------------------------------------------------------------------


@dataclass
class TokenServer:
    """An OAuth server that rotates refresh tokens and takes a reused one as theft."""

    refresh: str = "r/1"
    count: int = 1
    asked: list[dict[str, str]] = field(default_factory=list)
    answer: tuple[int, Any] | None = None
    apply_then_break: bool = False
    gate: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert scope["path"] == "/oauth/token"
        form = {name: values[0] for name, values in parse_qs(message["body"].decode()).items()}
        self.asked.append(form)
        for _ in range(10):
            # A real server takes its time, in which others come along.
            await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        status, body = self.answer or self._judge(form)
        if self.apply_then_break:
            raise ConnectionResetError
        await send({"type": "http.response.start", "status": status, "headers": []})
        raw = body if isinstance(body, bytes) else encode(body)
        await send({"type": "http.response.body", "body": raw})

    def _judge(self, form: dict[str, str]) -> tuple[int, Any]:
        if form["client_secret"] != "s3cret-of-ours":
            return 401, {"error": "invalid_client"}
        good = form.get("refresh_token") == self.refresh or form.get("code") == "c/1"
        if not good:
            return 400, {"error": "invalid_grant", "error_description": "used or unknown"}
        self.count += 1
        self.refresh = f"r/{self.count}"
        return 200, {
            "token_type": "bearer",
            "access_token": f"a/{self.count}",
            "refresh_token": self.refresh,
            "expires_in": 86400,
        }

    def client(self) -> HttpClient:
        return asgi_client({BASE: self})


async def exchange(server: TokenServer, **changes: Any) -> Tokens:
    given = {"base_url": BASE, "redirect_uri": "http://localhost/cb", "code": "c/1", "now": NOW}
    return await exchange_code(server.client(), FIC, Client(), **{**given, **changes})


async def test_a_code_becomes_tokens() -> None:
    server = TokenServer()
    tokens = await exchange(server, verifier="v")
    assert server.asked == [
        {
            "grant_type": "authorization_code",
            "client_id": "CID",
            "client_secret": "s3cret-of-ours",
            "redirect_uri": "http://localhost/cb",
            "code": "c/1",
            "code_verifier": "v",
        }
    ]
    assert tokens.access_token.get_secret_value() == "a/2"
    assert tokens.refresh_token == SecretStr("r/2")
    assert (tokens.issued_at, tokens.expires_at) == (NOW, NOW + 86400)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"error": "invalid_grant"}), Unauthorized),
        ((401, {"error": "invalid_client"}), Unauthorized),
        ((400, {"error": "invalid_scope"}), Refused),
        ((429, {"error": {"message": "slow"}}), Throttled),
        ((500, {"error": "server_error"}), Unclear),
        ((502, b"<html>"), Unclear),
        ((302, b""), Unclear),
        ((200, b"<html>"), Unclear),
        ((200, {"token_type": "bearer"}), Unclear),
        ((200, {"access_token": "", "token_type": "bearer"}), Unclear),
        ((200, {"access_token": "a b", "token_type": "bearer"}), Unclear),
        ((200, {"access_token": "a\r\nx: 1", "token_type": "bearer"}), Unclear),
        ((200, {"access_token": 5, "token_type": "bearer"}), Unclear),
        ((200, {"access_token": "a", "token_type": "mac"}), Unclear),
    ],
)
async def test_other_answers_of_the_token_endpoint(
    answer: tuple[int, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        await exchange(TokenServer(answer=answer))
    assert type(caught.value) is kind


async def test_what_we_sent_never_comes_back_in_an_error() -> None:
    words = "bad code c/1 for s3cret-of-ours"
    server = TokenServer(answer=(400, {"error": "invalid_grant", "error_description": words}))
    with pytest.raises(Unauthorized) as caught:
        await exchange(server)
    shown = f"{caught.value} {caught.value.as_data()}"
    assert "s3cret-of-ours" not in shown
    assert "c/1" not in shown


async def test_a_refresh_keeps_the_old_refresh_token_when_none_is_sent() -> None:
    answer = (200, {"access_token": "a/9", "token_type": "Bearer", "expires_in": "60"})
    server = TokenServer(answer=answer)
    old = Tokens(access_token=SecretStr("a/1"), refresh_token=SecretStr("r/1"))
    got = await refresh_tokens(server.client(), FIC, Client(), old, base_url=BASE, now=NOW)
    assert got.refresh_token == SecretStr("r/1")
    assert got.expires_at == NOW + 60


# --- the keyring --------------------------------------------------------------------------------


class Rows:
    """One tenant's connections in memory, with the store's version check."""

    def __init__(self, tenant: str = "main") -> None:
        self.tenant = tenant
        self.rows: dict[str, ConnectionRow] = {}
        self.reads = 0
        self.fail_saving = False

    async def connection(self, id_or_name: str) -> ConnectionRow | None:
        self.reads += 1
        await asyncio.sleep(0)
        row = self.rows.get(id_or_name)
        return replace(row) if row else None

    async def save_secrets(self, connection_id: str, secrets: bytes, version: int) -> bool:
        await asyncio.sleep(0)
        if self.fail_saving:
            raise StoreError("disk full")
        row = self.rows[connection_id]
        if row.version != version:
            return False
        row.secrets, row.version, row.status = secrets, version + 1, "active"
        return True

    async def set_connection_status(self, connection_id: str, status: str) -> None:
        self.rows[connection_id].status = status


@dataclass
class House:
    """A keyring with one connection, a clock and an OAuth server."""

    server: TokenServer
    now: float = NOW

    def __post_init__(self) -> None:
        self.vault = Vault([KEY])
        self.rows = Rows()
        self.keyring = self.new_keyring()

    def new_keyring(self) -> Keyring:
        return Keyring(
            self.vault,
            self.server.client(),
            clock=lambda: self.now,
            oauth_client=lambda app: Client(),
            draw=random.Random(1),
        )

    def add(self, tokens: Tokens, app: Any = FIC) -> Any:
        secrets = self.keyring.seal(tokens, tenant="main", connection_id="c1")
        self.rows.rows["c1"] = ConnectionRow(
            id="c1",
            tenant="main",
            app=app.key,
            name="Acme",
            base_url=BASE,
            settings={},
            status="active",
            created_at=NOW,
            secrets=secrets,
        )
        return self.keyring.credentials(app, "c1", self.rows)

    def stored(self) -> Tokens:
        secrets = self.rows.rows["c1"].secrets
        assert secrets is not None
        return Tokens.unpack(self.vault.open(secrets, **PLACE))


def tokens(life: float = 86400, access: str = "a/1", refresh: str | None = "r/1") -> Tokens:
    return Tokens(
        access_token=SecretStr(access),
        refresh_token=SecretStr(refresh) if refresh else None,
        issued_at=NOW + life - 86400,
        expires_at=NOW + life,
    )


@pytest.fixture
def house() -> House:
    return House(TokenServer())


async def test_good_tokens_are_read_once(house: House) -> None:
    credentials = house.add(tokens())
    for _ in range(5):
        assert (await credentials.get()).access_token == SecretStr("a/1")
    assert house.rows.reads == 1
    assert house.server.asked == []
    assert credentials.headers(await credentials.get()) == (("authorization", "Bearer a/1"),)


async def test_many_runs_renew_an_old_token_once(house: House) -> None:
    credentials = house.add(tokens(life=10))
    got = await asyncio.gather(*(credentials.get() for _ in range(50)))
    assert {one.access_token.get_secret_value() for one in got} == {"a/2"}
    assert len(house.server.asked) == 1
    assert house.stored().refresh_token == SecretStr("r/2")
    assert house.stored().refreshing is False
    assert house.rows.rows["c1"].version == 2


async def test_many_runs_with_a_refused_token_renew_it_once(house: House) -> None:
    credentials = house.add(tokens())
    used = await credentials.get()
    got = await asyncio.gather(*(credentials.replace(used) for _ in range(50)))
    assert {one.access_token.get_secret_value() for one in got} == {"a/2"}
    assert len(house.server.asked) == 1


async def test_it_is_renewed_some_minutes_early_and_not_before(house: House) -> None:
    credentials = house.add(tokens())
    await credentials.get()
    house.now = NOW + 86400 - 901
    await credentials.get()
    assert house.server.asked == []
    house.now = NOW + 86400 - 299
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_a_token_with_a_short_life_is_not_renewed_all_the_time(house: House) -> None:
    short = tokens().model_copy(update={"issued_at": NOW, "expires_at": NOW + 120})
    credentials = house.add(short)
    await credentials.get()
    house.now += 80
    await credentials.get()
    assert house.server.asked == []
    house.now += 20
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_that_a_refresh_was_begun_is_stored_before_it_is_sent(house: House) -> None:
    house.server.gate = asyncio.Event()
    credentials = house.add(tokens(life=-1))
    waiting = asyncio.create_task(credentials.get())
    while not house.server.asked:
        await asyncio.sleep(0)
    assert house.stored().refreshing is True
    house.server.gate.set()
    await waiting
    assert house.stored().refreshing is False


async def test_a_refresh_nobody_heard_ends_with_the_owner_not_in_a_loop(house: House) -> None:
    house.server.apply_then_break = True
    credentials = house.add(tokens(life=-1))
    with pytest.raises(Unclear):
        await credentials.get()
    house.server.apply_then_break = False
    with pytest.raises(Unauthorized, match="broke off unheard"):
        await credentials.get()
    assert house.rows.rows["c1"].status == "reconnect"
    asked = len(house.server.asked)
    with pytest.raises(Unauthorized):
        await credentials.get()
    assert len(house.server.asked) == asked


async def test_a_refused_refresh_marks_the_connection(house: House) -> None:
    credentials = house.add(tokens(life=-1, refresh="r/stolen"))
    with pytest.raises(Unauthorized):
        await credentials.get()
    assert house.rows.rows["c1"].status == "reconnect"


async def test_our_own_wrong_client_does_not_cost_the_owner_a_consent(house: House) -> None:
    house.server.answer = (401, {"error": "invalid_client"})
    credentials = house.add(tokens(life=-1))
    with pytest.raises(Unauthorized) as caught:
        await credentials.get()
    assert caught.value.who == "developer"
    assert house.rows.rows["c1"].status == "active"


async def test_an_early_renewal_that_fails_uses_the_old_token_and_asks_again_later(
    house: House,
) -> None:
    house.server.answer = (503, b"")
    credentials = house.add(tokens(life=200))
    for _ in range(5):
        assert (await credentials.get()).access_token == SecretStr("a/1")
    assert len(house.server.asked) == 1
    house.now += 61
    await credentials.get()
    assert len(house.server.asked) == 2
    house.now = NOW + 200
    with pytest.raises(Unclear):
        await credentials.get()


async def test_another_process_that_won_is_followed(house: House) -> None:
    """It renewed between our look at the row and our answer: its token is the living one."""
    house.server.gate = asyncio.Event()
    credentials = house.add(tokens(life=-1))
    mine = asyncio.create_task(credentials.get())
    while not house.server.asked:
        await asyncio.sleep(0)
    theirs = tokens(access="a/theirs", refresh="r/theirs")
    row = house.rows.rows["c1"]
    row.secrets = house.keyring.seal(theirs, tenant="main", connection_id="c1")
    row.version += 1
    house.server.answer = (400, {"error": "invalid_grant"})
    house.server.gate.set()
    assert (await mine).access_token == SecretStr("a/theirs")
    assert row.status == "active"


async def test_a_renewal_under_way_elsewhere_is_waited_for(house: House) -> None:
    credentials = house.add(tokens(life=-1))
    begun = house.stored().model_copy(update={"refreshing": True})

    async def beaten(connection_id: str, secrets: bytes, version: int) -> bool:
        row = house.rows.rows[connection_id]
        row.secrets = house.keyring.seal(begun, tenant="main", connection_id="c1")
        row.version += 1
        return False

    house.rows.save_secrets = beaten  # type: ignore[method-assign]
    with pytest.raises(NotSent):
        await credentials.get()
    assert house.server.asked == []


async def test_a_renewed_token_that_cannot_be_stored_is_still_used(house: House) -> None:
    house.server.gate = asyncio.Event()
    credentials = house.add(tokens(life=-1))
    waiting = asyncio.create_task(credentials.get())
    while not house.server.asked:
        await asyncio.sleep(0)
    house.rows.fail_saving = True
    house.server.gate.set()
    with pytest.raises(StoreError):
        await waiting
    assert (await credentials.get()).access_token == SecretStr("a/2")


async def test_a_new_consent_is_used_at_once(house: House) -> None:
    credentials = house.add(tokens())
    used = await credentials.get()
    house.add(tokens(access="a/new"))
    assert (await credentials.get()).access_token == SecretStr("a/1")
    assert (await credentials.replace(used)).access_token == SecretStr("a/new")
    house.add(tokens(access="a/newer"))
    house.keyring.forget("main", "c1")
    assert (await credentials.get()).access_token == SecretStr("a/newer")
    assert house.server.asked == []


async def test_a_token_by_hand_never_ends_and_cannot_be_renewed(house: House) -> None:
    credentials = house.add(Tokens(access_token=SecretStr("m")), app=PERFEX)
    house.now += 10 * 365 * 86400
    used = await credentials.get()
    assert credentials.headers(used) == (("authtoken", "m"),)
    with pytest.raises(Unauthorized):
        await credentials.replace(used)
    assert house.rows.rows["c1"].status == "reconnect"


@pytest.mark.parametrize("case", ["unknown", "other app", "no secrets", "reconnect"])
async def test_a_connection_that_cannot_be_used_says_who_acts(house: House, case: str) -> None:
    credentials = house.add(tokens())
    row = house.rows.rows["c1"]
    if case == "unknown":
        del house.rows.rows["c1"]
    elif case == "other app":
        row.app = "perfex_crm"
    elif case == "no secrets":
        row.secrets = None
    else:
        row.status = "reconnect"
    with pytest.raises(Unauthorized) as caught:
        await credentials.get()
    assert caught.value.who == "connection_owner"


async def test_secrets_of_another_tenant_do_not_open(house: House) -> None:
    house.add(tokens())
    foreign = Rows("other")
    foreign.rows = house.rows.rows
    with pytest.raises(StoreError):
        await house.keyring.credentials(FIC, "c1", foreign).get()


async def test_the_real_store_keeps_what_the_keyring_needs(tmp_path: Path) -> None:
    """The same rows as `Rows` above, on SQLite: version check, status, one-time states."""
    database = open_database(f"sqlite:///{tmp_path / 'connector.db'}")
    try:
        rows = database.tenant("main")
        await rows.ensure(NOW)
        house = House(TokenServer())
        house.add(tokens(life=-1))
        await rows.save_connection(house.rows.rows["c1"])
        credentials = house.keyring.credentials(FIC, "c1", rows)
        got = await asyncio.gather(*(credentials.get() for _ in range(20)))
        assert {one.access_token.get_secret_value() for one in got} == {"a/2"}
        assert len(house.server.asked) == 1
        restarted = house.new_keyring().credentials(FIC, "c1", rows)
        assert (await restarted.get()).refresh_token == SecretStr("r/2")
        house.server.refresh = "revoked"
        with pytest.raises(Unauthorized):
            await restarted.replace(await restarted.get())
        stored = await rows.connection("c1")
        assert stored is not None
        assert stored.status == "reconnect"
        asked: dict[str, Any] = {"base_url": BASE, "redirect_uri": "x", "scopes": (), "now": NOW}
        consent = await begin_consent(rows, FIC, Client(), request={"name": "A"}, **asked)
        assert (await take_consent(rows, consent.state, NOW))["request"] == {"name": "A"}
        with pytest.raises(NotConnected):
            await take_consent(rows, consent.state, NOW)
    finally:
        await database.close()


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "address", "expected"),
    [
        (FIC, "", "https://api-v2.fattureincloud.it"),
        (FIC, "http://127.0.0.1:9001/", "http://127.0.0.1:9001"),
        (PERFEX, "https://crm.example.it", "https://crm.example.it/api"),
        (PERFEX, " https://crm.example.it/ ", "https://crm.example.it/api"),
        (PERFEX, "https://example.it/crm/", "https://example.it/crm/api"),
        (PERFEX, "https://example.it/crm/api", "https://example.it/crm/api"),
        (PERFEX, "http://localhost:9002", "http://localhost:9002/api"),
        (PERFEX, "http://[::1]:9002", "http://[::1]:9002/api"),
    ],
)
def test_addresses(app: Any, address: str, expected: str) -> None:
    assert base_url_of(app, address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        "crm.example.it",
        "http://crm.example.it",
        "http://127.0.0.1.evil.example",
        "ftp://crm.example.it",
        "https://",
        "https://user:pw@crm.example.it",
        "https://user@crm.example.it",
        "https://:pw@crm.example.it",
        "https://crm.example.it?x=1",
        "https://crm.example.it#x",
        "https://crm.example.it/../x",
        "https://crm.example.it//x",
        "https://crm.example.it:0",
        "https://crm.example.it:x",
        "https://crm.exa mple.it",
        "https://crm.example.it\\@evil.example",
        "https://crm.exämple.it",
        "https://[::1",
        "https://crm.example.it/\r\nx",
    ],
)
def test_addresses_that_would_leak_or_mislead_are_refused(address: str) -> None:
    with pytest.raises(NotConnected) as caught:
        base_url_of(PERFEX, address)
    assert caught.value.field == "address"
