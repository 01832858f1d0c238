"""A bookkeeper's office on the sandbox: nodes run as the engine runs them, writes and all."""

from __future__ import annotations

import itertools
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from connector.caller import AppCaller
from connector.catalog import Catalog
from connector.engine.effects import Effects
from connector.engine.looking import Intent
from connector.engine.runs import read
from connector.http import asgi_client
from connector.model import Action, Connection, HttpRequest, Search
from connector.quota import Limiter, MemoryLedger
from connector.sandbox import ManualClock, Sandbox, SandboxConfig
from connector.store.sqlite.database import Database
from tests.loaded import the_catalog

FIC = "https://fic.test"
COMPANY = 108_061
ADDA: dict[str, Any] = {
    "name": "Officine Adda S.r.l.",
    "type": "company",
    "vat_number": "IT09876543217",
    "tax_code": "09876543217",
    "address_street": "Via Po 7",
    "address_postal_code": "24121",
    "address_city": "Bergamo",
    "address_province": "BG",
    "country": "Italia",
    "email": "amm@officineadda.example",
    "e_invoice": True,
    "ei_code": "M5UXCR1",
    "default_payment_terms": 30,
}


@cache
def catalog() -> Catalog:
    return the_catalog()


class Tokens:
    """The sandbox's token, which never ends."""

    def __init__(self, token: str) -> None:
        self._tokens = SimpleNamespace(access_token=SecretStr(token), refresh_token=None)

    async def get(self) -> Any:
        return self._tokens

    async def replace(self, used: Any) -> Any:
        raise AssertionError("it was not refused")

    async def give_up(self) -> None:
        raise AssertionError("it was not refused")

    def headers(self, tokens: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {tokens.access_token.get_secret_value()}"),)


class Watched(AppCaller):
    """Remembers what it has sent."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.sent: list[HttpRequest] = []

    async def send(self, prepared: HttpRequest, **rest: Any) -> Any:
        self.sent.append(prepared)
        return await super().send(prepared, **rest)


class Office:
    """One company; `do` runs a node by its key, with the company's id filled in."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.clock = ManualClock()
        self.sandbox = Sandbox(SandboxConfig(seed=7, **config), clock=self.clock)
        self.http = asgi_client({FIC: self.sandbox.fic_app})
        self.database = Database(folder / "connector.db")
        self.store = self.database.tenant("main")
        self.effects = Effects(self.now, b"installation key of this test")
        app = catalog().app("fatture_in_cloud").model_copy(update={"quotas": ()})
        self.caller = Watched(
            app,
            Connection(id="c1", app=app.key, name="Test", base_url=FIC),
            http=self.http,
            signer=Tokens(self.sandbox.fic.manual_token),
            limiter=Limiter(self.now, MemoryLedger()),
        )
        self._ids = itertools.count(1)

    def now(self) -> float:
        return self.clock().timestamp()

    def later(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds).total_seconds())

    async def do(self, key: str, /, *, event: str = "", **inputs: Any) -> Any:
        node = catalog().operation(f"fatture_in_cloud.{key}")
        given = {"company_id": COMPANY, **inputs}
        if isinstance(node, Search):
            return await read(node, given, self.caller)
        intent = self.intent(node, given, event or f"event {next(self._ids)}")
        return await self.effects.perform(intent, self.store, self.caller, self.find)

    def intent(self, node: Action, given: dict[str, Any], event: str) -> Intent:
        return Intent(
            connection_id="c1",
            flow="orders",
            step="write",
            event_id=event,
            item_id="1",
            run_id=1,
            action=node,
            inputs=given,
        )

    async def find(self, key: str, criteria: dict[str, Any]) -> dict[str, Any]:
        search = catalog().operation(f"fatture_in_cloud.{key}")
        assert isinstance(search, Search)
        found: dict[str, Any] = await read(search, criteria, self.caller)
        return found

    def client(self, **fields: Any) -> dict[str, Any]:
        return self.sandbox.person.create("clients", {**ADDA, **fields})

    def product(self, **fields: Any) -> dict[str, Any]:
        return self.sandbox.person.create("products", {"name": "Canone", "net_price": 80, **fields})

    def document(self, id_: Any) -> dict[str, Any]:
        found = self.sandbox.fic.first_company.tables["issued_documents"].get(id_)
        assert found is not None
        return found

    @property
    def writes(self) -> int:
        return sum(self.sandbox.fic.ledger.writes.values())
