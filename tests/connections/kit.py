"""One connection as tests have it: its apps, its key, its OAuth server, and a keyring."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from pydantic import SecretStr

from connector.apps import fatture_in_cloud, perfex_crm
from connector.codec import encode
from connector.connections import Keyring, Tokens, Vault
from connector.errors import StoreError
from connector.http import HttpClient, asgi_client
from connector.store.rows import ConnectionRow

FIC = fatture_in_cloud.build()
PERFEX = perfex_crm.build()
BASE = "https://fic.example"
NOW = 1_772_600_000.0
KEY = bytes(range(32))
NEWER = bytes(range(1, 33))
OUR_SECRET = SecretStr("s3cret-of-ours")
PLACE = {"tenant": "main", "connection": "c1", "field": "tokens"}


@dataclass
class Client:
    client_id: str = "CID"
    client_secret: SecretStr = OUR_SECRET
    barred: str = "evil.example"

    def may_go_to(self, base_url: str) -> bool:
        return self.barred not in base_url


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
